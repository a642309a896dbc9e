"""Counts what the service does, for ``get_stats`` and the status topic."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.engine.dispatcher import Dispatcher
from alicia_scheduler.engine.housekeeping import Housekeeping
from alicia_scheduler.engine.planner import Planner
from alicia_scheduler.engine.relay import Relay
from alicia_scheduler.engine.service import Service
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.ports import Clock, Store
from alicia_scheduler.wire.messages import ServiceStatus


class Statistics:
    """Reads the counters of every role; each is added once it exists."""

    def __init__(self, store: Store, clock: Clock, version: str) -> None:
        self._store = store
        self._clock = clock
        self._version = version
        self._started_at = clock.now()
        self.writer: Writer | None = None
        self.planner: Planner | None = None
        self.dispatcher: Dispatcher | None = None
        self.relay: Relay | None = None
        self.service: Service | None = None
        self.housekeeping: Housekeeping | None = None

    async def __call__(self) -> ServiceStatus:
        """The counters as they stand."""
        now = self._clock.now()
        counts = await self._store.counts(now)
        return ServiceStatus(
            version=self._version,
            started_at=self._started_at,
            events=counts.events,
            executions=counts.executions,
            due=counts.due,
            running=counts.running,
            queued=counts.pending,
            retrying=counts.retrying,
            outbox=counts.outbox,
            lag=self._lag(now),
            counters=self._counters(),
        )

    def _lag(self, now: datetime) -> float:
        since = self.planner.due_since if self.planner else None
        return max(0.0, (now - since).total_seconds()) if since else 0.0

    def _counters(self) -> dict[str, int | float]:
        counters: dict[str, int | float] = {}
        if self.writer and self.planner and self.dispatcher:
            counters |= {"commits": self.writer.commits, "decisions_waiting": self.writer.queued}
            counters |= {"attempts_started": self.dispatcher.started, "attempts_fenced": self.dispatcher.fenced}
        if self.relay:
            counters |= {"outbox_sent": self.relay.sent, "outbox_parked": self.relay.parked}
            counters |= {"messages_dropped": self.relay.dropped}
        if self.service:
            counters |= {"requests": self.service.requests, "requests_refused": self.service.refused}
        if self.housekeeping:
            counters |= {"history_removed": self.housekeeping.removed}
        return counters
