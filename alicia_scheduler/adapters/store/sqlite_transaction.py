"""One write transaction on SQLite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from alicia_scheduler.adapters.store.connection import Connection
from alicia_scheduler.adapters.store.failures import DuplicateExecution, is_duplicate
from alicia_scheduler.adapters.store.outbox_rows import outbox_row
from alicia_scheduler.adapters.store.record_cache import RecordCache
from alicia_scheduler.adapters.store.rows import (
    execution_from,
    execution_row,
    instant_or_none,
    mark_values,
    micros,
    packed,
    record_from,
    record_row,
    request_from,
    request_row,
    state_from,
    state_row,
    unpacked,
    unreadable_problem,
)
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.adapters.store.thrown_transaction import ThrownTables, TriggerMemory
from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.state import UNFINISHED, EventRecord, EventState, EventStatus, Execution, RequestRecord
from alicia_scheduler.core.thrown.model import ThrownNeeds, ThrownSnapshot
from alicia_scheduler.errors import StoreError

MOST_UNFINISHED = 1000
"""So many unfinished executions of one event are loaded at most, the oldest ones."""


class SqliteTransaction:
    """Reads and writes in a number of statements that does not depend on the number of rows.

    Attributes:
        written: The records written so far, None for a key that was removed; they become the cache's at the commit.
        planned: Ids of the events that got new executions.
    """

    def __init__(self, connection: Connection, cache: RecordCache, memory: TriggerMemory) -> None:
        self._connection = connection
        self._cache = cache
        self._thrown = ThrownTables(connection, memory)
        self._sql = statements("transaction")
        self._begun = False
        self.written: dict[int, EventRecord | None] = {}
        self.planned: set[str] = set()

    async def load(self, needs: Needs) -> Snapshot:
        """The rows that ``needs`` names, as they stand within this transaction; raises StoreError."""
        await self._begin()
        thrown, needs = await self._load_thrown(needs)
        named = await self._executions("executions", bool(needs.execution_ids), ids=packed(needs.execution_ids))
        ready = await self._ready(needs)
        interrupted = await self._executions("interrupted", needs.interrupted, limit=needs.interrupted_limit)
        executions = {execution.execution_id: execution for execution in (*named, *ready, *interrupted)}
        due = await self._timed("due_states", needs.due_at, needs.due_limit)
        ahead = await self._timed("ahead", needs.ahead_of, needs.ahead_limit)
        thrown, needs = await self._load_watchers(thrown, needs, [*due, *ahead], executions.values())
        states, total_events = await self._states(needs, executions.values(), [*due, *ahead])
        unfinished = await self._unfinished(states, executions.values())
        records = await self._records(states.values())
        stopped = await self._stop_unreadable(records, states)
        return Snapshot(
            records=records,
            states=states | stopped,
            executions=executions | {execution.execution_id: execution for execution in unfinished},
            requests=await self._requests(needs.request_ids),
            due=tuple(state.event_id for state in due if state.event_id not in stopped),
            ready=tuple(execution.execution_id for execution in ready),
            interrupted=tuple(execution.execution_id for execution in interrupted),
            ahead=tuple(state.event_id for state in ahead),
            total_events=total_events,
            thrown=thrown,
        )

    async def apply(self, changes: Changes) -> None:
        """Writes the rows, removals first.

        Raises:
            DuplicateExecution: An execution that must be new exists.
            StoreError: The store could not write.
        """
        await self._begin()
        await self._write("delete_events", changes.deleted.values())
        await self._write("put_records", map(record_row, changes.records.values()))
        await self._write("put_states", map(state_row, changes.states.values()))
        await self._write_executions(changes)
        await self._thrown.index(changes.records.values())
        await self._thrown.apply(changes.thrown)
        await self._write("put_requests", map(request_row, changes.requests.values()))
        await self._write("add_outbox", map(outbox_row, changes.outbox))
        await self._write("delete_sent", changes.sent)
        if changes.mark is not None:
            await self._connection.run(self._sql["put_mark"], **mark_values(changes.mark))
        self.written.update(dict.fromkeys(changes.deleted.values()))
        self.written.update({record.key: record for record in changes.records.values()})

    async def next_wake_time(self, now: datetime) -> datetime | None:
        """The earliest wake time of an event or time of a retry after ``now``; raises StoreError."""
        await self._begin()
        row = await self._connection.row(self._sql["next_wake_time"], now=micros(now))
        return instant_or_none(row[0]) if row else None

    async def _begin(self) -> None:
        if not self._begun:
            await self._connection.run("BEGIN IMMEDIATE")
            self._begun = True

    # --- reading ---

    async def _load_thrown(self, needs: Needs) -> tuple[ThrownSnapshot | None, Needs]:
        """What is needed of thrown events, and the needs with the scheduled events that belong to it."""
        if needs.thrown == ThrownNeeds():
            return None, needs
        thrown, event_ids = await self._thrown.load(needs.thrown)
        return thrown, replace(needs, event_ids=needs.event_ids | event_ids)

    async def _load_watchers(
        self, thrown: ThrownSnapshot | None, needs: Needs, found: list[EventState], executions: Iterable[Execution]
    ) -> tuple[ThrownSnapshot | None, Needs]:
        """The same with the scheduled events that wait for executions of those to be loaded."""
        event_ids = needs.event_ids | {state.event_id for state in found} | {e.event_id for e in executions}
        watchers, more = await self._thrown.watchers(event_ids)
        if more is None:
            return thrown, needs
        base = thrown or ThrownSnapshot()
        merged = replace(
            base,
            triggered={**base.triggered, **more.triggered},
            progress={**base.progress, **more.progress},
            variables={**base.variables, **more.variables},
        )
        return merged, replace(needs, event_ids=needs.event_ids.union(*watchers.values()))

    async def _executions(self, name: str, needed: bool, **values: Any) -> list[Execution]:
        if not needed:
            return []
        return [execution_from(row) for row in await self._connection.rows(self._sql[name], **values)]

    async def _ready(self, needs: Needs) -> list[Execution]:
        if needs.ready_at is None:
            return []
        at, limit = micros(needs.ready_at), needs.ready_limit
        return await self._executions("ready", limit > 0, at=at, limit=limit)

    async def _timed(self, name: str, at: datetime | None, limit: int) -> list[EventState]:
        if at is None or limit <= 0:
            return []
        return [state_from(row) for row in await self._connection.rows(self._sql[name], at=micros(at), limit=limit)]

    async def _states(
        self, needs: Needs, executions: Iterable[Execution], found: list[EventState]
    ) -> tuple[dict[str, EventState], int]:
        known = {state.key for state in found}
        keys = packed({execution.event_key for execution in executions} - known)
        row = await self._connection.row(self._sql["states"], keys=keys, event_ids=packed(needs.event_ids))
        rows, total_events = (unpacked(row[0]), row[1]) if row else ([], 0)
        return {state.event_id: state for state in (*found, *map(state_from, rows))}, total_events

    async def _records(self, states: Iterable[EventState]) -> dict[str, EventRecord]:
        found: dict[str, EventRecord] = {}
        missing: list[int] = []
        for state in states:
            record = self.written.get(state.key) or self._cache.get(state.key)
            if record is None:
                missing.append(state.key)
            else:
                found[state.event_id] = record
        for row in await self._connection.rows(self._sql["records"], keys=packed(missing)) if missing else ():
            record = record_from(row)
            self._cache.put(record)
            found[record.event_id] = record
        return found

    async def _stop_unreadable(
        self, records: dict[str, EventRecord], states: dict[str, EventState]
    ) -> dict[str, EventState]:
        """Puts events whose definition this version cannot read into the state ``error``; the definition is kept."""
        problems = {event_id: unreadable_problem(record) for event_id, record in records.items()}
        stopped = {
            event_id: replace(
                states[event_id], status=EventStatus.ERROR, next_time=None, wake_time=None, last_error=text
            )
            for event_id, text in problems.items()
            if text and states[event_id].wake_time
        }
        await self._write("put_states", map(state_row, stopped.values()))
        return stopped

    async def _unfinished(self, states: dict[str, EventState], seen: Iterable[Execution]) -> list[Execution]:
        """The unfinished executions of the events that have more of them than were seen already."""
        loaded = Counter(execution.event_key for execution in seen if execution.status in UNFINISHED)
        keys = [state.key for state in states.values() if state.unfinished > loaded[state.key]]
        return await self._executions("unfinished", bool(keys), keys=packed(keys), limit=MOST_UNFINISHED)

    async def _requests(self, request_ids: frozenset[str]) -> dict[str, RequestRecord]:
        if not request_ids:
            return {}
        rows = await self._connection.rows(self._sql["requests"], ids=packed(request_ids))
        return {row[0]: request_from(row) for row in rows}

    # --- writing ---

    async def _write(self, name: str, rows: Iterable[Any]) -> None:
        every = list(rows)
        if every:
            await self._connection.run(self._sql[name], rows=packed(every))

    async def _write_executions(self, changes: Changes) -> None:
        new = [execution for id_, execution in changes.executions.items() if id_ in changes.new_executions]
        old = [execution for id_, execution in changes.executions.items() if id_ not in changes.new_executions]
        try:
            await self._write("add_executions", map(execution_row, new))
        except StoreError as error:
            if is_duplicate(error):
                raise await self._duplicate(changes) from error
            raise
        await self._write("put_executions", map(execution_row, old))
        self.planned.update(execution.event_id for execution in new)

    async def _duplicate(self, changes: Changes) -> DuplicateExecution:
        ids = await self._connection.rows(self._sql["known_executions"], ids=packed(changes.new_executions))
        return DuplicateExecution(f"planned already: {', '.join(ids)}")
