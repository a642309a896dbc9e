"""Timers that rest and start again: pause, resume, disable (docs/time-rules.md, pauses)."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.firing import end_event, fired, limit_reached
from alicia_scheduler.core.plan import Fire, wake_time
from alicia_scheduler.core.state import EventRecord, EventState, EventStatus, TriggeredBy
from alicia_scheduler.core.timing import Timing

TIMED = frozenset({"once", "interval", "cron", "recurring"})


def paused(state: EventState, now: datetime, note: str | None, until: datetime | None, cause: str) -> EventState:
    """The state with the timer at rest; ``until`` wakes it."""
    return state._replace(
        status=EventStatus.PAUSED,
        next_time=None,
        wake_time=until,
        paused_at=state.paused_at or now,
        paused_until=until,
        pause_note=note,
        pause_cause=cause,
    )


def started(state: EventState, timing: Timing, after: datetime) -> EventState:
    """The state with the timer running from ``after`` on; nothing up to then is planned any more."""
    next_time = timing.next_time(after)
    return state._replace(
        status=EventStatus.ACTIVE,
        mark_time=after,
        next_time=next_time,
        wake_time=wake_time(timing, next_time),
        paused_at=None,
        paused_until=None,
        pause_note=None,
        pause_cause=None,
    )


def stopped(state: EventState, status: EventStatus) -> EventState:
    """The state with the timer off."""
    return state._replace(status=status, next_time=None, wake_time=None, paused_at=None, paused_until=None)


def resume(draft: Draft, record: EventRecord, state: EventState, ended_at: datetime | None = None) -> None:
    """Starts the timer again. Times that passed meanwhile are dropped, or the last of them runs (``on_resume``).

    Args:
        ended_at: When the pause ended, if not now: a service that was down then looks at it later.
    """
    timing = draft.timings(record, state)
    until = ended_at or draft.now
    last = timing.previous_time(until) if record.definition.on_resume == "last" else None
    draft.put_state(started(state, timing, until))
    draft.announce_event("event_resumed", record.event_id)
    if last is not None and last > state.mark_time:
        due = min(timing.due_time(last), draft.now)  # a jittered time that has just passed runs now
        fired(draft, record, Fire(last, due, TriggeredBy.CATCH_UP, missed_count=1))
    event = draft.event(record.event_id)
    ended = event is not None and event[1].next_time is None and record.definition.schedule_type in TIMED
    if ended or limit_reached(draft, record):
        end_event(draft, record, ran=last is not None or state.fired_count > 0)
