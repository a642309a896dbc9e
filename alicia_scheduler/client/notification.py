"""Events between programs: send them, listen to them in order, read them again."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from alicia_scheduler.adapters.mqtt.options import Protocol as MqttProtocol
from alicia_scheduler.client.exchange import NoAnswer
from alicia_scheduler.client.scheduler import Data, SchedulerClient
from alicia_scheduler.errors import BusError, BusUnavailable, SchedulerError
from alicia_scheduler.wire.envelope import unwrap
from alicia_scheduler.wire.topics import Topics

PAGE = 500
"""Events that a processor gets at once, at most."""

LOOK_AGAIN_S = 30.0
"""So often a listener asks for new events even if nothing told it of any."""

TRY_AGAIN_S = 1.0

log = structlog.get_logger("notification")


@dataclass(frozen=True, slots=True)
class Event:
    """An event that somebody sent.

    Attributes:
        offset: Its place in the order of all events of the scheduler; it only ever rises.
        create_time: Epoch seconds.
    """

    key: str
    value: Any
    payload: Any
    namespace: str
    sender: str | None
    offset: int
    create_time: float


class ListenerProcessor(Protocol):
    """What a listener calls; ``process`` may be a plain function, which then runs in a thread, or async."""

    def process(self, events: list[Event]) -> Awaitable[None] | None:
        """Deals with the next events, in the order of their offsets."""
        ...


OnError = Callable[[str, Exception], None]
"""Told of a listener's id and of what its processor raised."""


class NotificationClient:
    """Sends and receives events while the ``async with`` block lasts, over interruptions of the connection too.

    Args:
        broker: ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for an encrypted connection.
        namespace: Where the events belong that this client sends and listens to, unless a call says otherwise.
        sender: Who sends, as receivers see it.
        prefix: The scheduler's ``mqtt.topic_prefix``.
        timeout_s: How long an answer of the scheduler may take.
        on_error: Told of what a processor raised; it is logged too, and the listener goes on with the next events.

    Raises:
        BusUnavailable: On entering, when the broker cannot be connected to.
        ValueError: The address of the broker is none.
    """

    def __init__(  # noqa: PLR0913 - a client is told all this once, by name
        self, broker: str, *, namespace: str = "default", sender: str | None = None, prefix: str = "alicia/scheduler",
        timeout_s: float = 10.0, protocol: MqttProtocol = "auto", on_error: OnError | None = None,
    ) -> None:  # fmt: skip
        self._client = SchedulerClient(broker, prefix, timeout_s, protocol=protocol)
        self._topics = Topics(prefix)
        self._namespace = namespace
        self._sender = sender
        self._on_error = on_error
        self._listeners: dict[str, _Listener] = {}
        self._registered = 0

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener_id in list(self._listeners):
            await self.unregister_listener(listener_id)
        await self._client.__aexit__(kind, error, trace)

    async def send_event(self, key: str, value: Any = None, *, payload: Any = None, **fields: Any) -> Event:
        """Sends the event; raises what every command of SchedulerClient raises.

        Args:
            fields: ``namespace``, ``sender``, ``display_name``, ``scope``, ``dest_id``, ``group_id``, ``ttl``,
                ``delay``, ``future_time``, ``single_consumer``.
        """
        given = {"namespace": self._namespace, "sender": self._sender, **fields}
        answer = await self._client.throw_event(key, value=value, payload=payload, **given)
        namespace, sender = str(given["namespace"]), given["sender"]
        return Event(key, value, payload, namespace, sender, answer["offset"], answer["created_at"])

    async def register_listener(
        self,
        listener_processor: ListenerProcessor,
        event_keys: Sequence[str] = (),
        namespace: str | None = None,
        offset: int | None = None,
    ) -> str:
        """Has the processor called with every event from now on, or from behind the offset on; each exactly once.

        Args:
            event_keys: Only these keys; none for all of the namespace.
            namespace: Left out: the client's.
            offset: The last event that the processor has had already; 0 for none.

        Returns:
            The id of the listener, for ``unregister_listener``.
        """
        since = offset if offset is not None else await self._last_offset()
        self._registered += 1
        listener_id = f"listener-{self._registered}"
        read = _Reading(self._client, namespace or self._namespace, tuple(event_keys), since)
        listener = _Listener(listener_id, read, listener_processor, self._on_error)
        listener.start(self._client, self._topics)
        self._listeners[listener_id] = listener
        return listener_id

    async def unregister_listener(self, listener_id: str) -> None:
        """Ends the listener; the events that its processor is dealing with are cut short. Raises KeyError."""
        await self._listeners.pop(listener_id).stop()

    async def list_events(
        self, event_keys: Sequence[str] = (), namespace: str | None = None, offset: int = 0, limit: int = 1000
    ) -> list[Event]:
        """The events behind the offset, oldest first, as far back as the scheduler keeps them."""
        reading = _Reading(self._client, namespace or self._namespace, tuple(event_keys), offset)
        found: list[Event] = []
        while len(found) < limit:
            page = await reading.next_page(min(PAGE, limit - len(found)))
            found += page
            if not page:
                break
        return found

    async def count_events(self, event_keys: Sequence[str] = (), namespace: str | None = None, offset: int = 0) -> int:
        """How many events there are behind the offset."""
        reading = _Reading(self._client, namespace or self._namespace, tuple(event_keys), offset)
        count = 0
        while page := await reading.next_page(PAGE):
            count += len(page)
        return count

    async def _last_offset(self) -> int:
        newest = await self._client.list_thrown(limit=1, distinct=True)
        return max((entry["offset"] for entry in (*newest["queue"], *newest["history"])), default=0)


