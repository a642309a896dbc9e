"""Which received message belongs to whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from paho.mqtt.client import topic_matches_sub

from alicia_scheduler.adapters.mqtt.inbox import Listener

OWN = 1
"""The subscription identifier of the service's own subscriptions; temporary ones count on from here."""


@dataclass(slots=True)
class _Temporary:
    identifier: int
    listeners: list[Listener] = field(default_factory=list)


class Subscriptions:
    """The service's own topic filters, and the temporary ones with everybody who listens to them.

    MQTT 5 brokers may deliver a message once per matching subscription and say by an identifier for which; a message
    without identifiers is for every filter that matches.
    """

    def __init__(self, own: tuple[tuple[str, int], ...]) -> None:
        self.own = own
        self._own_filters = tuple(topic_filter for topic_filter, _ in own)
        self._temporary: dict[str, _Temporary] = {}
        self._last_identifier = OWN

    def is_own(self, topic: str, identifiers: tuple[int, ...] = ()) -> bool:
        """Whether the message is one of the service's own subscriptions."""
        if identifiers and OWN not in identifiers:
            return False
        return any(topic_matches_sub(topic_filter, topic) for topic_filter in self._own_filters)

    def listeners(self, topic: str, identifiers: tuple[int, ...] = ()) -> list[Listener]:
        """Everybody who listens to the topic."""
        return [
            listener
            for topic_filter, temporary in self._temporary.items()
            if (not identifiers or temporary.identifier in identifiers) and topic_matches_sub(topic_filter, topic)
            for listener in temporary.listeners
        ]

    def add(self, listener: Listener) -> None:
        """Takes the listener in."""
        entry = self._temporary.get(listener.topic_filter)
        if entry is None:
            entry = self._temporary[listener.topic_filter] = _Temporary(self._new_identifier(listener.topic_filter))
        entry.listeners.append(listener)

    def remove(self, listener: Listener) -> bool:
        """Lets the listener go; returns whether the broker's subscription is of no use any more."""
        entry = self._temporary[listener.topic_filter]
        entry.listeners.remove(listener)
        if entry.listeners:
            return False
        del self._temporary[listener.topic_filter]
        return entry.identifier != OWN

    def temporary(self) -> list[tuple[str, int]]:
        """The temporary filters that need a subscription of their own, with their identifiers."""
        return [(name, entry.identifier) for name, entry in self._temporary.items() if entry.identifier != OWN]

    def identifier(self, topic_filter: str) -> int:
        """The subscription identifier of a temporary filter; OWN when the service subscribes to it anyway."""
        return self._temporary[topic_filter].identifier

    def _new_identifier(self, topic_filter: str) -> int:
        if topic_filter in self._own_filters:
            return OWN
        self._last_identifier += 1
        return self._last_identifier
