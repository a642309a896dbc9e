"""What every command needs: the event it names, and the answer that shows what lies ahead of it."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.answers import EventAnswer, FireTime
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.state import EventRecord, EventState, EventStatus
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem

NEXT_FIRES = 5
"""Fires that an answer about an event shows."""


def existing(draft: Draft, event_id: str) -> tuple[EventRecord, EventState]:
    """Both rows of the event; raises CommandRejected when there is none."""
    event = draft.event(event_id)
    if event is None:
        raise CommandRejected(
            ErrorCode.NOT_FOUND, f"there is no event '{event_id}'", [FieldProblem("event_id", "is not known")]
        )
    return event


def event_answer(draft: Draft, event_id: str) -> EventAnswer:
    """The event as this decision leaves it, with its next fires."""
    record, state = existing(draft, event_id)
    return EventAnswer(record, state, next_fires(draft.timings(record, state), state, draft.now))


def next_fires(timing: Timing, state: EventState, now: datetime, count: int = NEXT_FIRES) -> tuple[FireTime, ...]:
    """The next fires of an event as it stands; none while its timer rests."""
    if state.status is not EventStatus.ACTIVE:
        return ()
    if state.next_time is None:
        return fires_after(timing, max(state.mark_time, now), count)
    first = FireTime(state.next_time, timing.due_time(state.next_time), timing.note(state.next_time))
    return (first, *fires_after(timing, state.next_time, count - 1))


def fires_after(timing: Timing, after: datetime, count: int) -> tuple[FireTime, ...]:
    """The next ``count`` fires strictly after an instant."""
    fires: list[FireTime] = []
    nominal = timing.next_time(after)
    while nominal is not None and len(fires) < count:
        fires.append(FireTime(nominal, timing.due_time(nominal), timing.note(nominal)))
        nominal = timing.next_time(nominal)
    return tuple(fires)
