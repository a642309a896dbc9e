"""What the service publishes: topic, bytes, QoS and retain flag of every message but those of actions.

Messages for one fire are built at every fire, so the document of an execution is encoded once and put into both its
result and its lifecycle message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from alicia_scheduler.core.announcement import (
    Announcement,
    EventChanged,
    EventThrown,
    ExecutionChanged,
    Problem,
    Recovered,
)
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.state import EventRecord, EventState
from alicia_scheduler.wire.answers import answer_error, answer_message, answer_ok, answer_topic, error_document
from alicia_scheduler.wire.codec import encode, encode_known
from alicia_scheduler.wire.documents import (
    event_document,
    execution_document,
    execution_message,
    fire_document,
    state_document,
    timestamps,
)
from alicia_scheduler.wire.envelope import SOURCE, envelope
from alicia_scheduler.wire.thrown_documents import thrown_document
from alicia_scheduler.wire.topics import Topics

__all__ = [
    "AnnouncedMessages", "ServiceStatus", "announcement_messages", "answer_error", "answer_message", "answer_ok",
    "answer_topic", "availability", "enveloped", "error_document", "event_document", "execution_document",
    "fire_document", "state_cleared", "state_message", "status_document", "status_message",
]  # fmt: skip


_SOURCE = SOURCE.encode()


@dataclass(frozen=True, slots=True)
class AnnouncedMessages:
    """The messages that one announcement becomes.

    Attributes:
        durable: For the outbox, committed with what they announce.
        volatile: Sent once the commit is done, if the connection is up.
    """

    durable: tuple[OutgoingMessage, ...] = ()
    volatile: tuple[OutgoingMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How the service is doing, for ``get_stats`` and the retained ``…/status``.

    Attributes:
        queued: Executions that wait for a free place or for another execution.
        outbox: Messages that wait for the broker.
        lag: Seconds by which the oldest due fire is late.
        counters: Whatever else is counted, by name.
    """

    version: str
    started_at: datetime
    events: int
    executions: int
    due: int
    running: int
    queued: int
    retrying: int
    outbox: int
    lag: float
    counters: Mapping[str, int | float]


def announcement_messages(
    announcement: Announcement, topics: Topics, now: datetime, *, lifecycle: bool = True
) -> AnnouncedMessages:
    """Every message that the announcement calls for.

    Args:
        lifecycle: Whether lifecycle events are among them.

    Raises:
        ValueError: an execution's result is not a JSON value.
    """
    match announcement:
        case ExecutionChanged():
            return _of_execution(announcement, topics, now, lifecycle)
        case EventChanged(change, record, state):
            data = encode_known(event_document(record, state))
            return AnnouncedMessages(volatile=_lifecycle(change, data, topics, now, lifecycle))
        case EventThrown(thrown, dest_ids):
            data = encode({**thrown_document(thrown, dest_ids), **timestamps("timestamp", now)})
            return AnnouncedMessages(durable=(OutgoingMessage(topics.thrown(thrown.namespace, thrown.key), data),))
        case Problem():
            return AnnouncedMessages(durable=(_problem(announcement, topics, now),))
        case Recovered():
            return AnnouncedMessages(durable=(_recovered(announcement, topics, now),))
        case _:
            assert_never(announcement)


def state_message(record: EventRecord, state: EventState, topics: Topics) -> OutgoingMessage:
    """The retained state of one event."""
    return OutgoingMessage(
        topics.state(record.event_id), encode_known(state_document(record, state)), qos=1, retain=True
    )


def state_cleared(event_id: str, topics: Topics) -> OutgoingMessage:
    """Empty and retained: the broker forgets the state of a deleted event."""
    return OutgoingMessage(topics.state(event_id), b"", qos=1, retain=True)


def availability(online: bool, topics: Topics) -> OutgoingMessage:
    """Whether the service is there; ``offline`` is also the will."""
    return OutgoingMessage(topics.availability, b"online" if online else b"offline", qos=1, retain=True)


def status_document(status: ServiceStatus, now: datetime) -> dict[str, Any]:
    """The ``data`` of ``get_stats``."""
    return {
        "version": status.version,
        **timestamps("started_at", status.started_at),
        "uptime_seconds": (now - status.started_at).total_seconds(),
        "events": status.events,
        "executions": status.executions,
        "due": status.due,
        "running": status.running,
        "queued": status.queued,
        "retrying": status.retrying,
        "outbox": status.outbox,
        "lag_seconds": status.lag,
        "counters": dict(status.counters),
        **timestamps("timestamp", now),
    }


def status_message(status: ServiceStatus, topics: Topics, now: datetime) -> OutgoingMessage:
    """The retained status of the service."""
    return OutgoingMessage(topics.status, encode(status_document(status, now)), qos=0, retain=True)


def enveloped(message: OutgoingMessage, message_id: str, correlation_id: str | None, now: datetime) -> OutgoingMessage:
    """The message with its JSON object in an Alicia envelope; one without an object stays as it is."""
    if not message.payload.startswith(b"{"):
        return message
    frame = envelope({}, message_id, correlation_id, now)
    del frame["payload"]
    payload = encode(frame)[:-1] + b',"payload":' + message.payload + b"}"
    return message._replace(payload=payload)


def _of_execution(announcement: ExecutionChanged, topics: Topics, now: datetime, lifecycle: bool) -> AnnouncedMessages:
    change = announcement.change
    data = encode_known(execution_message(announcement.execution, now))
    durable: tuple[OutgoingMessage, ...] = ()
    if change == "execution_completed":
        durable = (OutgoingMessage(topics.execution_results, data),)
    elif change == "execution_failed":
        durable = (OutgoingMessage(topics.execution_failures, data),)
    return AnnouncedMessages(durable, _lifecycle(change, data, topics, now, lifecycle))


def _lifecycle(
    event_type: str, data: bytes, topics: Topics, now: datetime, wanted: bool
) -> tuple[OutgoingMessage, ...]:
    """The same message twice: on the topic for all lifecycle events, and on that of its type."""
    if not wanted:
        return ()
    payload = b'{"event_type":"%b","event_data":%b,"timestamp":%r,"source":"%b"}' % (
        event_type.encode(), data, now.timestamp(), _SOURCE,
    )  # fmt: skip
    return (
        OutgoingMessage(topics.events, payload, qos=0),
        OutgoingMessage(topics.event_type(event_type), payload, qos=0),
    )


def _problem(problem: Problem, topics: Topics, now: datetime) -> OutgoingMessage:
    document: dict[str, Any] = {
        "error": problem.message,
        "code": problem.code,
        "event_id": problem.event_id,
        "execution_id": problem.execution_id,
        **timestamps("timestamp", now),
    }
    if problem.details:
        document["details"] = [{"field": field, "message": message} for field, message in problem.details]
    return OutgoingMessage(topics.errors, encode(document))


def _recovered(recovered: Recovered, topics: Topics, now: datetime) -> OutgoingMessage:
    document = {
        **recovered.data,
        "status": "recovered",
        "cause": recovered.cause,
        **timestamps("since", recovered.since),
        **timestamps("until", recovered.until),
        "clean": recovered.clean,
        "missed": recovered.missed,
        "resumed": recovered.resumed,
        **timestamps("timestamp", now),
    }
    return OutgoingMessage(topics.recovery, encode(document))
