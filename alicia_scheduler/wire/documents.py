"""Executions, scheduled events and fires as other programs read them: epoch seconds, and ``*_iso`` for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from alicia_scheduler.core.state import AttemptRecord, EventRecord, EventState, Execution, ExecutionStatus

__all__ = [
    "event_document", "execution_document", "execution_message", "fire_document", "state_document", "timestamps",
]  # fmt: skip

Document = dict[str, Any]

_WITH_ERROR = frozenset({ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.RETRYING})


def epoch(instant: datetime | None) -> float | None:
    """Epoch seconds."""
    return None if instant is None else instant.timestamp()


def timestamps(name: str, instant: datetime | None, zone: tzinfo = UTC) -> Document:
    """The instant twice: ``name`` in epoch seconds, ``name_iso`` in the zone.

    >>> timestamps("due_time", datetime(2026, 1, 1, tzinfo=UTC))
    {'due_time': 1767225600.0, 'due_time_iso': '2026-01-01T00:00:00+00:00'}
    """
    if instant is None:
        return {name: None, f"{name}_iso": None}
    local = instant if zone is UTC else instant.astimezone(zone)
    return {name: instant.timestamp(), f"{name}_iso": local.isoformat()}


def fire_document(due_time: datetime, timezone: str, note: str | None = None) -> Document:
    """One fire to come: the due time as an instant, in the event's zone and in UTC.

    >>> fire_document(datetime(2026, 7, 1, 5, tzinfo=UTC), "Europe/Berlin")["time_iso"]
    '2026-07-01T07:00:00+02:00'
    """
    return {
        "time": due_time.timestamp(),
        "time_iso": due_time.astimezone(ZoneInfo(timezone)).isoformat(),
        "utc_iso": due_time.isoformat(),
        "note": note,
    }


def execution_document(execution: Execution, timezone: str | None = None) -> Document:
    """The whole execution with its attempts; times for people in ``timezone``, else in UTC."""
    zone = _zone(timezone)
    return {
        "execution_id": execution.execution_id,
        "event_id": execution.event_id,
        "name": execution.name,
        "status": execution.status.value,
        "reason": execution.reason,
        "triggered_by": execution.triggered_by.value,
        **timestamps("scheduled_time", execution.scheduled_time, zone),
        **timestamps("due_time", execution.due_time, zone),
        **timestamps("start_time", execution.start_time, zone),
        **timestamps("end_time", execution.end_time, zone),
        **timestamps("retry_time", execution.retry_time, zone),
        "duration": _duration(execution),
        "retry_count": _retry_count(execution),
        "attempt": execution.attempt,
        "result": execution.result,
        "error_message": execution.error_message,
        "error_code": execution.error_code,
        "missed_count": execution.missed_count,
        **timestamps("last_missed_time", execution.last_missed_time, zone),
        "trace_id": execution.trace_id,
        "payload": execution.payload,
        "trigger_event": execution.trigger_event,
        "attempts": _attempts(execution.attempts),
    }


def execution_message(execution: Execution, now: datetime) -> Document:
    """What a message says of an execution: the fields of a result, and why, where it did not go well."""
    status = execution.status
    document: Document = {
        "execution_id": execution.execution_id,
        "event_id": execution.event_id,
        "name": execution.name,
        "status": status.value,
        "scheduled_time": execution.scheduled_time.timestamp(),
        "scheduled_time_iso": execution.scheduled_time.isoformat(),
        "start_time": epoch(execution.start_time),
        "end_time": epoch(execution.end_time),
        "duration": _duration(execution),
        "result": execution.result,
        "retry_count": _retry_count(execution),
        "attempt": execution.attempt,
        "triggered_by": execution.triggered_by.value,
        "missed_count": execution.missed_count,
        "timestamp": now.timestamp(),
        "timestamp_iso": now.isoformat(),
    }
    if status is not ExecutionStatus.COMPLETED:
        document |= _shortfall(execution)
    return document


def event_document(record: EventRecord, state: EventState) -> Document:
    """The definition in its canonical form, then what has happened so far."""
    zone = _zone(record.definition.timezone)
    return {
        **record.definition.model_dump(mode="json"),
        **_progress(state, zone),
        "pause_note": state.pause_note,
        "pause_cause": state.pause_cause,
        **timestamps("paused_at", state.paused_at, zone),
        **timestamps("paused_until", state.paused_until, zone),
        **timestamps("created_at", record.created_at, zone),
        **timestamps("updated_at", record.updated_at, zone),
        "revision": record.revision,
        "origin": record.origin,
    }


def state_document(record: EventRecord, state: EventState) -> Document:
    """The narrow view of an event that changes with every fire."""
    return {
        "event_id": record.event_id,
        "name": record.definition.name,
        **_progress(state, _zone(record.definition.timezone)),
        "revision": record.revision,
    }


def _progress(state: EventState, zone: tzinfo) -> Document:
    return {
        "state": state.status.value,
        "last_status": state.last_status.value if state.last_status else None,
        **timestamps("next_run", _next_run(state), zone),
        **timestamps("last_run", state.last_run_time, zone),
        "run_count": state.run_count,
        "success_count": state.success_count,
        "failure_count": state.failure_count,
        "skipped_count": state.skipped_count,
        "missed_count": state.missed_count,
        "last_error": state.last_error,
    }


def _next_run(state: EventState) -> datetime | None:
    """The due time of the next fire; ``wake_time`` alone may be the end of a pause."""
    return (state.wake_time or state.next_time) if state.next_time else None


def _shortfall(execution: Execution) -> Document:
    document: Document = {"reason": execution.reason}
    if execution.status in _WITH_ERROR:
        document["error_message"] = execution.error_message
        document["error_code"] = execution.error_code
        document["attempts"] = _attempts(execution.attempts)
    if execution.status is ExecutionStatus.RETRYING:
        document |= timestamps("retry_time", execution.retry_time)
    if execution.last_missed_time:
        document |= timestamps("last_missed_time", execution.last_missed_time)
    return document


def _attempts(attempts: Iterable[AttemptRecord]) -> list[Document]:
    return [
        {
            "attempt": attempt.attempt,
            **timestamps("start_time", attempt.start_time),
            **timestamps("end_time", attempt.end_time),
            "status": attempt.status.value,
            "error_message": attempt.error_message,
        }
        for attempt in attempts
    ]


def _duration(execution: Execution) -> float | None:
    if execution.start_time is None or execution.end_time is None:
        return None
    return (execution.end_time - execution.start_time).total_seconds()


def _retry_count(execution: Execution) -> int:
    return max(execution.attempt - 1, 0)


def _zone(name: str | None) -> tzinfo:
    return UTC if name is None or name == "UTC" else ZoneInfo(name)
