"""Cron expressions as local rules: the fields, expanded and matched in wall-clock time (docs/time-rules.md, "Cron")."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from alicia_scheduler.core.model.cron_text import (
    CronFields,
    LastDay,
    MonthDayRule,
    NearestWeekday,
    NthWeekday,
    parse_cron,
)
from alicia_scheduler.core.model.schedule import CronSchedule
from alicia_scheduler.core.timing.calendar import DayCalendar, DayMask, DayTimes, LocalRule


def cron_rule(schedule: CronSchedule, event_id: str) -> tuple[LocalRule, bool]:
    """Return the local rule of a cron schedule, and whether it names a wall-clock time."""
    fields = parse_cron(schedule.cron_expression, event_id)
    both = _days_must_both_match(fields, schedule.day_logic)
    years = None if fields.years is None else frozenset(fields.years)
    days = DayCalendar(frozenset(fields.months), _day_mask(fields, both=both), years=years)
    times = DayTimes(_minute_starts(fields.hours, fields.minutes), fields.seconds)
    return LocalRule(days, (times,)), fields.names_wall_clock


def _days_must_both_match(fields: CronFields, logic: str) -> bool:
    """Return how the two day fields combine: with ``*`` or ``?`` in front of one, both; otherwise either."""
    if logic == "auto":
        return fields.days_open or fields.weekdays_open
    return logic == "and"


@lru_cache(maxsize=512)
def _minute_starts(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(hour * 3600 + minute * 60 for hour in hours for minute in minutes)


def _day_mask(fields: CronFields, *, both: bool) -> DayMask:
    plain_days = sum(1 << (day - 1) for day in fields.days)

    def mask(days: int, first: int) -> int:
        by_day = plain_days
        for rule in fields.day_rules:
            by_day |= _rule_mask(rule, days, first)
        by_weekday = sum(_weekday_mask(weekday, first) for weekday in fields.weekdays)
        for nth in fields.weekday_rules:
            by_weekday |= _nth_mask(nth, days, first)
        return (by_day & by_weekday) if both else (by_day | by_weekday)

    return mask


def _first_of(weekday: int, first: int) -> int:
    """Return the first such weekday of a month, 0 for the first day; weekdays from Sunday, ``first`` from Monday."""
    return (weekday - 1 - first) % 7


_EVERY_SEVENTH = sum(1 << day for day in range(0, 35, 7))


def _weekday_mask(weekday: int, first: int) -> int:
    return (_EVERY_SEVENTH << _first_of(weekday, first)) & ((1 << 31) - 1)


def _nth_mask(rule: NthWeekday, days: int, first: int) -> int:
    start = _first_of(rule.weekday, first)
    if rule.nth is None:
        return 1 << (start + (days - 1 - start) // 7 * 7)
    return 1 << (start + (rule.nth - 1) * 7)


def _rule_mask(rule: MonthDayRule, days: int, first: int) -> int:
    match rule:
        case LastDay(days_before):
            return 1 << (days - 1 - days_before) if days_before < days else 0
        case NearestWeekday(day):
            wanted = days if day is None else day
            return 1 << (_nearest_weekday(wanted, days, first) - 1) if wanted <= days else 0
        case _:
            assert_never(rule)


def _nearest_weekday(day: int, days: int, first: int) -> int:
    """Return the Monday-to-Friday day nearest to a day, without leaving the month."""
    weekday = (first + day - 1) % 7
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < days else day - 2
    return day
