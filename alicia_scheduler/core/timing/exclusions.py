"""Exclusions: local dates, holidays and time ranges in which a rule has no nominal times.

They look at the wall clock at which the event would fire. A search that meets one jumps to its end, so neither a night
of excluded seconds nor a year of excluded days costs a step each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import assert_never

from alicia_scheduler.core.model.day_names import WEEKDAYS
from alicia_scheduler.core.model.schedule import ExcludedDates, ExcludedHolidays, ExcludedTimes, Exclusion
from alicia_scheduler.core.timing.calendar import NEVER
from alicia_scheduler.core.timing.public_holidays import holidays_of
from alicia_scheduler.core.timing.rule import TimingRule
from alicia_scheduler.core.timing.seconds import DAY, EPOCH_ORDINAL, TICK, instant_of, second_of
from alicia_scheduler.core.timing.zones import WallClock

MAX_JUMPS = 4000
"""So many excluded stretches in a row, more than ten years of days, count as "never again"."""
_EVERY_DAY = frozenset(range(7))
_KEPT_DAYS = 4096

Stretch = tuple[int, int]


class Exclusions:
    """The excluded stretches of local time."""

    __slots__ = ("_dates", "_kept", "_regions", "_times", "clock")

    def __init__(self, entries: Sequence[Exclusion], clock: WallClock) -> None:
        self.clock = clock
        self._dates: list[Stretch] = []
        self._times: list[tuple[int, int, frozenset[int]]] = []
        self._regions: list[tuple[str, str | None]] = []
        self._kept: dict[int, tuple[Stretch, ...]] = {}
        for entry in entries:
            self._add(entry)
        self._dates = _joined(self._dates)

    def _add(self, entry: Exclusion) -> None:
        match entry:
            case ExcludedDates(from_=first, to=last):
                self._dates.append((first.toordinal() - EPOCH_ORDINAL, last.toordinal() - EPOCH_ORDINAL + 1))
            case ExcludedTimes(time=(start, end), days_of_week=names):
                weekdays = _EVERY_DAY if names is None else frozenset(WEEKDAYS.index(name) for name in names)
                self._times.extend(_within_days(start, end, weekdays))
            case ExcludedHolidays(holidays=region):
                holidays_of(region.country, region.subdivision, 2000)
                self._regions.append((region.country, region.subdivision))
            case _:
                assert_never(entry)

    def on_day(self, day: int) -> tuple[Stretch, ...]:
        """Return the excluded stretches of a local day, in seconds of that day, in order and apart."""
        kept = self._kept.get(day)
        if kept is None:
            if len(self._kept) >= _KEPT_DAYS:
                self._kept.clear()
            kept = self._kept[day] = self._computed(day)
        return kept

    def _computed(self, day: int) -> tuple[Stretch, ...]:
        if self._whole_day(day):
            return ((0, DAY),)
        weekday = (day + 3) % 7
        return tuple(_joined([(start, end) for start, end, weekdays in self._times if weekday in weekdays]))

    def _whole_day(self, day: int) -> bool:
        if _containing(self._dates, day) is not None:
            return True
        if not self._regions:
            return False
        when = date.fromordinal(day + EPOCH_ORDINAL)
        return any(when in holidays_of(country, part, when.year) for country, part in self._regions)

    def end_after(self, local: int) -> int:
        """Return the first local second from this one on that is not excluded, or NEVER for one years away."""
        for _ in range(MAX_JUMPS):
            day, second = divmod(local, DAY)
            stretch = _containing(self.on_day(day), second)
            if stretch is None:
                return local
            dates = _containing(self._dates, day)
            local = day * DAY + stretch[1] if dates is None else dates[1] * DAY
        return NEVER

    def start_before(self, local: int) -> int:
        """Return the last local second up to this one that is not excluded, or -NEVER for one years away."""
        for _ in range(MAX_JUMPS):
            day, second = divmod(local, DAY)
            stretch = _containing(self.on_day(day), second)
            if stretch is None:
                return local
            dates = _containing(self._dates, day)
            local = (day * DAY + stretch[0] if dates is None else dates[0] * DAY) - 1
        return -NEVER


def _within_days(start: int, end: int, weekdays: frozenset[int]) -> list[tuple[int, int, frozenset[int]]]:
    """Return a time range as ranges that end by midnight; what lies after it belongs to the next weekday."""
    if start < end:
        return [(start, end, weekdays)]
    late = [(start, DAY, weekdays)]
    return [*late, (0, end, frozenset((day + 1) % 7 for day in weekdays))] if end else late


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return the stretches in order, with those that touch made one."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _containing(stretches: Sequence[Stretch], place: int) -> Stretch | None:
    """Return the stretch a place lies in, of stretches in order and apart."""
    index = bisect_right(stretches, place, key=itemgetter(0)) - 1
    return stretches[index] if index >= 0 and place < stretches[index][1] else None


class ExcludingTiming:
    """A rule without the nominal times that fall into exclusions."""

    __slots__ = ("_exclusions", "_rule")

    def __init__(self, rule: TimingRule, exclusions: Exclusions) -> None:
        self._rule = rule
        self._exclusions = exclusions

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant that is not excluded."""
        for _ in range(MAX_JUMPS):
            nominal = self._rule.next_time(after)
            if nominal is None:
                return None
            second = second_of(nominal)
            span = self._exclusions.clock.at(second)
            free = self._exclusions.end_after(second + span.offset)
            if free == second + span.offset:
                return nominal
            if free == NEVER:
                return None
            after = instant_of(min(free - span.offset, span.end)) - TICK
        return None

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant that is not excluded."""
        for _ in range(MAX_JUMPS):
            nominal = self._rule.previous_time(until)
            if nominal is None:
                return None
            second = second_of(nominal)
            span = self._exclusions.clock.at(second)
            free = self._exclusions.start_before(second + span.offset)
            if free == second + span.offset:
                return nominal
            if free == -NEVER:
                return None
            until = instant_of(max(free + 1 - span.offset, span.start)) - TICK
        return None

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times that are not excluded lie in the span."""
        excluded = sum(
            self._rule.count(max(after, start - TICK), min(until, end - TICK))
            for start, end in self._excluded(after, until)
        )
        return self._rule.count(after, until) - excluded

    def _excluded(self, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the excluded stretches that touch a span, as instants, each before the next."""
        clock = self._exclusions.clock
        first, last = second_of(after), second_of(until)
        while first <= last:
            span = clock.at(first)
            low, high = first + span.offset, min(span.end, last + 1) + span.offset
            for day in range(low // DAY, (high - 1) // DAY + 1):
                for start, end in self._exclusions.on_day(day):
                    begin, finish = max(low, day * DAY + start), min(high, day * DAY + end)
                    if begin < finish:
                        yield instant_of(begin - span.offset), instant_of(finish - span.offset)
            first = span.end

    def note(self, nominal: datetime) -> str:
        """Return the rule's own note."""
        return self._rule.note(nominal)


def without_excluded(rule: TimingRule, exclusions: Exclusions | None) -> TimingRule:
    """Return the rule with its exclusions applied, or the rule itself when there are none."""
    return rule if exclusions is None else ExcludingTiming(rule, exclusions)
