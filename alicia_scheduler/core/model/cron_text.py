"""The cron dialect: text to fields (docs/time-rules.md, "Cron").

A field becomes the sorted numbers it allows; what depends on the month (``L``, ``15W``, ``fri#2``) stays a record for
the calendar to place. Nothing here knows dates or zones.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from alicia_scheduler.core.model.day_names import MONTH_BY_NAME, WEEKDAY_BY_NAME

MAX_LENGTH = 512
FIRST_CRON_YEAR, LAST_CRON_YEAR = 1970, 2199

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class LastDay:
    """``L`` and ``L-n``: so many days before the last day of the month."""

    days_before: int


@dataclass(frozen=True, slots=True)
class NearestWeekday:
    """``15W``: the Monday-to-Friday day nearest to a day, within the month; ``LW`` has day None, the last one."""

    day: int | None


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """``fri#2``: the n-th such weekday of the month; n None is the last. Weekday 0 is Sunday."""

    weekday: int
    nth: int | None


MonthDayRule = LastDay | NearestWeekday


@dataclass(frozen=True, slots=True)
class CronFields:
    """What a cron expression allows, field by field; weekdays count from Sunday, ``years`` None is any."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    day_rules: tuple[MonthDayRule, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    weekday_rules: tuple[NthWeekday, ...]
    years: tuple[int, ...] | None
    days_open: bool
    weekdays_open: bool
    names_wall_clock: bool


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    hash_high: int
    names: dict[str, int] | None = None

    def number(self, text: str, context: str) -> int:
        named = (self.names or {}).get(text.lower())
        if named is not None:
            return named
        if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
            raise self.error(context, f"'{text}' is not {self.expected()}")
        value = int(text)
        if not self.low <= value <= self.top():
            raise self.error(context, f"{value} is not in {self.low}-{self.top()}")
        return value

    def top(self) -> int:
        return 7 if self.name == "day-of-week" else self.high

    def expected(self) -> str:
        named = " or a name" if self.names else ""
        return f"a number from {self.low} to {self.top()}{named}"

    def error(self, context: str, reason: str) -> ValueError:
        return ValueError(f"{self.name} field '{_shown(context)}': {reason}")


_SUNDAY_FIRST = {name: (index + 1) % 7 for name, index in WEEKDAY_BY_NAME.items()}
_SECOND = _Field("second", 0, 59, 59)
_MINUTE = _Field("minute", 0, 59, 59)
_HOUR = _Field("hour", 0, 23, 23)
_DAY = _Field("day-of-month", 1, 31, 28)
_MONTH = _Field("month", 1, 12, 12, MONTH_BY_NAME)
_WEEKDAY = _Field("day-of-week", 0, 6, 6, _SUNDAY_FIRST)
_YEAR = _Field("year", FIRST_CRON_YEAR, LAST_CRON_YEAR, LAST_CRON_YEAR)

_ITEM = re.compile(r"([^/]+)(?:/(\d{1,4}))?", re.ASCII)
_HASHED = re.compile(r"H(?:\((\w+)-(\w+)\))?", re.ASCII | re.IGNORECASE)
_LAST_DAY = re.compile(r"L(?:-(\d{1,2}))?", re.ASCII | re.IGNORECASE)
_NEAREST = re.compile(r"(?:(\d{1,2})|L)W", re.ASCII | re.IGNORECASE)
_NTH = re.compile(r"(\w{1,9})#([1-5])", re.ASCII)
_LAST_WEEKDAY = re.compile(r"L(\d)|([0-9]|[A-Za-z]{3,9}?)L", re.ASCII | re.IGNORECASE)


def canonical_cron(expression: str) -> str:
    """Return the expression with single spaces, after checking that it parses.

    Raises:
        ValueError: names the field, its text and the allowed range.
    """
    parse_cron(expression, "")
    return " ".join(expression.split())


@lru_cache(maxsize=2048)
def parse_cron(expression: str, event_id: str) -> CronFields:
    """Return the fields of an expression; ``H`` is placed by a hash of the event id.

    >>> parse_cron("*/20 7 * * mon-fri", "").minutes
    (0, 20, 40)

    Raises:
        ValueError: names the field, its text and the allowed range.
    """
    second, minute, hour, day, month, weekday, year = _split(expression)
    days, day_rules = _day_field(day, event_id)
    weekdays, weekday_rules = _weekday_field(weekday, event_id)
    return CronFields(
        seconds=_numbers(_SECOND, second, event_id),
        minutes=_numbers(_MINUTE, minute, event_id),
        hours=_numbers(_HOUR, hour, event_id),
        days=days,
        day_rules=day_rules,
        months=_numbers(_MONTH, month, event_id),
        weekdays=weekdays,
        weekday_rules=weekday_rules,
        years=None if year == "*" else _numbers(_YEAR, year, event_id),
        days_open=day.startswith(("*", "?")),
        weekdays_open=weekday.startswith(("*", "?")),
        names_wall_clock=not (minute.startswith("*") or hour.startswith("*")),
    )


def _split(expression: str) -> list[str]:
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"a cron expression has at most {MAX_LENGTH} characters, not {len(expression)}")
    if not expression.isascii():
        raise ValueError("a cron expression is written in plain ASCII characters")
    fields = expression.split()
    if len(fields) == 1 and fields[0].startswith("@"):
        fields = _nickname(fields[0]).split()
    match len(fields):
        case 5:
            return ["0", *fields, "*"]
        case 6:
            return [*fields, "*"]
        case 7:
            return fields
        case count:
            raise ValueError(f"expected 5 fields, 6 with seconds first or 7 with the year last, not {count}")


def _nickname(text: str) -> str:
    known = NICKNAMES.get(text.lower())
    if known is None:
        raise ValueError(f"'{_shown(text)}' is not one of {' '.join(NICKNAMES)}")
    return known


def _day_field(text: str, event_id: str) -> tuple[tuple[int, ...], tuple[MonthDayRule, ...]]:
    if text == "?":
        text = "*"
    rules: list[MonthDayRule] = []
    plain: list[str] = []
    for item in text.split(","):
        rule = _month_day_rule(item, text)
        plain.append(item) if rule is None else rules.append(rule)
    return _numbers(_DAY, ",".join(plain), event_id) if plain else (), tuple(rules)


def _month_day_rule(item: str, context: str) -> MonthDayRule | None:
    last = _LAST_DAY.fullmatch(item)
    if last is not None:
        before = int(last[1] or 0)
        if before > 30:
            raise _DAY.error(context, f"{before} is not in 0-30")
        return LastDay(before)
    nearest = _NEAREST.fullmatch(item)
    if nearest is not None:
        return NearestWeekday(None if nearest[1] is None else _DAY.number(nearest[1], context))
    return None


def _weekday_field(text: str, event_id: str) -> tuple[tuple[int, ...], tuple[NthWeekday, ...]]:
    if text == "?":
        text = "*"
    rules: list[NthWeekday] = []
    plain: list[str] = []
    for item in text.split(","):
        rule = _nth_weekday_rule(item, text)
        plain.append(item) if rule is None else rules.append(rule)
    return _numbers(_WEEKDAY, ",".join(plain), event_id) if plain else (), tuple(rules)


def _nth_weekday_rule(item: str, context: str) -> NthWeekday | None:
    nth = _NTH.fullmatch(item)
    if nth is not None:
        return NthWeekday(_WEEKDAY.number(nth[1], context) % 7, int(nth[2]))
    if "#" in item:
        raise _WEEKDAY.error(context, "expected a day, # and 1 to 5, such as fri#2")
    last = _LAST_WEEKDAY.fullmatch(item)
    if last is not None:
        return NthWeekday(_WEEKDAY.number(last[1] or last[2], context) % 7, None)
    return None


def _numbers(field: _Field, text: str, event_id: str) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.split(","):
        found.update(_item(field, item, text, event_id))
    return tuple(sorted(found))


def _item(field: _Field, item: str, context: str, event_id: str) -> list[int]:
    parts = _ITEM.fullmatch(item)
    if parts is None:
        raise field.error(context, f"'{_shown(item)}' is not {field.expected()}, a range or a step")
    base, step = parts[1], _step(field, parts[2], context)
    hashed = _HASHED.fullmatch(base)
    if hashed is not None:
        return _placed(field, hashed, step, context, event_id)
    if base == "*":
        return list(range(field.low, field.high + 1, step or 1))
    first, dash, last = base.partition("-")
    if dash:
        return _range(field, field.number(first, context), field.number(last, context), step or 1, context)
    start = field.number(first, context)
    if step is None:
        return [start % 7 if field is _WEEKDAY else start]
    return (
        [value % 7 for value in range(start, max(start, 6) + 1, step)]
        if field is _WEEKDAY
        else list(range(start, field.high + 1, step))
    )


def _step(field: _Field, text: str | None, context: str) -> int | None:
    if text is None:
        return None
    largest = field.high - field.low + 1
    if not 1 <= int(text) <= largest:
        raise field.error(context, f"step {int(text)} is not in 1-{largest}")
    return int(text)


def _range(field: _Field, first: int, last: int, step: int, context: str) -> list[int]:
    if field is _WEEKDAY:
        if first == 7 and last != 7:
            first = 0
        return [value % 7 for value in range(first, last + (1 if first <= last else 8), step)]
    if first <= last:
        return list(range(first, last + 1, step))
    if field is _YEAR:
        raise field.error(context, f"{last} comes before {first}")
    around = [*range(first, field.high + 1), *range(field.low, last + 1)]
    return around[::step]


def _placed(field: _Field, hashed: re.Match[str], step: int | None, context: str, event_id: str) -> list[int]:
    """Return the numbers that ``H`` stands for: the same for one event and field at all times, spread over events."""
    low, high = field.low, field.hash_high
    if hashed[1] is not None:
        low, high = field.number(hashed[1], context), field.number(hashed[2], context)
    if low > high:
        raise field.error(context, f"{low} is larger than {high}")
    size = high - low + 1
    digest = hashlib.blake2b(f"{event_id}\0{field.name}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big")
    if step is None:
        values = [low + place % size]
    else:
        values = list(range(low + place % min(step, size), high + 1, step))
    return [value % 7 for value in values] if field is _WEEKDAY else values


def _shown(text: str) -> str:
    """Return the text short enough for a message, without control characters."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= 40 else f"{clean[:37]}..."
