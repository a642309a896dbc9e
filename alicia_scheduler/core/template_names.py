"""What the templates of an execution can name: plain JSON, times in epoch seconds (docs/templates.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from alicia_scheduler.core.state import EventRecord, Execution
from alicia_scheduler.core.thrown.context import event_names

Json = Any


def execution_names(record: EventRecord, execution: Execution, now: datetime) -> dict[str, Json]:
    """The names of one execution, made anew for every rendering."""
    event = record.definition
    return {
        "event": {
            "event_id": event.event_id,
            "name": event.name,
            "namespace": event.namespace,
            "tags": list(event.tags),
            "metadata": event.metadata,
        },
        "execution": execution_metadata(execution, now),
        "payload": execution.payload,
        "metadata": event.metadata,
        "now": now.timestamp(),
        **event_names(execution),
    }


def execution_metadata(execution: Execution, now: datetime) -> dict[str, Json]:
    """What a message says about the execution that sends it."""
    return {
        "execution_id": execution.execution_id,
        "event_id": execution.event_id,
        "scheduled_time": execution.scheduled_time.timestamp(),
        "execution_time": now.timestamp(),
        "triggered_by": execution.triggered_by.value,
        "attempt": execution.attempt,
        "fence": execution.fence,
    }
