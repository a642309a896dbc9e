"""The bus of the ports over MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import random  # noqa: TID251  pauses between connects must differ between processes
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog
from paho.mqtt.client import MQTTMessage

from alicia_scheduler.adapters.mqtt.acks import Delivery
from alicia_scheduler.adapters.mqtt.dialing import Backoff, Dialer
from alicia_scheduler.adapters.mqtt.echoes import OwnEchoes
from alicia_scheduler.adapters.mqtt.inbox import Inbox, Listener
from alicia_scheduler.adapters.mqtt.link import Link
from alicia_scheduler.adapters.mqtt.loop_client import Ending
from alicia_scheduler.adapters.mqtt.options import MqttOptions
from alicia_scheduler.adapters.mqtt.outgoing import Receipt, fail
from alicia_scheduler.adapters.mqtt.packets import incoming_message, subscription_identifiers
from alicia_scheduler.adapters.mqtt.reasons import TOPIC_NAME_INVALID, reason_in_words
from alicia_scheduler.adapters.mqtt.subscriptions import OWN, Subscriptions
from alicia_scheduler.adapters.mqtt.tls import tls_context
from alicia_scheduler.adapters.mqtt.validity import filter_problem, message_problem
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusUnavailable, ConfigurationError, PublishRefused
from alicia_scheduler.ports import Connection, IncomingMessage

STABLE_AFTER_S = 10.0
"""A connection that held this long was a good one: the next pause is the shortest again."""

TAKEN_OVER_PAUSE_S = 5.0
"""Two clients with one id throw each other out; this keeps them from doing it all day."""

_log = structlog.get_logger("mqtt")


class MqttBus:
    """Keeps one connection to the broker up; see ``ports.Bus``.

    Args:
        jitter: Returns a number in [0, 1), for the pauses between connects.

    Raises:
        ConfigurationError: A certificate file cannot be used, or the will cannot be sent.
    """

    def __init__(self, options: MqttOptions, jitter: Callable[[], float] = random.random) -> None:
        if options.tls is not None:
            tls_context(options.tls)
        if options.will is not None and (problem := message_problem(options.will)):
            raise ConfigurationError(f"the last will cannot be sent: {problem}")
        self._options = options
        self._dialer = Dialer(options, self._received, jitter)
        self._backoff = Backoff(options.reconnect_min_s, options.reconnect_max_s, jitter)
        self._subscriptions = Subscriptions(options.subscriptions)
        self._inbox = Inbox(options.inbox_size, self._pause, self._resume)
        self._echoes = OwnEchoes()
        self._link: Link | None = None
        self._dialing: asyncio.Timeout | None = None
        self._connection = Connection(connected=False, number=0, problem="not connected yet")
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()

    # --- keeping the connection ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keeps the bus connected until ``stop``; when cancelled, the connection drops and the will goes out."""
        try:
            while not self._stopping.is_set():
                pause_s = await self._hold_a_connection()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._stopping.wait()
        finally:
            self._show(replace(self._connection, connected=False, problem="stopped"))

    async def stop(self) -> None:
        """Ends the connection in order: the broker keeps the session and does not publish the will."""
        self._stopping.set()
        if self._dialing is not None:
            self._dialing.reschedule(asyncio.get_running_loop().time())
        if self._link is not None:
            await self._link.close()

    async def _hold_a_connection(self) -> float:
        """Connects, stays connected, and returns the pause in seconds before the next try."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as self._dialing:
                link = await self._dialer.dial()
        except BusUnavailable as error:
            self._show_failure(f"cannot connect to the broker: {error}")
            return self._backoff.next_pause_s()
        except TimeoutError:
            return 0.0  # ``stop`` ended it
        finally:
            self._dialing = None
        since_s = loop.time()
        try:
            await self._take_into_use(link)
            ending = await link.ended
        except BusUnavailable as error:
            ending = Ending(str(error))
        finally:
            self._link = None
            link.abandon()
        self._show_end(ending)
        if loop.time() - since_s >= STABLE_AFTER_S:
            self._backoff.reset()
        return max(self._backoff.next_pause_s(), TAKEN_OVER_PAUSE_S if ending.taken_over else 0.0)

    async def _take_into_use(self, link: Link) -> None:
        problem = await self._subscribe_all(link)
        if self._stopping.is_set():
            await link.close()
            return
        self._link = link
        if self._inbox.full:
            link.pause()
        protocol = "5" if link.target.v5 else "3.1.1"
        number = self._connection.number + 1
        self._show(Connection(True, number, link.session_present, protocol, link.address, problem))
        _log.info("connected", broker=link.address, protocol=protocol, session_present=link.session_present)

    async def _subscribe_all(self, link: Link) -> str:
        """Makes every subscription anew and returns what the broker refused, in words."""
        wanted = [(name, min(qos, 1), OWN) for name, qos in self._subscriptions.own]
        wanted += [(name, 1, identifier) for name, identifier in self._subscriptions.temporary()]
        problems = []
        for name, qos, identifier in wanted:
            code = await link.subscribe_to(name, qos, identifier)
            if code >= 0x80:
                problems.append(f"the broker refuses the subscription to '{name}': {reason_in_words(code)}")
            elif code < qos:
                problems.append(f"the broker delivers '{name}' with QoS {code} only, so messages can get lost")
        for problem in problems:
            _log.error("subscription not as wanted", problem=problem)
        return "; ".join(problems)

    def _show_failure(self, problem: str) -> None:
        if problem != self._connection.problem:
            _log.warning("no connection", problem=problem)
        self._show(replace(self._connection, connected=False, problem=problem))

    def _show_end(self, ending: Ending) -> None:
        if self._stopping.is_set():
            _log.info("disconnected")
        else:
            _log.warning("connection lost", problem=ending.problem)
        self._show(replace(self._connection, connected=False, problem=ending.problem))

    def _show(self, connection: Connection) -> None:
        self._connection = connection
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def connection(self) -> Connection:
        """The connection as it stands."""
        return self._connection

    async def connection_after(self, number: int, connected: bool) -> Connection:
        """Waits until the state differs from what the caller saw last, and returns it."""
        while (self._connection.number, self._connection.connected) == (number, connected):
            await self._changed.wait()
        return self._connection

    # --- publishing ----------------------------------------------------------------------------------------------

    def publish(self, message: OutgoingMessage) -> Receipt:
        """Hands the message to the connection at once; the future ends when the broker has acknowledged it.

        On 3.1.1 an acknowledgement says nothing about refusals: a message that the access list forbids looks accepted.
        """
        receipt: Receipt = asyncio.get_running_loop().create_future()
        problem = message_problem(message)
        if problem is not None:
            error = f"the message to {message.topic[:200]!r} was not sent: {problem}"
            fail(receipt, PublishRefused(error, TOPIC_NAME_INVALID, permanent=True))
            return receipt
        link = self._link
        if link is None or link.ended.done():
            fail(receipt, BusUnavailable(f"not connected to the broker: {self._connection.problem}"))
            return receipt
        if not link.target.v5:
            self._expect_echo(message)
        link.publish_message(message, receipt)
        return receipt

    def send(self, message: OutgoingMessage) -> bool:
        """Hands a QoS 0 message to the connection and forgets it; False when it cannot go, or too much waits."""
        link = self._link
        if link is None or link.ended.done() or message_problem(message) is not None:
            return False
        if not link.target.v5:
            self._expect_echo(message)
        return link.send(message)

    def _expect_echo(self, message: OutgoingMessage) -> None:
        if self._subscriptions.is_own(message.topic) or self._subscriptions.listeners(message.topic):
            self._echoes.expect(message.topic, message.payload, asyncio.get_running_loop().time())

    # --- receiving -----------------------------------------------------------------------------------------------

    def messages(self) -> AsyncIterator[IncomingMessage]:
        """The messages of the service's own subscriptions, in order, over all connections; a cancelled wait loses none.

        While the inbox is full nothing is read from the broker, receipts of publishes neither: whoever takes messages
        here must not wait for one of its own publishes before it takes the next.
        """
        return self._inbox

    def acknowledge(self, message: IncomingMessage) -> None:
        """Tells the broker that the message is done with; ignored when its connection is gone."""
        if isinstance(message.delivery, Delivery):
            message.delivery.window.acknowledge(message.delivery)

    @contextlib.asynccontextmanager
    async def listen(
        self, topic_filter: str, *, retained: bool = False
    ) -> AsyncIterator[AsyncIterator[IncomingMessage]]:
        """A temporary subscription, in force once entered, kept over reconnects, without our own publications.

        Args:
            retained: Also what the broker has kept when the subscription is made.

        Raises:
            BusUnavailable: There is no connection, or the broker refuses, or the filter is none.
        """
        problem = filter_problem(topic_filter)
        if problem is not None:
            raise BusUnavailable(f"cannot subscribe to {topic_filter[:200]!r}: {problem}")
        listener = Listener(topic_filter, retained=retained)
        self._subscriptions.add(listener)
        try:
            await self._put_in_force(topic_filter, retained=retained)
            yield listener
        finally:
            if self._subscriptions.remove(listener) and self._link is not None:
                self._link.unsubscribe_from(topic_filter)

    async def _put_in_force(self, topic_filter: str, *, retained: bool) -> None:
        link = self._link
        if link is None:
            raise BusUnavailable(f"not connected to the broker: {self._connection.problem}")
        if topic_filter in link.active_filters and not retained:
            return
        identifier = self._subscriptions.identifier(topic_filter)
        code = await link.subscribe_to(topic_filter, 1, identifier, retained=retained)
        if code >= 0x80:
            raise BusUnavailable(f"the broker refuses the subscription to '{topic_filter}': {reason_in_words(code)}")

    def _received(self, link: Link, packet: MQTTMessage) -> None:
        delivery = link.acks.received(packet.mid, packet.qos) if packet.qos else None
        if not self._hand_over(link, packet, delivery) and delivery is not None:
            link.acks.acknowledge(delivery)

    def _hand_over(self, link: Link, packet: MQTTMessage, delivery: Delivery | None) -> bool:
        """Gives the message to whom it is for; returns whether the service will acknowledge it."""
        try:
            message = incoming_message(packet, delivery)
        except UnicodeDecodeError:
            _log.warning("a topic that is not UTF-8 was dropped", broker=link.address)
            return False
        if not link.target.v5 and self._is_echo(message):
            return False
        identifiers = subscription_identifiers(packet)
        for listener in self._subscriptions.listeners(message.topic, identifiers):
            if listener.retained or not message.retain:
                listener.put(replace(message, delivery=None))
        if not self._subscriptions.is_own(message.topic, identifiers):
            return False
        self._inbox.put(message)
        return True

    def _is_echo(self, message: IncomingMessage) -> bool:
        return self._echoes.take(message.topic, message.payload, asyncio.get_running_loop().time())

    def _pause(self) -> None:
        if self._link is not None:
            self._link.pause()

    def _resume(self) -> None:
        if self._link is not None:
            self._link.resume()
