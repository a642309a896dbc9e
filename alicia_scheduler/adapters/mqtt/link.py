"""One connection as the bus uses it: publishing, subscribing, receiving and acknowledging.

A new object is made for every connection, so nothing of an old one (packet ids, half-sent messages) can leak into the
next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiomqtt
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from alicia_scheduler.adapters.mqtt.acks import AckWindow
from alicia_scheduler.adapters.mqtt.encoding import publish_packet
from alicia_scheduler.adapters.mqtt.loop_client import ConnectRefused, Ending, LinkTarget, LoopClient
from alicia_scheduler.adapters.mqtt.options import MqttOptions
from alicia_scheduler.adapters.mqtt.outgoing import Handed, Outgoing, Receipt
from alicia_scheduler.adapters.mqtt.packets import subscribe_properties
from alicia_scheduler.adapters.mqtt.reasons import (
    PACKET_TOO_LARGE,
    RETAIN_NOT_SUPPORTED,
    refusal,
)
from alicia_scheduler.adapters.mqtt.subscriptions import OWN
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusError, BusUnavailable

OnMessage = Callable[["Link", MQTTMessage], None]


class Link(LoopClient):
    """One connection; ``ended`` is done when it is gone."""

    def __init__(self, options: MqttOptions, target: LinkTarget, on_message: OnMessage) -> None:
        super().__init__(options, target)
        self.active_filters: set[str] = set()
        self.acks = AckWindow(self._paho.ack)
        self._options = options
        self._receive = on_message
        self._outgoing = Outgoing(options.publish_queue, self._transmit)
        self._paho.on_answer = self._outgoing.acknowledged

    async def open(self, timeout_s: float) -> None:
        """Connects; raises as the base does."""
        await super().open(timeout_s)
        self._outgoing.window = min(self._options.publish_window, self.limits.receive_maximum)

    def _has_ended(self, ending: Ending) -> None:
        self.acks.close()
        self._outgoing.fail_all(BusUnavailable(f"the connection to the broker went: {ending.problem}"))

    def _has_written(self) -> None:
        self._outgoing.written()

    def publish_message(self, message: OutgoingMessage, receipt: Receipt) -> None:
        """Sends the message now or when the window has room; the receipt ends with the broker's answer."""
        if message.qos > self.limits.maximum_qos:
            message = message._replace(qos=self.limits.maximum_qos)
        self._outgoing.put(message, receipt)

    def send(self, message: OutgoingMessage) -> bool:
        """Sends a QoS 0 message of which nothing more will be heard, unless the socket is behind with what it has."""
        if self._paho.is_behind:
            return False
        try:
            self._transmit(message)
        except BusError:
            return False
        return True

    def _transmit(self, message: OutgoingMessage) -> Handed:
        limits = self.limits
        if message.retain and not limits.retain_available:
            raise refusal(message.topic, RETAIN_NOT_SUPPORTED)
        packet_id = self._paho.next_packet_id() if message.qos else 0
        packet = publish_packet(message, packet_id, v5=self.target.v5)
        if len(packet) > limits.maximum_packet_size:
            raise refusal(message.topic, PACKET_TOO_LARGE)
        return Handed(packet_id, self._paho.send_joined(packet))

    async def subscribe_to(self, topic_filter: str, qos: int, identifier: int, *, retained: bool = False) -> int:
        """Subscribes and returns the broker's reason code (0x80 or more: refused).

        Args:
            retained: Have the broker send what it has kept, too.

        Raises:
            BusUnavailable: The connection went, or the broker did not answer in time, or the filter is none.
        """
        options = SubscribeOptions(
            qos,
            noLocal=True,
            # A broker clears the flag on what it passes on at once; a command that it also keeps must be told apart.
            retainAsPublished=identifier == OWN,
            retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            if retained
            else SubscribeOptions.RETAIN_DO_NOT_SEND,
        )
        identified = self.limits.subscription_identifiers
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                if self.target.v5:
                    properties = subscribe_properties(identifier) if identified else None
                    granted = await self.subscribe(topic_filter, options=options, properties=properties)
                else:
                    granted = await self.subscribe(topic_filter, qos)
        except (aiomqtt.MqttError, ConnectRefused, ValueError, TimeoutError) as error:
            problem = str(error) or "no answer in time"
            raise BusUnavailable(f"cannot subscribe to '{topic_filter}': {problem}") from error
        code = _code(granted[0])
        if code < 0x80:
            self.active_filters.add(topic_filter)
        return code

    def unsubscribe_from(self, topic_filter: str) -> None:
        """Sends an UNSUBSCRIBE and waits for nothing."""
        self.active_filters.discard(topic_filter)
        if not self.ended.done():
            self._paho.unsubscribe(topic_filter)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self._receive(self, message)

    def _on_unsubscribe(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        """Nobody waits for it."""


def _code(granted: int | ReasonCode) -> int:
    return granted if isinstance(granted, int) else granted.value
