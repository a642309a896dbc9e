"""Alicia bus citizenship: discovery and health documents (setting ``alicia.enabled``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.wire.codec import encode
from alicia_scheduler.wire.commands import COMMANDS
from alicia_scheduler.wire.documents import timestamps
from alicia_scheduler.wire.envelope import SOURCE
from alicia_scheduler.wire.topics import Topics

__all__ = [
    "HEALTH_CHECK_TOPIC", "HEALTH_TOPIC", "REGISTER_TOPIC", "UNREGISTER_TOPIC", "Health", "health_message",
    "register_message", "unregister_message",
]  # fmt: skip

REGISTER_TOPIC = "alicia/system/discovery/register"
UNREGISTER_TOPIC = "alicia/system/discovery/unregister"
HEALTH_CHECK_TOPIC = "alicia/system/health/check"
"""Somebody asks all services how they are; what the question says does not matter."""
HEALTH_TOPIC = f"alicia/system/health/{SOURCE}"


@dataclass(frozen=True, slots=True)
class Health:
    """What the service knows of its own health; ``problems`` are sentences for people."""

    version: str
    started_at: datetime
    events: int
    running: int
    outbox: int
    problems: tuple[str, ...] = ()

    @property
    def status(self) -> Literal["healthy", "degraded"]:
        """Degraded while there is a problem."""
        return "degraded" if self.problems else "healthy"


def register_message(version: str, topics: Topics, now: datetime) -> OutgoingMessage:
    """Tells the bus that the service is there, what it can do and where it listens."""
    document = {
        "service_name": SOURCE,
        "service_type": "scheduler",
        "version": version,
        "status": "online",
        "capabilities": [info.name for info in COMMANDS],
        "topics": {
            "command": topics.command,
            "response": topics.response("ping").removesuffix("/ping"),
            "events": topics.events,
            "availability": topics.availability,
            "health": HEALTH_TOPIC,
        },
        **timestamps("timestamp", now),
    }
    return OutgoingMessage(REGISTER_TOPIC, encode(document))


def unregister_message(reason: str, now: datetime) -> OutgoingMessage:
    """Tells the bus that the service goes."""
    document = {"service_name": SOURCE, "status": "offline", "reason": reason, **timestamps("timestamp", now)}
    return OutgoingMessage(UNREGISTER_TOPIC, encode(document))


def health_message(health: Health, now: datetime) -> OutgoingMessage:
    """The answer to a health check."""
    document: dict[str, Any] = {
        "service_name": SOURCE,
        "status": health.status,
        "problems": list(health.problems),
        "version": health.version,
        "uptime_seconds": (now - health.started_at).total_seconds(),
        "events": health.events,
        "running": health.running,
        "outbox": health.outbox,
        **timestamps("timestamp", now),
    }
    return OutgoingMessage(HEALTH_TOPIC, encode(document))
