"""What housekeeping removes from the SQLite store."""

from __future__ import annotations

from alicia_scheduler.adapters.store.connection import Connection
from alicia_scheduler.adapters.store.rows import micros, packed
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.ports import Retention

EVENTS_A_STEP = 100
MOST_REMEMBERED = 100_000
SURPLUS_A_STEP = 100
"""Rows of one event lie far apart, so each of them costs several times what one of many that are equally old costs."""


class RetentionSteps:
    """Small steps, each one to be called in a transaction of its own.

    Old rows are found by index. Whether an event has too many executions is asked only of events that got a new one
    since they were last asked: nothing else can make them too many. What a process did not get round to is done when
    the event fires again, or by age.
    """

    def __init__(self) -> None:
        self._grown: dict[str, None] = {}
        self._sql = statements("housekeeping")

    def grew(self, event_ids: set[str]) -> None:
        """Remembers events that got new executions; bounded, what is forgotten is seen at the next fire."""
        for event_id in event_ids:
            if len(self._grown) >= MOST_REMEMBERED:
                return
            self._grown[event_id] = None

    @property
    def events_left(self) -> bool:
        """Whether there are events whose number of executions may be too large."""
        return bool(self._grown)

    async def remove_old(self, connection: Connection, retention: Retention) -> int:
        """Removes executions and answers that are too old, at most a batch of each; returns how many."""
        executions = await connection.run(
            self._sql["expired_by_age"], before=micros(retention.executions_before), limit=retention.batch
        )
        requests = await connection.run(
            self._sql["expired_requests"], before=micros(retention.requests_before), limit=retention.batch
        )
        thrown = await connection.run(
            self._sql["expired_thrown"],
            before=micros(retention.thrown_before or retention.executions_before),
            kept=retention.thrown_kept,
            limit=retention.batch,
        )
        return executions + requests + thrown

    async def remove_surplus(self, connection: Connection, retention: Retention) -> int:
        """Removes what some events have too much of, at most a batch; returns how many."""
        asked = [event_id for event_id, _ in zip(self._grown, range(EVENTS_A_STEP), strict=False)]
        limit = min(retention.batch, SURPLUS_A_STEP)
        removed = await connection.run(
            self._sql["expired_by_count"],
            event_ids=packed(asked),
            last_kept=retention.executions_per_event - 1,
            limit=limit,
        )
        if removed < limit:
            for event_id in asked:
                del self._grown[event_id]
        return removed
