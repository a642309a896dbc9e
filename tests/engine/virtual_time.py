"""A loop whose time jumps to the next timer when there is nothing to do, and a clock on it that can be set.

A day of virtual time takes as long as its work; a test that waits for what never comes fails at once.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When virtual time starts: a Monday."""


class Stuck(AssertionError):
    """Every task waits, and no timer will wake any of them."""


class JumpingSelector(selectors.BaseSelector):
    """Where a real selector would sleep, time jumps."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Stuck("every task waits, and nothing is scheduled")
        self.elapsed += max(timeout, 0.0)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed


class VirtualClock:
    """The clocks of a machine on virtual time; ``step`` sets the wall clock, as an operator or NTP would."""

    def __init__(self, wall: datetime = NOON) -> None:
        self._started = wall - self.steady()

    def now(self) -> datetime:
        return self._started + self.steady()

    def steady(self) -> timedelta:
        return timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(max(0.0, duration.total_seconds()))

    def step(self, by: timedelta) -> None:
        self._started += by
