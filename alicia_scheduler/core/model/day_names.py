"""Days of the week, months and times of day as people write them (docs/time-rules.md, "Recurring")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Canonical names; the position is the ISO weekday less one."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FULL_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
WEEKDAY_BY_NAME = {name: index for names in (WEEKDAYS, _FULL_WEEKDAYS) for index, name in enumerate(names)}
MONTH_BY_NAME = {name: index for names in (MONTHS, _FULL_MONTHS) for index, name in enumerate(names, start=1)}

_Entry = TypeVar("_Entry", str, int)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_CLOCK_EXPECTED = 'expected a time of day "HH:MM" or "HH:MM:SS", from 00:00 to 23:59:59'


def parse_weekday(value: object) -> str:
    """Return the canonical name for a name or a cron number (0 and 7 are Sunday).

    >>> parse_weekday("Friday"), parse_weekday(7)
    ('fri', 'sun')

    Raises:
        ValueError: neither a name nor 0 to 7.
    """
    if isinstance(value, str) and value.lower() in WEEKDAY_BY_NAME:
        return WEEKDAYS[WEEKDAY_BY_NAME[value.lower()]]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 7:
        return WEEKDAYS[(value - 1) % 7]
    raise ValueError("expected a day of the week: mon to sun, or 0 to 7 (0 and 7 are Sunday)")


def parse_month(value: object) -> int:
    """Return the month number for a name or a number.

    Raises:
        ValueError: neither a name nor 1 to 12.
    """
    if isinstance(value, str) and value.lower() in MONTH_BY_NAME:
        return MONTH_BY_NAME[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 12:
        return value
    raise ValueError("expected a month: jan to dec, or 1 to 12")


def parse_day_of_month(value: object) -> int:
    """Return the day number: 1 to 31 from the start, -1 to -31 from the end.

    Raises:
        ValueError: zero, too large, or not a whole number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= abs(value) <= 31:
        return value
    raise ValueError("expected a day of the month: 1 to 31, or -1 (the last) to -31")


def parse_time_of_day(value: object) -> int:
    """Return seconds after midnight.

    >>> parse_time_of_day("07:30")
    27000

    Raises:
        ValueError: not a time of day.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{_CLOCK_EXPECTED}; in YAML put it in quotes, or it is read as a number")
    parts = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if parts is None:
        raise ValueError(_CLOCK_EXPECTED)
    hour, minute, second = (int(part or 0) for part in parts.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{_CLOCK_EXPECTED}, not '{value}'")
    return hour * 3600 + minute * 60 + second


def time_of_day_text(seconds: int) -> str:
    """Return ``HH:MM``, with the seconds only when there are any.

    >>> time_of_day_text(27000), time_of_day_text(27001)
    ('07:30', '07:30:01')
    """
    hour, rest = divmod(seconds, 3600)
    minute, second = divmod(rest, 60)
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def _names_in_week_order(value: object) -> object:
    return _listed(value, parse_weekday, WEEKDAYS.index)


def _sorted_months(value: object) -> object:
    return _listed(value, parse_month, int)


def _sorted_days(value: object) -> object:
    return _listed(value, parse_day_of_month, int)


def _sorted_times(value: object) -> object:
    return _listed(value, parse_time_of_day, int)


def _listed(value: object, read: Callable[[object], _Entry], order: Callable[[_Entry], int]) -> tuple[_Entry, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("expected a list")
    if len(value) > 1440:
        raise ValueError("at most 1440 entries")
    return tuple(sorted({read(item) for item in value}, key=order))


def times_text(times: Iterable[int]) -> list[str]:
    """Return the times of day as canonical text."""
    return [time_of_day_text(seconds) for seconds in times]


_WEEKDAY_SCHEMA = {"type": "array", "items": {"anyOf": [{"enum": list(WEEKDAYS)}, {"type": "integer"}]}}
_CLOCK_SCHEMA = {"type": "string", "examples": ["07:30", "07:30:15"]}

WeekdayNames = Annotated[tuple[str, ...], BeforeValidator(_names_in_week_order), WithJsonSchema(_WEEKDAY_SCHEMA)]
MonthNumbers = Annotated[tuple[int, ...], BeforeValidator(_sorted_months)]
DaysOfMonth = Annotated[tuple[int, ...], BeforeValidator(_sorted_days)]
TimesOfDay = Annotated[
    tuple[int, ...],
    BeforeValidator(_sorted_times),
    PlainSerializer(times_text, return_type=list[str]),
    WithJsonSchema({"type": "array", "items": _CLOCK_SCHEMA}),
]
TimeOfDay = Annotated[
    int,
    BeforeValidator(parse_time_of_day),
    PlainSerializer(time_of_day_text, return_type=str),
    WithJsonSchema(_CLOCK_SCHEMA),
]
"""Seconds after midnight inside, ``HH:MM[:SS]`` outside."""
