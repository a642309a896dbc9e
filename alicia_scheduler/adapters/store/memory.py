"""The store in memory, for tests, simulations and trials: the same behaviour, nothing on a disk."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice

from alicia_scheduler.adapters.store.memory_listing import events_page, executions_page
from alicia_scheduler.adapters.store.memory_tables import Tables
from alicia_scheduler.adapters.store.memory_thrown import mqtt_filters, remove_thrown, thrown_page
from alicia_scheduler.adapters.store.memory_transaction import MemoryTransaction
from alicia_scheduler.core.outbox import OutboxRow
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import UNFINISHED, EventRecord, EventState, Execution, ServiceMark
from alicia_scheduler.core.thrown.model import Entry, Json, Thrown, ThrownQuery
from alicia_scheduler.errors import StoreError, StoreUnavailable
from alicia_scheduler.ports import Retention, StoreCounts


class MemoryStore:
    """Keeps its rows over ``close`` and ``open``, so that a restart can be played; they go with the object."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._turn = asyncio.Lock()
        self._is_open = False

    async def open(self) -> ServiceMark:
        """Returns what the process before left."""
        self._is_open = True
        return self._tables.mark

    async def close(self) -> None:
        """Waits for the transaction under way; the rows stay."""
        async with self._turn:
            self._is_open = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """A write transaction; commits on a normal end, else nothing has happened."""
        async with self._turn:
            transaction = MemoryTransaction(self._opened())
            yield transaction
            self._tables = transaction.tables

    async def event(self, event_id: str) -> tuple[EventRecord, EventState] | None:
        """One event as committed."""
        tables = self._opened()
        return (tables.records[event_id], tables.states[event_id]) if event_id in tables.states else None

    async def events(self, query: EventQuery) -> tuple[Sequence[tuple[EventRecord, EventState]], str | None]:
        """A page of events by event id, and the cursor of the next; raises CommandRejected for an unknown cursor."""
        return events_page(self._opened(), query)

    async def execution(self, execution_id: str) -> Execution | None:
        """One execution as committed."""
        return self._opened().executions.get(execution_id)

    async def executions(self, query: ExecutionQuery) -> tuple[Sequence[Execution], str | None]:
        """A page of executions, newest first, and the cursor of the next; raises CommandRejected for an unknown one."""
        return executions_page(self._opened(), query)

    async def outbox(self, after: int, limit: int) -> Sequence[OutboxRow]:
        """Waiting messages with a sequence above ``after``, in order."""
        waiting = self._opened().outbox
        return [waiting[sequence] for sequence in islice((n for n in sorted(waiting) if n > after), limit)]

    async def thrown(self, query: ThrownQuery) -> Sequence[tuple[Thrown, Entry]]:
        """Entries in the order of offsets."""
        return thrown_page(self._opened(), query)

    async def variables(self, dest_id: str) -> Mapping[str, Json]:
        """The variables of a destination by name."""
        return self._opened().thrown.variables.get(dest_id, {}).copy()

    async def steps(self, execution_id: str) -> Sequence[tuple[str, Json]]:
        """What became of the instructions of an execution, in order."""
        return list(self._opened().thrown.steps.get(execution_id, {}).items())

    async def mqtt_filters(self, limit: int) -> Sequence[tuple[str, str]]:
        """What triggers of active scheduled events listen to."""
        return mqtt_filters(self._opened(), limit)

    async def counts(self, now: datetime) -> StoreCounts:
        """How much lies in the store."""
        tables = self._opened()
        by_status = Counter(str(execution.status) for execution in tables.unfinished.values())
        return StoreCounts(
            events=len(tables.records),
            executions=len(tables.executions),
            pending=by_status["pending"],
            running=by_status["running"],
            retrying=by_status["retrying"],
            outbox=len(tables.outbox),
            due=sum(1 for s in tables.states.values() if s.wake_time is not None and s.wake_time <= now),
        )

    async def declared(self) -> Mapping[str, str]:
        """Event id to origin, of the events that a file declares."""
        records = self._opened().records.values()
        return {record.event_id: record.origin for record in records if record.origin.startswith("file:")}

    async def remove_expired(self, retention: Retention) -> int:
        """Removes one small batch of what retention allows; returns how many rows went."""
        async with self._turn:
            tables = self._opened().copy()
            executions = (_too_old(tables, retention) or _too_many(tables, retention))[: retention.batch]
            requests = [r.request_id for r in tables.requests.values() if r.answered_at < retention.requests_before]
            for execution_id in executions:
                del tables.executions[execution_id]
                tables.thrown.steps.pop(execution_id, None)
            for request_id in requests[: retention.batch]:
                del tables.requests[request_id]
            thrown = remove_thrown(tables, retention)
            self._tables = tables
            return len(executions) + len(requests[: retention.batch]) + thrown

    async def backup(self, target: str, progress: Callable[[int, int], None]) -> None:
        """There is nothing to copy; raises StoreError."""
        raise StoreError("a store in memory cannot be backed up")

    def _opened(self) -> Tables:
        if not self._is_open:
            raise StoreUnavailable("the store is not open")
        return self._tables


def _ended(tables: Tables) -> list[Execution]:
    return [execution for execution in tables.executions.values() if execution.status not in UNFINISHED]


def _too_old(tables: Tables, retention: Retention) -> list[str]:
    before = retention.executions_before
    return [e.execution_id for e in _ended(tables) if (e.end_time or e.created_at) < before]


def _too_many(tables: Tables, retention: Retention) -> list[str]:
    """Ended executions older than the newest so many of their event."""
    times: dict[str, list[datetime]] = {}
    for execution in tables.executions.values():
        times.setdefault(execution.event_id, []).append(execution.scheduled_time)
    kept = retention.executions_per_event
    oldest_kept = {id_: sorted(found)[-kept] for id_, found in times.items() if len(found) >= kept}
    return [
        e.execution_id for e in _ended(tables)
        if e.event_id in oldest_kept and e.scheduled_time < oldest_kept[e.event_id]
    ]  # fmt: skip
