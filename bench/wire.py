"""The few MQTT 3.1.1 packets that the benchmark itself needs.

What measures must not take the machine from what is measured: on two cores a full client library in the observer would
cost as much as the program under test.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

_CONNECT = 0x10
_PUBLISH = 0x30
_SUBSCRIBE = 0x82
_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Received:
    """A message, and nothing else of the protocol."""

    topic: str
    payload: bytes


class WireClient:
    """A blocking MQTT connection with QoS 0 subscriptions; what it publishes has QoS 0 or 1.

    Args:
        timeout_s: Longest silence; after it ``received`` returns without a message.
    """

    def __init__(self, port: int, client_id: str, filters: tuple[str, ...], timeout_s: float = 0.2) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = bytearray()
        self._packet_id = 0
        self._socket.sendall(_packet(_CONNECT, b"\0\4MQTT\4\2\0\0" + _text(client_id)))
        self._await_packet(0x20)
        if filters:
            body = b"\0\1" + b"".join(_text(name) + b"\0" for name in filters)
            self._socket.sendall(_packet(_SUBSCRIBE, body))
            self._await_packet(0x90)
        self._socket.settimeout(timeout_s)

    def publish(self, topic: str, payload: bytes, qos: int = 0) -> None:
        """Sends the message; nobody waits for the acknowledgement."""
        self._packet_id = self._packet_id % 65_535 + 1
        identifier = self._packet_id.to_bytes(2) if qos else b""
        self._socket.sendall(_packet(_PUBLISH | qos << 1, _text(topic) + identifier + payload))

    def received(self) -> list[Received]:
        """The messages that one read from the socket completes; raises ConnectionError when the broker has gone."""
        try:
            block = self._socket.recv(_BLOCK_BYTES)
        except TimeoutError:
            return []
        if not block:
            raise ConnectionError("the broker closed the observer's connection")
        self._unread += block
        return [_message(first, body) for first, body in self._packets() if first & 0xF0 == _PUBLISH]

    def close(self) -> None:
        self._socket.close()

    def _await_packet(self, kind: int) -> None:
        while True:
            self._unread += self._socket.recv(_BLOCK_BYTES)
            for first, _ in self._packets():
                if first & 0xF0 == kind:
                    return

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        """The whole packets among the unread bytes; the rest stays."""
        unread, start = self._unread, 0
        while (frame := _frame(unread, start)) is not None:
            body, end = frame
            yield unread[start], bytes(unread[body:end])
            start = end
        del unread[:start]


def _frame(unread: bytearray, start: int) -> tuple[int, int] | None:
    """Where the body of the packet at ``start`` begins and ends, once it is complete."""
    length, shift, at = 0, 0, start + 1
    while at < len(unread):
        length |= (unread[at] & 0x7F) << shift
        at += 1
        if unread[at - 1] < 0x80:
            return (at, at + length) if at + length <= len(unread) else None
        shift += 7
    return None


def _message(first: int, body: bytes) -> Received:
    end = 2 + int.from_bytes(body[:2])
    return Received(body[2:end].decode(), body[end + 2 if first & 0x06 else end :])


def _packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray([first])
    while length > 127:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded
