"""One simulation: the real engine between a simulated disk, broker, clock and callers, and what the ledger saw."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, cast
from unittest.mock import patch

import structlog

from alicia_scheduler.adapters.actions.mqtt_publish import MqttPublishOptions, MqttPublishRunner
from alicia_scheduler.engine import housekeeping
from alicia_scheduler.engine.housekeeping import HistoryLimits
from alicia_scheduler.errors import StoreInUse
from alicia_scheduler.ports import ActionRunner, Attempt
from tests.engine import world as engine_world
from tests.engine.fake_bus import FakeBus
from tests.engine.virtual_time import Stuck
from tests.engine.world import Options, World
from tests.simulation.adversary import SECOND, WITHSTOOD, Adversary
from tests.simulation.broker import Broker, BusHandle
from tests.simulation.client import Client
from tests.simulation.disk import Disk
from tests.simulation.events import chosen, next_busy_time
from tests.simulation.invariants import Invariants
from tests.simulation.ledger import Ledger, Violation
from tests.simulation.machine import PROCESS, Livelock, MachineClock, Process, ProcessClock, SimulatedLoop
from tests.simulation.settling import Settling
from tests.simulation.storms import Storms

DAY = timedelta(days=1)
HISTORY = HistoryLimits(age=timedelta(days=2), per_event=40, requests_age=DAY, interval=DAY)
HEARTBEAT = timedelta(minutes=30)
"""The service's own heartbeat is more frequent, and would be most of what a quiet day costs."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a simulation."""

    seed: int
    days: float
    violations: tuple[Violation, ...]
    fires: int
    commits: int
    processes: int
    effects: int
    digest: str
    took_s: float

    def __str__(self) -> str:
        verdict = "\n  ".join(map(str, self.violations)) or "ok"
        return (
            f"seed {self.seed}: {self.days:g} days, {self.fires} fires, {self.commits} commits, "
            f"{self.processes} processes, digest {self.digest}, {self.took_s:.1f} s\n  {verdict}"
        )


class Sick:
    """The action of one process: what the adversary makes of ``mqtt_publish``."""

    def __init__(self, adversary: Adversary, process: Process, bus: BusHandle) -> None:
        self._adversary = adversary
        self._process = process
        self._runner = MqttPublishRunner(bus, MqttPublishOptions())

    async def __call__(self, attempt: Attempt) -> Any:
        return await self._adversary.act(self._process, attempt, self._runner)


