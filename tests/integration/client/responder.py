"""A scheduler that does what a test tells it to, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from alicia_scheduler.adapters.mqtt import MqttBus
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import IncomingMessage
from tests.integration.mqtt.running_bus import Listening, options, running

PREFIX = "alicia/scheduler"
Behaviour = Callable[["Responder", IncomingMessage, dict[str, Any]], Awaitable[None]]


@dataclass
class Responder:
    """What arrived, and how to answer it."""

    bus: MqttBus
    requests: list[tuple[IncomingMessage, dict[str, Any]]] = field(default_factory=list)

    async def answer(self, message: IncomingMessage, body: dict[str, Any], document: dict[str, Any]) -> None:
        """Sends the answer to where the request asks for it."""
        topic = message.response_topic or body["reply_to"]
        text = {"request_id": body["request_id"], "command": body["command"], "timestamp": 0.0, **document}
        payload = json.dumps(text).encode()
        await self.bus.publish(OutgoingMessage(topic, payload, correlation_data=message.correlation_data))

    async def ok(self, message: IncomingMessage, body: dict[str, Any], data: dict[str, Any]) -> None:
        """Answers with data."""
        await self.answer(message, body, {"status": "ok", "data": data})


async def echo(responder: Responder, message: IncomingMessage, body: dict[str, Any]) -> None:
    """Answers with the request itself."""
    await responder.ok(message, body, body)


@contextlib.asynccontextmanager
async def responding(broker: Listening, behaviour: Behaviour = echo, protocol: str = "5") -> AsyncIterator[Responder]:
    """A responder that listens to commands while the block lasts."""
    chosen = options(
        broker, "responder", protocol=protocol, subscriptions=((f"{PREFIX}/command/#", 1),), session_expiry_s=600
    )
    async with running(chosen) as bus:
        responder = Responder(bus)
        serving = asyncio.create_task(_serve(responder, behaviour))
        try:
            yield responder
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            if not serving.cancelled() and (error := serving.exception()):
                raise error


async def _serve(responder: Responder, behaviour: Behaviour) -> None:
    async for message in responder.bus.messages():
        responder.bus.acknowledge(message)
        body = json.loads(message.payload)
        responder.requests.append((message, body))
        await behaviour(responder, message, body)


NOON = datetime(2026, 12, 24, 12, tzinfo=UTC)
