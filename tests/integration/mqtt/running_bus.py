"""What the tests of the bus share: a bus that runs, and waiting for what comes true."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from alicia_scheduler.adapters.mqtt import MqttBus, MqttOptions
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import IncomingMessage

DEADLINE_S = 10.0


class Listening(Protocol):
    """A broker of any kind."""

    host: str
    port: int


def options(broker: Listening, client_id: str = "service", **changes: Any) -> MqttOptions:
    """Options that reconnect fast."""
    fast: dict[str, Any] = {"reconnect_min_s": 0.02, "reconnect_max_s": 0.1, "protocol": "5", "connect_timeout_s": 5.0}
    return MqttOptions(hosts=((broker.host, broker.port),), client_id=client_id, **(fast | changes))


@contextlib.asynccontextmanager
async def running(settings: MqttOptions) -> AsyncIterator[MqttBus]:
    """A bus that is connected; stopped in order at the end."""
    bus = MqttBus(settings, jitter=lambda: 0.5)
    task = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await bus.connection_after(0, False)
            while not bus.connection.connected:
                await bus.connection_after(bus.connection.number, False)
        yield bus
    finally:
        await bus.stop()
        async with asyncio.timeout(DEADLINE_S):
            await task


@contextlib.asynccontextmanager
async def running_until_killed(settings: MqttOptions) -> AsyncIterator[MqttBus]:
    """A bus that is connected and whose connection drops at the end, as in a crash."""
    bus = MqttBus(settings, jitter=lambda: 0.5)
    task = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await bus.connection_after(0, False)
        yield bus
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Returns when the condition holds; fails at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not condition():
        assert loop.time() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.005)


async def reconnected(bus: MqttBus, after: int) -> None:
    """Returns when the bus has connected once more than ``after`` times."""
    await eventually(lambda: bus.connection.connected and bus.connection.number > after, "the bus reconnects")


async def next_message(messages: AsyncIterator[IncomingMessage]) -> IncomingMessage:
    """The next message, or a failure at the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        return await anext(messages)


async def published(bus: MqttBus, topic: str, payload: bytes = b"", **fields: Any) -> int:
    """Publishes and returns the broker's reason code."""
    async with asyncio.timeout(DEADLINE_S):
        return (await bus.publish(OutgoingMessage(topic, payload, **fields))).reason_code
