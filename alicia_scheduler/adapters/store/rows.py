"""How records become rows and rows become records.

A row goes in as a sequence of parameters and comes out as a JSON array. Instants are whole microseconds since the
epoch. Fields that are seldom set stand together in one JSON object, ``detail``, and only when they differ from their
default: rows stay short, and a new field needs no new column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError

from alicia_scheduler.core.model.event import EventDefaults, ScheduledEvent, parse_event
from alicia_scheduler.core.model.restore import restored_event
from alicia_scheduler.core.state import (
    AttemptRecord,
    Counters,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    RequestRecord,
    ServiceMark,
    TriggeredBy,
)
from alicia_scheduler.errors import StoreError

Row = list[Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNREADABLE = "This version cannot read the stored definition"

STATE_ROW = (
    "json_array(s.key, s.event_id, s.status, s.mark_time, s.anchor_time, s.next_time, s.wake_time, s.generation, "
    "s.unfinished, s.fired_count, s.run_count, s.success_count, s.failure_count, s.skipped_count, s.missed_count, "
    "s.last_run_time, s.last_status, json(s.detail))"
)
EXECUTION_ROW = (
    "json_array(e.execution_id, e.event_key, e.event_id, e.status, e.triggered_by, e.scheduled_time, e.due_time, "
    "e.created_time, e.priority, e.held, e.retry_time, e.end_time, json(e.detail))"
)
RECORD_ROW = "json_array(r.key, r.event_id, r.revision, r.origin, r.created_time, r.updated_time, r.definition)"

_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_EVENT_STATUS = {str(status): status for status in EventStatus}
_STATUS = {str(status): status for status in ExecutionStatus}
_TRIGGERED_BY = {str(cause): cause for cause in TriggeredBy}


def packed(rows: Iterable[Any]) -> str:
    """The values as the one JSON parameter of a statement.

    Raises:
        StoreError: A row holds something that JSON cannot say.
    """
    return _packed_strictly(list(rows))


def packed_object(value: Mapping[str, Any]) -> str:
    """The object as JSON text.

    Raises:
        StoreError: It holds something that JSON cannot say.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits, half of a surrogate pair, or no JSON at all
        return _packed_strictly(value)


def _packed_strictly(value: Any) -> str:
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"a row cannot be stored: {error}") from error


def unpacked(text: str) -> list[Any]:
    """The rows in the one JSON value that a statement returned."""
    found: list[Any] = json.loads(text)
    return found


def unpacked_states(text: str) -> list[Any]:
    """As ``unpacked``, twice as fast, for rows that hold small numbers only: larger ones would lose digits."""
    try:
        found: list[Any] = orjson.loads(text)
    except orjson.JSONDecodeError:  # half of a surrogate pair in an error text
        return unpacked(text)
    return found


def micros(instant: datetime) -> int:
    """The instant as microseconds since the epoch."""
    return (instant - EPOCH) // MICROSECOND


def micros_or_none(instant: datetime | None) -> int | None:
    """As ``micros``; None stays None."""
    return None if instant is None else micros(instant)


def instant(us: int) -> datetime:
    """The instant that lies so many microseconds after the epoch."""
    return EPOCH + timedelta(0, 0, us)


def instant_or_none(us: int | None) -> datetime | None:
    """As ``instant``; None stays None."""
    return None if us is None else EPOCH + timedelta(0, 0, us)


# --- scheduled events ---


def record_row(record: EventRecord) -> Row:
    """The wide row of an event."""
    definition = record.definition
    return [
        record.key,
        record.event_id,
        record.revision,
        record.origin,
        definition.namespace,
        definition.module_id,
        definition.schedule_type,
        definition.name.casefold(),
        packed(definition.tags),
        micros(record.created_at),
        micros(record.updated_at),
        definition.model_dump_json(),
        definition.dest_id,
    ]


def record_from(row: Row) -> EventRecord:
    """The record in a row; a stand-in that never fires when this version cannot read the definition."""
    key, event_id, revision, origin, created, updated, definition = row
    try:
        event = restored_event(definition)
    except ValidationError as error:
        event = _stand_in(event_id, error)
    return EventRecord(key, event_id, revision, event, origin, instant(created), instant(updated))


def _stand_in(event_id: str, error: ValidationError) -> ScheduledEvent:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, problem["loc"]))
    raw = {
        "event_id": event_id,
        "description": f"{UNREADABLE}: {where}: {problem['msg']}"[:1000],
        "schedule_type": "manual",
        "action": {},
        "enabled": False,
    }
    return parse_event(raw, EventDefaults())


def unreadable_problem(record: EventRecord) -> str | None:
    """What this version could not read in the definition that the record stands in for; None for a real record."""
    description = record.definition.description
    return description if description.startswith(UNREADABLE) else None


def state_row(state: EventState) -> Row:
    """The narrow row of an event."""
    return [
        state.key,
        state.event_id,
        state.status.value,
        micros(state.mark_time),
        micros(state.anchor_time),
        micros_or_none(state.next_time),
        micros_or_none(state.wake_time),
        state.generation,
        state.unfinished,
        state.fired_count,
        state.run_count,
        state.success_count,
        state.failure_count,
        state.skipped_count,
        state.missed_count,
        micros_or_none(state.last_run_time),
        None if state.last_status is None else state.last_status.value,
        _state_detail(state),
    ]


