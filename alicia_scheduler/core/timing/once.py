"""A single fire (docs/time-rules.md, "Once")."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.model.schedule import DstOverride, OnceSchedule
from alicia_scheduler.core.timing.errors import InvalidSchedule
from alicia_scheduler.core.timing.zones import resolve_local


class OnceTiming:
    """One nominal time."""

    __slots__ = ("_nominal", "_note")

    def __init__(self, nominal: datetime, note: str) -> None:
        self._nominal = nominal
        self._note = note

    def next_time(self, after: datetime) -> datetime | None:
        """Return the nominal time if it lies strictly after an instant."""
        return self._nominal if self._nominal > after else None

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the nominal time if it lies at or before an instant."""
        return self._nominal if self._nominal <= until else None

    def count(self, after: datetime, until: datetime) -> int:
        """Return 1 if the nominal time lies in the span, else 0."""
        return int(after < self._nominal <= until)

    def note(self, nominal: datetime) -> str:
        """Return what the clock change did to the local time it was given as."""
        return self._note


def once_timing(schedule: OnceSchedule, created_at: datetime, timezone: str, dst: DstOverride) -> OnceTiming:
    """Return the fire of a once schedule; a local time is read in the zone, a delay counts from the creation.

    Raises:
        InvalidSchedule: the local time does not exist and the override says to skip it, or it is out of range.
    """
    if schedule.run_at is not None:
        if schedule.run_at.tzinfo is not None:
            return OnceTiming(schedule.run_at, "")
        nominal, note = resolve_local(schedule.run_at, timezone, dst)
        if dst.gap == "skip" and note.startswith("shifted"):
            raise InvalidSchedule("schedule_config.run_at", f"{schedule.run_at} does not exist in {timezone}")
        return OnceTiming(nominal, note)
    if schedule.delay is None:
        raise InvalidSchedule("schedule_config", "neither run_at nor delay is given")
    return OnceTiming(created_at + schedule.delay, "")
