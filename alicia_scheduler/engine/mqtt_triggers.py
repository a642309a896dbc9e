"""Listens to the topics that triggers name, and has them act on every message.

A message that comes while the service is down or cut off is not seen: the subscriptions of triggers are temporary. What
must not be missed is better thrown as an event, with a command that the broker keeps.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.model.trigger import MqttTrigger
from alicia_scheduler.core.thrown.arrival import arrival_of_message
from alicia_scheduler.core.thrown.model import Json, TriggerKey
from alicia_scheduler.core.thrown.needs import message_needs
from alicia_scheduler.core.thrown.on_message import on_message
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.thrown.waiting import MQTT
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.rate import Allowance
from alicia_scheduler.engine.throttle import Throttle
from alicia_scheduler.engine.writer import Committed, Writer
from alicia_scheduler.errors import BusUnavailable
from alicia_scheduler.ports import Bus, Clock, IncomingMessage, Store

MOST_FILTERS = 1000
"""Topic filters listened to; triggers on further ones are told of on the errors topic, and do not fire."""

PAUSE = timedelta(seconds=1)
"""Between two looks at what is to be listened to, and before a refused subscription is tried again."""

log = structlog.get_logger("mqtt_triggers")


@dataclass(frozen=True, slots=True)
class TriggerRules:
    """What binds the triggers on messages."""

    timings: Timings
    thrown: ThrowRules
    max_payload_bytes: int = 64 * 1024


class MqttTriggers:
    """Keeps one subscription for each topic filter that an active scheduled event names."""

    def __init__(
        self, bus: Bus, store: Store, writer: Writer, clock: Clock, rules: TriggerRules, identifiers: Callable[[], str]
    ) -> None:
        self._bus = bus
        self._store = store
        self._writer = writer
        self._clock = clock
        self._rules = rules
        self._identifiers = identifiers
        self._throttle = Throttle(clock, rules.thrown.rate_per_key)
        self._complaints = Allowance(clock, per_second=0.1, burst=3)
        self._listening: dict[TriggerKey, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self._moved.set()
        self.on_work: Callable[[], None] = lambda: None
        self.taken = 0
        self.dropped = 0

    def committed(self, committed: Committed) -> None:
        """Notices that a scheduled event came, changed or went which listens to a topic."""
        for changed in committed.changed.values():
            if changed is None:
                if self._listening:
                    self._moved.set()
            elif any(isinstance(trigger, MqttTrigger) for trigger in changed[0].definition.triggers):
                self._moved.set()

    async def run(self) -> None:
        """Listens for ever."""
        try:
            while True:
                await self._moved.wait()
                self._moved.clear()
                await self._adjust()
                await self._clock.sleep(PAUSE)
        finally:
            for task in self._listening.values():
                task.cancel()
            await asyncio.gather(*self._listening.values(), return_exceptions=True)

    async def _adjust(self) -> None:
        """Begins to listen to what is new, and ends what nobody wants any more."""
        found = await self._store.mqtt_filters(MOST_FILTERS + 1)
        if len(found) > MOST_FILTERS:
            self._complain(f"more than {MOST_FILTERS} topic filters in triggers; those beyond do not fire")
        wanted = {TriggerKey(MQTT, retained, topic_filter) for retained, topic_filter in found[:MOST_FILTERS]}
        for key in self._listening.keys() - wanted:
            self._listening.pop(key).cancel()
        for key in wanted - self._listening.keys():
            self._listening[key] = asyncio.create_task(self._listen(key), name=f"trigger on {key.key}")

    async def _listen(self, key: TriggerKey) -> None:
        while True:
            try:
                async with self._bus.listen(key.key, retained=bool(key.namespace)) as messages:
                    async for message in messages:
                        await self._take(key, message)
            except BusUnavailable as error:
                connection = self._bus.connection
                if connection.connected:
                    log.warning("trigger_not_subscribed", topic_filter=key.key, problem=str(error))
                    await self._clock.sleep(PAUSE)
                else:
                    await self._bus.connection_after(connection.number, connected=False)

    async def _take(self, key: TriggerKey, message: IncomingMessage) -> None:
        if len(message.payload) > self._rules.max_payload_bytes or not self._throttle.take(key.key):
            self.dropped += 1
            self._complain(f"messages on {message.topic} are too large or too many for triggers (events.rate_per_key)")
            return
        body, mark = message_body(message.payload), self._identifiers()

        def decide(view: View, now: datetime) -> Decision[int]:
            arrival = arrival_of_message(key, message.topic, body, mark, now)
            return on_message(view, now, self._rules.timings, arrival, self._rules.thrown)

        self.on_work()
        try:
            self.taken += await self._writer.submit(message_needs(key), decide)
        except Exception:
            log.exception("trigger_broke", topic=message.topic)

    def _complain(self, text: str) -> None:
        if self._complaints.take():
            problems = (Problem("limit_exceeded", text),)
            future = self._writer.submit(Needs(), lambda view, now: Decision(None, announcements=problems))
            future.add_done_callback(lambda done: done.cancelled() or done.exception())


def message_body(payload: bytes) -> Json:
    """The payload as JSON where it is, else as text."""
    text = payload.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")
