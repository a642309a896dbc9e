"""The real engine on virtual time, a bus in memory and a store in memory; ``restarted`` is the next process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from alicia_scheduler.adapters.actions.mqtt_publish import MqttPublishOptions, MqttPublishRunner
from alicia_scheduler.adapters.store import MemoryStore
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.queries import ExecutionQuery
from alicia_scheduler.core.state import EventRecord, EventState, Execution
from alicia_scheduler.core.thrown.reactions import Reactions
from alicia_scheduler.engine.declared import Declared
from alicia_scheduler.engine.destinations import DestinationBlocks, Destinations, WithDestinations
from alicia_scheduler.engine.dispatcher import Dispatcher
from alicia_scheduler.engine.housekeeping import HistoryLimits, Housekeeping
from alicia_scheduler.engine.instructions import InstructionsRunner
from alicia_scheduler.engine.listener import Listener
from alicia_scheduler.engine.mqtt_triggers import MqttTriggers, TriggerRules
from alicia_scheduler.engine.outward import BusAnnouncer, Outward
from alicia_scheduler.engine.planner import Planner
from alicia_scheduler.engine.presence import Presence, PresenceOptions
from alicia_scheduler.engine.recovery import Recovery
from alicia_scheduler.engine.relay import Relay
from alicia_scheduler.engine.service import Service
from alicia_scheduler.engine.states import StatePublisher
from alicia_scheduler.engine.statistics import Statistics
from alicia_scheduler.engine.timings import TimingCache
from alicia_scheduler.engine.variables import WithVariables
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.ports import ActionRunner, Attempt, DeclaredSource, Store
from alicia_scheduler.wire.codec import Limits
from alicia_scheduler.wire.messages import state_cleared, state_message
from alicia_scheduler.wire.topics import Topics
from tests.engine.declared_source import NothingDeclared
from tests.engine.fake_bus import FakeBus, Published
from tests.engine.virtual_time import VirtualClock

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PREFIX = "alicia/scheduler"
_numbers = count(1)


@dataclass
class Options:
    """What differs from one test to another."""

    places: int = 10
    longest_sleep: timedelta = SECOND
    lifecycle: bool = True
    runner: ActionRunner | None = None
    declared: DeclaredSource = field(default_factory=NothingDeclared)
    rules: CommandRules = field(default_factory=CommandRules)
    grace: timedelta = 10 * SECOND
    history: HistoryLimits = field(default_factory=HistoryLimits)
    blocks: dict[str, DestinationBlocks] = field(default_factory=dict)


class World:
    """One service process and its surroundings."""

    def __init__(self, clock: VirtualClock, bus: FakeBus, store: Store, options: Options) -> None:
        self.clock, self.bus, self.store, self.options = clock, bus, store, options
        self._tasks: list[asyncio.Task[None]] = []
        topics = Topics(PREFIX)
        timings = TimingCache()
        rules = options.rules
        outward = Outward(clock, identifier, envelope=False)
        self.statistics = Statistics(store, clock, "test")
        self.writer = Writer(store, clock, BusAnnouncer(topics, outward, lifecycle=options.lifecycle),
                             Reactions(timings, rules.thrown))  # fmt: skip
        self.relay = Relay(bus, store, self.writer, clock)
        self.states = StatePublisher(bus, store, clock, _state_message(topics))
        runner = options.runner or MqttPublishRunner(bus, MqttPublishOptions())
        runners: dict[str, ActionRunner] = {"mqtt_publish": WithVariables(runner, store)}
        self.instructions = InstructionsRunner(self.writer, store, clock, timings, runners, rules.thrown)
        runners["instructions"] = self.instructions
        self.dispatcher = Dispatcher(
            self.writer, clock, timings, runners, places=options.places
        )  # fmt: skip
        self.planner = Planner(self.writer, clock, timings, options.longest_sleep, self.dispatcher.nudge, rules.thrown)
        self.recovery = Recovery(self.writer, self.planner, timings)
        self.service = Service(self.writer, store, clock, timings, rules, self.statistics, identifier)
        self.presence = Presence(
            bus, self.relay, self.states, self.writer, clock, topics, self.statistics, outward,
            PresenceOptions("test", HOUR, alicia=False),
        )  # fmt: skip
        self.listener = Listener(
            bus, self.service, self.relay, topics, Limits(), outward, self.presence.answer_health_check
        )
        self.mqtt_triggers = MqttTriggers(
            bus, store, self.writer, clock, TriggerRules(timings, rules.thrown), identifier
        )
        self.housekeeping = Housekeeping(store, self.writer, clock, options.history)
        self.destinations = Destinations(self.writer, store, timings, rules, options.blocks)
        source = WithDestinations(options.declared, options.blocks)
        self.declared = Declared(source, store, self.writer, timings, rules)
        for follower in (
            self.dispatcher,
            self.relay,
            self.planner,
            self.states,
            self.instructions,
            self.destinations,
            self.mqtt_triggers,
        ):
            self.writer.follow(follower.committed)
        self.service.on_work = self.mqtt_triggers.on_work = self.dispatcher.nudge
        statistics = self.statistics
        statistics.writer, statistics.planner, statistics.dispatcher = self.writer, self.planner, self.dispatcher
        statistics.relay, statistics.service, statistics.housekeeping = self.relay, self.service, self.housekeeping

    async def start(self) -> None:
        """Starts every role, in the order of the composition root."""
        left = await self.store.open()
        self.writer.mark = left
        self._run(self.writer.run)
        await self.recovery.run(left)
        await self.declared.apply()
        for role in (self.relay.run, self.states.run, self.dispatcher.run, self.listener.run, self.planner.run,
                     self.declared.run, self.housekeeping.run, self.presence.follow_connection,
                     self.presence.report_status, self.mqtt_triggers.run):  # fmt: skip
            self._run(role)
        self.dispatcher.nudge()
        await self.instructions.resume()
        await self.destinations.begin()

    async def stop(self) -> None:
        """An orderly stop, as at SIGTERM."""
        await self.destinations.end()
        self.instructions.leave()
        draining = asyncio.create_task(self.dispatcher.drain(self.options.grace))
        keep = {"Writer.run", "Relay.run", "StatePublisher.run", "Dispatcher.run"}
        incoming = [task for task in self._tasks if task.get_name() not in keep]
        for task in incoming:
            task.cancel()
        await asyncio.wait(incoming)
        await self.listener.drain()
        await draining
        await self.relay.drain(2 * SECOND)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.recovery.leave()
        await self.crash()

    async def crash(self) -> None:
        """The process is gone: nothing is handed back, noted or said."""
        actions = [*self.dispatcher._acting.values(), *self.listener._under_way]
        for task in (*self._tasks, *actions):
            task.cancel()
        await asyncio.gather(*self._tasks, *actions, return_exceptions=True)
        await self.store.close()

    def check(self) -> None:
        """Raises what has ended a role: none ever ends by itself."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
                if task.get_name() != "Dispatcher.run":
                    raise AssertionError(f"{task.get_name()} has ended")

    # what a test does

    async def wait(self, duration: timedelta) -> None:
        """Lets virtual time pass."""
        await self.clock.sleep(duration)
        self.check()

    async def until(self, condition: Callable[[], Any], within: timedelta = HOUR) -> None:
        """Lets virtual time pass until the condition holds."""
        deadline = self.clock.steady() + within
        while not condition():
            assert self.clock.steady() < deadline, "it did not come to be in time"
            await self.wait(timedelta(milliseconds=50))

    async def command(self, name: str, **fields: Any) -> Any:
        """The ``data`` of a command that must succeed."""
        answer = await self.ask(name, **fields)
        assert answer["status"] == "ok", answer
        return answer["data"]

    async def ask(self, name: str, *, way: dict[str, Any] | None = None, **fields: Any) -> Any:
        """The whole answer to a command, over the bus."""
        place = f"test/answers/{next(_numbers)}"
        self.bus.deliver(f"{PREFIX}/command/{name}", fields, response_topic=place, **(way or {}))
        await self.until(lambda: self.bus.on(place), MINUTE)
        return self.bus.on(place)[0].body

    async def create(self, event_id: str = "lamp", **fields: Any) -> Any:
        """Creates an event; by default one that runs every minute."""
        return await self.command("create_event", event=definition(event_id, **fields))

    async def executions(self, event_id: str | None = None, **query: Any) -> list[Execution]:
        """Every execution as the store has it, oldest first."""
        await self.writer.barrier()
        found, _ = await self.store.executions(ExecutionQuery(event_id=event_id, limit=1000, **query))
        return list(reversed(found))

    async def event(self, event_id: str = "lamp") -> tuple[EventRecord, EventState]:
        """Both rows of the event as the store has them."""
        await self.writer.barrier()
        event = await self.store.event(event_id)
        assert event is not None
        return event

    # what a test sees

    @property
    def results(self) -> list[Published]:
        return self.bus.on(f"{PREFIX}/execution_results")

    @property
    def failures(self) -> list[Published]:
        return self.bus.on(f"{PREFIX}/execution_failures")

    @property
    def errors(self) -> list[Published]:
        return self.bus.on(f"{PREFIX}/errors")

    @property
    def recoveries(self) -> list[Published]:
        return self.bus.on(f"{PREFIX}/recovery")

    def _run(self, role: Callable[[], Awaitable[None]]) -> None:
        name = getattr(role, "__qualname__", str(role))
        self._tasks.append(asyncio.ensure_future(_running(role)))
        self._tasks[-1].set_name(name)


