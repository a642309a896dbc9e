"""Local rules: the days on which a rule holds and the times within a day, in wall-clock time without any zone.

Days are numbers since 1970-01-01. A month of matching days is one integer, bit 0 for the first, so finding and counting
days are bit operations; only months are walked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from alicia_scheduler.core.timing.seconds import DAY, EPOCH_ORDINAL, FIRST_YEAR, LAST_YEAR

CALENDAR_CYCLE_MONTHS: Final = 4800
"""The calendar repeats after 400 years: what does not happen in that time never does."""
NEVER: Final = 1 << 60
"""Later than every local second."""

DayMask = Callable[[int, int], int]
"""(days in the month, weekday of the first, Monday 0) -> bits of the matching days."""
PeriodMask = Callable[[int, int, int], int]
"""(month index, number of the first day, days in the month) -> bits of the days in a counted period."""

_FIRST_INDEX = FIRST_YEAR * 12
_LAST_INDEX = LAST_YEAR * 12 + 11
_KEPT_MONTHS = 4096


class DayTimes:
    """The times within a day, as every combination of a start and an offset, both in seconds and in order."""

    __slots__ = ("_count", "_offsets", "_starts", "size")

    def __init__(self, starts: Sequence[int], offsets: Sequence[int] = (0,)) -> None:
        self._starts = starts
        self._offsets = offsets
        self._count = len(offsets)
        self.size = len(starts) * len(offsets)

    def rank(self, second: int) -> int:
        """Return how many times lie before a second of the day."""
        index = bisect_right(self._starts, second) - 1
        if index < 0:
            return 0
        return index * self._count + bisect_left(self._offsets, second - self._starts[index])

    def nth(self, rank: int) -> int:
        """Return the time with so many others before it."""
        start, offset = divmod(rank, self._count)
        return self._starts[start] + self._offsets[offset]


class DayCalendar:
    """The days on which a rule holds."""

    __slots__ = ("_all", "_day_mask", "_kept", "_masks", "_months", "_period", "_reach", "_years")

    def __init__(
        self,
        months: frozenset[int],
        day_mask: DayMask,
        *,
        years: frozenset[int] | None = None,
        period: PeriodMask | None = None,
        reach: int = CALENDAR_CYCLE_MONTHS,
    ) -> None:
        self._months = months
        self._years = years
        self._day_mask = day_mask
        self._period = period
        self._reach = reach
        self._masks: dict[tuple[int, int], int] = {}
        self._kept: dict[int, tuple[int, int]] = {}
        self._all = len(months) == 12 and years is None and period is None and day_mask(31, 0) == (1 << 31) - 1

    def next_day(self, day: int) -> int | None:
        """Return the first matching day at or after a day, or None when there is none within the calendar's cycle."""
        if self._all:
            return day
        index, offset, mask, first = self._month_of(day)
        rest = mask >> offset
        if rest:
            return day + (rest & -rest).bit_length() - 1
        for later in range(index + 1, min(index + self._reach, _LAST_INDEX) + 1):
            mask, first = self._month(later)
            if mask:
                return first + (mask & -mask).bit_length() - 1
        return None

    def previous_day(self, day: int) -> int | None:
        """Return the last matching day at or before a day, or None when there is none within the calendar's cycle."""
        if self._all:
            return day
        index, offset, mask, first = self._month_of(day)
        rest = mask & ((2 << offset) - 1)
        if rest:
            return first + rest.bit_length() - 1
        for earlier in range(index - 1, max(index - self._reach, _FIRST_INDEX) - 1, -1):
            mask, first = self._month(earlier)
            if mask:
                return first + mask.bit_length() - 1
        return None

    def count(self, low: int, high: int) -> int:
        """Return how many days match from one day to another, both included."""
        if low > high:
            return 0
        if self._all:
            return high - low + 1
        index, offset, mask, _ = self._month_of(low)
        last_index, last_offset, last_mask, _ = self._month_of(high)
        until_high = (last_mask & ((2 << last_offset) - 1)).bit_count()
        before_low = (mask & ((1 << offset) - 1)).bit_count()
        return sum(self._month(month)[0].bit_count() for month in range(index, last_index)) + until_high - before_low

    def _month_of(self, day: int) -> tuple[int, int, int, int]:
        when = date.fromordinal(day + EPOCH_ORDINAL)
        index = when.year * 12 + when.month - 1
        mask, first = self._month(index)
        return index, when.day - 1, mask, first

    def _month(self, index: int) -> tuple[int, int]:
        kept = self._kept.get(index)
        if kept is None:
            if len(self._kept) >= _KEPT_MONTHS:
                self._kept.clear()
            kept = self._kept[index] = self._computed(index)
        return kept

    def _computed(self, index: int) -> tuple[int, int]:
        year, month = divmod(index, 12)
        first = month_start(index)
        if month + 1 not in self._months or (self._years is not None and year not in self._years):
            return 0, first
        days = month_start(index + 1) - first
        shape = days, (first + 3) % 7
        mask = self._masks.get(shape)
        if mask is None:
            mask = self._masks[shape] = self._day_mask(*shape)
        if mask and self._period is not None:
            mask &= self._period(index, first, days)
        return mask & ((1 << days) - 1), first


