"""Keeps the retained state of every event on the bus, at most once a second each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.queries import EventQuery
from alicia_scheduler.core.state import EventRecord, EventState
from alicia_scheduler.engine.writer import Committed
from alicia_scheduler.errors import BusUnavailable
from alicia_scheduler.ports import Bus, Clock, PublishReceipt, Store

QUIET = timedelta(seconds=1)
"""The shortest time between two messages about one event."""

PENDING_MAX = 10_000
"""Changed events that memory holds; with more, every event is published once the connection is back."""

PAGE = 100
"""Events republished at a time after the broker has lost its memory."""

WINDOW = 10
"""State messages that may wait for their acknowledgement at once: few, so that a fire never waits behind them."""

PATIENCE = timedelta(milliseconds=10)
"""The shortest pause between two looks at the events that changed again within QUIET."""

Changed = tuple[EventRecord, EventState] | None
"""An event as it stands; None for one that has gone."""

StateMessage = Callable[[str, Changed], OutgoingMessage]
"""Builds the message for an event id."""


class StatePublisher:
    """Publishes changed states; memory holds only the events that changed within the last second."""

    def __init__(self, bus: Bus, store: Store, clock: Clock, message: StateMessage) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._message = message
        self._ready: dict[str, Changed] = {}
        self._resting: dict[str, Changed] = {}
        self._published: OrderedDict[str, timedelta] = OrderedDict()
        self._in_flight = 0
        self._moved = asyncio.Event()
        self._alarm: asyncio.Task[None] | None = None
        self._everything = False

    def committed(self, committed: Committed) -> None:
        """Notes the events that a commit changed."""
        if not committed.changed:
            return
        if len(self._ready) + len(self._resting) < PENDING_MAX:
            for event_id, changed in committed.changed.items():
                waiting = self._resting if event_id in self._published else self._ready
                waiting[event_id] = changed
        else:
            self._everything = True
        self._moved.set()

    def broker_forgot(self) -> None:
        """Has the state of every event published again."""
        self._everything = True
        self._moved.set()

    async def run(self) -> None:
        """Publishes for ever; while there is no connection the changes wait."""
        try:
            while True:
                await self._moved.wait()
                connection = self._bus.connection
                if not connection.connected:
                    await self._bus.connection_after(connection.number, connected=False)
                    continue
                self._moved.clear()
                if self._everything:
                    self._everything = False
                    await self.publish_all()
                self._publish_changed()
        finally:
            if self._alarm is not None:
                self._alarm.cancel()

    async def publish_all(self) -> None:
        """Publishes the state of every event, page by page."""
        cursor: str | None = None
        while True:
            page, cursor = await self._store.events(EventQuery(limit=PAGE, cursor=cursor))
            futures = [self._bus.publish(self._message(record.event_id, (record, state))) for record, state in page]
            if futures:
                await asyncio.wait(futures)
            if any(_lost(future) for future in futures):
                self.broker_forgot()
                return
            if cursor is None:
                return

    def _publish_changed(self) -> None:
        """Publishes what has been quiet long enough, as far as the window allows."""
        now = self._clock.steady()
        self._end_quiet(now - QUIET)
        while self._ready and self._in_flight < WINDOW:
            event_id = next(iter(self._ready))
            changed = self._ready.pop(event_id)
            self._published[event_id] = now
            self._in_flight += 1
            future = self._bus.publish(self._message(event_id, changed))
            future.add_done_callback(partial(self._arrived, event_id, changed))
        if self._resting and self._alarm is None:
            quiet = next(iter(self._published.values())) + QUIET - now
            self._alarm = asyncio.create_task(self._ring(max(PATIENCE, quiet)), name="state alarm")

    def _end_quiet(self, before: timedelta) -> None:
        while self._published and next(iter(self._published.values())) <= before:
            event_id, _ = self._published.popitem(last=False)
            if event_id in self._resting:
                self._ready[event_id] = self._resting.pop(event_id)

    async def _ring(self, after: timedelta) -> None:
        await self._clock.sleep(after)
        self._alarm = None
        self._moved.set()

    def _arrived(self, event_id: str, changed: Changed, future: asyncio.Future[PublishReceipt]) -> None:
        """Makes room; a state that got lost with the connection waits for the next one, unless a newer one does."""
        self._in_flight -= 1
        if _lost(future) and event_id not in self._resting:
            self._ready.setdefault(event_id, changed)
        if self._ready:
            self._moved.set()


def _lost(future: asyncio.Future[PublishReceipt]) -> bool:
    """Whether the connection went before the broker had the message; a refusal is final."""
    return future.cancelled() or isinstance(future.exception(), BusUnavailable)
