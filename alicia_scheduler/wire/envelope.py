"""The Alicia envelope: taken off what arrives, put around what leaves when ``mqtt.envelope`` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem

__all__ = ["ENVELOPE_FIELDS", "EnvelopeInfo", "envelope", "unwrap"]

SOURCE = "event_scheduler"
"""The name under which the service speaks on the Alicia bus."""

ENVELOPE_FIELDS = frozenset(
    {
        "message_id", "correlation_id", "timestamp", "source", "destination", "message_type", "priority", "routing",
        "metadata", "version",
    }
)  # fmt: skip
"""What an envelope carries beside its payload."""

MAX_HOPS = 16
_MAX_WRAPS = 2


@dataclass(frozen=True, slots=True)
class EnvelopeInfo:
    """What the outermost envelope said of its message; claims of the sender, not proof of anything."""

    message_id: str
    correlation_id: str | None = None
    source: str | None = None
    message_type: str | None = None
    hops: int = 0


def unwrap(body: dict[str, Any]) -> tuple[dict[str, Any], EnvelopeInfo | None]:
    """The body within its envelope, or two of them; a bare body as it is.

    A body is an envelope when it has a ``message_id`` and a ``payload`` object and does not name a command itself.

    >>> unwrap({"message_id": "m1", "payload": {"command": "ping"}})[0]
    {'command': 'ping'}

    Raises:
        CommandRejected: the message has travelled too far (``routing.hops``).
    """
    info = None
    for _ in range(_MAX_WRAPS):
        if not _is_envelope(body):
            break
        info = info or _info(body)
        body = body["payload"]
    return body, info


def envelope(
    document: Mapping[str, Any], message_id: str, correlation_id: str | None, timestamp: datetime, *,
    message_type: str = "event", source: str = SOURCE,
) -> dict[str, Any]:  # fmt: skip
    """The document in an Alicia envelope, addressed to whoever listens."""
    return {
        "message_id": message_id,
        "correlation_id": correlation_id,
        "timestamp": timestamp.timestamp(),
        "source": source,
        "destination": "broadcast",
        "message_type": message_type,
        "priority": "normal",
        "payload": document,
        "routing": {"hops": 0, "max_hops": MAX_HOPS},
    }


def _is_envelope(body: Mapping[str, Any]) -> bool:
    return "message_id" in body and "command" not in body and isinstance(body.get("payload"), dict)


def _info(body: Mapping[str, Any]) -> EnvelopeInfo:
    return EnvelopeInfo(
        message_id=_text(body, "message_id") or "",
        correlation_id=_text(body, "correlation_id"),
        source=_text(body, "source"),
        message_type=_text(body, "message_type"),
        hops=_hops(body.get("routing")),
    )


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _hops(routing: object) -> int:
    """How often services have passed the message on; a limit keeps two of them from playing ball for ever."""
    hops = routing.get("hops", 0) if isinstance(routing, dict) else 0
    if not isinstance(hops, int) or isinstance(hops, bool) or not 0 <= hops <= MAX_HOPS:
        problem = FieldProblem("routing.hops", f"expected a whole number from 0 to {MAX_HOPS}")
        raise CommandRejected(ErrorCode.NOT_ALLOWED, "the message was passed on too often", (problem,))
    return hops
