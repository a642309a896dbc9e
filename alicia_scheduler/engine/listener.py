"""Takes messages from the bus: finds the commands among them, has them answered, and acknowledges them afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import structlog

from alicia_scheduler.engine.outward import Outward
from alicia_scheduler.engine.relay import Relay
from alicia_scheduler.engine.service import Delivery, Service
from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.ports import Bus, IncomingMessage
from alicia_scheduler.wire.alicia import HEALTH_CHECK_TOPIC
from alicia_scheduler.wire.answers import answer_message, answer_topic
from alicia_scheduler.wire.codec import Limits, decode_payload
from alicia_scheduler.wire.commands import AnswerAddress, Request, answer_address, is_legacy_command, parse_request
from alicia_scheduler.wire.envelope import unwrap
from alicia_scheduler.wire.topics import Topics

AT_ONCE = 1000
"""Commands under way at once; with more the broker is not read from, and keeps them."""

DRAIN_MAX = timedelta(seconds=5)
"""How long a stop waits for commands under way."""

log = structlog.get_logger("listener")


class Listener:
    """Reads the inbox. A command is acknowledged once its answer is: until then a crash makes the broker repeat it."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self,
        bus: Bus,
        service: Service,
        relay: Relay,
        topics: Topics,
        limits: Limits,
        outward: Outward,
        on_health_check: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._service = service
        self._relay = relay
        self._topics = topics
        self._limits = limits
        self._outward = outward
        self._on_health_check = on_health_check
        self._free = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self.ignored = 0

    async def run(self) -> None:
        """Takes messages for ever."""
        async for message in self._bus.messages():
            await self._free.acquire()
            task = asyncio.create_task(self._take(message))
            self._under_way.add(task)
            task.add_done_callback(self._done)

    async def drain(self) -> None:
        """Returns when every message that was taken is answered, or the store has taken nothing for DRAIN_MAX.

        What is not answered is not acknowledged either, so the broker sends it again.
        """
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=DRAIN_MAX.total_seconds())

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._free.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("message_broke", exc_info=task.exception())

    async def _take(self, message: IncomingMessage) -> None:
        if message.topic == HEALTH_CHECK_TOPIC:
            self._on_health_check()
        elif self._topics.is_command(message.topic):
            await self._command(message)
            return
        elif not message.retain and not self._topics.is_output(message.topic) and await self._legacy(message):
            return
        self._bus.acknowledge(message)

    async def _command(self, message: IncomingMessage) -> None:
        if message.retain and not message.payload:  # the broker shall forget a command that was retained
            self._bus.acknowledge(message)
            return
        body: dict[str, Any] = {}
        name = self._topics.command_name(message.topic)
        try:
            body = self._body(message)
            if message.retain:
                raise CommandRejected(
                    ErrorCode.NOT_ALLOWED,
                    "commands must not be retained: the broker would repeat them at every connect",
                )
            request = parse_request(name, body, self._topics)
        except CommandRejected as error:
            address = answer_address(name, body, self._topics)
            self._reply(message, address, self._service.refusal(address.name, address.request_id, error))
            return
        await self._answer(message, request)

    async def _legacy(self, message: IncomingMessage) -> bool:
        """A message elsewhere below the prefix is a command only if it says so; False for anything else."""
        try:
            body = self._body(message)
        except CommandRejected:
            self.ignored += 1
            return False
        if not is_legacy_command(body):
            self.ignored += 1
            return False
        try:
            request = parse_request(None, body, self._topics)
        except CommandRejected as error:
            address = answer_address(None, body, self._topics)
            self._reply(message, address, self._service.refusal(address.name, address.request_id, error))
            return True
        await self._answer(message, request)
        return True

    def _body(self, message: IncomingMessage) -> dict[str, Any]:
        return unwrap(decode_payload(message.payload or b"{}", self._limits))[0]

    async def _answer(self, message: IncomingMessage, request: Request) -> None:
        delivery = Delivery(_delivery_key(message), message.duplicate)
        self._reply(message, request, await self._service.answer(request, delivery))

    def _reply(self, message: IncomingMessage, to: Request | AnswerAddress, text: str) -> None:
        """Answers, and acknowledges the command once the broker has the answer: a crash before makes it come again."""
        topic = answer_topic(to, message.response_topic, self._topics)
        answer = self._outward(answer_message(text, topic, message.correlation_data), to.request_id)
        self._relay.answer(answer, lambda: self._bus.acknowledge(message))


def _delivery_key(message: IncomingMessage) -> str | None:
    """What tells one QoS 1 message from another when it has no request id; None where it cannot be repeated."""
    if not message.qos:
        return None
    digest = sha256(b"\0".join((message.topic.encode(), message.payload, message.correlation_data or b"")))
    return f"~{digest.hexdigest()}"
