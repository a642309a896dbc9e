"""An independent reference: every minute is looked at, one by one, with nothing but `zoneinfo`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MARGIN = timedelta(days=2)


@dataclass(frozen=True)
class Part:
    """One field of a random expression: its text, and the numbers that whoever wrote it meant."""

    text: str
    values: frozenset[int]

    @property
    def open(self) -> bool:
        return self.text.startswith(("*", "?"))


@dataclass(frozen=True)
class Expression:
    minute: Part
    hour: Part
    day: Part
    month: Part
    weekday: Part

    @property
    def text(self) -> str:
        return " ".join(part.text for part in (self.minute, self.hour, self.day, self.month, self.weekday))

    @property
    def names_wall_clock(self) -> bool:
        return not (self.minute.text.startswith("*") or self.hour.text.startswith("*"))

    def matches(self, local: datetime) -> bool:
        if local.minute not in self.minute.values or local.hour not in self.hour.values:
            return False
        if local.month not in self.month.values:
            return False
        by_day = local.day in self.day.values
        by_weekday = local.isoweekday() % 7 in self.weekday.values
        return (by_day and by_weekday) if self.day.open or self.weekday.open else (by_day or by_weekday)


def reference(expression: Expression, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the fires in (after, until]."""
    look = _fixed if expression.names_wall_clock else _flowing
    return sorted({fire for fire in look(expression, ZoneInfo(zone), after, until) if after < fire <= until})


def _flowing(expression: Expression, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    instant = after.replace(second=0, microsecond=0)
    while instant <= until:
        if expression.matches(instant.astimezone(zone).replace(tzinfo=None)):
            yield instant
        instant += MINUTE


def _fixed(expression: Expression, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    local = after.replace(second=0, microsecond=0, tzinfo=None) - MARGIN
    while local <= until.replace(tzinfo=None) + MARGIN:
        if expression.matches(local):
            instant = _occurrence(local, zone)
            if instant is not None:
                yield instant
        local += MINUTE


def _occurrence(local: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first instant with this wall-clock time; in a gap of at most three hours its end."""
    earlier, later = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert earlier is not None
    assert later is not None
    if earlier >= later:
        return (local - earlier).replace(tzinfo=UTC)
    if later - earlier > timedelta(hours=3):
        return None
    instant = (local - later).replace(tzinfo=UTC)
    while instant.astimezone(zone).replace(tzinfo=None) < local:
        instant += MINUTE
    return instant
