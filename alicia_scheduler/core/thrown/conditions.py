"""Whether the condition of a trigger holds: yes, no, or it cannot be said."""

from __future__ import annotations

from collections.abc import Mapping

from alicia_scheduler.core.model.trigger import as_template
from alicia_scheduler.core.state import EventRecord
from alicia_scheduler.core.templates import TemplateError, render_value
from alicia_scheduler.core.thrown.arrival import Arrival
from alicia_scheduler.core.thrown.context import names_for
from alicia_scheduler.core.thrown.model import Json


def holds(
    condition: str | None, record: EventRecord, arrival: Arrival, variables: Mapping[str, Json], now: float
) -> bool:
    """Whether the condition is true of what has come; without one it is.

    Raises:
        TemplateError: It cannot be evaluated, or its value is neither true nor false.
    """
    if condition is None:
        return True
    event = record.definition
    names = {
        **names_for(arrival.document),
        "event": {"event_id": event.event_id, "name": event.name, "namespace": event.namespace,
                  "tags": list(event.tags), "metadata": event.metadata},
        "metadata": event.metadata,
        "vars": dict(variables),
        "now": now,
    }  # fmt: skip
    value = render_value(as_template(condition), names, "condition")
    if not isinstance(value, bool):
        raise TemplateError(f"expected true or false, got {value!r:.80}", "condition", condition[:80])
    return value
