"""Instants as whole seconds: the searches below `datetime` work on integers, which is what makes them fast.

A *second* is an epoch second (UTC). A *local second* counts the same way on the zone's wall clock, as if it were UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
DAY = 86_400
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
EPOCH_ORDINAL = EPOCH.toordinal()

FIRST_YEAR, LAST_YEAR = 1900, 9997
"""Searches stay inside these years: what is loaded around them must not leave the calendar of `datetime`."""

FIRST_SECOND = int((datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
LAST_SECOND = int((datetime(LAST_YEAR, 12, 31, tzinfo=UTC) - EPOCH).total_seconds())


def second_of(instant: datetime) -> int:
    """Return the epoch second an instant lies in, kept inside the searched years."""
    delta = instant - EPOCH
    return min(max(delta.days * DAY + delta.seconds, FIRST_SECOND), LAST_SECOND)


def instant_of(second: int) -> datetime:
    """Return the instant at which an epoch second begins."""
    return EPOCH + timedelta(seconds=second)


def local_second_of(naive: datetime) -> int:
    """Return the local second of a wall-clock time without zone."""
    delta = naive - NAIVE_EPOCH
    return delta.days * DAY + delta.seconds


def naive_of(local_second: int) -> datetime:
    """Return the wall-clock time of a local second."""
    return NAIVE_EPOCH + timedelta(seconds=local_second)
