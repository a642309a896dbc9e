"""Instants for people: epoch seconds as ISO text or in a format of their own, in any zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from alicia_scheduler.core.templates.limits import Meter, TemplateError
from alicia_scheduler.core.templates.values import number, string

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_FORMAT_CHARS = 200
ZONE_STEPS = 500
"""A zone seen for the first time is read from its file."""

# Widths such as %999999d are left out: the C library would make a text of that size.
_format = re.compile(r"(?:[^%]|%-?[aAbBcdDeFfGHIjmMpRSTuUVwWxXyYzZ%])*")
_zone = re.compile(r"[A-Z][A-Za-z0-9_+-]*(?:/[A-Z][A-Za-z0-9_+-]*){0,2}")


def iso(meter: Meter, value: Any, zone: Any = "UTC") -> str:
    """The instant as ISO 8601 with the zone's offset."""
    return _local(meter, value, zone).isoformat()


def format_time(meter: Meter, value: Any, pattern: Any, zone: Any = "UTC") -> str:
    """The instant in a ``strftime`` pattern."""
    if len(string(pattern)) > MAX_FORMAT_CHARS or not _format.fullmatch(pattern):
        raise TemplateError("format_time: the pattern is too long or has a % code that is not known")
    return _local(meter, value, zone).strftime(pattern)


def _local(meter: Meter, value: Any, zone: Any) -> datetime:
    meter.spend(ZONE_STEPS)
    if isinstance(value, bool):
        raise TemplateError("expected epoch seconds, got true/false")
    try:
        return (EPOCH + timedelta(seconds=number(value))).astimezone(_zone_info(string(zone)))
    except OverflowError:
        raise TemplateError("the time is outside the years 1 to 9999") from None


@lru_cache(maxsize=64)
def _zone_info(name: str) -> ZoneInfo:
    try:
        if _zone.fullmatch(name):
            return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        pass  # a directory, a file that is no zone, no such name: all the same to the writer
    raise TemplateError("the time zone is not known; give an IANA name such as Europe/Berlin")
