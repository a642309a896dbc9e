"""From a nominal time that was accepted to the execution that carries it out."""

from __future__ import annotations

from typing import assert_never

from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.identity import fire_id, missed_id
from alicia_scheduler.core.overlap import Hold, Replace, Skip, Start, overlap_verdict
from alicia_scheduler.core.plan import Fire, MissedRange
from alicia_scheduler.core.state import EventRecord, EventStatus, Execution, ExecutionStatus, TriggeredBy


def limit_reached(draft: Draft, record: EventRecord) -> bool:
    """Whether the timer has made all the fires that ``max_executions`` allows."""
    limit = record.definition.max_executions
    return limit is not None and draft.state(record.event_id).fired_count >= limit


def fired(draft: Draft, record: EventRecord, fire: Fire) -> Execution:
    """Creates the execution of one fire of the timer, as the overlap policy wants it."""
    execution = start(draft, record, _execution(draft, record, fire))
    if execution.status is not ExecutionStatus.SKIPPED:
        state = draft.state(record.event_id)
        draft.put_state(state._replace(fired_count=state.fired_count + 1))
    return execution


def start(draft: Draft, record: EventRecord, execution: Execution) -> Execution:
    """Stores a new execution as the overlap policy wants it: free to run, held, skipped, or in place of others."""
    siblings = draft.unfinished(record.event_id)
    verdict = overlap_verdict(record.definition, siblings, execution.triggered_by)
    match verdict:
        case Start():
            draft.create(execution)
        case Hold():
            draft.create(execution._replace(held=True))
        case Skip(reason):
            draft.create(execution._replace(status=ExecutionStatus.SKIPPED, reason=reason, end_time=draft.now))
        case Replace():
            draft.create(execution._replace(held=True))
            cancel_all(draft, siblings, "replaced_by_next_fire")
        case _:
            assert_never(verdict)
    return draft.execution(execution.execution_id) or execution


def record_missed(draft: Draft, record: EventRecord, missed: MissedRange) -> None:
    """Keeps one record for all the nominal times of the range."""
    draft.create(_missed_execution(draft, record, missed))


def cancel_all(draft: Draft, executions: list[Execution], reason: str) -> None:
    """Cancels the executions; the action of one that runs is stopped."""
    for execution in executions:
        if execution.status is ExecutionStatus.RUNNING:
            draft.stop(execution.execution_id)
        current = draft.execution(execution.execution_id) or execution
        draft.move(current, ExecutionStatus.CANCELLED, reason=reason, end_time=draft.now, held=False, retry_time=None)


def _execution(draft: Draft, record: EventRecord, fire: Fire) -> Execution:
    return Execution(
        execution_id=fire_id(record, draft.state(record.event_id), fire.nominal),
        event_key=record.key,
        event_id=record.event_id,
        name=record.definition.name,
        status=ExecutionStatus.PENDING,
        triggered_by=fire.triggered_by,
        scheduled_time=fire.nominal,
        due_time=fire.due,
        created_at=draft.now,
        priority=record.definition.priority,
        missed_count=fire.missed_count,
    )


def _missed_execution(draft: Draft, record: EventRecord, missed: MissedRange) -> Execution:
    return Execution(
        execution_id=missed_id(record, draft.state(record.event_id), missed.first),
        event_key=record.key,
        event_id=record.event_id,
        name=record.definition.name,
        status=ExecutionStatus.MISSED,
        triggered_by=TriggeredBy.SCHEDULER,
        scheduled_time=missed.first,
        due_time=missed.first,
        created_at=draft.now,
        end_time=draft.now,
        reason=missed.reason,
        missed_count=missed.count,
        last_missed_time=missed.last,
    )


def end_event(draft: Draft, record: EventRecord, *, ran: bool) -> None:
    """Ends an event that has no further time: ``expired`` when a one-time event never ran, else ``completed``."""
    expired = record.definition.schedule_type == "once" and not ran
    status = EventStatus.EXPIRED if expired else EventStatus.COMPLETED
    ended = draft.state(record.event_id)._replace(status=status, next_time=None, wake_time=None)
    draft.put_state(ended)
    draft.announce_event("event_expired" if expired else "event_completed", record.event_id)
