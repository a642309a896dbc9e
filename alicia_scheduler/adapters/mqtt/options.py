"""What the connection is made of; the values come from the settings and are handed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from alicia_scheduler.core.outbox import OutgoingMessage

Protocol = Literal["auto", "5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """An encrypted connection; without ``ca_file`` the system's certificate authorities are trusted.

    Args:
        ca_file: PEM file of the authorities to trust instead.
        cert_file: PEM file of the client certificate, for brokers that ask for one.
        key_file: PEM file of its key.
        insecure: Takes any certificate from anyone; for a first try only.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """How to connect, as whom, and what to receive.

    Args:
        hosts: Addresses of the same broker or cluster, tried in this order at every connect.
        client_id: Stable over restarts, since the broker keeps what arrives meanwhile under this name.
        will: Published by the broker when the connection ends without a clean stop.
        subscriptions: Topic filters and QoS of ``messages()``; 2 is received as 1, the engine recognises repeats.
        inbox_size: Messages that may wait for the service before reading from the broker pauses.
        receive_maximum: Unacknowledged QoS 1 messages that an MQTT 5 broker may send.
        publish_window: QoS 1 and 2 publishes under way at once.
        publish_queue: Publishes that may wait in all; further ones fail at once.
    """

    hosts: tuple[tuple[str, int], ...] = (("127.0.0.1", 1883),)
    client_id: str = "alicia_scheduler"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsOptions | None = None
    protocol: Protocol = "auto"
    keepalive_s: int = 15
    session_expiry_s: int = 7 * 24 * 3600
    will: OutgoingMessage | None = None
    subscriptions: tuple[tuple[str, int], ...] = ()
    inbox_size: int = 1000
    receive_maximum: int = 100
    publish_window: int = 50
    publish_queue: int = 10_000
    connect_timeout_s: float = 10.0
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 30.0
