"""paho's client, changed where it offers no other door: reading, publishing and its answers, failing handshakes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Literal

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties

from alicia_scheduler.adapters.mqtt.joining import Joining
from alicia_scheduler.errors import BusUnavailable

BLOCK_BYTES = 65_536
JOINED_BYTES = 65_536
"""So much goes to the socket at once; the rest follows in further pieces."""

BEHIND_PIECES = 64
"""Up to 4 MiB; beyond, messages without a promise are dropped, as a broker would do."""

_PUBACK = 0x40


class PahoClient(Client):
    """A paho client that reads in blocks, publishes in blocks, and hands an answer over as packet id and reason code.

    paho itself reads a packet with three or more system calls, writes each with one, builds two objects per PUBACK that
    cost more than everything else about it, keeps every unacknowledged message a second time, and answers a PUBREC that
    refuses a message as if it had accepted it.

    Attributes:
        on_answer: Called with the packet id and the reason code of a PUBACK, a PUBCOMP, or a PUBREC that refuses.
    """

    _block: bytes = b""
    _position: int = 0
    _may_receive: bool = False
    _joining: Joining
    on_answer: Callable[[int, int], None]

    def read_some(self) -> None:
        """Handles some packets, out of the block read before or else out of a new one."""
        if not self._in_packet["command"]:
            self._take_answers()
        self._may_receive = self._position >= len(self._block)
        self.loop_read()

    def _take_answers(self) -> None:
        """Handles the PUBACKs at the front of the block: they come in crowds, and paho takes them a byte at a time."""
        block, start = self._block, self._position
        while len(block) - start >= 4 and block[start] == _PUBACK:
            length = block[start + 1]
            end = start + 2 + length
            if not 2 <= length < 0x80 or end > len(block):
                return
            self._position = end
            self.on_answer(block[start + 2] << 8 | block[start + 3], block[start + 4] if length > 2 else 0)
            start = end

    @property
    def has_unread(self) -> bool:
        """Whether received bytes wait that no selector knows of: in the block, or decrypted in the TLS layer."""
        if self._position < len(self._block):
            return True
        pending = getattr(self._sock, "pending", None)
        return pending is not None and pending() > 0

    def _sock_recv(self, bufsize: int) -> bytes:
        start = self._position
        if start >= len(self._block):
            if not self._may_receive:
                raise BlockingIOError
            self._may_receive = False
            self._block, start = super()._sock_recv(BLOCK_BYTES), 0
        self._position = start + bufsize
        return self._block[start : start + bufsize]

    def close_socket(self) -> None:
        """Drops the connection."""
        self._sock_close()

    def forgive_missing_pong(self) -> None:
        """Takes the last ping as answered."""
        self._ping_t = 0.0

    def next_packet_id(self) -> int:
        """A packet id for a message of our own encoding."""
        return self._mid_generate()

    @property
    def is_behind(self) -> bool:
        """Whether the socket takes less than is sent: more pieces wait than a healthy connection ever leaves."""
        return len(self._out_packet) >= BEHIND_PIECES

    def send_joined(self, packet: bytes) -> Callable[[], bool]:
        """Queues an encoded PUBLISH; those of one turn of the event loop go to the socket together.

        Returns:
            Whether it has gone, for whoever asks later.

        Raises:
            BusUnavailable: There is no connection.
        """
        if self._sock is None:
            raise BusUnavailable("the message could not be handed to the connection: it is gone")
        if self._joining.size + len(packet) > JOINED_BYTES:
            self._join()
        self._joining.add(packet)
        self._call_socket_register_write()
        return self._joining.is_written

    def loop_write(self) -> MQTTErrorCode:
        """Writes what waits, as far as the socket takes it."""
        self._join()
        return super().loop_write()

    def want_write(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._joining.size) or super().want_write()

    def _packet_queue(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        """Queues a packet of paho's own behind the messages that were sent before it."""
        self._join()
        return super()._packet_queue(command, packet, mid, qos, info)

    def _join(self) -> None:
        if self._joining.size:
            self._out_packet.append(self._joining.joined())
            self._joining = Joining()

    def start_publishing(self, after_packet_id: int) -> None:
        """Must be called once before the connect; the first packet id is the one after ``after_packet_id``."""
        self._last_mid = after_packet_id
        self._joining = Joining()

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """As paho does, but a failed handshake closes the socket; the context checks the name itself."""
        if self._ssl_context is None:
            raise ValueError("there is no TLS context")
        wrapped = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(self._connect_timeout)
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def _handle_pubrec(self) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        if len(packet) > 2 and packet[2] >= 0x80:
            return self._answered(packet)
        return self._send_pubrel(int.from_bytes(packet[:2]))

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        return self._answered(self._in_packet["packet"])

    def _answered(self, packet: bytearray) -> MQTTErrorCode:
        """Takes the packet id and the reason code, which is left out when it is 0; nothing else is of interest."""
        self.on_answer(int.from_bytes(packet[:2]), packet[2] if len(packet) > 2 else 0)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def new_properties(packet_type: int) -> Properties:
    """Empty MQTT 5 properties for a kind of packet."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves this one without types
