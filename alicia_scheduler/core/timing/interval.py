"""Interval schedules: elapsed time counted from an anchor, or calendar months (docs/time-rules.md, "Interval")."""

from __future__ import annotations

from datetime import datetime, timedelta

from alicia_scheduler.core.timing.calendar import month_start
from alicia_scheduler.core.timing.exclusions import Exclusions, without_excluded
from alicia_scheduler.core.timing.rule import TimingRule
from alicia_scheduler.core.timing.seconds import DAY, FIRST_YEAR, LAST_YEAR, instant_of, local_second_of, second_of
from alicia_scheduler.core.timing.zones import WallClock, gap_note


class ElapsedTiming:
    """nominal(n) = anchor + n * every, for every whole n: elapsed time, so no clock change moves it."""

    __slots__ = ("_anchor", "_every")

    def __init__(self, anchor: datetime, every: timedelta) -> None:
        self._anchor = anchor
        self._every = every

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant."""
        return self._nominal((after - self._anchor) // self._every + 1)

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant."""
        return self._nominal((until - self._anchor) // self._every)

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times lie after the first instant, up to and including the second."""
        return max(0, (until - self._anchor) // self._every - (after - self._anchor) // self._every)

    def note(self, nominal: datetime) -> str:
        """Return nothing: elapsed time does not follow the clock."""
        return ""

    def _nominal(self, number: int) -> datetime | None:
        try:
            return self._anchor + number * self._every
        except OverflowError:
            return None


class MonthsTiming:
    """Every so many months, on the anchor's day and time of day in the zone.

    Each nominal time is counted from the anchor itself, so a 31st that February cut short is a 31st again in March.
    """

    __slots__ = ("_clock", "_day", "_micros", "_month", "_months", "_second")

    def __init__(self, anchor: datetime, months: int, clock: WallClock) -> None:
        """Count from an anchor in wall-clock time, without zone."""
        self._month = anchor.year * 12 + anchor.month - 1
        self._day = anchor.day
        self._second = local_second_of(anchor) % DAY
        self._micros = timedelta(microseconds=anchor.microsecond)
        self._months = months
        self._clock = clock

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant."""
        number = self._number_near(after) - 1
        while (nominal := self._nominal(number)) is None or nominal <= after:
            number += 1
            if self._month + number * self._months >= LAST_YEAR * 12:
                return None
        return nominal

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant."""
        number = self._number_near(until) + 1
        while (nominal := self._nominal(number)) is None or nominal > until:
            number -= 1
            if self._month + number * self._months < FIRST_YEAR * 12:
                return None
        return nominal

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times lie after the first instant, up to and including the second."""
        numbers = range(self._number_near(after) - 1, self._number_near(until) + 2)
        return sum(1 for number in numbers if (nominal := self._nominal(number)) and after < nominal <= until)

    def note(self, nominal: datetime) -> str:
        """Return what the clock change did to this nominal time, or nothing."""
        second = second_of(nominal)
        local = self._local(self._number_near(nominal))
        if self._clock.local_second(second) != local and self._clock.second_of_local(local) == second:
            return gap_note(local)
        return self._clock.overlap_note(second)

    def _number_near(self, instant: datetime) -> int:
        """Return the number whose nominal time lies in the month of an instant, or the one before it."""
        local = self._clock.local_second(second_of(instant))
        when = datetime.fromordinal(719_163 + local // DAY)
        return (when.year * 12 + when.month - 1 - self._month) // self._months

    def _local(self, number: int) -> int:
        index = self._month + number * self._months
        first = month_start(index)
        day = min(self._day, month_start(index + 1) - first)
        return (first + day - 1) * DAY + self._second

    def _nominal(self, number: int) -> datetime | None:
        if not FIRST_YEAR * 12 <= self._month + number * self._months < LAST_YEAR * 12:
            return None
        local = self._local(number)
        second = self._clock.second_of_local(local)
        if second is None:
            return None
        kept = self._clock.local_second(second) == local
        return instant_of(second) + (self._micros if kept else timedelta(0))


class FixedDelayTiming:
    """Each nominal time is counted from the end of the last execution, which the caller gives as ``after``.

    So there is at most one nominal time after any instant, and none can be known before it: `previous_time` is None.
    """

    __slots__ = ("_every", "_exclusions", "_first")

    def __init__(self, every: timedelta, first: datetime | None, exclusions: Exclusions | None) -> None:
        """Wait ``every`` after each execution; the first comes at ``first`` when it is given."""
        self._every = every
        self._first = first
        self._exclusions = exclusions

    def next_time(self, after: datetime) -> datetime | None:
        """Return the end of the last execution plus the delay, or the first fire when nothing ran yet."""
        if self._first is not None and after < self._first:
            after = self._first - self._every
        rule: TimingRule = ElapsedTiming(after, self._every)
        return without_excluded(rule, self._exclusions).next_time(after)

    def previous_time(self, until: datetime) -> datetime | None:
        """Return None."""
        return None

    def count(self, after: datetime, until: datetime) -> int:
        """Return 1 when the next nominal time has come, else 0."""
        following = self.next_time(after)
        return int(following is not None and following <= until)

    def note(self, nominal: datetime) -> str:
        """Return nothing: elapsed time does not follow the clock."""
        return ""