def month_start(index: int) -> int:
    """Return the number of the first day of a month, counted as year * 12 + month - 1."""
    year, month = divmod(index, 12)
    return date(year, month + 1, 1).toordinal() - EPOCH_ORDINAL


class LocalRule:
    """Which local seconds a rule names: a calendar of days, and the times within them.

    ``tables`` usually has one entry; several take turns, day number by day number.
    """

    __slots__ = ("_days", "_tables", "_turns")

    def __init__(self, days: DayCalendar, tables: Sequence[DayTimes]) -> None:
        self._days = days
        self._tables = tables
        self._turns = len(tables)

    def next(self, moment: int) -> int:
        """Return the first named local second at or after a moment, or NEVER."""
        today, second = divmod(moment, DAY)
        day = self._days.next_day(today)
        if day == today:
            table = self._tables[day % self._turns]
            rank = table.rank(second)
            if rank < table.size:
                return day * DAY + table.nth(rank)
            day = self._days.next_day(today + 1)
        while day is not None:
            table = self._tables[day % self._turns]
            if table.size:
                return day * DAY + table.nth(0)
            day = self._days.next_day(day + 1)
        return NEVER

    def previous(self, moment: int) -> int:
        """Return the last named local second at or before a moment, or -NEVER."""
        today, second = divmod(moment, DAY)
        day = self._days.previous_day(today)
        if day == today:
            table = self._tables[day % self._turns]
            rank = table.rank(second + 1)
            if rank:
                return day * DAY + table.nth(rank - 1)
            day = self._days.previous_day(today - 1)
        while day is not None:
            table = self._tables[day % self._turns]
            if table.size:
                return day * DAY + table.nth(table.size - 1)
            day = self._days.previous_day(day - 1)
        return -NEVER

    def count(self, low: int, high: int) -> int:
        """Return how many local seconds are named from one to another, both included."""
        if low > high:
            return 0
        return self._before(high + 1, low // DAY) - self._before(low, low // DAY)

    def _before(self, moment: int, from_day: int) -> int:
        """Return how many are named from the start of a day to before a moment."""
        day, second = divmod(moment, DAY)
        whole = self._whole_days(from_day, day - 1)
        return whole + (self._tables[day % self._turns].rank(second) if self._days.count(day, day) else 0)

    def _whole_days(self, low: int, high: int) -> int:
        if self._turns == 1:
            return self._days.count(low, high) * self._tables[0].size
        days = (day for day in range(low, high + 1) if self._days.count(day, day))
        return sum(self._tables[day % self._turns].size for day in days)
