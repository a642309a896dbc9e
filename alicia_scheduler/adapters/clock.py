"""The only place that reads a clock or draws a random identifier."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

_STEADY = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC
"""Goes on while the machine sleeps, so a night in suspend is time that passed and not a step of the wall clock."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        return datetime.now(UTC)

    def steady(self) -> timedelta:
        """Time since the machine started, sleep included."""
        return timedelta(seconds=time.clock_gettime(_STEADY))

    async def sleep(self, duration: timedelta) -> None:
        """Returns after the duration; a machine that sleeps meanwhile makes it longer."""
        await asyncio.sleep(max(0.0, duration.total_seconds()))


def new_identifier() -> str:
    """Text that nobody has given before; for requests and messages that bring no identity along."""
    return uuid4().hex
