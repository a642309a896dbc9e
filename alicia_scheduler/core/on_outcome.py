"""What happens when an attempt ends: the execution is over, or it waits for its next attempt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.lifecycle import WAITING
from alicia_scheduler.core.plan import is_fixed_delay, wake_time
from alicia_scheduler.core.retry import Failure, RetryVerdict, retry_verdict
from alicia_scheduler.core.state import AttemptRecord, EventState, EventStatus, Execution, ExecutionStatus
from alicia_scheduler.core.view import View


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The action did what it should."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed, or passed its timeout."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The service stops and the attempt had not begun to act: it does not count, and the next start runs it."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The attempt is not over: it gives its place free until ``wake_time``, and then goes on."""

    wake_time: datetime


Outcome = Succeeded | Failed | HandedBack | Waits


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt that has ended.

    Attributes:
        fence: The fencing token of its claim; with another one in the store the attempt is not the current one.
    """

    execution_id: str
    fence: int
    outcome: Outcome
    end_time: datetime


def on_outcomes(
    view: View, now: datetime, timings: Timings, attempts: Iterable[Attempted], *, retries: bool = True
) -> Decision[tuple[bool, ...]]:
    """Records the ends of attempts; answers for each whether its claim was current, and changes nothing where not."""
    draft = Draft(view, now, timings)
    return draft.decision(tuple([_recorded(draft, attempted, retries=retries) for attempted in attempts]))


def _recorded(draft: Draft, attempted: Attempted, *, retries: bool) -> bool:
    execution = draft.execution(attempted.execution_id)
    if execution is None or execution.status is not ExecutionStatus.RUNNING or execution.fence != attempted.fence:
        return False
    match attempted.outcome:
        case Succeeded(result):
            _completed(draft, execution, attempted.end_time, result)
        case Failed(failure):
            _failed(draft, execution, attempted.end_time, failure, retries=retries)
        case HandedBack():
            _handed_back(draft, execution)
        case Waits(wake_time):
            draft.move(execution, ExecutionStatus.RETRYING, reason=WAITING, retry_time=wake_time, crash_count=0)
        case _:
            assert_never(attempted.outcome)
    return True


def _completed(draft: Draft, execution: Execution, end_time: datetime, result: Any) -> None:
    attempts = _closed(execution, end_time, ExecutionStatus.COMPLETED, None)
    draft.move(
        execution,
        ExecutionStatus.COMPLETED,
        end_time=end_time,
        result=result,
        attempts=attempts,
        crash_count=0,
        error_message=None,
        error_code=None,
    )
    count_from_end(draft, execution.event_id, end_time)


def _failed(draft: Draft, execution: Execution, end_time: datetime, failure: Failure, *, retries: bool) -> None:
    ended_as = ExecutionStatus.TIMED_OUT if failure.timed_out else ExecutionStatus.FAILED
    attempts = _closed(execution, end_time, ended_as, failure.message)
    changes: dict[str, Any] = {"attempts": attempts, "error_message": failure.message, "error_code": failure.code}
    event = draft.event(execution.event_id)
    if event is None or event[0].key != execution.event_key:
        draft.move(execution, ended_as, end_time=end_time, reason="event_deleted", **changes)
        return
    record, state = event
    verdict = (
        retry_verdict(record.definition, state.status, execution, failure, end_time, _next_fire(state))
        if retries
        else RetryVerdict(None, "retries_off")
    )
    if verdict.retry_time is not None:
        draft.move(execution, ExecutionStatus.RETRYING, retry_time=verdict.retry_time, crash_count=0, **changes)
        return
    draft.move(execution, ended_as, end_time=end_time, reason=verdict.reason, **changes)
    count_from_end(draft, execution.event_id, end_time)


def _handed_back(draft: Draft, execution: Execution) -> None:
    draft.move(
        execution,
        ExecutionStatus.PENDING,
        attempt=execution.attempt - 1,
        attempts=execution.attempts[:-1],
        start_time=execution.start_time if execution.attempt > 1 else None,
    )


def _closed(
    execution: Execution, end_time: datetime, status: ExecutionStatus, error: str | None
) -> tuple[AttemptRecord, ...]:
    *before, last = execution.attempts
    return (*before, last._replace(end_time=end_time, status=status, error_message=error))


def _next_fire(state: EventState) -> datetime | None:
    return state.wake_time if state.status is EventStatus.ACTIVE else None


def count_from_end(draft: Draft, event_id: str, end_time: datetime) -> None:
    """Sets the next time of a ``fixed_delay`` interval, which counts from the end of the execution before."""
    event = draft.event(event_id)
    if event is None or event[1].status is not EventStatus.ACTIVE or not is_fixed_delay(event[0].definition):
        return
    record, state = event
    if state.next_time is not None or state.unfinished:
        return
    timing = draft.timings(record, state)
    next_time = timing.next_time(end_time)
    draft.put_state(state._replace(mark_time=end_time, next_time=next_time, wake_time=wake_time(timing, next_time)))
