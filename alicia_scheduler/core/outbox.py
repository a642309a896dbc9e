"""Messages on their way out, and the durable queue they may wait in."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class OutgoingMessage(NamedTuple):
    """A message for the broker."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


class OutboxRow(NamedTuple):
    """A message that waits for the broker's acknowledgement; ``sequence`` is the order of sending."""

    sequence: int
    message: OutgoingMessage
    created_at: datetime
