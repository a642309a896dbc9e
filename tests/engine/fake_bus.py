"""A broker in memory that can be cut off, can hold its acknowledgements back, and can refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from paho.mqtt.client import topic_matches_sub

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusUnavailable, PublishRefused
from alicia_scheduler.ports import Connection, IncomingMessage, PublishReceipt
from tests.engine.virtual_time import VirtualClock


@dataclass(frozen=True, slots=True)
class Published:
    """A message that reached the broker, and when."""

    at: datetime
    message: OutgoingMessage

    @property
    def topic(self) -> str:
        return self.message.topic

    @property
    def body(self) -> Any:
        return json.loads(self.message.payload)


class FakeBus:
    """Implements the Bus port; ``published`` is what an independent subscriber would have seen."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._connection = Connection(connected=False, number=0, problem="not yet")
        self._changed = asyncio.Event()
        self._incoming: asyncio.Queue[IncomingMessage] = asyncio.Queue()
        self._unacknowledged: dict[asyncio.Future[PublishReceipt], OutgoingMessage] = {}
        self._listeners: list[tuple[str, asyncio.Queue[IncomingMessage]]] = []
        self.published: list[Published] = []
        self.acknowledged: list[IncomingMessage] = []
        self.refuses: Callable[[str], bool] = lambda topic: False
        self.holds: Callable[[str], bool] = lambda topic: False

    # the port

    @property
    def connection(self) -> Connection:
        return self._connection

    async def connection_after(self, number: int, connected: bool) -> Connection:
        while self._connection.number == number and self._connection.connected is connected:
            await self._changed.wait()
        return self._connection

    def publish(self, message: OutgoingMessage) -> asyncio.Future[PublishReceipt]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[PublishReceipt] = loop.create_future()
        if not self._connection.connected:
            future.set_exception(BusUnavailable("no connection"))
        elif self.refuses(message.topic):
            future.set_exception(PublishRefused("not authorized", 0x87, permanent=True))
        else:
            self.published.append(Published(self._clock.now(), message))
            self._unacknowledged[future] = message
            if not self.holds(message.topic):
                loop.call_soon(self._acknowledge, future)
        return future

    def send(self, message: OutgoingMessage) -> bool:
        future = self.publish(message)
        return not future.done() or future.exception() is None

    async def messages(self) -> AsyncIterator[IncomingMessage]:
        while True:
            yield await self._incoming.get()

    def acknowledge(self, message: IncomingMessage) -> None:
        self.acknowledged.append(message)

    @asynccontextmanager
    async def listen(
        self, topic_filter: str, *, retained: bool = False
    ) -> AsyncIterator[AsyncIterator[IncomingMessage]]:
        if not self._connection.connected:
            raise BusUnavailable("no connection")
        answers: asyncio.Queue[IncomingMessage] = asyncio.Queue()
        self._listeners.append((topic_filter, answers))
        try:
            yield _drawn(answers)
        finally:
            self._listeners.remove((topic_filter, answers))

    # what a test does to it

    def connect(self, *, session_present: bool = False) -> None:
        self._set(Connection(True, self._connection.number + 1, session_present, "5", "fake"))

    def disconnect(self) -> None:
        """Cuts the connection: what has not been acknowledged fails, whether the broker had it or not."""
        self._set(replace(self._connection, connected=False, problem="cut"))
        waiting, self._unacknowledged = list(self._unacknowledged), {}
        for future in waiting:
            if not future.done():
                future.set_exception(BusUnavailable("the connection went"))

    def acknowledge_held(self) -> None:
        """Lets go of every acknowledgement that was held back."""
        for future in list(self._unacknowledged):
            self._acknowledge(future)

    def deliver(self, topic: str, body: Any, **properties: Any) -> None:
        """A message arrives on one of the service's subscriptions."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = IncomingMessage(topic, payload, **{"qos": 1, **properties})
        self._incoming.put_nowait(message)

    def say(self, topic: str, body: Any) -> None:
        """Somebody publishes; whoever listens to a filter that matches hears it."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        for topic_filter, answers in self._listeners:
            if topic_matches_sub(topic_filter, topic):
                answers.put_nowait(IncomingMessage(topic, payload, qos=1))

    @property
    def listened_to(self) -> list[str]:
        """The filters of the temporary subscriptions."""
        return [topic_filter for topic_filter, _ in self._listeners]

    # what a test asks it

    def on(self, topic: str) -> list[Published]:
        """Everything on the topic, in order."""
        return [p for p in self.published if p.topic == topic]

    def below(self, prefix: str) -> list[Published]:
        """Everything on topics below the prefix, in order."""
        return [p for p in self.published if p.topic.startswith(prefix)]

    def retained(self, topic: str) -> bytes | None:
        """What the broker remembers for the topic."""
        kept = [p.message.payload for p in self.on(topic) if p.message.retain]
        return kept[-1] if kept else None

    def _acknowledge(self, future: asyncio.Future[PublishReceipt]) -> None:
        if self._unacknowledged.pop(future, None) is not None and not future.done():
            future.set_result(PublishReceipt())

    def _set(self, connection: Connection) -> None:
        self._connection = connection
        self._changed.set()
        self._changed.clear()


async def _drawn(queue: asyncio.Queue[IncomingMessage]) -> AsyncIterator[IncomingMessage]:
    while True:
        yield await queue.get()
