"""What a restored backup finds: work that was unfinished then, and may be done by now (docs/operations.md, restore).

The service went on after the backup, so nobody knows what became of an execution that was under way in it. It is judged
as a start judges a nominal time: what is late within its grace runs, of the rest what the catch-up policy would run,
and everything else is closed with the reason ``restored``. ``delivery: at_most_once`` never runs what may have run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.firing import end_event, record_missed
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.on_outcome import count_from_end
from alicia_scheduler.core.overlap import next_held
from alicia_scheduler.core.plan import grace, replay_nothing, wake_time
from alicia_scheduler.core.state import (
    UNFINISHED,
    Counters,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    ServiceMark,
    TriggeredBy,
)
from alicia_scheduler.core.view import View

S = ExecutionStatus
RESTORED = "restored"
UNKNOWN = "a backup was restored, and what became of this execution after it is not known"

NUMBERS_AHEAD = 10**12
"""The service gave out keys, fencing tokens and sequences after the backup; those given out from now on are above."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How many executions were closed, how many run again, and how many nominal times were recorded as missed."""

    closed: int = 0
    resumed: int = 0
    missed: int = 0

    def __add__(self, other: Settled) -> Settled:
        return Settled(self.closed + other.closed, self.resumed + other.resumed, self.missed + other.missed)


def restored_mark(mark: ServiceMark) -> ServiceMark:
    """The mark of a restored store: stopped in order, and with numbers that nobody has had."""
    return mark._replace(counters=Counters(*(number + NUMBERS_AHEAD for number in mark.counters)), clean=True)


def on_restored(view: View, now: datetime, timings: Timings, execution_ids: Iterable[str]) -> Decision[Settled]:
    """Closes the unfinished executions whose time has passed, and leaves the others to the next start."""
    draft = Draft(view, now, timings)
    settled = Settled()
    touched: dict[str, None] = {}
    for execution_id in execution_ids:
        execution = draft.execution(execution_id)
        if execution is None or execution.status not in UNFINISHED:
            continue
        if _runs(draft, execution):
            settled += Settled(resumed=1)
        else:
            _close(draft, execution)
            touched[execution.event_id] = None
            settled += Settled(closed=1, missed=int(_was_never_tried(execution)))
    decision = draft.decision(settled)
    return replace(decision, executions=(*decision.executions, *_let_go(draft, touched)))


def drop_due(view: View, now: datetime, timings: Timings, event_ids: Iterable[str]) -> Decision[Settled]:
    """Records what has come due as missed, for events of which nothing may run twice."""
    draft = Draft(view, now, timings)
    settled = Settled()
    for event_id in event_ids:
        event = draft.event(event_id)
        if event is not None and event[1].status is EventStatus.ACTIVE and event[1].next_time is not None:
            settled += _dropped(draft, *event)
    return draft.decision(settled)


def _runs(draft: Draft, execution: Execution) -> bool:
    """Whether the execution may run although time has passed since the backup."""
    event = draft.event(execution.event_id)
    if event is None or event[0].key != execution.event_key or event[0].definition.delivery == "at_most_once":
        return False
    definition = event[0].definition
    if draft.now - _waits_since(execution) <= grace(definition):
        return True
    by_timer = execution.triggered_by in (TriggeredBy.SCHEDULER, TriggeredBy.CATCH_UP)
    in_window = draft.now - execution.scheduled_time <= definition.window() + timedelta(microseconds=1)
    return by_timer and in_window and _is_chosen(draft, definition, execution, event)


def _is_chosen(
    draft: Draft, definition: ScheduledEvent, execution: Execution, event: tuple[EventRecord, EventState]
) -> bool:
    """Whether the catch-up policy would run this one of all the times that have passed."""
    times = [other.scheduled_time for other in draft.unfinished(execution.event_id)]
    match definition.catch_up:
        case "none":
            return False
        case "all":
            return True
        case "first":
            return execution.scheduled_time <= min(times, default=execution.scheduled_time)
        case "last":
            latest = draft.timings(*event).previous_time(draft.now)
            return execution.scheduled_time >= max([*times, *([latest] if latest else [])])


def _waits_since(execution: Execution) -> datetime:
    if execution.status is S.RETRYING and execution.retry_time is not None:
        return execution.retry_time
    if execution.status is S.RUNNING and execution.attempts:
        return execution.attempts[-1].start_time
    return execution.due_time


def _was_never_tried(execution: Execution) -> bool:
    return execution.status is S.PENDING and not execution.attempt


def _close(draft: Draft, execution: Execution) -> None:
    if _was_never_tried(execution):
        draft.move(execution._replace(missed_count=1), S.MISSED, reason=RESTORED, end_time=draft.now, held=False)
    else:
        draft.move(
            _with_closed_attempt(execution, draft.now),
            S.FAILED,
            reason=RESTORED,
            end_time=draft.now,
            retry_time=None,
            held=False,
            error_code=RESTORED,
            error_message=UNKNOWN,
        )
    count_from_end(draft, execution.event_id, draft.now)


def _with_closed_attempt(execution: Execution, now: datetime) -> Execution:
    if execution.status is not S.RUNNING or not execution.attempts:
        return execution
    *before, last = execution.attempts
    closed = last._replace(end_time=now, status=S.FAILED, error_message=UNKNOWN)
    return execution._replace(attempts=(*before, closed))


def _let_go(draft: Draft, event_ids: Iterable[str]) -> list[Execution]:
    """The held executions whose turn has come, since what they waited for was closed."""
    held = [next_held(draft.unfinished(event_id)) for event_id in event_ids]
    return [execution._replace(held=False) for execution in held if execution is not None]


def _dropped(draft: Draft, record: EventRecord, state: EventState) -> Settled:
    timing = draft.timings(record, state)
    plan = replay_nothing(timing, state, draft.now)
    if plan.missed is None:
        return Settled()
    record_missed(draft, record, replace(plan.missed, reason=RESTORED))
    event = draft.event(record.event_id)
    assert event is not None
    wake = wake_time(timing, plan.next_time)
    draft.put_state(event[1]._replace(mark_time=plan.mark, next_time=plan.next_time, wake_time=wake))
    if plan.next_time is None:
        end_event(draft, record, ran=state.fired_count > 0)
    return Settled(missed=plan.missed.count)
