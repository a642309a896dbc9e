"""Finding a broker that takes us: address after address, protocol after protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from alicia_scheduler.adapters.mqtt.link import Link, OnMessage
from alicia_scheduler.adapters.mqtt.loop_client import ConnectRefused, LinkTarget
from alicia_scheduler.adapters.mqtt.options import MqttOptions
from alicia_scheduler.adapters.mqtt.reasons import UNSUPPORTED_PROTOCOL
from alicia_scheduler.adapters.mqtt.tls import tls_context
from alicia_scheduler.errors import BusUnavailable, ConfigurationError

TRY_5_TIMEOUT_S = 3.0
"""Some 3.1.1 brokers wait for more bytes when they are greeted in MQTT 5, instead of refusing."""

_log = structlog.get_logger("mqtt")


class Backoff:
    """Pauses that double up to a limit, each shortened by up to a half at random, so that not all come back at once.

    Args:
        jitter: Returns a number in [0, 1).
    """

    def __init__(self, min_s: float, max_s: float, jitter: Callable[[], float]) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._jitter = jitter
        self._next_s = min_s

    def next_pause_s(self) -> float:
        """The next pause."""
        pause_s = self._next_s
        self._next_s = min(self._max_s, pause_s * 2)
        return pause_s * (0.5 + 0.5 * self._jitter())

    def reset(self) -> None:
        """Begins again with the shortest pause."""
        self._next_s = self._min_s


class Dialer:
    """Opens links."""

    def __init__(self, options: MqttOptions, on_message: OnMessage, jitter: Callable[[], float]) -> None:
        self._options = options
        self._on_message = on_message
        self._jitter = jitter
        self._speak_5: set[tuple[str, int]] = set()
        self._warned = False

    async def dial(self) -> Link:
        """The first connection that any of the addresses takes.

        Raises:
            BusUnavailable: None does; the message says why for each.
        """
        problems = []
        for host, port in self._options.hosts:
            try:
                return await self._dial_address(host, port)
            except (OSError, ConnectRefused, ConfigurationError, ValueError) as error:
                problems.append(f"{host}:{port}: {_in_words(error)}")
        raise BusUnavailable("; ".join(problems))

    async def _dial_address(self, host: str, port: int) -> Link:
        protocol, timeout_s = self._options.protocol, self._options.connect_timeout_s
        if protocol != "auto" or (host, port) in self._speak_5:
            return await self._open(host, port, protocol != "3.1.1", timeout_s)
        try:
            link = await self._open(host, port, True, min(timeout_s, TRY_5_TIMEOUT_S))
        except ConnectRefused as refused:
            if refused.code not in (None, UNSUPPORTED_PROTOCOL):
                raise
        else:
            self._speak_5.add((host, port))
            return link
        link = await self._open(host, port, False, timeout_s)
        self._warn_of_fallback(link)
        return link

    async def _open(self, host: str, port: int, v5: bool, timeout_s: float) -> Link:
        tls = self._options.tls
        context = await asyncio.to_thread(tls_context, tls) if tls else None
        target = LinkTarget(host, port, v5, context, int(self._jitter() * 65_000))
        link = Link(self._options, target, self._on_message)
        await link.open(timeout_s)
        return link

    def _warn_of_fallback(self, link: Link) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "the broker does not speak MQTT 5, going on with 3.1.1: refused publishes cannot be noticed",
                broker=link.address,
            )


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
