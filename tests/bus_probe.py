"""Somebody else on the bus: sends commands, awaits the answers, and remembers every message with its arrival time."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

DEADLINE_S = 15.0
PREFIX = "alicia/scheduler"

_numbers = itertools.count(1)


def _properties(packet_type: int) -> Any:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it arrived.

    Attributes:
        at: Epoch seconds of the arrival.
    """

    topic: str
    payload: bytes
    at: float
    qos: int
    retain: bool
    properties: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.payload.decode()

    @property
    def json(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)

    @property
    def user_properties(self) -> dict[str, str]:
        """The MQTT 5 user properties."""
        return dict(self.properties.get("UserProperty", ()))


class BusProbe:
    """An MQTT 5 client that listens to everything and keeps its session over broker restarts."""

    def __init__(
        self,
        port: int,
        prefix: str = PREFIX,
        *,
        host: str = "127.0.0.1",
        username: str | None = None,
        password: str | None = None,
        topic_filter: str = "#",
    ) -> None:
        self.prefix = prefix
        self.name = f"probe-{next(_numbers)}-{time.time_ns()}"
        self.answer_topic = f"{self.name}/answers"
        self.messages: list[Heard] = []
        self._changed = threading.Condition()
        self._subscribed = False
        self._filter = topic_filter
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.name, protocol=paho.MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._is_subscribed
        self._client.on_message = self._received
        if username is not None:
            self._client.username_pw_set(username, password)
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 1000
        self._client.connect(host, port, keepalive=30, clean_start=False, properties=properties)

    def __enter__(self) -> Self:
        self._client.loop_start()
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscribed, DEADLINE_S), "the probe cannot subscribe"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the bus, and its session ends."""
        properties = _properties(PacketTypes.DISCONNECT)
        properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self._client.loop_stop()

    # listening

    def wait_for(
        self,
        predicate: Callable[[Heard], object],
        deadline_s: float = DEADLINE_S,
        *,
        since: int = 0,
        what: str = "the message",
    ) -> Heard:
        """The first message from position ``since`` on that the predicate likes, or a failure at the deadline."""
        return self.wait_for_some(predicate, 1, deadline_s, since=since, what=what)[0]

    def wait_for_some(
        self,
        predicate: Callable[[Heard], object],
        count: int,
        deadline_s: float = DEADLINE_S,
        *,
        since: int = 0,
        what: str = "the messages",
    ) -> list[Heard]:
        """The first ``count`` messages that the predicate likes."""
        found: list[Heard] = []
        position = since

        def enough() -> bool:
            nonlocal position
            found.extend(m for m in self.messages[position:] if predicate(m))
            position = len(self.messages)
            return len(found) >= count

        with self._changed:
            if not self._changed.wait_for(enough, deadline_s):
                recent = [(m.topic, m.payload[:300]) for m in self.messages[since:][-25:]]
                raise AssertionError(f"{what}: {len(found)} of {count} within {deadline_s} s; heard last {recent}")
        return found[:count]

    def on(self, name: str, **fields: Any) -> Callable[[Heard], bool]:
        """A predicate: a message on the service's topic ``name`` whose JSON has these fields."""

        def matches(message: Heard) -> bool:
            if message.topic != f"{self.prefix}/{name}":
                return False
            document = message.json if fields else {}
            return all(document.get(key) == value for key, value in fields.items())

        return matches

    def result(self, event_id: str, deadline_s: float = DEADLINE_S, *, since: int = 0) -> dict[str, Any]:
        """The first result of the event."""
        return dict(self.wait_for(self.on("execution_results", event_id=event_id), deadline_s, since=since).json)

    def failure(self, event_id: str, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """The first failure of the event."""
        return dict(self.wait_for(self.on("execution_failures", event_id=event_id), deadline_s).json)

    def heard(self, topic: str) -> list[Heard]:
        """Every message on one topic so far."""
        return [message for message in list(self.messages) if message.topic == topic]

    def heard_on(self, name: str, **fields: Any) -> list[Heard]:
        """Every message on the service's topic ``name`` so far whose JSON has these fields."""
        return list(filter(self.on(name, **fields), list(self.messages)))

    # speaking

    def publish(
        self,
        topic: str,
        payload: bytes | str | Mapping[str, Any] = b"",
        *,
        qos: int = 1,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publishes, and returns once the broker has it."""
        properties = _properties(PacketTypes.PUBLISH)
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        data = json.dumps(payload) if isinstance(payload, Mapping) else payload
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscribed, DEADLINE_S), "the probe has no connection"
        self._client.publish(topic, data, qos, retain, properties).wait_for_publish(DEADLINE_S)

    def send(self, name: str, payload: bytes | str | Mapping[str, Any]) -> bytes:
        """Sends a command with a Response Topic; answers the Correlation Data that its answer will carry."""
        correlation = f"c{next(_numbers)}".encode()
        self.publish(
            f"{self.prefix}/command/{name}", payload, response_topic=self.answer_topic, correlation=correlation
        )
        return correlation

    def answer_to(self, correlation: bytes, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """The answer that carries the Correlation Data."""
        heard = self.wait_for(
            lambda m: m.topic == self.answer_topic and m.properties.get("CorrelationData") == correlation,
            deadline_s,
            what=f"the answer to {correlation!r}",
        )
        return dict(heard.json)

    def answers_to(self, correlation: bytes) -> list[dict[str, Any]]:
        """Every answer so far that carries the Correlation Data."""
        return [m.json for m in self.heard(self.answer_topic) if m.properties.get("CorrelationData") == correlation]

    def ask_raw(self, name: str, payload: bytes | str | Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a command whose payload is given as it is."""
        return self.answer_to(self.send(name, payload))

    def ask(self, command: str, /, **fields: Any) -> dict[str, Any]:
        """The ``data`` of the answer to a command that must succeed."""
        answer = self.ask_raw(command, fields)
        assert answer["status"] == "ok", answer
        return dict(answer["data"])

    def refused(self, command: str, /, **fields: Any) -> dict[str, Any]:
        """The ``error`` of the answer to a command that must be refused."""
        answer = self.ask_raw(command, fields)
        assert answer["status"] == "error", answer
        return dict(answer["error"])

    def create(self, event_id: str, schedule: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """Makes an event; ``schedule`` is its type and configuration. Answers the ``data``."""
        ((kind, config),) = schedule.items()
        event = {"event_id": event_id, "schedule_type": kind, "schedule_config": config}
        event |= {"action": {"topic": f"out/{event_id}", "message": {"id": event_id}}} | fields
        return self.ask("create_event", event=event)

    # the client

    def _connected(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(self._filter, options=SubscribeOptions(qos=2, retainAsPublished=True))

    def _disconnected(self, *_: Any) -> None:
        with self._changed:
            self._subscribed = False

    def _is_subscribed(
        self, _client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        with self._changed:
            self._subscribed = not any(code.is_failure for code in codes)
            self._changed.notify_all()

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        properties = vars(message.properties) if message.properties is not None else {}
        heard = Heard(message.topic, bytes(message.payload), time.time(), message.qos, message.retain, dict(properties))
        with self._changed:
            self.messages.append(heard)
            self._changed.notify_all()
