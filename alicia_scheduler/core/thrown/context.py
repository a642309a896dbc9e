"""The names under which an execution's templates see what triggered it, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping

from alicia_scheduler.core.state import Execution, TriggeredBy
from alicia_scheduler.core.thrown.model import Json

SHORT = 6
"""Characters of the unique id in ``_event_<id>``."""


def event_names(execution: Execution) -> dict[str, Json]:
    """``_event`` and ``_event_<first six of its unique id>``; nothing for a fire of the timer.

    The names are made for one rendering from what the execution carries with it, so two executions never see each
    other's data, and none of it is left anywhere afterwards.
    """
    event = execution.trigger_event
    if event is None and execution.triggered_by is TriggeredBy.MANUAL and execution.payload is not None:
        event = {
            "kind": "manual", "key": "trigger_event", "namespace": None, "value": None, "payload": execution.payload,
            "sender": None, "display_name": None, "unique_id": execution.execution_id, "offset": None, "dest_id": None,
            "created_at": execution.created_at.timestamp(),
        }  # fmt: skip
    return names_for(event) if isinstance(event, dict) else {}


def names_for(event: Mapping[str, Json]) -> dict[str, Json]:
    """The names under which a template sees the event.

    >>> sorted(names_for({"unique_id": "5f0c77aa", "key": "rain"}))
    ['_event', '_event_5f0c77']
    """
    shown = {name: value for name, value in event.items() if name not in ("chain", "trigger")}
    return {"_event": shown, f"_event_{str(event['unique_id'])[:SHORT]}": shown}