async def _running(role: Callable[[], Awaitable[None]]) -> None:
    await role()


def identifier() -> str:
    return f"id-{next(_numbers)}"


def definition(event_id: str, **fields: Any) -> dict[str, Any]:
    """An event as a caller writes it."""
    return {
        "event_id": event_id,
        "schedule_type": "cron",
        "schedule_config": {"cron_expression": "* * * * *"},
        "action": {"topic": f"home/{event_id}", "message": {"state": "ON"}},
        **fields,
    }


def manual(event_id: str, **fields: Any) -> dict[str, Any]:
    """An event that only runs by hand."""
    return definition(event_id, **{"schedule_type": "manual", "schedule_config": {}, **fields})


@asynccontextmanager
async def world(
    options: Options | None = None, *, store: Store | None = None, connected: bool = True
) -> AsyncIterator[World]:
    """A running service; it is stopped hard at the end."""
    clock = VirtualClock()
    bus = FakeBus(clock)
    if connected:
        bus.connect()
    one = World(clock, bus, store or MemoryStore(), options or Options())
    await one.start()
    try:
        yield one
        one.check()
    finally:
        await one.crash()


@asynccontextmanager
async def restarted(before: World, options: Options | None = None) -> AsyncIterator[World]:
    """The next process over the same store and bus; ``before`` must have ended."""
    one = World(before.clock, before.bus, before.store, options or before.options)
    await one.start()
    try:
        yield one
        one.check()
    finally:
        await one.crash()


def _state_message(topics: Topics) -> Callable[[str, tuple[EventRecord, EventState] | None], OutgoingMessage]:
    def message(event_id: str, event: tuple[EventRecord, EventState] | None) -> OutgoingMessage:
        return state_message(*event, topics) if event else state_cleared(event_id, topics)

    return message


class ScriptedRunner:
    """An action that does what its script says: ``script(attempt)`` returns the result, raises, or waits."""

    def __init__(self, script: Callable[[Attempt], Awaitable[Any]]) -> None:
        self._script = script
        self.attempts: list[Attempt] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.running = 0
        self.most_running = 0

    async def __call__(self, attempt: Attempt) -> Any:
        self.attempts.append(attempt)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        attempt.begin()
        try:
            result = await self._script(attempt)
        except asyncio.CancelledError:
            self.cancelled.append(attempt.execution.execution_id)
            raise
        finally:
            self.running -= 1
        self.ended.append(attempt.execution.execution_id)
        return result


def bodies(published: list[Published]) -> list[Any]:
    return [json.loads(p.message.payload) for p in published]
