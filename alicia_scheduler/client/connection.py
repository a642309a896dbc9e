"""A connection for a program that comes and goes: made at once or not at all, then kept up until it is left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from alicia_scheduler.adapters.mqtt import MqttBus, MqttOptions
from alicia_scheduler.adapters.mqtt.options import Protocol
from alicia_scheduler.errors import BusUnavailable

TRY_3_1_1_AFTER_S = 0.4
"""A broker that does not answer a greeting in MQTT 5 within this time is greeted in 3.1.1 too; the first answer counts.
Some 3.1.1 brokers, the embedded one too, stay silent instead of refusing."""

LOOK_AGAIN_S = 0.01


@dataclass(slots=True)
class _Attempt:
    bus: MqttBus
    running: asyncio.Task[None]

    @property
    def connected(self) -> bool:
        return self.bus.connection.connected

    @property
    def decided(self) -> bool:
        """Whether the first greeting had its answer, or none in time."""
        connection = self.bus.connection
        return connection.connected or connection.problem != _UNTRIED

    async def drop(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running})


_UNTRIED = "not connected yet"


@contextlib.asynccontextmanager
async def connected(options: MqttOptions) -> AsyncIterator[MqttBus]:
    """A bus that is connected; later it connects again by itself.

    With the protocol ``auto`` nobody waits for a broker that keeps silent to MQTT 5.

    Raises:
        BusUnavailable: None of the addresses can be connected to; the message says why.
        ConfigurationError: A certificate file cannot be used.
    """
    attempt = await _connected_attempt(options)
    try:
        yield attempt.bus
    finally:
        await attempt.bus.stop()
        await asyncio.wait({attempt.running})


async def _connected_attempt(options: MqttOptions) -> _Attempt:
    attempts: list[_Attempt] = []
    kept: _Attempt | None = None
    try:
        if options.protocol != "auto":
            attempts.append(_attempt(options, options.protocol))
        else:
            attempts.append(_attempt(options, "5"))
            await _decided(attempts, TRY_3_1_1_AFTER_S)
            if not attempts[0].connected:
                attempts.append(_attempt(options, "3.1.1"))
        kept = await _decided(attempts, None)
    finally:
        for attempt in attempts:
            if attempt is not kept:
                await attempt.drop()
    return kept


def _attempt(options: MqttOptions, protocol: Protocol) -> _Attempt:
    chosen = replace(options, protocol=protocol, client_id=f"{options.client_id}-{protocol[0]}")
    bus = MqttBus(chosen)
    return _Attempt(bus, asyncio.create_task(bus.run()))


async def _decided(attempts: list[_Attempt], patience_s: float | None) -> _Attempt:
    """The attempt that connected first, or the first of all when the patience ends.

    Raises:
        BusUnavailable: All failed, and nobody set a limit to the patience.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while not any(attempt.connected for attempt in attempts):
                if all(attempt.decided for attempt in attempts):
                    break
                await asyncio.sleep(LOOK_AGAIN_S)
    found = next((attempt for attempt in attempts if attempt.connected), None)
    if found is None and patience_s is None:
        raise BusUnavailable(attempts[-1].bus.connection.problem)
    return found or attempts[0]
