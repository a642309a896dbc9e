"""Sends messages: the outbox in order until the broker has it, everything else once.

Rows that have just been committed go straight from memory; when more waits than memory may hold, the rest is read back
from the store. After a broken connection everything unacknowledged is sent again from the lowest sequence on, so the
order holds and a receiver can only see repeats.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.engine.writer import Committed, Writer
from alicia_scheduler.errors import BusUnavailable, PublishRefused
from alicia_scheduler.ports import Bus, Clock, PublishReceipt, Store

WAITING_MAX = 10_000
"""Outbox rows kept in memory; the table is the queue, this is its head."""

WINDOW = 50
"""Outbox rows that may wait for their acknowledgement at once."""

ANSWERS_MAX = 1000
"""Answers that wait for a connection; the oldest go first, their callers ask again."""

BACK_OFF = timedelta(seconds=1)
"""Pause after the broker refused a message that it may take later."""

log = structlog.get_logger("relay")


class Relay:
    """Sends what commits leave behind."""

    def __init__(self, bus: Bus, store: Store, writer: Writer, clock: Clock) -> None:
        self._bus = bus
        self._store = store
        self._writer = writer
        self._clock = clock
        self._waiting: deque[OutboxRow] = deque()
        self._in_flight: dict[int, OutboxRow] = {}
        self._failed: dict[int, OutboxRow] = {}
        self._answering = 0
        self._answers: deque[OutgoingMessage] = deque(maxlen=ANSWERS_MAX)
        self._last_queued = 0
        self._spilled = True
        self._unread = False
        self._changed = asyncio.Event()
        self._refusals = 0
        self.sent = 0
        self.parked = 0
        self.dropped = 0

    @property
    def backlog(self) -> int:
        """Outbox rows in memory that the broker has not acknowledged."""
        return len(self._waiting) + len(self._in_flight) + len(self._failed)

    def committed(self, committed: Committed) -> None:
        """Takes over what a commit leaves to send."""
        for message in committed.volatile:
            self.send_once(message)
        for row in committed.outbox:
            self._queue(row)

    def send_once(self, message: OutgoingMessage) -> None:
        """Sends without a promise: while there is no connection the message is dropped and counted."""
        if message.qos == 0:
            self.dropped += not self._bus.send(message)
        else:
            self._bus.publish(message).add_done_callback(self._sent_once)

    def answer(self, message: OutgoingMessage, sent: Callable[[], None] | None = None) -> None:
        """Sends an answer; without a connection it waits for the next one, among the last ANSWERS_MAX.

        Args:
            sent: Called once the broker has the answer, or will never take it.
        """
        self._answering += 1
        future = self._bus.publish(message)
        future.add_done_callback(partial(self._answered, message, sent))

    async def run(self) -> None:
        """Sends the outbox for ever."""
        while True:
            self._changed.clear()
            connection = self._bus.connection
            if not connection.connected:
                await self._bus.connection_after(connection.number, connected=False)
            elif self._answers:
                self._send_answers()
            elif self._failed and not self._in_flight:
                await self._start_over()
            elif self._spilled and not self._waiting:
                await self._read_back()
            elif not self._send_next():
                await self._changed.wait()

    async def drain(self, grace: timedelta) -> None:
        """Returns when everything in memory is acknowledged, the connection is gone, or the grace is over."""
        deadline = self._clock.steady() + grace
        while (self.backlog or self._answering) and self._bus.connection.connected and self._clock.steady() < deadline:
            self._send_next()
            self._changed.clear()
            try:
                async with asyncio.timeout((deadline - self._clock.steady()).total_seconds()):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _queue(self, row: OutboxRow) -> None:
        if row.sequence <= self._last_queued:
            return  # it was read back between its commit and this call
        if self._spilled or len(self._waiting) >= WAITING_MAX:
            self._spilled = self._unread = True
        else:
            self._waiting.append(row)
            self._last_queued = row.sequence
        self._changed.set()

    async def _read_back(self) -> None:
        """Refills from the store; a row that is committed while this reads is left for the next reading."""
        self._unread = False
        rows = await self._store.outbox(self._last_queued, WAITING_MAX // 2)
        if not rows:
            self._spilled = self._unread
            return
        self._waiting.extend(rows)
        self._last_queued = rows[-1].sequence

    async def _start_over(self) -> None:
        """Puts failed rows back in front, in order; pauses first when the broker has asked for less."""
        rows = sorted(self._failed.values(), key=lambda row: row.sequence)
        self._failed.clear()
        self._waiting.extendleft(reversed(rows))
        if self._refusals:
            self._refusals = 0
            await self._clock.sleep(BACK_OFF)

    def _send_next(self) -> bool:
        """Sends as far as the window allows; False when there is nothing to do until something changes."""
        if self._failed or not self._waiting or len(self._in_flight) >= WINDOW:
            return False
        while self._waiting and len(self._in_flight) < WINDOW and not self._failed:
            row = self._waiting.popleft()
            self._in_flight[row.sequence] = row
            self._bus.publish(row.message).add_done_callback(partial(self._acknowledged, row))
        return True

    def _acknowledged(self, row: OutboxRow, future: asyncio.Future[PublishReceipt]) -> None:
        self._in_flight.pop(row.sequence, None)
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, BusUnavailable):
            self._failed[row.sequence] = row
        elif isinstance(error, PublishRefused) and not error.permanent:
            self._refusals += 1
            self._failed[row.sequence] = row
        elif error is not None:
            self._make_way(row, error)
        else:
            self.sent += 1
            self._writer.sent(row.sequence)
        self._changed.set()

    def _make_way(self, row: OutboxRow, error: BaseException) -> None:
        """Gives up a message that the broker will never take, and says so, unless it was an error message itself."""
        self.parked += 1
        log.error("message_refused", topic=row.message.topic, error=str(error))
        problem = Problem("not_allowed", f"the broker refused a message on {row.message.topic}: {error}")
        announce = () if row.message.topic.endswith("/errors") else (problem,)
        self._writer.submit(Needs(), lambda view, now: Decision(None, sent=(row.sequence,), announcements=announce))

    def _sent_once(self, future: asyncio.Future[PublishReceipt]) -> None:
        if future.cancelled() or future.exception() is not None:
            self.dropped += 1

    def _answered(
        self, message: OutgoingMessage, sent: Callable[[], None] | None, future: asyncio.Future[PublishReceipt]
    ) -> None:
        self._answering -= 1
        self._changed.set()
        error = None if future.cancelled() else future.exception()
        if isinstance(error, BusUnavailable):
            self._answers.append(message)
            return
        if error is not None:
            self.dropped += 1
            log.warning("answer_refused", topic=message.topic, error=str(error))
        if sent is not None:
            sent()

    def _send_answers(self) -> None:
        waiting, self._answers = self._answers, deque(maxlen=ANSWERS_MAX)
        for message in waiting:
            self.answer(message)
