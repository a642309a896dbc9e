"""One write transaction on SQLite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from alicia_scheduler.adapters.store.connection import Connection
from alicia_scheduler.adapters.store.failures import DuplicateExecution, is_duplicate
from alicia_scheduler.adapters.store.hot_rows import HotRows, Written
from alicia_scheduler.adapters.store.many_rows import many_rows
from alicia_scheduler.adapters.store.outbox_rows import outbox_row
from alicia_scheduler.adapters.store.rows import (
    Row,
    execution_from,
    execution_row,
    instant_or_none,
    mark_from,
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
    unpacked_states,
    unreadable_problem,
)
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.adapters.store.thrown_transaction import ThrownTables, TriggerMemory
from alicia_scheduler.adapters.store.trips import Trips
from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.state import (
    UNFINISHED,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    RequestRecord,
    ServiceMark,
)
from alicia_scheduler.core.thrown.model import ThrownNeeds, ThrownSnapshot
from alicia_scheduler.errors import StoreError

MOST_UNFINISHED = 1000
"""So many unfinished executions of one event are loaded at most, the oldest ones."""


class SqliteTransaction:
    """Reads and writes in a number of trips that does not depend on the number of rows.

    Writes wait until something is read or the transaction ends, and travel together with that.

    Attributes:
        written: The rows written so far; they are kept at hand once they are committed.
        planned: Ids of the events that got new executions.
    """

    def __init__(self, connection: Connection, hot: HotRows, triggers: TriggerMemory) -> None:
        self._trips = Trips(connection)
        self._hot = hot
        self._thrown = ThrownTables(self._trips, triggers)
        self._sql = statements("transaction")
        self._new: set[str] = set()
        self._mark: ServiceMark | None = None
        self.written = Written()
        self.planned: set[str] = set()

    async def load(self, needs: Needs) -> Snapshot:
        """The rows that ``needs`` names, as they stand within this transaction; raises StoreError."""
        thrown, needs = await self._load_thrown(needs)
        named = await self._named(needs.execution_ids)
        ready = await self._ready(needs)
        interrupted = await self._executions("interrupted", needs.interrupted, limit=needs.interrupted_limit)
        executions = {execution.execution_id: execution for execution in (*named, *ready, *interrupted)}
        due = await self._timed("due_states", needs.due_at, needs.due_limit)
        ahead = await self._timed("ahead", needs.ahead_of, needs.ahead_limit)
        thrown, needs = await self._load_watchers(thrown, needs, [*due, *ahead], executions.values())
        states, total_events = await self._states(needs, executions.values(), [*due, *ahead])
        unfinished = await self._unfinished(states, executions.values())
        records = await self._records(states.values())
        stopped = self._stop_unreadable(records, states)
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
        """Writes the rows, removals first; what the store says against them is raised when they reach it.

        Raises:
            DuplicateExecution: An execution that must be new exists.
            StoreError: A row cannot be stored, or the store could not write.
        """
        if changes.deleted:
            self._trips.later((self._sql["delete_events"], (packed(changes.deleted.values()),)))
        self._write("put_records", [record_row(record) for record in changes.records.values()])
        self._write("put_states", [state_row(state) for state in changes.states.values()])
        self._write_executions(changes)
        self._thrown.index(changes.records.values())
        self._thrown.apply(changes.thrown)
        self._write("put_requests", [request_row(request) for request in changes.requests.values()])
        self._write("add_outbox", [outbox_row(row) for row in changes.outbox])
        if changes.sent:
            self._trips.later((self._sql["delete_sent"], (packed(changes.sent),)))
        if changes.mark is not None:
            self._mark = changes.mark
        self._note(changes)

    async def mark(self) -> ServiceMark:
        """The service mark as it stands in the file; raises StoreError."""
        row = await self._row("mark")
        assert row is not None, "the first migration makes the row"
        return mark_from(row)

    async def next_wake_time(self, now: datetime) -> datetime | None:
        """The earliest wake time of an event or time of a retry after ``now``; raises StoreError."""
        row = await self._row("next_wake_time", now=micros(now))
        return instant_or_none(row[0]) if row else None

    async def commit(self) -> None:
        """Makes what was written durable; raises as ``apply`` does."""
        if self._mark is not None:
            self._trips.later((self._sql["put_mark"], mark_values(self._mark)))
        if self._trips.needed:
            try:
                await self._trips.commit()
            except StoreError as error:
                raise await self._duplicate(error) from error

    # --- trips ---

    async def _row(self, name: str, **values: Any) -> tuple[Any, ...] | None:
        try:
            return await self._trips.row(self._sql[name], **values)
        except StoreError as error:
            raise await self._duplicate(error) from error

    async def _rows(self, name: str, **values: Any) -> list[Any]:
        row = await self._row(name, **values)
        return unpacked(row[0]) if row and row[0] is not None else []

    async def _duplicate(self, error: StoreError) -> StoreError:
        """The error itself, or what it means when it is about a row that exists."""
        if not is_duplicate(error):
            return error
        ids = await self._trips.rows(self._sql["known_executions"], ids=packed(self._new))
        return DuplicateExecution(f"planned already: {', '.join(ids)}") if ids else error

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

    async def _named(self, execution_ids: Collection[str]) -> list[Execution]:
        """The executions by id, in the order of the ids; those not at hand are read."""
        found = {id_: self.written.executions.get(id_) or self._hot.execution(id_) for id_ in execution_ids}
        missing = [id_ for id_, execution in found.items() if execution is None]
        for execution in await self._executions("executions", bool(missing), ids=packed(missing)):
            found[execution.execution_id] = execution
        return [execution for execution in found.values() if execution is not None]

    async def _executions(self, name: str, needed: bool, **values: Any) -> list[Execution]:
        return [execution_from(row) for row in await self._rows(name, **values)] if needed else []

    async def _ready(self, needs: Needs) -> list[Execution]:
        if needs.ready_at is None or needs.ready_limit <= 0:
            return []
        return await self._named(await self._rows("ready", at=micros(needs.ready_at), limit=needs.ready_limit))

    async def _timed(self, name: str, at: datetime | None, limit: int) -> list[EventState]:
        if at is None or limit <= 0:
            return []
        row = await self._row(name, at=micros(at), limit=limit)
        return [state_from(state) for state in unpacked_states(row[0])] if row else []

    async def _states(
        self, needs: Needs, executions: Iterable[Execution], found: Iterable[EventState]
    ) -> tuple[dict[str, EventState], int | None]:
        states = {state.key: state for state in found}
        missing: set[int] = set()
        for key in {execution.event_key for execution in executions} - states.keys():
            state = self.written.states.get(key) or self._hot.state(key)
            if state is None:
                missing.add(key)
            else:
                states[key] = state
        total_events = None
        if missing or needs.event_ids:
            row = await self._row("states", keys=packed(missing), event_ids=packed(needs.event_ids))
            rows, total_events = (unpacked_states(row[0]), row[1]) if row else ([], 0)
            states |= {state.key: state for state in map(state_from, rows)}
        return {state.event_id: state for state in states.values()}, total_events

    async def _records(self, states: Iterable[EventState]) -> dict[str, EventRecord]:
        found: dict[str, EventRecord] = {}
        missing: list[int] = []
        for state in states:
            record = self.written.records.get(state.key) or self._hot.record(state.key)
            if record is None:
                missing.append(state.key)
            else:
                found[state.event_id] = record
        for row in await self._rows("records", keys=packed(missing)) if missing else ():
            record = record_from(row)
            self._hot.keep_record(record)
            found[record.event_id] = record
        return found

    def _stop_unreadable(self, records: dict[str, EventRecord], states: dict[str, EventState]) -> dict[str, EventState]:
        """Puts events whose definition this version cannot read into the state ``error``; the definition is kept."""
        problems = {event_id: unreadable_problem(record) for event_id, record in records.items()}
        stopped = {
            event_id: states[event_id]._replace(
                status=EventStatus.ERROR, next_time=None, wake_time=None, last_error=text
            )
            for event_id, text in problems.items()
            if text and states[event_id].wake_time
        }
        self._write("put_states", [state_row(state) for state in stopped.values()])
        self.written.states.update({state.key: state for state in stopped.values()})
        return stopped

    async def _unfinished(self, states: dict[str, EventState], seen: Iterable[Execution]) -> list[Execution]:
        """The unfinished executions of the events that have more of them than were seen already."""
        busy = [state for state in states.values() if state.unfinished]
        if not busy:
            return []
        loaded = Counter(execution.event_key for execution in seen if execution.status in UNFINISHED)
        keys = [state.key for state in busy if state.unfinished > loaded[state.key]]
        return await self._executions("unfinished", bool(keys), keys=packed(keys), limit=MOST_UNFINISHED)

    async def _requests(self, request_ids: frozenset[str]) -> dict[str, RequestRecord]:
        if not request_ids:
            return {}
        return {row[0]: request_from(row) for row in await self._rows("requests", ids=packed(request_ids))}

    # --- writing ---

    def _write(self, name: str, rows: Sequence[Row]) -> None:
        if rows:
            self._trips.later(*many_rows(self._sql[name], rows))

    def _write_executions(self, changes: Changes) -> None:
        new = changes.new_executions
        added = [execution for id_, execution in changes.executions.items() if id_ in new]
        self._write("add_executions", [execution_row(execution) for execution in added])
        self._write("put_executions", [execution_row(e) for id_, e in changes.executions.items() if id_ not in new])
        self._new |= new
        self.planned.update(execution.event_id for execution in added)

    def _note(self, changes: Changes) -> None:
        self.written.records.update(dict.fromkeys(changes.deleted.values()))
        self.written.records.update({record.key: record for record in changes.records.values()})
        self.written.states.update({state.key: state for state in changes.states.values()})
        self.written.executions.update(changes.executions)