class Simulation:
    """The machine and what stands on it."""

    def __init__(self, seed: int, beyond: frozenset[str] = WITHSTOOD) -> None:
        self.adversary = Adversary(seed, beyond)
        self.chance = self.adversary.chance
        self.clock = MachineClock()
        self.ledger = Ledger(self.clock)
        self.rules = Invariants(self.ledger)
        self.broker = Broker(self.ledger, self.chance)
        self.disk = Disk(self.ledger, self.adversary.point)
        self.disk.locks = "two_owners" not in beyond
        self.disk.takes_turns = "instant" not in beyond
        self.events = chosen(self.chance)
        self.client = Client(self.broker, self.ledger, self.chance, [e["event_id"] for e in self.events])
        self.longest_sleep = timedelta(seconds=self.chance.choice([300, 900]))
        self.rules.planning.longest_sleep = self.longest_sleep
        self.places = self.chance.choice([2, 3, 10])
        self.processes = 0
        self.current = Process(0)
        self.current.dead = True
        self.bus: BusHandle | None = None
        self.world: World | None = None
        self.starting: asyncio.Task[None] | None = None

    # the life of processes

    def boot(self) -> None:
        """The next process starts, and takes store and session over."""
        self.processes += 1
        process = self.current = self.ledger.owner = Process(self.processes)
        bus = self.bus = self.broker.handle(process)
        token = PROCESS.set(process)
        try:
            runner: ActionRunner = Sick(self.adversary, process, bus)
            options = Options(self.places, self.longest_sleep, lifecycle=False, runner=runner, history=HISTORY)
            clock = ProcessClock(self.clock, process)
            self.world = World(clock, cast(FakeBus, bus), self.disk.handle(process).as_store(), options)
            self.starting = asyncio.get_running_loop().create_task(self.world.start())
        finally:
            PROCESS.reset(token)
        if self.broker.up:
            self.broker.connect(bus)

    async def end(self, process: Process) -> None:
        """The process is dead and gone."""
        process.kill()
        if self.broker.session is not None and self.bus is self.broker.session and process is self.current:
            self.broker.disconnect()
        await process.bury()

    async def restart_if_dead(self, downtime: timedelta) -> None:
        """After some time somebody, or the operating system, starts the next process."""
        if self.current.dead:
            await self.end(self.current)
            await self.clock.sleep(downtime)
            self.boot()

    async def stop(self) -> None:
        """An orderly stop, which may take too long."""
        if self.world is None or self.starting is None or not self.starting.done() or self.current.dead:
            self.current.kill()
            return
        token = PROCESS.set(self.current)
        try:
            stopping = asyncio.get_running_loop().create_task(self.world.stop())
        finally:
            PROCESS.reset(token)
        await asyncio.wait({stopping}, timeout=60)
        await self.end(self.current)

    def look(self) -> None:
        """Notes what has ended by itself: no role of a living process ever does."""
        if self.world is None or self.current.dead:
            return
        try:
            if self.starting is not None and self.starting.done():
                self.starting.result()
                self.world.check()
        except StoreInUse:
            self.current.kill()  # it has learnt that another process has the store, and ends as it should
        except Exception as error:  # noqa: BLE001 - whatever ended it, it is reported under the seed
            self.ledger.violated("keeps running", f"{type(error).__name__}: {error}")
            self.current.kill()

    # the days

    async def live(self, days: float) -> None:
        """Events, callers and faults for some days; then no faults, and everything settles."""
        end = self.clock.steady() + days * DAY
        storms = Storms(self)
        self.boot()
        for event in self.events:
            self.client.send("create_event", event=event)
        while self.clock.steady() < end and not self.ledger.violations:
            await self._quiet(end)
            await storms.rage()
        await storms.end()
        await Settling(self).run()

    async def _quiet(self, end: timedelta) -> None:
        """Hours without trouble, often up to the busy minutes."""
        wait = timedelta(hours=self.chance.choice([0.2, 3, 12, 40]))
        if self.chance.random() < 0.6:
            now = self.clock.now()
            wait = next_busy_time(now) - now - self.chance.choice([0, 5]) * SECOND
        await self.clock.sleep(max(timedelta(0), min(wait, end - self.clock.steady())))
        self.look()


def simulate(seed: int, days: float = 10, prepared: Any = None, beyond: frozenset[str] = WITHSTOOD) -> Report:
    """Runs one simulation and reports.

    Args:
        prepared: Called with the simulation before it begins; a mutation plants its fault there.
        beyond: Faults that the store does not promise to spare the engine.
    """
    began, loop = time.perf_counter(), SimulatedLoop()
    with quiet_engine(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        one = runner.run(_made(seed, beyond))
        if prepared is not None:
            prepared(one)
        try:
            runner.run(_lived(one, days))
        except (Livelock, Stuck) as error:
            one.ledger.violated("settles", f"{type(error).__name__}: {error}")
            one.current.kill()
            loop.give_up()
    for broken in (one.disk.broken, one.ledger.broken):
        if broken is not None:
            raise RuntimeError(f"seed {seed}: the simulation itself is broken") from broken
    ledger = one.ledger
    return Report(
        seed, days, tuple(ledger.violations), ledger.fires, ledger.commits, one.processes, ledger.effects.total(),
        ledger.digest, time.perf_counter() - began,
    )  # fmt: skip


async def _made(seed: int, beyond: frozenset[str]) -> Simulation:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # what a killed process leaves behind
    return Simulation(seed, beyond)


async def _lived(one: Simulation, days: float) -> None:
    await one.live(days)
    one.look()
    await one.end(one.current)


@contextmanager
def quiet_engine() -> Iterator[None]:
    """Without logs, with a slower heartbeat, and with the same identifiers every time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        with patch.object(housekeeping, "HEARTBEAT", HEARTBEAT), patch.object(engine_world, "_numbers", count(1)):
            yield
    finally:
        structlog.reset_defaults()
