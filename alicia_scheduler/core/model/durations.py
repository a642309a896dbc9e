"""Durations as people write them: a number of seconds, or text with a unit (docs/time-rules.md, "Durations")."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

MAX_DURATION = timedelta(days=3653)
"""Ten years: nothing the scheduler waits for is longer."""

_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = r"(\d{1,15}(?:\.\d{1,9})?)\s?(ms|s|m|h|d|w)"
_TEXT = re.compile(rf"(?:{_PART}\s?)+", re.ASCII)
_ONE_PART = re.compile(_PART, re.ASCII)
_PLAIN_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_EXPECTED = 'expected a number of seconds or text with a unit such as "90s", "5m", "2h", "1d" or "500ms"'


def parse_duration(value: object) -> timedelta:
    """Return the duration that a number of seconds or a text with units means.

    >>> parse_duration("1.5h")
    datetime.timedelta(seconds=5400)
    >>> parse_duration(90)
    datetime.timedelta(seconds=90)

    Raises:
        ValueError: not a duration, negative, not finite, or longer than ten years.
    """
    if isinstance(value, timedelta):
        return _within_range(value.total_seconds())
    if isinstance(value, str):
        return _within_range(_seconds_of_text(value.strip()))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(_EXPECTED)
    return _within_range(value)


def duration_seconds(duration: timedelta) -> int | float:
    """Return the duration in seconds, an int when it is whole.

    >>> duration_seconds(timedelta(minutes=5)), duration_seconds(timedelta(milliseconds=500))
    (300, 0.5)
    """
    seconds = duration.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _seconds_of_text(text: str) -> float:
    if len(text) <= 64 and _PLAIN_NUMBER.fullmatch(text):
        return float(text)
    if len(text) > 64 or not _TEXT.fullmatch(text):
        raise ValueError(_EXPECTED)
    return math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in _ONE_PART.findall(text))


def _within_range(seconds: float) -> timedelta:
    if isinstance(seconds, float) and not math.isfinite(seconds):
        raise ValueError("a duration must be a finite number of seconds")
    if seconds < 0:
        raise ValueError("a duration must not be negative")
    if seconds > MAX_DURATION.total_seconds():
        raise ValueError("a duration must not be longer than ten years (3653 days)")
    return timedelta(seconds=seconds)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_seconds, return_type=int | float),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "examples": ["90s", "5m", "2h", "1d", "500ms"]},
            ],
            "description": "A number of seconds, or text with a unit.",
        }
    ),
]
"""A field that reads any spelling of a duration, holds a `timedelta` and is written as seconds."""
