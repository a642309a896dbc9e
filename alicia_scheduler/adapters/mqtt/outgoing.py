"""Publishes on their way: a sliding window of unacknowledged ones, a bounded queue behind it, order kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from alicia_scheduler.adapters.mqtt.reasons import refusal
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusError, BusUnavailable
from alicia_scheduler.ports import PublishReceipt

Receipt = asyncio.Future[PublishReceipt]

_ACCEPTED = PublishReceipt()
_NOBODY = ("", None)


class Handed(NamedTuple):
    """A message on its way.

    Attributes:
        packet_id: What the broker's answer will name; 0 for QoS 0.
        written: Tells whether it has gone to the socket, which is all that will ever be known of QoS 0.
    """

    packet_id: int
    written: Callable[[], bool]


def fail(receipt: Receipt, error: BusError) -> None:
    """Ends the future with the error; nothing complains when nobody looks at it (messages sent and forgotten)."""
    if not receipt.done():
        receipt.set_exception(error)
        receipt.exception()


class Outgoing:
    """The publishes of one connection.

    Args:
        limit: How many messages may be under way or waiting in all.
        transmit: Hands a message to the connection; raises BusError.

    Attributes:
        window: How many QoS 1 and 2 messages may be unacknowledged.
    """

    def __init__(self, limit: int, transmit: Callable[[OutgoingMessage], Handed]) -> None:
        self.window = 1
        self._limit = limit
        self._transmit = transmit
        self._unacknowledged: dict[int, tuple[str, Receipt]] = {}
        self._unwritten: deque[tuple[Handed, Receipt]] = deque()
        self._waiting: deque[tuple[OutgoingMessage, Receipt]] = deque()

    def put(self, message: OutgoingMessage, receipt: Receipt) -> None:
        """Sends the message now or when its turn comes."""
        waiting = self._waiting
        if len(waiting) + len(self._unacknowledged) + len(self._unwritten) >= self._limit:
            fail(receipt, BusUnavailable(f"{self._limit} messages wait for the broker already: it is slow or stuck"))
        elif waiting or (message.qos and len(self._unacknowledged) >= self.window):
            waiting.append((message, receipt))
        else:
            self._send(message, receipt)

    def written(self) -> None:
        """Something was written to the socket, which is all that will ever be known of QoS 0 messages."""
        unwritten = self._unwritten
        while unwritten and unwritten[0][0].written():
            _, receipt = unwritten.popleft()
            if not receipt.done():
                receipt.set_result(_ACCEPTED)
        if self._waiting:
            self._advance()

    def acknowledged(self, packet_id: int, reason_code: int) -> None:
        """The broker answered; what waits moves up. An answer to nothing is ignored."""
        topic, receipt = self._unacknowledged.pop(packet_id, _NOBODY)
        if receipt is None:
            return
        if reason_code >= 0x80:
            fail(receipt, refusal(topic, reason_code))
        elif not receipt.done():
            receipt.set_result(PublishReceipt(reason_code) if reason_code else _ACCEPTED)
        if self._waiting:
            self._advance()

    def fail_all(self, error: BusError) -> None:
        """The connection is gone: every message that is under way or waits fails now."""
        receipts = [receipt for _, receipt in self._unacknowledged.values()]
        receipts += [receipt for _, receipt in self._unwritten]
        receipts += [receipt for _, receipt in self._waiting]
        self._unacknowledged.clear()
        self._unwritten.clear()
        self._waiting.clear()
        for receipt in receipts:
            fail(receipt, error)

    def _advance(self) -> None:
        while self._waiting and (not self._waiting[0][0].qos or len(self._unacknowledged) < self.window):
            message, receipt = self._waiting.popleft()
            if not receipt.done():
                self._send(message, receipt)

    def _send(self, message: OutgoingMessage, receipt: Receipt) -> None:
        try:
            handed = self._transmit(message)
        except BusError as error:
            fail(receipt, error)
            return
        if message.qos:
            self._unacknowledged[handed.packet_id] = (message.topic, receipt)
        else:
            self._unwritten.append((handed, receipt))
