"""A peer that speaks just enough MQTT 5 to do what no honest broker does on demand."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ = 1, 3, 4, 8, 12


class ScriptedBroker:
    """Accepts one client after the other.

    Args:
        greets: Whether a CONNECT is answered.
        connack_code: With which reason.
        connack_properties: MQTT 5 properties of the CONNACK, encoded.
        suback_code: The answer to every subscription.
        acknowledges: Whether a PUBLISH with QoS 1 is answered at once; else ``acknowledge_one`` does it.
        puback_code: With which reason.
    """

    host = "127.0.0.1"
    port = 0

    def __init__(
        self,
        *,
        greets: bool = True,
        connack_code: int = 0,
        connack_properties: bytes = b"",
        suback_code: int = 1,
        acknowledges: bool = True,
        puback_code: int = 0,
    ) -> None:
        self.greets = greets
        self.connack_code = connack_code
        self.levels: set[int] = set()
        self.connack_properties = connack_properties
        self.suback_code = suback_code
        self.acknowledges = acknowledges
        self.puback_code = puback_code
        self.published: list[bytes] = []
        self.qos: list[int] = []
        self.pings = 0
        self.connects = 0
        self._unacknowledged: list[bytes] = []
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        self._server.close()
        await self._server.wait_closed()

    def acknowledge_one(self) -> None:
        """Answers the oldest PUBLISH that was not answered."""
        self._send(PUBACK << 4, self._unacknowledged.pop(0) + bytes([self.puback_code]))

    def send_publish(self, topic: bytes, payload: bytes) -> None:
        """Sends the client a QoS 0 message."""
        self._send(PUBLISH << 4, len(topic).to_bytes(2) + topic + b"\x00" + payload)

    def disconnect(self, reason_code: int) -> None:
        """Sends a DISCONNECT and closes."""
        self._send(14 << 4, bytes([reason_code]))
        assert self._writer is not None
        self._writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _length(reader))
                self._answer(head, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head: int, body: bytes) -> None:
        match head >> 4:
            case 1:
                self.connects += 1
                self.levels.add(body[6])
                properties = self.connack_properties
                if self.greets:
                    self._send(0x20, bytes([0, self.connack_code, len(properties)]) + properties)
            case 8:
                self._send(0x90, body[:2] + b"\x00" + bytes([self.suback_code]))
            case 12:
                self.pings += 1
                self._send(0xD0, b"")
            case 3:
                self._take_publish((head >> 1) & 3, body)
            case _:
                pass

    def _take_publish(self, qos: int, body: bytes) -> None:
        rest = body[2 + int.from_bytes(body[:2]) :]
        self.qos.append(qos)
        if qos:
            self._unacknowledged.append(rest[:2])
            rest = rest[2:]
        self.published.append(rest[1 + rest[0] :])
        if qos and self.acknowledges:
            self.acknowledge_one()

    def _send(self, head: int, body: bytes) -> None:
        assert self._writer is not None
        assert len(body) < 128
        self._writer.write(bytes([head, len(body)]) + body)


async def _length(reader: asyncio.StreamReader) -> int:
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        if byte < 128:
            return length
        shift += 7
