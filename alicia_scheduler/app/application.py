"""The composition root: makes every part from the settings, starts them in order, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from alicia_scheduler._version import VERSION
from alicia_scheduler.adapters.actions.mqtt_publish import MqttPublishRunner
from alicia_scheduler.adapters.clock import SystemClock, new_identifier
from alicia_scheduler.adapters.files.declared import DeclaredFiles, read_declared
from alicia_scheduler.adapters.files.watching import watch_declared
from alicia_scheduler.adapters.mqtt import MqttBus
from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.adapters.web import Health, HealthServer, ThrownRoutes
from alicia_scheduler.app.options import (
    command_rules,
    destination_blocks,
    history_limits,
    mqtt_options,
    publish_options,
)
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.state import EventRecord, EventState, ServiceMark
from alicia_scheduler.core.thrown.reactions import Reactions
from alicia_scheduler.engine.declared import Declared
from alicia_scheduler.engine.destinations import Destinations, WithDestinations
from alicia_scheduler.engine.dispatcher import Dispatcher
from alicia_scheduler.engine.housekeeping import Housekeeping
from alicia_scheduler.engine.instructions import InstructionsRunner
from alicia_scheduler.engine.listener import Listener
from alicia_scheduler.engine.mqtt_triggers import MqttTriggers, TriggerRules
from alicia_scheduler.engine.outward import BusAnnouncer, Outward
from alicia_scheduler.engine.planner import Planner
from alicia_scheduler.engine.presence import Presence, PresenceOptions
from alicia_scheduler.engine.recovery import Recovery
from alicia_scheduler.engine.relay import Relay
from alicia_scheduler.engine.service import Service
from alicia_scheduler.engine.states import StateMessage, StatePublisher
from alicia_scheduler.engine.statistics import Statistics
from alicia_scheduler.engine.timings import TimingCache
from alicia_scheduler.engine.variables import WithVariables
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import CommandRejected, ErrorCode, StoreUnavailable
from alicia_scheduler.ports import ActionRunner
from alicia_scheduler.settings import Settings
from alicia_scheduler.wire.codec import Limits
from alicia_scheduler.wire.messages import state_cleared, state_message
from alicia_scheduler.wire.requests import parse_request
from alicia_scheduler.wire.topics import Topics

STOP_GRACE = timedelta(seconds=5)
"""How long a stop waits for roles to end and for commands to be answered."""

FLUSH_GRACE = timedelta(seconds=2)
"""How long a stop waits for the broker to take the last messages."""

log = structlog.get_logger("app")


class DeclaredDirectory:
    """The directory of declared events, as the engine wants to see it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._never = asyncio.Event()

    async def read(self) -> DeclaredFiles:
        """What the files say now; read in a thread, since large ones take a while."""
        return await asyncio.to_thread(read_declared, self._directory)

    def changes(self) -> AsyncIterator[None]:
        """One item at first, then one after every change."""
        return watch_declared(self._directory, self._never)


