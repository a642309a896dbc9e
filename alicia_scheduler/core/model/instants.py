"""Instants and local times as people write them (docs/time-rules.md, "Instants").

An instant is RFC 3339 with an offset, or epoch seconds, and becomes an aware UTC `datetime`. A local time without an
offset stays a naive `datetime`: only the event's zone can say which instant it is, and that is asked later.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)

_EXPECTED = (
    'expected an instant such as "2026-03-29T02:30:00+02:00", epoch seconds, or a local time "2026-03-29T02:30:00"'
)
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)


def parse_instant(value: object) -> datetime:
    """Return an aware UTC datetime, or a naive one for a local time without an offset.

    >>> parse_instant(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    >>> parse_instant("2026-03-29T02:30").isoformat()
    '2026-03-29T02:30:00'

    Raises:
        ValueError: not an instant, or outside 1970 to 9999.
    """
    if isinstance(value, datetime):
        return _within_range(value)
    if isinstance(value, str):
        return _within_range(_read_text(value.strip()))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(_EXPECTED)
    return _from_epoch(value)


def instant_text(value: datetime) -> str:
    """Return the canonical text: UTC with ``Z`` for an instant, no offset for a local time."""
    return value.isoformat().replace("+00:00", "Z")


def _read_text(text: str) -> datetime:
    parts = _TEXT.fullmatch(text)
    if parts is None:
        raise ValueError(_EXPECTED)
    day, clock, second, fraction, offset = parts.groups()
    micros = (fraction or "0").ljust(6, "0")[:6]
    zone = "" if offset is None else "+00:00" if offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{clock}:{second or '00'}.{micros}{zone}")
    except ValueError as error:
        raise ValueError(f"{error}; {_EXPECTED}") from None


def _from_epoch(seconds: float) -> datetime:
    if not math.isfinite(seconds) or not 0 <= seconds <= LATEST.timestamp():
        raise ValueError("epoch seconds must be finite and lie between the years 1970 and 9999")
    return EPOCH + timedelta(seconds=seconds)


def _within_range(value: datetime) -> datetime:
    try:
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant must lie between the years 1970 and 9999") from None
    if not EPOCH <= aware <= LATEST:
        raise ValueError("an instant must lie between the years 1970 and 9999")
    return value.replace(fold=0) if value.tzinfo is None else aware


def parse_date(value: object) -> date:
    """Return the calendar date that an ISO text names.

    Raises:
        ValueError: not a date of the form YYYY-MM-DD.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{error} in '{value}'") from None
    raise ValueError('expected a date such as "2026-12-24"')


LocalOrInstant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    PlainSerializer(instant_text, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "format": "date-time"}],
            "description": "RFC 3339 with offset, epoch seconds, or a local time read in the event's zone.",
        }
    ),
]
"""A field that holds an aware UTC datetime, or a naive one still to be read in the event's zone."""

CalendarDate = Annotated[date, BeforeValidator(parse_date), PlainSerializer(date.isoformat, return_type=str)]
"""A field that holds a calendar date and is written as ISO text."""
