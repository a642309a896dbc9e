"""Messages that go to the socket in one piece: a system call for each of them would cost more than the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paho.mqtt.client import _OutPacket

_NO_COMMAND = 0
"""Nothing that paho would do something about once the bytes are written."""


class Joining:
    """Encoded packets that wait for the end of the event loop's turn.

    Attributes:
        size: Their bytes so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._packets: list[bytes] = []
        self._queued: _OutPacket | None = None

    def add(self, packet: bytes) -> None:
        """Puts one more behind the others."""
        self._packets.append(packet)
        self.size += len(packet)

    def joined(self) -> _OutPacket:
        """All of them as one entry of paho's queue."""
        self._queued = {
            "command": _NO_COMMAND,
            "mid": 0,
            "qos": 0,
            "pos": 0,
            "to_process": self.size,
            "packet": b"".join(self._packets),
            "info": None,
        }
        self._packets.clear()
        return self._queued

    def is_written(self) -> bool:
        """Whether every byte has gone to the socket."""
        return self._queued is not None and not self._queued["to_process"]
