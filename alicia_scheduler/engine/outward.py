"""The last touch on what the service says: bare JSON, or Alicia's envelope around it (setting ``mqtt.envelope``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from alicia_scheduler.core.announcement import Announcement, EventChanged, ExecutionChanged
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import Clock
from alicia_scheduler.wire.messages import announcement_messages, enveloped
from alicia_scheduler.wire.topics import Topics


class Outward:
    """Wraps messages where the settings ask for it; actions' own messages never pass through here."""

    def __init__(self, clock: Clock, identifiers: Callable[[], str], *, envelope: bool) -> None:
        self._clock = clock
        self._identifiers = identifiers
        self._envelope = envelope

    def __call__(self, message: OutgoingMessage, correlation_id: str | None = None) -> OutgoingMessage:
        """The message as it goes out."""
        if not self._envelope:
            return message
        return enveloped(message, self._identifiers(), correlation_id, self._clock.now())


def _is_durable(announcement: Announcement) -> bool:
    """Whether something of it goes through the outbox; only results and failures of executions do, not their steps."""
    if isinstance(announcement, ExecutionChanged):
        return announcement.change in ("execution_completed", "execution_failed")
    return not isinstance(announcement, EventChanged)


class BusAnnouncer:
    """Turns announcements into messages for the bus.

    Args:
        lifecycle: Whether lifecycle events are told too (setting ``publish.lifecycle_events``).
    """

    def __init__(self, topics: Topics, outward: Outward, *, lifecycle: bool) -> None:
        self._topics = topics
        self._outward = outward
        self._lifecycle = lifecycle

    def __call__(
        self, announcements: Iterable[Announcement], now: datetime
    ) -> tuple[list[OutgoingMessage], list[OutgoingMessage]]:
        """The durable messages and the volatile ones, in order."""
        durable: list[OutgoingMessage] = []
        volatile: list[OutgoingMessage] = []
        for announcement in announcements:
            if not self._lifecycle and not _is_durable(announcement):
                continue
            messages = announcement_messages(announcement, self._topics, now, lifecycle=self._lifecycle)
            durable += [self._outward(message) for message in messages.durable]
            volatile += [self._outward(message) for message in messages.volatile]
        return durable, volatile
