"""What happens when the planner looks: due fires become executions, and the timers move on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.decision import Decision, joined
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.firing import end_event, fired, limit_reached, record_missed
from alicia_scheduler.core.plan import Plan, planned, replay_nothing, wake_time
from alicia_scheduler.core.resting import resume
from alicia_scheduler.core.state import EventRecord, EventState, EventStatus, Execution, ExecutionStatus
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View


@dataclass(frozen=True, slots=True)
class Planned:
    """How much one look planned.

    Attributes:
        events: Events looked at; as many as were asked for means that more may be due.
        fires: Executions created to run.
        missed: Nominal times recorded as missed.
    """

    events: int
    fires: int
    missed: int


def on_tick(view: View, now: datetime, timings: Timings, *, corrected: bool = False) -> Decision[Planned]:
    """Plans every due event of the view.

    Args:
        corrected: The clock was corrected: what lies behind is recorded as missed and not replayed.
    """
    due = [event for event in map(view.event, view.due) if event is not None and _is_due(event[1], now)]
    try:
        draft = Draft(view, now, timings)
        plans = [_looked_at(draft, record, state, corrected=corrected) for record, state in due]
        return draft.decision(_planned(view, plans))
    except Exception:  # noqa: BLE001 - one of them breaks; each by itself shows which
        parts = [_planned_alone(Draft(view, now, timings), *event, corrected=corrected) for event in due]
        return joined(parts, _planned(view, [part.answer for part in parts]))


def _is_due(state: EventState, now: datetime) -> bool:
    return state.wake_time is not None and state.wake_time <= now


def _planned(view: View, plans: Iterable[Plan | None]) -> Planned:
    made = [plan for plan in plans if plan is not None]
    fires = sum(len(plan.fires) for plan in made)
    return Planned(len(view.due), fires, sum(plan.missed.count for plan in made if plan.missed))


def _planned_alone(draft: Draft, record: EventRecord, state: EventState, *, corrected: bool) -> Decision[Plan | None]:
    """Plans one event; a rule that breaks stops this event, says so, and leaves the others alone."""
    try:
        return draft.decision(_looked_at(draft, record, state, corrected=corrected))
    except Exception as error:  # noqa: BLE001 - whatever breaks in one event's rule must not stop the others
        failed = Draft(draft.view, draft.now, draft.timings)
        _stop_with_error(failed, state, error)
        return failed.decision(None)


def _looked_at(draft: Draft, record: EventRecord, state: EventState, *, corrected: bool) -> Plan | None:
    if state.status is EventStatus.PAUSED:
        resume(draft, record, state, state.paused_until)
        event = draft.event(record.event_id)
        if event is None or event[1].wake_time is None or event[1].wake_time > draft.now:
            return None
        state = event[1]  # times have passed since the pause should have ended: they are due, or missed
    timing = draft.timings(record, state)
    plan = (
        replay_nothing(timing, state, draft.now) if corrected else planned(record.definition, timing, state, draft.now)
    )
    _carry_out(draft, record, plan, timing)
    return plan


def _stop_with_error(draft: Draft, state: EventState, error: Exception) -> None:
    message = f"the timing rule failed: {type(error).__name__}: {error}"
    draft.put_state(state._replace(status=EventStatus.ERROR, wake_time=None, next_time=None, last_error=message))
    draft.announce(Problem("internal", message, event_id=state.event_id))


def _carry_out(draft: Draft, record: EventRecord, plan: Plan, timing: Timing) -> None:
    if plan.missed:
        record_missed(draft, record, plan.missed)
    last_fire = None
    for fire in plan.fires:
        if limit_reached(draft, record):
            break
        last_fire = fired(draft, record, fire)
    _advance(draft, record, plan, timing, last_fire)


def _advance(draft: Draft, record: EventRecord, plan: Plan, timing: Timing, last_fire: Execution | None) -> None:
    """Moves the mark, sets the next time, and ends an event that has none."""
    state = draft.state(record.event_id)
    next_time = plan.next_time
    under_way = last_fire is not None and last_fire.status is ExecutionStatus.PENDING
    if plan.waits_for_end and not under_way and not state.unfinished:
        next_time = timing.next_time(draft.now)
    draft.put_state(state._replace(mark_time=plan.mark, next_time=next_time, wake_time=wake_time(timing, next_time)))
    if limit_reached(draft, record) or (next_time is None and not plan.waits_for_end):
        end_event(draft, record, ran=last_fire is not None or state.fired_count > 0)
