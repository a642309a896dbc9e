"""Which nominal times of an event are due, and which of them run (docs/time-rules.md, spans and misfire).

The question is never "is it now?" but "which nominal times lie in (high-water mark, now]?", so lateness, crashes and a
sleeping machine need no code of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.schedule import IntervalSchedule
from alicia_scheduler.core.state import EventState, TriggeredBy
from alicia_scheduler.core.timing import Timing

TICK = timedelta(microseconds=1)
LEAST_GRACE = timedelta(seconds=1)
"""A look at what is due takes some milliseconds, and longer in a busy second."""

PUNCTUAL_MAX = 1000
"""Fires of one event within its grace that one look plans; the next look takes the rest."""


@dataclass(frozen=True, slots=True)
class Fire:
    """A nominal time accepted for execution."""

    nominal: datetime
    due: datetime
    triggered_by: TriggeredBy = TriggeredBy.SCHEDULER
    missed_count: int = 0


@dataclass(frozen=True, slots=True)
class MissedRange:
    """Nominal times that will not run: how many, the first and the last."""

    count: int
    first: datetime
    last: datetime
    reason: str = "misfire"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the span holds and where the timer stands after it.

    Attributes:
        mark: The new high-water mark.
        next_time: The next nominal time; None when the rule has no more.
        waits_for_end: The next time follows from the end of the execution that is planned here.
    """

    fires: tuple[Fire, ...]
    missed: MissedRange | None
    mark: datetime
    next_time: datetime | None
    waits_for_end: bool = False


def planned(event: ScheduledEvent, timing: Timing, state: EventState, now: datetime) -> Plan:
    """The plan for ``(state.mark_time, now]``."""
    if is_fixed_delay(event):
        return _planned_after_end(event, timing, state, now)
    return _one_on_time(event, timing, state, now) or _whole_span(event, timing, state, now)


def _one_on_time(event: ScheduledEvent, timing: Timing, state: EventState, now: datetime) -> Plan | None:
    """The plan when the span holds one fire, on time: what nearly every look finds, with the fewest questions.

    The stored next time is asked for again, since a rule may have changed with the time zone data.
    """
    nominal = state.next_time
    if nominal is None or timing.next_time(state.mark_time) != nominal:
        return None
    due = timing.due_time(nominal)
    following = timing.next_time(nominal)
    if not now - grace(event) <= due <= now or (following is not None and timing.due_time(following) <= now):
        return None
    return Plan((Fire(nominal, due),), None, nominal, following)


def _whole_span(event: ScheduledEvent, timing: Timing, state: EventState, now: datetime) -> Plan:
    last = _latest_due(timing, now)
    if last is None or last <= state.mark_time:
        return Plan((), None, state.mark_time, timing.next_time(state.mark_time))
    boundary = _latest_missed(timing, now - grace(event))
    missed_until = boundary if boundary is not None and boundary > state.mark_time else None
    fires, missed = _caught_up(event, timing, state.mark_time, missed_until, now) if missed_until else ((), None)
    punctual = tuple(islice(_fires(timing, missed_until or state.mark_time, last), PUNCTUAL_MAX))
    mark = punctual[-1].nominal if len(punctual) == PUNCTUAL_MAX else last
    return Plan((*fires, *punctual), missed, mark, timing.next_time(mark))


def replay_nothing(timing: Timing, state: EventState, now: datetime) -> Plan:
    """The plan after a clock correction: whatever lies in the span is recorded as missed, and the timer goes on."""
    last = _latest_due(timing, now)
    if last is None and state.next_time is not None:  # a fixed delay, which knows only its next time
        missed = MissedRange(1, state.next_time, state.next_time, "clock_correction")
        return Plan((), missed, now, timing.next_time(now))
    if last is None or last <= state.mark_time:
        return Plan((), None, state.mark_time, timing.next_time(state.mark_time))
    first = timing.next_time(state.mark_time) or last
    missed = MissedRange(max(1, timing.count(state.mark_time, last)), first, last, "clock_correction")
    return Plan((), missed, last, timing.next_time(last))