class _Reading:
    """Reads the log of events page by page; ``offset`` is how far it has come."""

    def __init__(self, client: SchedulerClient, namespace: str, keys: tuple[str, ...], offset: int) -> None:
        self._client = client
        self.namespace = namespace
        self._keys = list(keys) or None
        self.offset = offset

    async def next_page(self, limit: int) -> list[Event]:
        """The next events in the order of offsets; none when there are no more for now."""
        answer = await self._client.list_thrown(
            namespace=self.namespace, key=self._keys, since_offset=self.offset, limit=limit, distinct=True
        )
        entries = sorted((*answer["queue"], *answer["history"]), key=lambda entry: int(entry["offset"]))
        self.offset = max(self.offset, *(entry["offset"] for entry in entries)) if entries else self.offset
        return [_event(entry) for entry in entries]


class _Listener:
    """Hands the events of one reading to one processor.

    What the broker passes on only says that there is something to read: read it is from the scheduler's log, behind the
    last offset, so a lost connection loses and doubles nothing.
    """

    def __init__(
        self, listener_id: str, reading: _Reading, processor: ListenerProcessor, on_error: OnError | None
    ) -> None:
        self._id = listener_id
        self._reading = reading
        self._processor = processor
        self._on_error = on_error
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, client: SchedulerClient, topics: Topics) -> None:
        """Begins to listen."""
        roles = (self._read(), self._hear(client, topics), self._reconnect(client))
        self._tasks = [asyncio.create_task(role, name=self._id) for role in roles]

    async def stop(self) -> None:
        """Ends it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                while page := await self._reading.next_page(PAGE):
                    await self._process(page)
            except (NoAnswer, BusError) as error:
                log.warning("listener_waits", listener=self._id, problem=str(error))
                self._wanted.set()
                await asyncio.sleep(TRY_AGAIN_S)
            except SchedulerError as error:
                self._report(error)
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _process(self, events: list[Event]) -> None:
        try:
            if inspect.iscoroutinefunction(self._processor.process):
                await self._processor.process(events)
                return
            result = await asyncio.to_thread(self._processor.process, events)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - the processor is a stranger's; what it raises is reported
            self._report(error)

    def _report(self, error: Exception) -> None:
        log.error("listener_processor_failed", listener=self._id, exc_info=error)
        if self._on_error is not None:
            self._on_error(self._id, error)

    async def _hear(self, client: SchedulerClient, topics: Topics) -> None:
        topic_filter = topics.thrown(self._reading.namespace, "+")
        while True:
            try:
                async with client.listen(topic_filter) as messages:
                    self._wanted.set()
                    async for message in messages:
                        if _offset(message.payload) > self._reading.offset:
                            self._wanted.set()
            except BusUnavailable:
                await asyncio.sleep(TRY_AGAIN_S)

    async def _reconnect(self, client: SchedulerClient) -> None:
        while True:
            await client.reconnected()
            self._wanted.set()


def _event(entry: Mapping[str, Any]) -> Event:
    names = ("key", "value", "payload", "namespace", "sender", "offset")
    return Event(**{name: entry[name] for name in names}, create_time=entry["created_at"])


def _offset(payload: bytes) -> float:
    """The offset in a message; one that cannot be read is taken for news."""
    try:
        document: Data = unwrap(json.loads(payload))[0]
        return int(document["offset"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SchedulerError):
        return float("inf")


__all__ = ["Event", "ListenerProcessor", "NotificationClient"]
