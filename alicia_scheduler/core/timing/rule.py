"""What every kind of rule answers, before start, end and jitter are put around it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class TimingRule(Protocol):
    """The nominal times of a rule, all instants aware UTC."""

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant."""
        ...

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant."""
        ...

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times lie after the first instant, up to and including the second."""
        ...

    def note(self, nominal: datetime) -> str:
        """Return what a person should know about this nominal time, or nothing."""
        ...


class NoTimes:
    """A rule that never fires by itself: manual and event schedules."""

    __slots__ = ()

    def next_time(self, after: datetime) -> datetime | None:
        """Return None."""
        return None

    def previous_time(self, until: datetime) -> datetime | None:
        """Return None."""
        return None

    def count(self, after: datetime, until: datetime) -> int:
        """Return 0."""
        return 0

    def note(self, nominal: datetime) -> str:
        """Return nothing."""
        return ""
