"""The embedded broker: an MQTT 3.1.1 broker inside the process, for trying out and for small homes."""

from __future__ import annotations

import asyncio
import errno
import logging
from types import TracebackType
from typing import Any, Self

from amqtt.broker import Broker
from amqtt.errors import BrokerError
from amqtt.session import Session

from alicia_scheduler.errors import ConfigurationError

_NOISY_LOGGERS = ("amqtt", "transitions")
"""They report every connection, and a client that greets in MQTT 5 as an error with a traceback."""


class _TidyBroker(Broker):
    """The library's broker without two of its faults.

    It forgets to close the connection of a client that hung up first. And at every connect it sends a client the
    retained messages of everybody's subscriptions, before it listens to the client at all: what a short-lived client
    such as ``mosquitto_pub`` sends meanwhile is lost.
    """

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        try:
            await super().stream_connected(reader, writer, listener_name)
        except OSError:
            pass  # the client is gone; for the loop this would be an unhandled exception
        finally:
            writer.close()

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        if any(subscriber is session for subscriber, _ in self.subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)


class EmbeddedBroker:
    """A broker that runs while the ``async with`` block does; anyone who can reach the address may do everything.

    It forgets retained messages and sessions when it ends, speaks MQTT 3.1.1 only, and carries some thousand messages
    a second.

    Raises:
        ConfigurationError: On entering, when the address cannot be listened on.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 1883) -> None:
        self.host = host
        self.port = port
        self._broker: Any = None

    async def __aenter__(self) -> Self:
        for name in _NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        broker = _TidyBroker(_configuration(self.host, self.port))
        try:
            await broker.start()
        except BrokerError as error:
            raise ConfigurationError(self._cannot_listen(error)) from error
        self._broker = broker
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._broker.shutdown()

    def _cannot_listen(self, error: BrokerError) -> str:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            return (
                f"the embedded broker cannot start: something listens on {self.host}:{self.port} already, perhaps a "
                "broker. To use that one, run without --embedded-broker; to keep both, set another mqtt.port in "
                "config/scheduler.yaml"
            )
        return f"the embedded broker cannot listen on {self.host}:{self.port} (mqtt.host, mqtt.port): {cause or error}"


def _configuration(host: str, port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