class Application:
    """One service process."""

    def __init__(self, settings: Settings, *, mqtt_v311: bool = False) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.topics = Topics(settings.mqtt.topic_prefix)
        self.store = SqliteStore(settings.store.path)
        self.bus = MqttBus(mqtt_options(settings, self.topics, mqtt_v311=mqtt_v311))
        self.stop_asked = asyncio.Event()
        self.ready = False
        timings = TimingCache()
        rules = command_rules(settings, self.topics)
        outward = Outward(self.clock, new_identifier, envelope=settings.mqtt.envelope == "alicia")
        announcer = BusAnnouncer(self.topics, outward, lifecycle=settings.publish.lifecycle_events)
        self.statistics = Statistics(self.store, self.clock, VERSION)
        reactions = Reactions(timings, rules.thrown)
        self.writer = Writer(self.store, self.clock, announcer, reactions)
        self.relay = Relay(self.bus, self.store, self.writer, self.clock)
        self.states = StatePublisher(self.bus, self.store, self.clock, self._state_message(outward))
        runner = MqttPublishRunner(self.bus, publish_options(settings, rules))
        runners: dict[str, ActionRunner] = {"mqtt_publish": WithVariables(runner, self.store)}
        self.instructions = InstructionsRunner(self.writer, self.store, self.clock, timings, runners, rules.thrown)
        runners["instructions"] = self.instructions
        self.dispatcher = Dispatcher(
            self.writer,
            self.clock,
            timings,
            runners,
            places=settings.scheduler.max_concurrent_executions,
            retries=settings.scheduler.retry_failed_events,
        )
        longest_sleep = settings.scheduler.check_interval
        self.planner = Planner(self.writer, self.clock, timings, longest_sleep, self.dispatcher.nudge, rules.thrown)
        self.recovery = Recovery(self.writer, self.planner, timings)
        self.service = Service(self.writer, self.store, self.clock, timings, rules, self.statistics, new_identifier)
        self.presence = Presence(
            self.bus, self.relay, self.states, self.writer, self.clock, self.topics, self.statistics, outward,
            PresenceOptions(VERSION, settings.mqtt.status_interval, settings.alicia.enabled),
        )  # fmt: skip
        self.listener = Listener(
            self.bus, self.service, self.relay, self.topics, Limits(max_bytes=settings.mqtt.max_payload), outward,
            self.presence.answer_health_check,
        )  # fmt: skip
        self.mqtt_triggers = MqttTriggers(
            self.bus, self.store, self.writer, self.clock,
            TriggerRules(timings, rules.thrown, settings.mqtt.max_payload), new_identifier,
        )  # fmt: skip
        self.housekeeping = Housekeeping(self.store, self.writer, self.clock, history_limits(settings))
        blocks = destination_blocks(settings)
        self.destinations = Destinations(self.writer, self.store, timings, rules, blocks)
        source = WithDestinations(DeclaredDirectory(Path(settings.scheduler.events_dir)), blocks)
        self.declared = Declared(source, self.store, self.writer, timings, rules)
        self._introduce()

    def _introduce(self) -> None:
        """Has the roles hear of commits: stops and sends before new work."""
        self.writer.follow(self.dispatcher.committed)
        self.writer.follow(self.relay.committed)
        self.writer.follow(self.planner.committed)
        self.writer.follow(self.mqtt_triggers.committed)
        self.writer.follow(self.instructions.committed)
        self.writer.follow(self.destinations.committed)
        self.service.on_work = self.mqtt_triggers.on_work = self.dispatcher.nudge
        self.writer.when_unavailable(self.housekeeping.relieve)
        if self.settings.publish.state_topics:
            self.writer.follow(self.states.committed)
        statistics = self.statistics
        statistics.writer, statistics.planner, statistics.dispatcher = self.writer, self.planner, self.dispatcher
        statistics.relay, statistics.service, statistics.housekeeping = self.relay, self.service, self.housekeeping

    def _state_message(self, outward: Outward) -> StateMessage:
        def message(event_id: str, event: tuple[EventRecord, EventState] | None) -> OutgoingMessage:
            return outward(state_message(*event, self.topics) if event else state_cleared(event_id, self.topics))

        return message

    def health(self) -> Health:
        """How the service is, for the HTTP side."""
        connection = self.bus.connection
        degraded = () if connection.connected else (f"no connection to the broker: {connection.problem}",)
        problems = (self.writer.problem,) if self.writer.problem else ()
        phase = () if self.ready else ("stopping" if self.stop_asked.is_set() else "starting",)
        return Health(self.ready and not problems, (*phase, *problems), degraded)

    async def run(self) -> None:
        """Runs until ``stop_asked`` is set, then stops in order.

        Raises:
            StoreError: The store cannot be opened, or cannot be trusted any more.
            ConfigurationError: The HTTP address is taken.
        """
        left = await self.store.open()
        try:
            async with asyncio.TaskGroup() as group:
                await self._live(group, left)
        finally:
            await self.store.close()

    async def _live(self, group: asyncio.TaskGroup, left: ServiceMark) -> None:
        start = group.create_task
        self.writer.mark = left
        writing = start(self.writer.run(), name="writer")
        outside = [start(self._web().run(), name="web")] if self.settings.http.enabled else []
        await self.recovery.run(left)
        await self.declared.apply()
        connecting = start(self.bus.run(), name="bus")
        outgoing = [start(self.relay.run(), name="relay"), start(self.states.run(), name="states")]
        start(self.dispatcher.run(), name="dispatcher")
        incoming = [start(role(), name=role.__qualname__) for role in self._taking_in()]
        self.dispatcher.nudge()
        start(self.instructions.resume(), name="instructions")
        await self.destinations.begin()
        self.ready = True
        log.info("ready", version=VERSION, store=str(self.settings.store.path))
        await self.stop_asked.wait()
        self.ready = False
        await self._stop_taking_in(incoming)
        await self._finish(writing)
        for task in (*outgoing, *outside):
            task.cancel()
        await self.bus.stop()
        connecting.cancel()

    def _taking_in(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """The roles that make new work."""
        return [
            self.listener.run, self.planner.run, self.declared.run, self.housekeeping.run,
            self.presence.follow_connection, self.presence.report_status, self.mqtt_triggers.run,
        ]  # fmt: skip

    async def _stop_taking_in(self, incoming: list[asyncio.Task[None]]) -> None:
        log.info("stopping")
        await self.destinations.end()
        self.instructions.leave()
        draining = asyncio.create_task(self.dispatcher.drain(self.settings.scheduler.shutdown_grace))
        for task in incoming:
            task.cancel()
        _, stuck = await asyncio.wait(incoming, timeout=STOP_GRACE.total_seconds())
        for task in stuck:
            log.error("does_not_stop", role=task.get_name())
        await self.listener.drain()
        await draining

    async def _finish(self, writing: asyncio.Task[None]) -> None:
        """Lets the broker take the last messages, and notes the clean stop."""
        await self.relay.drain(FLUSH_GRACE)
        if self.bus.connection.connected:
            farewells = [self.bus.publish(message) for message in self.presence.leaving()]
            await asyncio.wait(farewells, timeout=FLUSH_GRACE.total_seconds())
        with contextlib.suppress(TimeoutError):  # a store that takes nothing now is recovered at the next start
            async with asyncio.timeout(FLUSH_GRACE.total_seconds()):
                await self.recovery.leave()
        writing.cancel()
        await asyncio.wait([writing])
        with contextlib.suppress(StoreUnavailable):
            await self.writer.drain()

    def _web(self) -> HealthServer:
        http = self.settings.http
        token = http.token.get_secret_value() if http.token else None
        routes = ThrownRoutes(self._ask, token).routes()
        return HealthServer(http.host, http.port, self.health, routes)

    async def _ask(self, name: str, fields: Mapping[str, Any]) -> str:
        """The answer to a command that came over HTTP."""
        if not self.ready:
            error = CommandRejected(ErrorCode.UNAVAILABLE, "the service is not ready")
            return self.service.refusal(name, None, error)
        try:
            request = parse_request(name, fields)
        except CommandRejected as error:
            return self.service.refusal(name, None, error)
        return await self.service.answer(request)
