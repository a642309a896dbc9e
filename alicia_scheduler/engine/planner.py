"""Wakes when something is due, and has the due events planned. The loop to read first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from alicia_scheduler.core.announcement import Recovered
from alicia_scheduler.core.clock_step import CORRECTION, NOTICED, Reading, clock_step
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.on_clock import on_clock_set_back
from alicia_scheduler.core.on_tick import Planned, on_tick
from alicia_scheduler.core.thrown.needs import due_needs
from alicia_scheduler.core.thrown.on_due import Ripe
from alicia_scheduler.core.thrown.on_due import on_due as thrown_due
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.engine.writer import Committed, Writer
from alicia_scheduler.ports import Clock

DUE_LIMIT = 250
"""Due events in one transaction; with more, the next one follows at once. Few, so the first of many fires early."""

log = structlog.get_logger("planner")


class Planner:
    """Plans what is due, then sleeps until the next due time, a nudge, or a look at the clock.

    Args:
        longest_sleep: The clock is looked at that often, so that a step is seen; it costs no transaction.
        on_due: Called when a wake time has come: retries may be ready to run.
    """

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        timings: Timings,
        longest_sleep: timedelta,
        on_due: Callable[[], None],
        thrown: ThrowRules | None = None,
    ) -> None:
        self._writer = writer
        self._thrown = thrown or ThrowRules()
        self._on_due = on_due
        self._clock = clock
        self._timings = timings
        self._longest_sleep = longest_sleep
        self._nudged = asyncio.Event()
        self._wake_time: datetime | None = None
        self._reading = self._read()
        self.due_since: datetime | None = None

    def committed(self, committed: Committed) -> None:
        """Notices that a commit brought something nearer than what the planner sleeps for."""
        if committed.wake_time and (self._wake_time is None or committed.wake_time < self._wake_time):
            self._wake_time = committed.wake_time
            self._nudged.set()

    async def run(self) -> None:
        """Plans for ever."""
        while True:
            await self._look_at_clock()
            now = self._clock.now()
            if self._wake_time is not None and self._wake_time <= now:
                self.due_since = self._wake_time
                await self.plan(now)
                self._on_due()
            else:
                self.due_since = None
                await self._sleep(now)

    async def plan(self, now: datetime, *, corrected: bool = False) -> Planned:
        """Plans what is due until nothing is left of it; answers what came of it in all."""
        total = Planned(0, 0, 0)
        ripe = self._ripen(now)
        while True:
            planned = await self._plan_some(now, corrected=corrected)
            total = Planned(total.events + planned.events, total.fires + planned.fires, total.missed + planned.missed)
            if planned.events < DUE_LIMIT:
                break
        while (await ripe).more(DUE_LIMIT):
            ripe = self._ripen(now)
        self._wake_time = self._writer.next_wake_time
        return total

    def _ripen(self, now: datetime) -> asyncio.Future[Ripe]:
        """Has entries of thrown events dealt with that became active or expired, with the commit of the due events."""
        return self._writer.submit(
            due_needs(now, DUE_LIMIT),
            lambda view, at: thrown_due(view, at, self._timings, self._thrown),
            asks_wake=True,
        )

    async def catch_up_with_clock(self, since: datetime) -> None:
        """Recomputes the events that a clock which ran ahead has planned into the future; ``since`` it was wrong."""
        looked_at = DUE_LIMIT
        while looked_at == DUE_LIMIT:
            looked_at = await self._writer.submit(
                Needs(ahead_of=self._clock.now(), ahead_limit=DUE_LIMIT),
                lambda view, now: on_clock_set_back(view, now, self._timings),
                asks_wake=True,
            )
        self._wake_time = self._writer.next_wake_time
        await self._announce(since, missed=0)

    async def _plan_some(self, now: datetime, *, corrected: bool) -> Planned:
        planned = await self._writer.submit(
            Needs(due_at=now, due_limit=DUE_LIMIT),
            lambda view, at: on_tick(view, at, self._timings, corrected=corrected),
            asks_wake=True,
        )
        self._wake_time = self._writer.next_wake_time
        return planned

    async def _sleep(self, now: datetime) -> None:
        """Until the wake time, a nudge, or the longest sleep; never past the wake time by much, never before it."""
        wait = self._longest_sleep if self._wake_time is None else min(self._longest_sleep, self._wake_time - now)
        self._nudged.clear()
        alarm = asyncio.ensure_future(self._clock.sleep(wait))
        nudge = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait((alarm, nudge), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            nudge.cancel()

    async def _look_at_clock(self) -> None:
        before, self._reading = self._reading, self._read()
        step = clock_step(before, self._reading)
        if abs(step) < NOTICED:
            return
        log.warning("clock_step", seconds=round(step.total_seconds(), 3))
        if step > CORRECTION:
            planned = await self.plan(self._reading.wall, corrected=True)
            await self._announce(before.wall, planned.missed)
        elif step < -CORRECTION:
            await self.catch_up_with_clock(before.wall)

    async def _announce(self, since: datetime, missed: int) -> None:
        await self._writer.submit(
            Needs(),
            lambda view, now: Decision(None, announcements=(Recovered("clock", since, now, missed=missed),)),
        )

    def _read(self) -> Reading:
        return Reading(self._clock.now(), self._clock.steady())
