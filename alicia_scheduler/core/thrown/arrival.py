"""What a trigger may wait for, once it has come: a thrown event, a change of an execution, a message on the bus."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alicia_scheduler.core.state import Execution
from alicia_scheduler.core.thrown.model import Entry, Json, Thrown, TriggerKey
from alicia_scheduler.core.thrown.waiting import EVENT, EXECUTION, MQTT

LINK = " → "


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that has come.

    Attributes:
        key: The key under which triggers wait for it.
        dest_id: The destination it came to; None reaches every one.
        mark: Text that nothing else that comes has; execution ids follow from it.
        document: What templates see as ``_event``.
        chain: What led to it, itself the last.
        status: For a change of an execution: what it came to.
    """

    key: TriggerKey
    mark: str
    document: dict[str, Json]
    chain: tuple[str, ...]
    dest_id: str | None = None
    offset: int | None = None
    status: str | None = None


def arrival_of_entry(thrown: Thrown, entry: Entry) -> Arrival:
    """A thrown event that is active in a queue."""
    document = {
        "kind": EVENT,
        "key": thrown.key,
        "namespace": thrown.namespace,
        "value": thrown.value,
        "payload": thrown.payload,
        "sender": thrown.sender,
        "display_name": thrown.display_name,
        "unique_id": thrown.unique_id,
        "offset": thrown.offset,
        "dest_id": entry.dest_id,
        "created_at": thrown.created_at.timestamp(),
    }
    key = TriggerKey(EVENT, thrown.namespace, thrown.key)
    return Arrival(key, thrown.unique_id, document, thrown.chain, dest_id=entry.dest_id, offset=thrown.offset)


def arrival_of_change(execution: Execution, change: str, now: datetime) -> Arrival:
    """An execution that came to something; ``change`` as in the name of its lifecycle event."""
    status = change.removeprefix("execution_")
    mark = f"{execution.execution_id}|{status}|{execution.attempt}"
    payload: dict[str, Any] = {
        "execution_id": execution.execution_id,
        "event_id": execution.event_id,
        "status": execution.status.value,
        "reason": execution.reason,
        "result": execution.result,
        "error_message": execution.error_message,
        "attempt": execution.attempt,
        "triggered_by": execution.triggered_by.value,
    }
    key = TriggerKey(EXECUTION, "", execution.event_id)
    chain = (*chain_of(execution), f"{execution.event_id} {status}")
    document = _internal(EXECUTION, f"execution.{status}", execution.event_id, payload, mark, now)
    return Arrival(key, mark, document, chain, status=status)


def arrival_of_message(key: TriggerKey, topic: str, body: Json, mark: str, now: datetime) -> Arrival:
    """A message on a topic that a trigger listens to."""
    return Arrival(key, mark, _internal(MQTT, topic, topic, body, mark, now), (f"mqtt {topic}",))


def chain_of(execution: Execution) -> tuple[str, ...]:
    """What led to the execution; nothing for one that a timer or a person made."""
    event = execution.trigger_event
    return tuple(event.get("chain", ())) if isinstance(event, dict) else ()


def _internal(kind: str, key: str, value: Json, payload: Json, mark: str, now: datetime) -> dict[str, Json]:
    return {
        "kind": kind,
        "key": key,
        "namespace": None,
        "value": value,
        "payload": payload,
        "sender": "scheduler" if kind == EXECUTION else "mqtt",
        "display_name": None,
        "unique_id": mark,
        "offset": None,
        "dest_id": None,
        "created_at": now.timestamp(),
    }
