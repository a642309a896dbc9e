"""Keeps the store small and the service's last sign of life fresh, off the fire path."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import StoreUnavailable
from alicia_scheduler.ports import Clock, Retention, Store

HEARTBEAT = timedelta(seconds=60)
"""How exactly the time of a crash is known when nothing else was going on."""

BREATH = timedelta(milliseconds=20)
"""Pause between two batches, so that a due fire never waits for more than one."""

log = structlog.get_logger("housekeeping")


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """What is kept, and how often the rest is removed; ``interval`` None never removes anything."""

    age: timedelta = timedelta(days=30)
    per_event: int = 1000
    requests_age: timedelta = timedelta(hours=24)
    interval: timedelta | None = timedelta(hours=24)
    thrown_age: timedelta = timedelta(days=7)
    thrown_kept: int = 100_000


class Housekeeping:
    """Removes old history in small batches and leaves a heartbeat."""

    def __init__(self, store: Store, writer: Writer, clock: Clock, limits: HistoryLimits) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._limits = limits
        self._wanted = asyncio.Event()
        self.removed = 0

    def relieve(self) -> None:
        """Has old history removed now: a full disk may have room again after it."""
        self._wanted.set()

    async def run(self) -> None:
        """Cleans up at once and then every interval, with a heartbeat in between."""
        next_clean_up = self._clock.steady()
        while True:
            interval = self._limits.interval
            if self._wanted.is_set() or (interval is not None and self._clock.steady() >= next_clean_up):
                self._wanted.clear()
                await self.clean_up()
                next_clean_up = self._clock.steady() + (interval or HEARTBEAT)
            if await self._heartbeat_is_due():
                await self._writer.submit(Needs(), lambda view, now: Decision(None, mark=view.mark))

    async def _heartbeat_is_due(self) -> bool:
        """Sleeps until the next heartbeat; False when a clean-up is wanted before."""
        alarm = asyncio.ensure_future(self._clock.sleep(min(HEARTBEAT, self._limits.interval or HEARTBEAT)))
        wanted = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait((alarm, wanted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            wanted.cancel()
        return not self._wanted.is_set()

    async def clean_up(self) -> int:
        """Removes everything that the limits do not keep; answers how many rows went."""
        now = self._clock.now()
        limits = self._limits
        retention = Retention(
            now - limits.age, limits.per_event, now - limits.requests_age, now - limits.thrown_age, limits.thrown_kept
        )
        removed = 0
        while True:
            try:
                some = await self._store.remove_expired(retention)
            except StoreUnavailable as error:
                log.warning("clean_up_postponed", error=str(error))
                break
            if not some:
                break
            removed += some
            await self._clock.sleep(BREATH)
        self.removed += removed
        if removed:
            log.info("history_removed", rows=removed)
        return removed
