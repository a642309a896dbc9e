"""Keeps the retained state of every event on the bus, at most once a second each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.queries import EventQuery
from alicia_scheduler.core.state import EventRecord, EventState
from alicia_scheduler.engine.writer import Committed
from alicia_scheduler.ports import Bus, Clock, PublishReceipt, Store

QUIET = timedelta(seconds=1)
"""The shortest time between two messages about one event."""

PENDING_MAX = 10_000
"""Changed events that memory holds; with more, every event is published once the connection is back."""

PAGE = 100
"""Events republished at a time after the broker has lost its memory."""

StateMessage = Callable[[str, tuple[EventRecord, EventState] | None], OutgoingMessage]
"""Builds the message for an event id; None stands for an event that has gone."""


class StatePublisher:
    """Publishes changed states; memory holds only the events that changed within the last second."""

    def __init__(self, bus: Bus, store: Store, clock: Clock, message: StateMessage) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._message = message
        self._published: OrderedDict[str, timedelta] = OrderedDict()
        self._pending: dict[str, tuple[EventRecord, EventState] | None] = {}
        self._changed = asyncio.Event()
        self._everything = False

    def committed(self, committed: Committed) -> None:
        """Notes the events that a commit changed."""
        if not committed.changed:
            return
        if len(self._pending) < PENDING_MAX:
            self._pending.update(committed.changed)
        else:
            self._everything = True
        self._changed.set()

    def broker_forgot(self) -> None:
        """Has the state of every event published again."""
        self._everything = True
        self._changed.set()

    async def run(self) -> None:
        """Publishes for ever; while there is no connection the changes wait."""
        while True:
            await self._changed.wait()
            connection = self._bus.connection
            if not connection.connected:
                await self._bus.connection_after(connection.number, connected=False)
                continue
            self._changed.clear()
            if self._everything:
                self._everything = False
                await self.publish_all()
            self._publish_changed()
            if self._pending:
                self._changed.set()
                await self._clock.sleep(self._until_next())

    async def publish_all(self) -> None:
        """Publishes the state of every event, page by page."""
        cursor: str | None = None
        while True:
            page, cursor = await self._store.events(EventQuery(limit=PAGE, cursor=cursor))
            futures = [self._bus.publish(self._message(record.event_id, (record, state))) for record, state in page]
            if futures:
                await asyncio.wait(futures)
            if cursor is None:
                return

    def _publish_changed(self) -> None:
        """Publishes what has been quiet long enough; the rest stays pending."""
        now = self._clock.steady()
        while self._published and next(iter(self._published.values())) <= now - QUIET:
            self._published.popitem(last=False)
        for event_id in [e for e in self._pending if e not in self._published]:
            message = self._message(event_id, self._pending.pop(event_id))
            self._published[event_id] = now
            self._bus.publish(message).add_done_callback(_seen)

    def _until_next(self) -> timedelta:
        oldest = next(iter(self._published.values()), self._clock.steady())
        return max(timedelta(milliseconds=10), oldest + QUIET - self._clock.steady())


def _seen(future: asyncio.Future[PublishReceipt]) -> None:
    """Takes note of the exception: a state that got lost is published again with the next change or connect."""
    if not future.cancelled():
        future.exception()
