"""Requests and their answers over one connection: who waits for what, and what is sent again."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from alicia_scheduler.adapters.mqtt import MqttBus
from alicia_scheduler.client.address import unique_name
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusUnavailable, CommandRejected, ErrorCode, FieldProblem, SchedulerError
from alicia_scheduler.ports import Connection, IncomingMessage
from alicia_scheduler.wire.codec import encode
from alicia_scheduler.wire.envelope import unwrap
from alicia_scheduler.wire.topics import Topics

NO_SUBSCRIBERS = 0x10
"""What an MQTT 5 broker answers to a publish that nobody has subscribed to."""

UNHEARD_PAUSE_S = 0.25
UNHEARD_TRIES = 8
"""After two seconds without any subscriber the service is not about to come back from a restart of the broker."""


class NoAnswer(SchedulerError, TimeoutError):
    """The scheduler did not answer in time; a change that was asked for may still be carried out.

    Args:
        request_id: Sent again with the same one, a change is made once.
    """

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


@dataclass(slots=True)
class _Request:
    name: str
    request_id: str
    fields: Mapping[str, Any]
    answer: asyncio.Future[dict[str, Any]]
    unheard: int = 0
    sent: bool = field(default=False)


class Exchange:
    """Sends requests and gives each its answer.

    A request whose connection goes before the answer came is sent again, with the same request id, so that a change is
    made once.

    Args:
        response_topic: Only ours; the bus has subscribed to it, and to the availability of the service.
        timeout_s: How long a request may take in all.
    """

    def __init__(self, bus: MqttBus, topics: Topics, response_topic: str, timeout_s: float) -> None:
        self._bus = bus
        self._topics = topics
        self._response_topic = response_topic
        self._timeout_s = timeout_s
        self._waiting: dict[str, _Request] = {}
        self.availability: str | None = None

    def listen(self, topic_filter: str) -> AbstractAsyncContextManager[AsyncIterator[IncomingMessage]]:
        """A subscription for as long as it is entered; raises BusUnavailable."""
        return self._bus.listen(topic_filter)

    async def reconnected(self) -> None:
        """Returns after the next connect."""
        connection = self._bus.connection
        number = connection.number
        while not (connection.connected and connection.number > number):
            connection = await self._bus.connection_after(connection.number, connection.connected)

    async def receive(self) -> None:
        """Hands every answer to who waits for it, until cancelled."""
        async for message in self._bus.messages():
            self._bus.acknowledge(message)
            if message.topic == self._topics.availability:
                self.availability = message.payload.decode("utf-8", "replace")[:20]
            else:
                self._answered(message)

    async def request(self, name: str, fields: Mapping[str, Any], request_id: str | None = None) -> dict[str, Any]:
        """The ``data`` of the answer.

        Raises:
            CommandRejected: The scheduler refused the command.
            NoAnswer: There was no answer in time.
            PublishRefused: The broker did not take the command.
        """
        answer = asyncio.get_running_loop().create_future()
        request = _Request(name, request_id or unique_name(), fields, answer)
        self._waiting[request.request_id] = request
        try:
            async with asyncio.timeout(self._timeout_s):
                return _data(await self._exchanged(request))
        except TimeoutError:
            raise self._no_answer(request) from None
        finally:
            del self._waiting[request.request_id]

    async def _exchanged(self, request: _Request) -> dict[str, Any]:
        while not request.answer.done():
            connection = await self._connection()
            try:
                receipt = await self._bus.publish(self._message(request, connection))
            except BusUnavailable:
                continue
            if receipt.reason_code == NO_SUBSCRIBERS:
                await self._wait_for_listeners(request)
            else:
                request.sent = True
                await self._answer_or_end_of(connection, request)
        return request.answer.result()

    async def _connection(self) -> Connection:
        while not self._bus.connection.connected:
            await self._bus.connection_after(self._bus.connection.number, False)
        return self._bus.connection

    def _message(self, request: _Request, connection: Connection) -> OutgoingMessage:
        """The command with the place for the answer; what nobody took in time is of no use to anybody later."""
        body = {"command": request.name, "request_id": request.request_id, **request.fields}
        if connection.protocol != "5":
            return OutgoingMessage(self._topics.command, encode({**body, "reply_to": self._response_topic}))
        return OutgoingMessage(
            self._topics.command,
            encode(body),
            expiry_s=math.ceil(self._timeout_s),
            response_topic=self._response_topic,
            correlation_data=request.request_id.encode(),
        )

    async def _wait_for_listeners(self, request: _Request) -> None:
        request.unheard += 1
        if request.unheard >= UNHEARD_TRIES:
            raise self._no_answer(request)
        await asyncio.wait({request.answer}, timeout=UNHEARD_PAUSE_S)

    async def _answer_or_end_of(self, connection: Connection, request: _Request) -> None:
        ended = asyncio.ensure_future(self._bus.connection_after(connection.number, True))
        both: set[asyncio.Future[Any]] = {ended, request.answer}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()

    def _answered(self, message: IncomingMessage) -> None:
        try:
            document, _ = unwrap(json.loads(message.payload))
            mark = message.correlation_data.decode() if message.correlation_data else document["request_id"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SchedulerError):
            return  # not an answer; whoever may write to our topic may write anything
        request = self._waiting.get(mark) if isinstance(mark, str) else None
        if request is not None and not request.answer.done():
            request.answer.set_result(document)

    def _no_answer(self, request: _Request) -> NoAnswer:
        connection = self._bus.connection
        if not connection.connected:
            reason = f"there is no connection to the broker: {connection.problem}"
        elif request.unheard and not request.sent:
            reason = f"nobody listens to {self._topics.command} on the broker {connection.broker}"
        else:
            reason = f"none came within {self._timeout_s:g} s through the broker {connection.broker}"
        advice = (
            f"{self._availability()} Check that the service is running, that it uses this broker, and that its "
            f"mqtt.topic_prefix is '{self._topics.prefix}'."
        )
        refused = f" The broker said: {connection.problem}." if connection.connected and connection.problem else ""
        return NoAnswer(f"no answer to {request.name}: {reason}. {advice}{refused}", request.request_id)

    def _availability(self) -> str:
        said = f"says '{self.availability}'" if self.availability else "says nothing"
        return f"The topic {self._topics.availability} {said}."


def _data(document: dict[str, Any]) -> dict[str, Any]:
    """What the answer brings; raises CommandRejected when it is a refusal."""
    if document.get("status") == "ok":
        data = document.get("data")
        return data if isinstance(data, dict) else {}
    error = document.get("error")
    raise _rejection(error if isinstance(error, dict) else {})


def _rejection(error: Mapping[str, Any]) -> CommandRejected:
    code = str(error.get("code"))
    details = error.get("details")
    problems = [
        FieldProblem(str(detail.get("field")), str(detail.get("message")))
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
    ]
    known = ErrorCode(code) if code in set(ErrorCode) else ErrorCode.INTERNAL
    return CommandRejected(known, str(error.get("message", "refused without a reason")), problems)
