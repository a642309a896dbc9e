"""Storms: faults one after the other while callers go on calling, and what each fault does to the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.simulation.adversary import SECOND, Strike
from tests.simulation.machine import Process

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

FOREVER = timedelta(days=10_000)
DOWNTIMES = (0, 0.5, 10, 40, 300, 4000)
AWAKENING = 30 * SECOND
"""So long after a storm its traces are no fault of the engine's."""


class Storms:
    """Carries out what the adversary draws."""

    def __init__(self, simulation: Simulation) -> None:
        self._sim = simulation
        self._faults: dict[str, Callable[[Strike], Awaitable[None]]] = {
            "crash": self._crash,
            "crash_later": self._crash_later,
            "crash_at": self._crash_at,
            "crash_loop": self._crash_loop,
            "stop": self._stop,
            "take_over": self._take_over,
            "full": self._full,
            "slow": self._slow,
            "uncertain": self._uncertain,
            "cut": self._cut,
            "forget": self._cut,
            "swallow": self._swallow,
            "late_acks": self._late_acks,
            "clock": self._clock,
        }

    async def rage(self) -> None:
        """One storm."""
        sim = self._sim
        sim.adversary.in_storm = True
        sim.rules.planning.calm_since = FOREVER
        for _ in range(sim.chance.randrange(3, 12)):
            sim.client.burst()
            strike = sim.adversary.strike()
            await self._faults[strike.kind](strike)
            await sim.clock.sleep(sim.adversary.pause())
            sim.look()
            await sim.restart_if_dead(self._downtime())
        await self.end()

    async def end(self) -> None:
        """Whatever is broken is mended, and a process runs."""
        sim = self._sim
        sim.adversary.in_storm, sim.adversary.armed = False, None
        await sim.clock.sleep(4 * SECOND)
        sim.disk.lies = 0
        sim.disk.full, sim.disk.commit_time, sim.broker.ack_delays = False, timedelta(0), (0.0,)
        await sim.restart_if_dead(self._downtime())
        self._connect(session_present=True)
        if sim.broker.swallows:
            self._reconnect()
        sim.client.repeat_unanswered()
        sim.rules.planning.calm_since = sim.clock.steady() + AWAKENING

    def _downtime(self) -> timedelta:
        return self._sim.chance.choice(DOWNTIMES) * SECOND

    # processes

    async def _crash(self, strike: Strike) -> None:
        self._sim.current.kill()

    async def _crash_later(self, strike: Strike) -> None:
        asyncio.get_running_loop().call_later(strike.seconds % 3, self._crash_after, self._sim.current, strike.steps)

    def _crash_after(self, process: Process, steps: int) -> None:
        """Lets the loop go on for some steps: whatever awaits is cut off there."""
        if steps and not process.dead:
            asyncio.get_running_loop().call_soon(self._crash_after, process, steps - 1)
        elif not self._sim.adversary.over:
            process.kill()

    async def _crash_at(self, strike: Strike) -> None:
        self._sim.adversary.armed = strike.point

    async def _crash_loop(self, strike: Strike) -> None:
        """The process dies again and again while something runs, as if that were the cause."""
        for _ in range(4):
            await self._until_something_runs()
            self._sim.current.kill()
            await self._sim.restart_if_dead(0.5 * SECOND)
            await self._sim.clock.sleep(0.05 * SECOND)

    async def _stop(self, strike: Strike) -> None:
        await self._sim.stop()

    async def _take_over(self, strike: Strike) -> None:
        """The process stands still, another one starts; then the first one wakes and believes that nothing happened."""
        sim = self._sim
        await self._until_something_runs()
        old, old_bus = sim.current, sim.bus
        old.freeze()
        await sim.clock.sleep(strike.seconds * SECOND)
        sim.boot()
        await sim.clock.sleep(sim.chance.choice([0.0, 0.1, 3.0]) * SECOND)
        if old_bus is not None and not old.dead:
            sim.broker.connect(old_bus)
        old.thaw()
        await sim.clock.sleep(sim.chance.choice([0.01, 2.0, 30.0]) * SECOND)
        old.kill()
        await old.bury()
        self._connect(session_present=True)

    async def _until_something_runs(self) -> None:
        """Waits a little for an attempt to be under way: to take over a process that does nothing proves little."""
        for _ in range(20):
            if any(e.status == "running" for mates in self._sim.ledger.unfinished.values() for e in mates.values()):
                return
            await self._sim.clock.sleep(2 * SECOND)

    # the disk

    async def _full(self, strike: Strike) -> None:
        self._sim.disk.full = True
        asyncio.get_running_loop().call_later(strike.seconds, self._disk_recovers)

    def _disk_recovers(self) -> None:
        self._sim.disk.full = False

    async def _slow(self, strike: Strike) -> None:
        self._sim.disk.commit_time = timedelta(milliseconds=self._sim.chance.choice([0, 5, 400]))

    async def _uncertain(self, strike: Strike) -> None:
        """The next commits happen and are reported as failed."""
        self._sim.disk.lies = 1 + strike.steps % 4

    # the broker

    async def _cut(self, strike: Strike) -> None:
        self._sim.broker.disconnect()
        asyncio.get_running_loop().call_later(strike.seconds, self._connect, strike.kind == "cut")

    async def _swallow(self, strike: Strike) -> None:
        self._sim.broker.swallows = True
        asyncio.get_running_loop().call_later(strike.seconds % 20, self._reconnect)

    async def _late_acks(self, strike: Strike) -> None:
        self._sim.broker.ack_delays = self._sim.chance.choice([(0.0,), (0.0, 0.01, 0.3), (0.1, 2.0, 5.0)])

    def _reconnect(self) -> None:
        self._sim.broker.disconnect()
        self._connect(session_present=True)

    def _connect(self, session_present: bool) -> None:
        """The service has its connection again, if it runs."""
        sim = self._sim
        if sim.bus is not None and not sim.current.dead and not sim.bus.connection.connected:
            sim.broker.connect(sim.bus, session_present=session_present)

    # the clock

    async def _clock(self, strike: Strike) -> None:
        self._sim.clock.step(strike.seconds * SECOND)
