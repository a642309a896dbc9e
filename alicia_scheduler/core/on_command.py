"""What a command that changes something does: one function a command, found by its type."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from alicia_scheduler.core.answers import ChangeAnswer, DeletedAnswer, EventAnswer, ExecutionAnswer
from alicia_scheduler.core.commands import (
    CancelEvent,
    CancelExecution,
    Change,
    ClearThrown,
    ConsumeThrown,
    CreateEvent,
    DeleteEvent,
    DeleteVariable,
    PauseEvent,
    ResumeEvent,
    SetVariable,
    ThrowEvent,
    TriggerEvent,
    UpdateEvent,
)
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.editing import ENDED, CommandRules, create, update
from alicia_scheduler.core.event_answers import event_answer, existing
from alicia_scheduler.core.firing import cancel_all, start
from alicia_scheduler.core.identity import request_execution_id
from alicia_scheduler.core.lifecycle import is_finished
from alicia_scheduler.core.on_outcome import count_from_end
from alicia_scheduler.core.resting import paused, resume, stopped
from alicia_scheduler.core.state import (
    EventStatus,
    Execution,
    ExecutionStatus,
    TriggeredBy,
)
from alicia_scheduler.core.thrown.on_thrown import ThrownChange, carried_out
from alicia_scheduler.core.variables import VariableChange, changed_variables
from alicia_scheduler.core.view import View
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem


def on_command(
    view: View, now: datetime, timings: Timings, command: Change, rules: CommandRules, request_key: str
) -> Decision[ChangeAnswer]:
    """Carries the command out.

    Args:
        request_key: Text that this request alone has; execution ids follow from it.

    Raises:
        CommandRejected: The command cannot be carried out; nothing changes.
    """
    draft = Draft(view, now, timings)
    return draft.decision(_carried_out(draft, command, rules, request_key))


def _carried_out(draft: Draft, command: Change, rules: CommandRules, request_key: str) -> ChangeAnswer:
    match command:
        case CreateEvent():
            return create(draft, command, rules)
        case UpdateEvent():
            return update(draft, command, rules)
        case DeleteEvent():
            return _delete(draft, command)
        case CancelEvent():
            return _cancel(draft, command)
        case PauseEvent():
            return _pause(draft, command)
        case ResumeEvent():
            return _resume(draft, command)
        case TriggerEvent():
            return _trigger(draft, command, request_key)
        case _:
            return _carried_out_elsewhere(draft, command, rules, request_key)


def _carried_out_elsewhere(
    draft: Draft, command: CancelExecution | ThrownChange | VariableChange, rules: CommandRules, request_key: str
) -> ChangeAnswer:
    """What is not about a scheduled event."""
    match command:
        case CancelExecution():
            return _cancel_execution(draft, command)
        case SetVariable() | DeleteVariable():
            return changed_variables(draft, command)
        case ThrowEvent() | ConsumeThrown() | ClearThrown():
            return carried_out(draft, command, rules.thrown, request_key)
        case _:
            assert_never(command)


# the timer


def _pause(draft: Draft, command: PauseEvent) -> EventAnswer:
    record, state = existing(draft, command.event_id)
    if state.status in ENDED or state.status is EventStatus.DISABLED:
        raise CommandRejected(ErrorCode.CONFLICT, f"the event is {state.status}: there is no timer to pause")
    if command.until is not None and command.until <= draft.now:
        raise CommandRejected(
            ErrorCode.PAST_TIME, "until lies in the past", [FieldProblem("until", "lies in the past")]
        )
    draft.put_state(paused(state, draft.now, command.note, command.until, command.cause))
    draft.announce_event("event_paused", record.event_id)
    return event_answer(draft, record.event_id)


def _resume(draft: Draft, command: ResumeEvent) -> EventAnswer:
    record, state = existing(draft, command.event_id)
    if state.status in ENDED:
        raise CommandRejected(
            ErrorCode.CONFLICT, f"the event is {state.status}; update_event with another time revives it"
        )
    if state.status is EventStatus.DISABLED:
        record = record._replace(
            revision=record.revision + 1,
            definition=record.definition.model_copy(update={"enabled": True}),
            updated_at=draft.now,
        )
        draft.put_record(record)
    if state.status is not EventStatus.ACTIVE:
        resume(draft, record, state)
    return event_answer(draft, record.event_id)


def _delete(draft: Draft, command: DeleteEvent) -> DeletedAnswer:
    record, _ = existing(draft, command.event_id)
    cancel_all(draft, draft.unfinished(record.event_id), "event_deleted")
    draft.announce_event("event_deleted", record.event_id)
    draft.delete(record.event_id)
    return DeletedAnswer(record.event_id)


def _cancel(draft: Draft, command: CancelEvent) -> EventAnswer:
    record, state = existing(draft, command.event_id)
    if state.status is not EventStatus.CANCELLED:
        draft.put_state(stopped(state, EventStatus.CANCELLED))
        cancel_all(draft, draft.unfinished(record.event_id), "event_cancelled")
        draft.announce_event("event_cancelled", record.event_id)
    return event_answer(draft, record.event_id)


# executions


def _trigger(draft: Draft, command: TriggerEvent, request_key: str) -> ExecutionAnswer:
    record, state = existing(draft, command.event_id)
    if state.status is EventStatus.CANCELLED:
        raise CommandRejected(ErrorCode.CONFLICT, "the event is cancelled")
    execution = Execution(
        execution_id=request_execution_id(record, request_key),
        event_key=record.key,
        event_id=record.event_id,
        name=record.definition.name,
        status=ExecutionStatus.PENDING,
        triggered_by=TriggeredBy.MANUAL,
        scheduled_time=draft.now,
        due_time=draft.now,
        created_at=draft.now,
        priority=record.definition.priority,
        payload=command.payload,
    )
    return ExecutionAnswer(start(draft, record, execution))


def _cancel_execution(draft: Draft, command: CancelExecution) -> ExecutionAnswer:
    execution = draft.execution(command.execution_id)
    if execution is None:
        raise CommandRejected(
            ErrorCode.NOT_FOUND,
            f"there is no execution '{command.execution_id}'",
            [FieldProblem("execution_id", "is not known")],
        )
    if is_finished(execution):
        raise CommandRejected(ErrorCode.CONFLICT, f"the execution has ended already: {execution.status}")
    cancel_all(draft, [execution], "cancelled_by_command")
    count_from_end(draft, execution.event_id, draft.now)
    return ExecutionAnswer(draft.execution(execution.execution_id) or execution)
