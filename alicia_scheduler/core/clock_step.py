"""Telling a clock that was corrected from time that has passed (docs/time-rules.md, clock steps)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

CORRECTION = timedelta(hours=3)
"""A step of more than this is a correction of a wrong clock: what lies between is not replayed."""

NOTICED = timedelta(seconds=2)
"""A smaller step is drift that a time service corrects every day."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The wall clock and the steady clock, read together."""

    wall: datetime
    steady: timedelta


def clock_step(before: Reading, after: Reading) -> timedelta:
    """By how much the wall clock was set forward (negative: back) between two readings; the machine's sleep is no step.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> clock_step(Reading(noon, timedelta(0)), Reading(noon + timedelta(hours=5), timedelta(seconds=1)))
    datetime.timedelta(seconds=17999)
    """
    return (after.wall - before.wall) - (after.steady - before.steady)
