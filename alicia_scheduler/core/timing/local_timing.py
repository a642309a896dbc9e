"""A local rule on a wall clock: the instants at which cron and recurring schedules fire."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.timing.calendar import NEVER, LocalRule
from alicia_scheduler.core.timing.seconds import FIRST_SECOND, LAST_SECOND, instant_of, second_of
from alicia_scheduler.core.timing.zones import REACH, WallClock, gap_note


class LocalTiming:
    """Walks the spans of a wall clock and asks the rule within each; see `zones` for what a span is.

    An answer of the rule is kept while later spans lie inside the stretch it already searched, so a rule that is years
    away costs one search, not one a span.
    """

    __slots__ = ("_clock", "_rule")

    def __init__(self, rule: LocalRule, clock: WallClock) -> None:
        self._rule = rule
        self._clock = clock

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant."""
        second = self._next_second(second_of(after) + 1)
        nominal = None if second is None else instant_of(second)
        return nominal if nominal is not None and nominal > after else None

    def _next_second(self, second: int) -> int | None:
        span = self._clock.at(second)
        searched, found, jump = NEVER, -NEVER, False
        while True:
            low = span.first if second <= span.start else max(span.low, second + span.offset)
            if not searched <= low <= found:
                searched, found = low, self._rule.next(low)
            if found < span.high:
                return max(found, span.start + span.offset) - span.offset
            if span.end > LAST_SECOND or (jump and found == NEVER):
                return None
            span = self._clock.at(min(max(span.end, found - REACH), LAST_SECOND) if jump else span.end)
            jump = True

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant."""
        second = self._previous_second(second_of(until))
        nominal = None if second is None else instant_of(second)
        return nominal if nominal is not None and nominal <= until else None

    def _previous_second(self, second: int) -> int | None:
        span = self._clock.at(second)
        searched, found, jump = -NEVER, NEVER, False
        while True:
            high = min(second + span.offset, span.high - 1)
            if not found <= high <= searched:
                searched, found = high, self._rule.previous(high)
            if found >= span.low:
                return found - span.offset
            if found >= span.first:
                return span.start
            if span.start < FIRST_SECOND or (jump and found == -NEVER):
                return None
            earlier = span.start - 1
            span = self._clock.at(max(min(earlier, found + REACH), FIRST_SECOND) if jump else earlier)
            jump = True

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times lie after the first instant, up to and including the second."""
        first, last = second_of(after) + 1, second_of(until)
        total = 0
        while first <= last:
            span = self._clock.at(first)
            total += self._rule.count(max(span.low, first + span.offset), min(span.high - 1, last + span.offset))
            if first == span.start and self._shifted_alone(span.first, span.low):
                total += 1
            first = span.end
        return total

    def _shifted_alone(self, first: int, low: int) -> bool:
        """Whether times of the gap fire at its end, where no regular time fires anyway."""
        return first < low and self._rule.next(first) < low and self._rule.next(low) != low

    def note(self, nominal: datetime) -> str:
        """Return what the clock change did to this nominal time, or nothing."""
        second = second_of(nominal)
        span = self._clock.at(second)
        if second == span.start and span.first < span.low:
            named = self._rule.next(span.first)
            if named < span.low:
                return gap_note(named)
        return self._clock.overlap_note(second)
