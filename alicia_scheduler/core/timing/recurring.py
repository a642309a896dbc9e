"""Recurring schedules as local rules: frequency, days and every k-th period (docs/time-rules.md, "Recurring")."""

from __future__ import annotations

from datetime import datetime
from math import gcd
from typing import Literal, assert_never

from alicia_scheduler.core.model.day_names import WEEKDAYS
from alicia_scheduler.core.model.schedule import RecurringSchedule
from alicia_scheduler.core.timing.calendar import (
    CALENDAR_CYCLE_MONTHS,
    DayCalendar,
    DayMask,
    DayTimes,
    LocalRule,
    PeriodMask,
)
from alicia_scheduler.core.timing.seconds import DAY, local_second_of


def recurring_rule(schedule: RecurringSchedule, anchor: datetime) -> tuple[LocalRule, bool]:
    """Return the local rule of a recurring schedule, and whether it names a wall-clock time.

    Args:
        schedule: the rule.
        anchor: wall-clock time from which every k-th period is counted.
    """
    hourly = schedule.frequency == "hourly"
    yearly = schedule.frequency == "yearly"
    days = DayCalendar(
        frozenset(schedule.months or range(1, 13)),
        _day_mask(schedule),
        period=_period_mask(schedule.frequency, schedule.interval, anchor),
        reach=CALENDAR_CYCLE_MONTHS * (schedule.interval if yearly else 1),
    )
    tables = _hour_tables(schedule, anchor) if hourly else (DayTimes(schedule.day_times),)
    return LocalRule(days, tables), not hourly


def _hour_tables(schedule: RecurringSchedule, anchor: datetime) -> tuple[DayTimes, ...]:
    """Return the times of each day in turn; the pattern of every k-th hour repeats after a number of days."""
    step = schedule.interval
    anchor_hour = local_second_of(anchor) // 3600
    within = sorted({second % 3600 for second in schedule.day_times})
    return tuple(
        DayTimes([hour * 3600 for hour in range(24) if (day * 24 + hour - anchor_hour) % step == 0], within)
        for day in range(step // gcd(step, 24))
    )


def _day_mask(schedule: RecurringSchedule) -> DayMask:
    weekdays = tuple(WEEKDAYS.index(name) for name in schedule.days_of_week)
    clamped = schedule.missing_day == "last"

    def mask(days: int, first: int) -> int:
        found = (1 << days) - 1
        if weekdays:
            found &= sum(1 << day for day in range(days) if (first + day) % 7 in weekdays)
        if schedule.days_of_month:
            found &= _days_of_month_mask(schedule.days_of_month, days, clamped=clamped)
        return found

    return mask


def _days_of_month_mask(wanted: tuple[int, ...], days: int, *, clamped: bool) -> int:
    found = 0
    for number in wanted:
        day = number if number > 0 else days + 1 + number
        if clamped:
            day = min(max(day, 1), days)
        if 1 <= day <= days:
            found |= 1 << (day - 1)
    return found


_Frequency = Literal["hourly", "daily", "weekly", "monthly", "yearly"]


def _period_mask(frequency: _Frequency, step: int, anchor: datetime) -> PeriodMask | None:
    """Return which days lie in a counted period; weeks begin on Monday, and the anchor's own period counts."""
    if step == 1:
        return None
    anchor_day = local_second_of(anchor) // DAY
    anchor_month = anchor.year * 12 + anchor.month - 1
    match frequency:
        case "hourly":
            return None
        case "daily":
            return lambda _index, first, days: _daily(first - anchor_day, days, step)
        case "weekly":
            monday = anchor_day - anchor.weekday()
            return lambda _index, first, days: _weekly(first - monday, days, step)
        case "monthly":
            return lambda index, _first, _days: 0 if (index - anchor_month) % step else -1
        case "yearly":
            return lambda index, _first, _days: 0 if (index // 12 - anchor.year) % step else -1
        case _:
            assert_never(frequency)


def _daily(from_anchor: int, days: int, step: int) -> int:
    return sum(1 << day for day in range(-from_anchor % step, days, step))


def _weekly(from_monday: int, days: int, step: int) -> int:
    return sum(1 << day for day in range(days) if (from_monday + day) // 7 % step == 0)
