"""Rows for the store tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.model.event import EventDefaults, parse_event
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.core.state import (
    AttemptRecord,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    RequestRecord,
    TriggeredBy,
)
from alicia_scheduler.ports import Store

T0 = datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=UTC)
SECOND = timedelta(seconds=1)
S = ExecutionStatus


def record(event_id: str, key: int, *, origin: str = "bus", revision: int = 1, **fields: Any) -> EventRecord:
    raw = {
        "event_id": event_id,
        "schedule_type": "interval",
        "schedule_config": {"every": "5m"},
        "action": {"topic": f"lamp/{event_id}/set", "message": {"state": "ON"}},
        **fields,
    }
    return EventRecord(key, event_id, revision, parse_event(raw, EventDefaults()), origin, T0, T0 + SECOND)


def state(event_id: str, key: int, **fields: Any) -> EventState:
    return EventState(key, event_id, fields.pop("status", EventStatus.ACTIVE), T0, T0, **fields)


def execution(execution_id: str, event_id: str = "a", key: int = 1, **fields: Any) -> Execution:
    at = fields.pop("at", T0)
    return Execution(
        execution_id=execution_id,
        event_key=key,
        event_id=event_id,
        name=event_id,
        status=fields.pop("status", S.PENDING),
        triggered_by=fields.pop("triggered_by", TriggeredBy.SCHEDULER),
        scheduled_time=at,
        due_time=fields.pop("due_time", at),
        created_at=fields.pop("created_at", at),
        **fields,
    )


def full_state(event_id: str, key: int) -> EventState:
    """A state whose every field differs from its default."""
    return EventState(
        key=key,
        event_id=event_id,
        status=EventStatus.PAUSED,
        mark_time=T0,
        anchor_time=T0 - timedelta(days=400),
        next_time=T0 + SECOND,
        wake_time=T0 + 2 * SECOND,
        generation=3,
        unfinished=1,
        fired_count=5,
        run_count=6,
        success_count=7,
        failure_count=8,
        skipped_count=9,
        missed_count=10,
        last_run_time=T0 - SECOND,
        last_status=S.TIMED_OUT,
        last_error='no "answer"\n\x00 \ud800 ü€😀',
        paused_at=T0 - 3 * SECOND,
        paused_until=T0 + 4 * SECOND,
        pause_note="Ferien — bis Montag",
        pause_cause="user",
    )


def full_execution(execution_id: str, event_id: str = "a", key: int = 1) -> Execution:
    """An execution whose every field differs from its default."""
    return Execution(
        execution_id=execution_id,
        event_key=key,
        event_id=event_id,
        name='Ü "quoted"',
        status=S.RETRYING,
        triggered_by=TriggeredBy.CATCH_UP,
        scheduled_time=T0,
        due_time=T0 + SECOND,
        created_at=T0 + 2 * SECOND,
        reason="catch_up",
        priority=-7,
        held=True,
        attempt=2,
        fence=99,
        start_time=T0 + 3 * SECOND,
        end_time=T0 + 4 * SECOND,
        retry_time=T0 + 5 * SECOND,
        attempts=(
            AttemptRecord(1, T0, T0 + SECOND, S.FAILED, "refused\x00"),
            AttemptRecord(2, T0 + SECOND),
        ),
        result={"status": 200, "body": ["é", None, 1.5, 2**70, True, {"a\x00b": ""}]},
        error_message="\x00 null, \ud83d lone",
        error_code="publish_refused",
        missed_count=4,
        last_missed_time=T0 + 6 * SECOND,
        crash_count=1,
        trace_id="trace",
        payload=[{"level": 0}, "text"],
        trigger_event={"key": "rain", "chain": ["default/rain"], "payload": {"x": [None, "{{ y }}"]}},
    )


def message(sequence: int, payload: bytes = b'{"a": 1}') -> OutboxRow:
    return OutboxRow(sequence, OutgoingMessage(f"out/{sequence}", payload), T0)


def request(request_id: str, *, answered_at: datetime = T0) -> RequestRecord:
    return RequestRecord(request_id, "f" * 32, '{"status":"ok","name":"ü\\u0000"}', answered_at)


def creation(*events: tuple[EventRecord, EventState]) -> Changes:
    return Changes(records={r.event_id: r for r, _ in events}, states={s.event_id: s for _, s in events})


def planned(*executions: Execution) -> Changes:
    ids = {e.execution_id for e in executions}
    return Changes(executions={e.execution_id: e for e in executions}, new_executions=ids)


async def commit(store: Store, *changes: Changes) -> None:
    async with store.transaction() as transaction:
        for each in changes:
            await transaction.apply(each)


async def load(store: Store, needs: Needs) -> Snapshot:
    async with store.transaction() as transaction:
        return await transaction.load(needs)


def ids(*names: str) -> Needs:
    return Needs(event_ids=frozenset(names))


async def add_events(store: Store, *names: str, **fields: Any) -> None:
    """Events with keys 1, 2, 3 … in the order of their names here."""
    await commit(store, creation(*((record(n, k), state(n, k, **fields)) for k, n in enumerate(names, 1))))


async def finish(store: Store, done: Execution, status: ExecutionStatus, end_time: datetime) -> None:
    ended = done._replace(status=status, end_time=end_time)
    await commit(store, Changes(executions={ended.execution_id: ended}))
