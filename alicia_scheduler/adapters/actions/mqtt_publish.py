"""The action ``mqtt_publish``: renders one message, publishes it, and waits for whatever proves that it arrived."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import structlog

from alicia_scheduler.core.matching import contains
from alicia_scheduler.core.model.action import Expectation, MqttPublish
from alicia_scheduler.core.model.fields import json_text, topic_problem
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.template_names import execution_metadata, execution_names
from alicia_scheduler.core.templates import TemplateError, contains_template, render_value
from alicia_scheduler.errors import ActionFailed, BusUnavailable, PublishRefused
from alicia_scheduler.ports import Attempt, Bus, IncomingMessage, Json

ACK_TOPIC = "alicia/events/+"
ACK_WITHIN = timedelta(seconds=30)

log = structlog.get_logger("mqtt_publish")


@dataclass(frozen=True, slots=True)
class MqttPublishOptions:
    """Limits and habits from the settings.

    Attributes:
        merge_prefixes: On topics below these, ``metadata: auto`` merges the metadata into the message.
        refused: Says why a topic may not be published to, or None; asked again after rendering.
    """

    merge_prefixes: tuple[str, ...] = ("alicia/",)
    refused: Callable[[str], str | None] = topic_problem


class MqttPublishRunner:
    """Runs ``mqtt_publish``. Without a connection it waits for one; its attempt's timeout bounds that."""

    def __init__(self, bus: Bus, options: MqttPublishOptions) -> None:
        self._bus = bus
        self._options = options

    async def __call__(self, attempt: Attempt) -> Json:
        """The result of the attempt.

        Raises:
            ActionFailed: A template is wrong, the broker refused the message, or the expected answer did not come.
        """
        action = attempt.action or attempt.event.definition.action
        assert isinstance(action, MqttPublish)
        outgoing = self._outgoing(action, attempt)
        expected = _expectation(action, attempt)
        while True:
            try:
                return await self._publish(outgoing, expected, attempt)
            except BusUnavailable as error:
                connection = self._bus.connection
                log.info("waits_for_connection", event_id=attempt.execution.event_id, problem=str(error))
                if not connection.connected:
                    await self._bus.connection_after(connection.number, connected=False)

    async def _publish(self, outgoing: _Outgoing, expected: Expectation | None, attempt: Attempt) -> Json:
        if expected is None:
            attempt.begin()
            return _result(outgoing, await self._send(outgoing.message))
        async with self._bus.listen(expected.topic) as answers:
            attempt.begin()
            result = _result(outgoing, await self._send(outgoing.message))
            return {**result, "answer": await _answer(answers, expected)}

    async def _send(self, message: OutgoingMessage) -> int:
        try:
            return (await self._bus.publish(message)).reason_code
        except PublishRefused as error:
            raise ActionFailed(str(error), "publish_refused", permanent=error.permanent) from None

    def _outgoing(self, action: MqttPublish, attempt: Attempt) -> _Outgoing:
        topic, body = _rendered(action, attempt)
        problem = self._options.refused(topic)
        if problem:
            raise ActionFailed(f"topic '{topic[:200]}': {problem}", "topic_refused", permanent=True)
        body, properties = self._with_metadata(action, topic, body, attempt)
        expiry_s = None if action.expiry is None else max(1, round(action.expiry.total_seconds()))
        message = OutgoingMessage(
            topic, _encoded(body), action.qos, action.retain, expiry_s=expiry_s, user_properties=properties
        )
        return _Outgoing(message, body)

    def _with_metadata(
        self, action: MqttPublish, topic: str, body: Json, attempt: Attempt
    ) -> tuple[Json, tuple[tuple[str, str], ...]]:
        merge = action.metadata == "merge" or (
            action.metadata == "auto" and topic.startswith(self._options.merge_prefixes)
        )
        if merge and isinstance(body, dict):
            return {**body, **_metadata(attempt)}, ()
        if action.metadata == "none" or (action.metadata == "merge" and not isinstance(body, dict)):
            return body, ()
        return body, tuple((name, _text(value)) for name, value in _metadata(attempt).items())


class _Outgoing(NamedTuple):
    """A message on its way, and its body as JSON where it was given as JSON."""

    message: OutgoingMessage
    body: Json


def _result(outgoing: _Outgoing, reason: int) -> dict[str, Json]:
    message = outgoing.message
    result = {
        "action_type": "mqtt_publish",
        "topic": message.topic,
        "message": _shown(message.payload) if isinstance(outgoing.body, str) else outgoing.body,
        "qos": message.qos,
        "retain": message.retain,
        "status": "success",
    }
    if reason:
        result["note"] = "nobody is subscribed to the topic"
    return result


def template_context(attempt: Attempt) -> dict[str, Json]:
    """What the action's templates can name."""
    return {**execution_names(attempt.event, attempt.execution, attempt.now), **attempt.names}


def _rendered(action: MqttPublish, attempt: Attempt) -> tuple[str, Json]:
    if not contains_template(action.topic) and not contains_template(action.message):
        return action.topic, action.message
    try:
        whole = render_value({"topic": action.topic, "message": action.message}, template_context(attempt), "action")
    except TemplateError as error:
        raise ActionFailed(str(error), "bad_template", permanent=True) from None
    return _text(whole["topic"]), whole["message"]


def _metadata(attempt: Attempt) -> dict[str, Json]:
    metadata = execution_metadata(attempt.execution, attempt.now)
    return metadata if attempt.step is None else {**metadata, "step": attempt.step}


def _expectation(action: MqttPublish, attempt: Attempt) -> Expectation | None:
    """``expect_ack`` is Alicia's own answer, named by the execution it belongs to."""
    if not action.expect_ack:
        return action.expect
    match = {"execution_id": attempt.execution.execution_id}
    return Expectation(topic=ACK_TOPIC, match=match, within=ACK_WITHIN)


async def _answer(answers: AsyncIterator[IncomingMessage], expected: Expectation) -> Json:
    seconds = expected.within.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            async for message in answers:
                answer = _shown(message.payload)
                if not message.retain and _matches(answer, expected.match):
                    return {"topic": message.topic, "message": answer}
    except TimeoutError:
        pass
    raise ActionFailed(f"no answer on {expected.topic} within {seconds:g} s", "no_answer")


def _matches(answer: Json, match: Json) -> bool:
    """Whether the answer, or the payload of the envelope it came in, contains what was expected."""
    if match is None or contains(answer, match):
        return True
    inner = answer.get("payload", answer.get("event_data")) if isinstance(answer, dict) else None
    return isinstance(inner, dict) and _matches(inner, match)


def _encoded(body: Json) -> bytes:
    return (body if isinstance(body, str) else json_text(body)).encode("utf-8", "replace")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _shown(payload: bytes) -> Json:
    """The payload as JSON where it is, else as text."""
    text = payload.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> Json:
    raise ValueError(name)


__all__ = ["MqttPublishOptions", "MqttPublishRunner", "template_context"]
