"""paho's client, changed where it offers no other door: reading, the answers to publishes, failing handshakes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Literal

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties

BLOCK_BYTES = 65_536


class PahoClient(Client):
    """A paho client that reads in blocks, and hands the answer to a publish over as packet id and reason code.

    paho itself reads a packet with three or more system calls, builds two objects per PUBACK that cost more than
    everything else about it, and answers a PUBREC that refuses a message as if it had accepted it.

    Attributes:
        on_answer: Called with the packet id and the reason code of a PUBACK, a PUBCOMP, or a PUBREC that refuses.
    """

    _block: bytes = b""
    _position: int = 0
    _may_receive: bool = False
    on_answer: Callable[[int, int], None]

    def read_some(self) -> None:
        """Handles some packets, out of the block read before or else out of a new one."""
        self._may_receive = self._position >= len(self._block)
        self.loop_read()

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

    def continue_packet_ids_after(self, packet_id: int) -> None:
        """Makes the next packet id the one after ``packet_id``."""
        self._last_mid = packet_id

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
        return super()._handle_pubrec()

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        return self._answered(self._in_packet["packet"])

    def _answered(self, packet: bytearray) -> MQTTErrorCode:
        """Takes the packet id and the reason code, which is left out when it is 0; nothing else is of interest."""
        packet_id = int.from_bytes(packet[:2])
        if self._out_messages.pop(packet_id, None) is not None:
            self._inflight_messages -= 1
            self.on_answer(packet_id, packet[2] if len(packet) > 2 else 0)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def new_properties(packet_type: int) -> Properties:
    """Empty MQTT 5 properties for a kind of packet."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves this one without types