def _state_detail(state: EventState) -> str | None:
    detail = {
        "last_error": state.last_error,
        "paused_at": micros_or_none(state.paused_at),
        "paused_until": micros_or_none(state.paused_until),
        "pause_note": state.pause_note,
        "pause_cause": state.pause_cause,
    }
    rare = {name: value for name, value in detail.items() if value is not None}
    return packed_object(rare) if rare else None


def state_from(row: Row) -> EventState:
    """The state in a row."""
    detail = row[17] or {}
    return EventState(
        key=row[0],
        event_id=row[1],
        status=_EVENT_STATUS[row[2]],
        mark_time=instant(row[3]),
        anchor_time=instant(row[4]),
        next_time=instant_or_none(row[5]),
        wake_time=instant_or_none(row[6]),
        generation=row[7],
        unfinished=row[8],
        fired_count=row[9],
        run_count=row[10],
        success_count=row[11],
        failure_count=row[12],
        skipped_count=row[13],
        missed_count=row[14],
        last_run_time=instant_or_none(row[15]),
        last_status=None if row[16] is None else _STATUS[row[16]],
        last_error=detail.get("last_error"),
        paused_at=instant_or_none(detail.get("paused_at")),
        paused_until=instant_or_none(detail.get("paused_until")),
        pause_note=detail.get("pause_note"),
        pause_cause=detail.get("pause_cause"),
    )


# --- executions ---

_PLAIN_DETAIL = {
    name: default
    for name, default in Execution._field_defaults.items()
    if name
    in {
        "reason", "attempt", "fence", "result", "error_message", "error_code", "missed_count", "crash_count",
        "trace_id", "payload", "trigger_event",
    }
}  # fmt: skip
_DETAIL_TIMES = ("start_time", "last_missed_time")


def execution_row(execution: Execution) -> Row:
    """The row of an execution."""
    return [
        execution.execution_id,
        execution.event_key,
        execution.event_id,
        execution.status.value,
        execution.triggered_by.value,
        micros(execution.scheduled_time),
        micros(execution.due_time),
        micros(execution.created_at),
        execution.priority,
        int(execution.held),
        micros_or_none(execution.retry_time),
        micros_or_none(execution.end_time),
        packed_object(_execution_detail(execution)),
    ]


def _execution_detail(execution: Execution) -> dict[str, Any]:
    detail: dict[str, Any] = {"name": execution.name}
    for name, default in _PLAIN_DETAIL.items():
        value = getattr(execution, name)
        if value is not default and (value != default or type(value) is not type(default)):
            detail[name] = value
    for name in _DETAIL_TIMES:
        at = getattr(execution, name)
        if at is not None:
            detail[name] = micros(at)
    if execution.attempts:
        detail["attempts"] = [_attempt_row(attempt) for attempt in execution.attempts]
    return detail


def execution_from(row: Row) -> Execution:
    """The execution in a row."""
    detail = row[12]
    for name in _DETAIL_TIMES:
        if name in detail:
            detail[name] = instant(detail[name])
    if "attempts" in detail:
        detail["attempts"] = tuple(_attempt_from(attempt) for attempt in detail["attempts"])
    return Execution(
        execution_id=row[0],
        event_key=row[1],
        event_id=row[2],
        status=_STATUS[row[3]],
        triggered_by=_TRIGGERED_BY[row[4]],
        scheduled_time=instant(row[5]),
        due_time=instant(row[6]),
        created_at=instant(row[7]),
        priority=row[8],
        held=bool(row[9]),
        retry_time=instant_or_none(row[10]),
        end_time=instant_or_none(row[11]),
        **detail,
    )


def _attempt_row(attempt: AttemptRecord) -> Row:
    start, end = micros(attempt.start_time), micros_or_none(attempt.end_time)
    return [attempt.attempt, start, end, attempt.status, attempt.error_message]


def _attempt_from(row: Row) -> AttemptRecord:
    number, start, end, status, message = row
    return AttemptRecord(number, instant(start), instant_or_none(end), _STATUS[status], message)


# --- requests and the service mark ---


def request_row(request: RequestRecord) -> Row:
    """The row of a request."""
    return [request.request_id, request.fingerprint, request.answer, micros(request.answered_at)]


def request_from(row: Row) -> RequestRecord:
    """The request in a row."""
    request_id, fingerprint, answer, answered = row
    return RequestRecord(request_id, fingerprint, answer, instant(answered))


def mark_values(mark: ServiceMark) -> Mapping[str, Any]:
    """The service mark as the parameters of its statement."""
    return {
        "next_key": mark.counters.key,
        "next_fence": mark.counters.fence,
        "next_sequence": mark.counters.sequence,
        "alive_time": micros_or_none(mark.alive_at),
        "clean": int(mark.clean),
        "starts": mark.starts,
        "serial": mark.serial,
        "next_offset": mark.counters.offset,
    }


def mark_from(row: tuple[Any, ...]) -> ServiceMark:
    """The service mark in a row."""
    key, fence, sequence, alive, clean, starts, serial, offset = row
    counters = Counters(key, fence, sequence, offset)
    return ServiceMark(counters, instant_or_none(alive), bool(clean), starts, serial)
