"""The commands of the scheduler as methods."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from alicia_scheduler.adapters.mqtt import MqttOptions
from alicia_scheduler.adapters.mqtt.options import Protocol
from alicia_scheduler.client.address import mqtt_options, unique_name
from alicia_scheduler.client.connection import connected
from alicia_scheduler.client.exchange import Exchange
from alicia_scheduler.ports import IncomingMessage
from alicia_scheduler.wire.topics import Topics

Data = dict[str, Any]
"""The ``data`` of an answer; docs/topics.md says what is in it."""

When = datetime | float | str
"""An aware datetime, epoch seconds, or RFC 3339 text with an offset."""


class SchedulerClient:
    """Talks to a running scheduler while the ``async with`` block lasts; several requests may be under way at once.

    Every method raises CommandRejected when the scheduler refuses, NoAnswer when it does not answer in time,
    PublishRefused when the broker does not take the command, and ValueError when a value cannot be said in JSON. A
    change goes out with a request id of its own, so that it is made once even when the connection breaks on the way.

    Args:
        broker: ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for an encrypted connection.
        prefix: The scheduler's ``mqtt.topic_prefix``.
        timeout_s: How long an answer may take.
        protocol: ``5`` or ``3.1.1`` saves the question which of them the broker speaks.

    Raises:
        BusUnavailable: On entering, when the broker cannot be connected to.
        ValueError: The address of the broker is none.
    """

    def __init__(
        self, broker: str, prefix: str = "alicia/scheduler", timeout_s: float = 10.0, *, protocol: Protocol = "auto"
    ) -> None:
        self._options = mqtt_options(broker, protocol)
        self._topics = Topics(prefix)
        self._timeout_s = timeout_s
        self._exchange: Exchange | None = None
        self._open = contextlib.AsyncExitStack()

    @classmethod
    def with_options(
        cls, options: MqttOptions, prefix: str = "alicia/scheduler", timeout_s: float = 10.0
    ) -> SchedulerClient:
        """A client on a connection that an address cannot describe: several hosts, certificates of one's own."""
        client = cls("mqtt://localhost", prefix, timeout_s)
        client._options = options
        return client

    async def __aenter__(self) -> Self:
        name = unique_name()
        response_topic = f"{self._topics.response('client')}/{name}"
        options = replace(
            self._options,
            client_id=f"alicia-client-{name}",
            will=None,
            session_expiry_s=0,
            subscriptions=((response_topic, 1), (self._topics.availability, 1)),
            reconnect_min_s=0.1,
            reconnect_max_s=2.0,
            connect_timeout_s=self._timeout_s,
        )
        async with contextlib.AsyncExitStack() as stack:
            bus = await stack.enter_async_context(connected(options))
            exchange = Exchange(bus, self._topics, response_topic, self._timeout_s)
            receiving = asyncio.create_task(exchange.receive())
            stack.push_async_callback(_ended, receiving)
            self._exchange, self._open = exchange, stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange = None
        await self._open.aclose()

    async def request(self, name: str, /, *, request_id: str | None = None, **fields: Any) -> Data:
        """Any command by its name, those too that this version does not know.

        Args:
            request_id: The one of a request that was sent before, to send it again.
        """
        given = {key: _json_time(value) for key, value in fields.items() if value is not None}
        return await self._opened().request(name, given, request_id)

    def listen(self, topic_filter: str) -> AbstractAsyncContextManager[AsyncIterator[IncomingMessage]]:
        """The messages on a topic filter, for as long as it is entered; during a reconnect some may get lost.

        Raises:
            BusUnavailable: On entering, when there is no connection or the broker refuses.
        """
        return self._opened().listen(topic_filter)

    async def reconnected(self) -> None:
        """Returns after the connection has been made anew."""
        await self._opened().reconnected()

    def _opened(self) -> Exchange:
        if self._exchange is None:
            raise RuntimeError("the client is used outside of its 'async with' block")
        return self._exchange

    # --- scheduled events ----------------------------------------------------------------------------------------

    async def create_event(
        self, event: Mapping[str, Any], on_conflict: Literal["error", "replace", "skip"] = "error"
    ) -> Data:
        """Stores the event; ``event`` and ``next_fires`` of the answer say what came of it."""
        return await self.request("create_event", event=dict(event), on_conflict=on_conflict)

    async def update_event(self, event_id: str, changes: Mapping[str, Any], revision: int | None = None) -> Data:
        """Changes the event by JSON merge patch (RFC 7396), if it still has that revision."""
        return await self.request("update_event", event_id=event_id, changes=dict(changes), revision=revision)

    async def delete_event(self, event_id: str) -> Data:
        """Removes the event; its executions stay as history."""
        return await self.request("delete_event", event_id=event_id)

    async def cancel_event(self, event_id: str) -> Data:
        """Ends the event and what waits or runs of it; it can still be read."""
        return await self.request("cancel_event", event_id=event_id)

    async def pause_event(self, event_id: str, note: str | None = None, until: When | None = None) -> Data:
        """Stops the timer of the event, for good or until an instant."""
        return await self.request("pause_event", event_id=event_id, note=note, until=until)

    async def resume_event(self, event_id: str, note: str | None = None) -> Data:
        """Starts the timer of the event again."""
        return await self.request("resume_event", event_id=event_id, note=note)

    async def trigger_event(self, event_id: str, payload: Any = None) -> Data:
        """Runs the event now, also while paused; ``execution_id`` of the answer names the execution."""
        return await self.request("trigger_event", event_id=event_id, payload=payload)

    async def get_event(self, event_id: str) -> Data:
        """The event and its next fires."""
        return await self.request("get_event", event_id=event_id)

    async def list_events(self, *, tags: Sequence[str] = (), **filters: Any) -> Data:
        """A page of events; ``next_cursor`` of the answer, given as ``cursor``, leads to the next.

        Args:
            tags: Only events that carry all of these.
            filters: ``namespace``, ``module_id``, ``state``, ``schedule_type``, ``name``, ``origin``, ``limit``,
                ``cursor``.
        """
        return await self.request("list_events", tags=list(tags) or None, **filters)

    async def preview(
        self,
        event_id: str | None = None,
        event: Mapping[str, Any] | None = None,
        count: int = 5,
        start: When | None = None,
    ) -> Data:
        """The next fires of a stored event or of a definition, strictly after ``start``; stores nothing."""
        definition = None if event is None else dict(event)
        fields: Data = {"event_id": event_id, "event": definition, "count": count, "from": start}
        return await self.request("preview", **fields)

    # --- executions ----------------------------------------------------------------------------------------------

    async def list_executions(self, **filters: Any) -> Data:
        """A page of executions, newest first.

        Args:
            filters: ``event_id``, ``status``, ``triggered_by``, ``since``, ``until``, ``limit``, ``cursor``.
        """
        return await self.request("list_executions", **filters)

    async def get_execution(self, execution_id: str, *, trace: bool = False) -> Data:
        """The execution with its attempts; with ``trace`` also what became of its instructions."""
        return await self.request("get_execution", execution_id=execution_id, trace=trace or None)

    async def cancel_execution(self, execution_id: str) -> Data:
        """Stops the execution if it waits or runs."""
        return await self.request("cancel_execution", execution_id=execution_id)

    # --- variables -----------------------------------------------------------------------------------------------

    async def list_variables(self, dest_id: str = "default") -> Data:
        """The variables of a destination."""
        return await self.request("list_variables", dest_id=dest_id)

    async def set_variable(self, var_name: str, value: Any, dest_id: str = "default") -> Data:
        """Sets a variable of a destination; answers with all of them."""
        return await self.request("set_variable", dest_id=dest_id, var_name=var_name, value=value)

    async def delete_variable(self, var_name: str, dest_id: str = "default") -> Data:
        """Removes a variable of a destination; answers with those that are left."""
        return await self.request("delete_variable", dest_id=dest_id, var_name=var_name)

    # --- thrown events -------------------------------------------------------------------------------------------

    async def throw_event(self, key: str, **fields: Any) -> Data:
        """Throws the event; ``unique_id``, ``offset`` and ``entries`` of the answer say what came of it.

        Args:
            fields: ``namespace``, ``scope``, ``dest_id``, ``group_id``, ``ttl``, ``delay``, ``future_time``,
                ``payload``, ``value``, ``sender``, ``display_name``, ``single_consumer``.
        """
        return await self.request("throw_event", key=key, **fields)

    async def list_thrown(self, **filters: Any) -> Data:
        """``queue`` and ``history`` of thrown events, in the order of their offsets.

        Args:
            filters: ``dest_id``, ``namespace``, ``key`` (one or a list), ``since_offset``, ``status``, ``limit``,
                ``distinct``.
        """
        return await self.request("list_thrown", **filters)

    async def consume_thrown(
        self, dest_id: str = "default", *, consumer: str = "bus", limit: int = 1, **filters: Any
    ) -> Data:
        """Takes the oldest active events out of a queue; ``entries`` of the answer.

        Args:
            consumer: Who takes them. An event for a single consumer is gone then, any other each consumer gets once.
            filters: ``namespace``, ``key``, ``since_offset``.
        """
        return await self.request("consume_thrown", dest_id=dest_id, consumer=consumer, limit=limit, **filters)

    async def clear_thrown(self, **filters: Any) -> Data:
        """Ends active events; ``cleared`` of the answer says how many.

        Args:
            filters: ``dest_id``, ``namespace``, ``key``, ``since_offset``.
        """
        return await self.request("clear_thrown", **filters)

    # --- the service ---------------------------------------------------------------------------------------------

    async def get_stats(self) -> Data:
        """The counters of the service."""
        return await self.request("get_stats")

    async def ping(self) -> Data:
        """A sign of life, with the time of the service."""
        return await self.request("ping")


def _json_time(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a datetime needs a time zone; without one nobody knows which instant is meant")
    return value.timestamp()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