def grace(event: ScheduledEvent) -> timedelta:
    """How late a fire may be and still be on time: never less than LEAST_GRACE, or no fire would ever be."""
    return max(event.misfire_grace, LEAST_GRACE)


def is_fixed_delay(event: ScheduledEvent) -> bool:
    """Whether the next fire counts from the end of the last execution."""
    return isinstance(event.schedule_config, IntervalSchedule) and event.schedule_config.mode == "fixed_delay"


def wake_time(timing: Timing, next_time: datetime | None) -> datetime | None:
    """The due time of the next nominal time."""
    return None if next_time is None else timing.due_time(next_time)


def _planned_after_end(event: ScheduledEvent, timing: Timing, state: EventState, now: datetime) -> Plan:
    nominal = state.next_time
    if nominal is None:
        return Plan((), None, state.mark_time, None, waits_for_end=True)
    due = timing.due_time(nominal)
    if due > now:
        return Plan((), None, state.mark_time, nominal)
    if now - due <= grace(event):
        return Plan((Fire(nominal, due),), None, nominal, None, waits_for_end=True)
    if event.catch_up == "none" or now - nominal > event.window():
        return Plan((), MissedRange(1, nominal, nominal), now, timing.next_time(now))
    return Plan((Fire(nominal, due, TriggeredBy.CATCH_UP, 1),), None, nominal, None, waits_for_end=True)


def _latest_due(timing: Timing, now: datetime) -> datetime | None:
    """The latest nominal time whose due time has come; jitter never reaches the following nominal time."""
    latest = timing.previous_time(now)
    if latest is not None and timing.due_time(latest) > now:
        latest = timing.previous_time(latest - TICK)
    return latest


def _latest_missed(timing: Timing, limit: datetime) -> datetime | None:
    """The latest nominal time that was due before ``limit``."""
    latest = timing.previous_time(limit)
    if latest is not None and timing.due_time(latest) >= limit:
        latest = timing.previous_time(latest - TICK)
    return latest


def _caught_up(
    event: ScheduledEvent, timing: Timing, mark: datetime, until: datetime, now: datetime
) -> tuple[tuple[Fire, ...], MissedRange | None]:
    """The missed times in ``(mark, until]``: those that run after all, and the record of the rest."""
    total = timing.count(mark, until)
    window_start = max(mark, now - event.window() - TICK)
    run = _chosen(event, timing, window_start, until)
    fires = tuple(Fire(n, timing.due_time(n), TriggeredBy.CATCH_UP, total) for n in run)
    return fires, _rest(timing, mark, until, run, total)


def _chosen(event: ScheduledEvent, timing: Timing, after: datetime, until: datetime) -> tuple[datetime, ...]:
    match event.catch_up:
        case "none":
            return ()
        case "last":
            return (until,) if until > after else ()
        case "first":
            first = timing.next_time(after)
            return (first,) if first is not None and first <= until else ()
        case "all":
            return tuple(fire.nominal for fire in islice(_fires(timing, after, until), event.catch_up_max))


def _rest(timing: Timing, mark: datetime, until: datetime, run: tuple[datetime, ...], total: int) -> MissedRange | None:
    """One record for what does not run: it lies before the first and after the last that does."""
    count = total - len(run)
    if count <= 0:
        return None
    first = timing.next_time(mark) or until
    if run and first == run[0]:
        first = timing.next_time(run[-1]) or until
    last = until if not run or run[-1] < until else timing.previous_time(run[0] - TICK) or first
    return MissedRange(count, first, last)


def _fires(timing: Timing, after: datetime, until: datetime) -> Iterator[Fire]:
    nominal = timing.next_time(after)
    while nominal is not None and nominal <= until:
        yield Fire(nominal, timing.due_time(nominal))
        nominal = timing.next_time(nominal)
