"""Acknowledging in the order of arrival, whatever the order in which the work ends (MQTT 5.0, rule 4.6.0-2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Delivery:
    """One received QoS 1 or 2 message on one connection; packet ids mean nothing beyond it."""

    window: AckWindow
    packet_id: int
    qos: int
    done: bool = False


class AckWindow:
    """The unacknowledged messages of one connection; acknowledges the longest finished prefix.

    Args:
        send: Sends the acknowledgement of a packet id and QoS.
    """

    def __init__(self, send: Callable[[int, int], object]) -> None:
        self._send = send
        self._open: deque[Delivery] = deque()
        self._closed = False

    def received(self, packet_id: int, qos: int) -> Delivery:
        """Notes the arrival and returns the mark to acknowledge it by."""
        delivery = Delivery(self, packet_id, qos)
        self._open.append(delivery)
        return delivery

    def acknowledge(self, delivery: Delivery) -> None:
        """Marks the message as done with; does nothing once the connection is gone."""
        if self._closed:
            return
        delivery.done = True
        while self._open and self._open[0].done:
            head = self._open.popleft()
            self._send(head.packet_id, head.qos)

    def close(self) -> None:
        """Forgets everything: the broker will deliver it again."""
        self._closed = True
        self._open.clear()
