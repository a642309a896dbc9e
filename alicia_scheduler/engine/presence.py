"""Tells the bus that the service is there: availability, status, Alicia's register, and recovery after a reconnect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alicia_scheduler.core.announcement import Recovered
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.engine.outward import Outward
from alicia_scheduler.engine.relay import Relay
from alicia_scheduler.engine.states import StatePublisher
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.ports import Bus, Clock, Connection
from alicia_scheduler.wire.alicia import Health, health_message, register_message, unregister_message
from alicia_scheduler.wire.messages import ServiceStatus, availability, status_message
from alicia_scheduler.wire.topics import Topics

Status = Callable[[], Awaitable[ServiceStatus]]


@dataclass(frozen=True, slots=True)
class PresenceOptions:
    """What the bus is told; ``alicia`` adds the messages of Alicia's service discovery."""

    version: str
    status_interval: timedelta
    alicia: bool


class Presence:
    """Speaks for the service as a whole."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self, bus: Bus, relay: Relay, states: StatePublisher, writer: Writer, clock: Clock, topics: Topics,
        status: Status, outward: Outward, options: PresenceOptions,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._relay = relay
        self._states = states
        self._writer = writer
        self._clock = clock
        self._topics = topics
        self._status = status
        self._outward = outward
        self._options = options
        self._lost_at: datetime | None = None
        self._last: ServiceStatus | None = None

    async def follow_connection(self) -> None:
        """Speaks up at every connect, and remembers when the connection went."""
        connection = self._bus.connection
        while True:
            if connection.connected:
                await self._connected(connection)
            elif connection.number:
                self._lost_at = self._lost_at or self._clock.now()
            connection = await self._bus.connection_after(connection.number, connection.connected)

    async def report_status(self) -> None:
        """Publishes the status every interval."""
        while True:
            self._last = await self._status()
            self._send(status_message(self._last, self._topics, self._clock.now()))
            await self._clock.sleep(self._options.status_interval)

    def answer_health_check(self) -> None:
        """Answers Alicia's question how the service is, from what the last status said."""
        if self._options.alicia and self._last is not None:
            problems = (self._writer.problem,) if self._writer.problem else ()
            last = self._last
            health = Health(last.version, last.started_at, last.events, last.running, self._relay.backlog, problems)
            self._send(health_message(health, self._clock.now()))

    def leaving(self) -> list[OutgoingMessage]:
        """The last messages before a clean stop."""
        messages = [availability(False, self._topics)]
        if self._options.alicia:
            messages.append(unregister_message("shutdown", self._clock.now()))
        return [self._outward(message) for message in messages]

    async def _connected(self, connection: Connection) -> None:
        self._send(availability(True, self._topics))
        if self._options.alicia:
            self._send(register_message(self._options.version, self._topics, self._clock.now()))
        if self._last is not None:  # what was reported before there was a connection is lost
            self._send(status_message(self._last, self._topics, self._clock.now()))
        if not connection.session_present:
            self._states.broker_forgot()
        since, self._lost_at = self._lost_at, None
        if since is not None and connection.number > 1:
            await self._writer.submit(
                Needs(), lambda view, now: Decision(None, announcements=(Recovered("reconnect", since, now),))
            )

    def _send(self, message: OutgoingMessage) -> None:
        self._relay.send_once(self._outward(message))
