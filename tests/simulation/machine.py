"""The simulated machine: a loop whose time jumps, one set of clocks, and processes that can be frozen and killed."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from datetime import datetime, timedelta
from selectors import SelectorKey
from typing import Any, cast

from tests.engine.virtual_time import JumpingSelector, Stuck, VirtualClock, VirtualTimeLoop

START = datetime.fromisoformat("2026-03-27T05:55:00+00:00")
"""When simulated time begins: two days before the clocks of Europe change, and just before the busy minutes."""

MOST_STEPS = 20_000
"""So many steps of the loop without any progress of time are a livelock."""

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Livelock(AssertionError):
    """The engine spins: it is always busy and never waits."""


class SimulatedSelector(JumpingSelector):
    """Jumps without a look at the operating system: nothing in a simulation comes from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.given_up = False

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None and self.given_up:
            return []
        if timeout is None:
            raise Stuck("every task waits, and nothing is scheduled")
        if timeout > 0:
            self.elapsed += timeout
            self.steps = 0
        else:
            self.steps += 1
            if self.steps > MOST_STEPS and not self.given_up:
                raise Livelock(f"{MOST_STEPS} steps of the loop, and time stands still")
        return []


class SimulatedLoop(VirtualTimeLoop):
    """Virtual time, and every task belongs to the process that made it."""

    def __init__(self) -> None:
        self._jumping: SimulatedSelector = SimulatedSelector()
        asyncio.SelectorEventLoop.__init__(self, self._jumping)
        self.set_task_factory(cast(Any, owned_task))

    def give_up(self) -> None:
        """The simulation is over for a livelock; what is left only has to end."""
        self._jumping.given_up = True


class Process:
    """One life of the service. What it started ends with it, and its ports lead nowhere afterwards."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.dead = False
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._runs = asyncio.Event()
        self._runs.set()

    @property
    def frozen(self) -> bool:
        return not self._runs.is_set()

    def freeze(self) -> None:
        self._runs.clear()

    def thaw(self) -> None:
        self._runs.set()

    async def gate(self) -> None:
        """Returns once the process may go on."""
        if not self._runs.is_set():
            await self._runs.wait()

    def kill(self) -> None:
        """The process is gone, as by kill -9: nothing of it reaches the disk or the bus any more."""
        self.dead = True
        for task in list(self.tasks):
            task.cancel()

    def forget(self, task: asyncio.Task[Any]) -> None:
        """A task has ended."""
        self.tasks.pop(task, None)

    async def bury(self) -> None:
        """Returns when nothing of a killed process is left in the loop."""
        self._runs.set()
        while self.tasks:
            for task in list(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await asyncio.sleep(0)


def owned_task(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """A task that its process takes along when it dies."""
    task = asyncio.Task(coro, loop=loop, **options)
    process = PROCESS.get()
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(process.forget)
        if process.dead:
            task.cancel()
    return task


class MachineClock(VirtualClock):
    """The clocks of the machine; notes how far the wall clock was ever set back, and when it was last set."""

    def __init__(self) -> None:
        super().__init__(START)
        self.set_back = timedelta(0)
        self.stepped_at = timedelta(days=-1)
        self.corrections_back = 0
        self.slack = timedelta(0)
        self.ahead = timedelta(0)

    def step(self, by: timedelta) -> None:
        super().step(by)
        self.set_back += max(-by, timedelta(0))
        self.corrections_back += by < -timedelta(hours=3)
        self.stepped_at = self.steady()


class ProcessClock(VirtualClock):
    """The machine's clocks as one process sees them; ``slack`` and ``ahead`` are for planted faults."""

    def __init__(self, machine: MachineClock, process: Process) -> None:
        self._machine = machine
        self._process = process

    def now(self) -> datetime:
        return self._machine.now() + self._machine.ahead

    def steady(self) -> timedelta:
        return self._machine.steady()

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(max(0.0, (duration + self._machine.slack).total_seconds()))
        await self._process.gate()

    def step(self, by: timedelta) -> None:
        raise AssertionError("a process does not set the clock")
