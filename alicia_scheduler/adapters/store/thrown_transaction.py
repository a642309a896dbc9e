"""The part of a write transaction on SQLite that is about thrown events, triggers, variables and steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alicia_scheduler.adapters.store.rows import micros, packed
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.adapters.store.thrown_rows import entry_from, entry_row, index_rows, thrown_from, thrown_row
from alicia_scheduler.adapters.store.trips import Trips
from alicia_scheduler.core.state import EventRecord
from alicia_scheduler.core.thrown.model import (
    REMOVED,
    Destination,
    Entry,
    Json,
    QueueNeed,
    Thrown,
    ThrownChanges,
    ThrownNeeds,
    ThrownSnapshot,
    TriggerKey,
)
from alicia_scheduler.core.thrown.waiting import EXECUTION

OLDEST_LIMIT = 200
"""Entries of a full queue that one transaction can let go."""

LOOKED_AT_LIMIT = 5000
"""Waiting entries that one transaction lays against changed scheduled events."""


class TriggerMemory:
    """What a process remembers of the triggers, so that fires without any do not ask for them.

    Attributes:
        watched: Whether a trigger may wait for executions; None until it was asked.
    """

    def __init__(self) -> None:
        self.watched: bool | None = None


class ThrownTables:
    """Reads and writes within the open transaction of a connection; every statement moves all its rows in one step."""

    def __init__(self, trips: Trips, memory: TriggerMemory) -> None:
        self._trips = trips
        self._memory = memory
        self._sql = statements("thrown")
        self._waiting: dict[str, tuple[int, str]] = {}

    async def load(self, needs: ThrownNeeds) -> tuple[ThrownSnapshot, frozenset[str]]:
        """What the needs name, and the ids of the scheduled events that must be loaded with it."""
        self._waiting = {}
        due, expired = await self._due(needs)
        looks = await self._looks(needs)
        entries = {e.entry_key: e for e in (*due, *expired, *await self._queued(needs), *await self._late(looks))}
        siblings = await self._entries("siblings", bool(entries), offsets=packed({key[0] for key in entries}))
        entries = {sibling.entry_key: sibling for sibling in siblings} | entries
        keys = needs.keys | {TriggerKey("event", e.namespace, e.key) for e in due}
        triggered = await self._triggered(keys)
        snapshot = ThrownSnapshot(
            thrown=await self._thrown({key[0] for key in entries}),
            entries=entries,
            triggered=triggered,
            progress=await self._progress(),
            destinations=await self._destinations(needs),
            due=tuple(entry.entry_key for entry in due),
            expired=tuple(entry.entry_key for entry in expired),
            looks=tuple(looks),
            seen=await self._seen({key[0] for key in entries}) if looks or needs.queues else frozenset(),
            variables=await self._variables(needs.variables_of | {dest_id for _, dest_id in self._waiting.values()}),
            steps=await self._steps(needs.steps_of),
        )
        return snapshot, frozenset(self._waiting)

    async def watchers(
        self, event_ids: Iterable[str]
    ) -> tuple[dict[TriggerKey, tuple[str, ...]], ThrownSnapshot | None]:
        """The scheduled events that wait for executions of some others, directly and over others."""
        if self._memory.watched is None:
            row = await self._trips.row(self._sql["any_watchers"])
            self._memory.watched = bool(row and row[0])
        asked = list(event_ids)
        if not self._memory.watched or not asked:
            return {}, None
        rows = await self._trips.rows(self._sql["watchers"], event_ids=packed(asked))
        found: dict[TriggerKey, tuple[str, ...]] = {}
        self._waiting = {}
        for watched, event_id, event_key, dest_id in rows:
            key = TriggerKey(EXECUTION, "", watched)
            found[key] = (*found.get(key, ()), event_id)
            self._waiting[event_id] = (event_key, dest_id)
        if not found:
            return {}, None
        variables = await self._variables({dest_id for _, dest_id in self._waiting.values()})
        return found, ThrownSnapshot(triggered=found, progress=await self._progress(), variables=variables)

    def apply(self, changes: ThrownChanges) -> None:
        """Writes the rows."""
        if not changes:
            return
        self._write("add_thrown", map(thrown_row, changes.thrown.values()))
        new = changes.new_entries
        self._write("add_entries", (entry_row(e) for key, e in changes.entries.items() if key in new))
        self._write("put_entries", (entry_row(e) for key, e in changes.entries.items() if key not in new))
        self._write("add_seen", changes.seen)
        kept = [(*key, state) for key, state in changes.progress.items() if state is not None]
        self._write("put_progress", kept)
        self._write("delete_progress", (key for key, state in changes.progress.items() if state is None))
        self._write("add_looks", (key for key, wanted in changes.looks.items() if wanted))
        self._write("delete_looks", (key for key, wanted in changes.looks.items() if not wanted))
        self._write_variables(changes)
        self._write("put_steps", changes.steps.values())

    def index(self, records: Iterable[EventRecord]) -> None:
        """Has the triggers of written definitions found from now on."""
        known = [record for record in records if record.definition.triggers or record.revision > 1]
        if not known:
            return
        self._write("delete_index", (record.key for record in known if record.revision > 1))
        rows = [row for record in known for row in index_rows(record)]
        if any(row[1] == EXECUTION for row in rows):
            self._memory.watched = True
        self._write("add_index", rows)

    # --- reading ---

    async def _entries(self, name: str, needed: bool, **values: Any) -> list[Entry]:
        if not needed:
            return []
        return [entry_from(row) for row in await self._trips.rows(self._sql[name], **values)]

    async def _due(self, needs: ThrownNeeds) -> tuple[list[Entry], list[Entry]]:
        if needs.due_at is None:
            return [], []
        at, limit = micros(needs.due_at), needs.due_limit
        due = await self._entries("due_entries", True, at=at, limit=limit)
        return due, await self._entries("expired_entries", True, at=at, limit=limit)

    async def _looks(self, needs: ThrownNeeds) -> list[str]:
        if not needs.looks:
            return []
        rows = await self._trips.rows(self._sql["looks"], limit=needs.looks)
        for event_id, event_key, dest_id in rows:
            self._waiting[event_id] = (event_key, dest_id or "")
        return [row[0] for row in rows]

    async def _late(self, looks: list[str]) -> list[Entry]:
        keys = [self._waiting[event_id][0] for event_id in looks]
        return await self._entries("looked_at", bool(keys), event_keys=packed(keys), limit=LOOKED_AT_LIMIT)

    async def _queued(self, needs: ThrownNeeds) -> list[Entry]:
        found: list[Entry] = []
        for need in needs.queues:
            name = "queued_entries" if need.dest_id is not None else "queued_anywhere"
            found += await self._entries(name, True, **_queue_values(need))
        if needs.full_at and needs.queues_of:
            dest_ids = packed(needs.queues_of)
            found += await self._entries(
                "oldest_entries", True, dest_ids=dest_ids, full_at=needs.full_at, limit=OLDEST_LIMIT
            )
        return found

    async def _triggered(self, keys: frozenset[TriggerKey]) -> dict[TriggerKey, tuple[str, ...]]:
        asked = list(keys)
        if not asked:
            return {}
        found: dict[TriggerKey, tuple[str, ...]] = {}
        for place, event_id, event_key, dest_id in await self._trips.rows(self._sql["triggered"], keys=packed(asked)):
            found[asked[place]] = (*found.get(asked[place], ()), event_id)
            self._waiting[event_id] = (event_key, dest_id)
        return found

    async def _progress(self) -> dict[tuple[int, str], Json]:
        keys = [event_key for event_key, _ in self._waiting.values()]
        if not keys:
            return {}
        rows = await self._trips.rows(self._sql["progress"], event_keys=packed(keys))
        return {(event_key, trigger): state for event_key, trigger, state in rows}

    async def _thrown(self, offsets: set[int]) -> dict[int, Thrown]:
        if not offsets:
            return {}
        rows = await self._trips.rows(self._sql["thrown"], offsets=packed(offsets))
        return {row[0]: thrown_from(row) for row in rows}

    async def _seen(self, offsets: set[int]) -> frozenset[tuple[int, str]]:
        rows = await self._trips.rows(self._sql["seen"], offsets=packed(offsets)) if offsets else []
        return frozenset((offset, seer) for offset, seer in rows)

    async def _destinations(self, needs: ThrownNeeds) -> dict[str, Destination]:
        found = {dest_id: Destination() for dest_id in needs.queues_of}
        rows = await self._trips.rows(self._sql["all_destinations"]) if needs.destinations else []
        if needs.queues_of:
            rows += await self._trips.rows(self._sql["some_destinations"], dest_ids=packed(needs.queues_of))
        return found | {dest_id: Destination(events, queued) for dest_id, events, queued in rows}

    async def _variables(self, dest_ids: Iterable[str]) -> dict[str, dict[str, Json]]:
        found: dict[str, dict[str, Json]] = {dest_id: {} for dest_id in dest_ids if dest_id}
        rows = await self._trips.rows(self._sql["variables"], dest_ids=packed(found)) if found else []
        for dest_id, name, value in rows:
            found[dest_id][name] = value
        return found

    async def _steps(self, execution_ids: frozenset[str]) -> dict[str, dict[str, Json]]:
        found: dict[str, dict[str, Json]] = {execution_id: {} for execution_id in execution_ids}
        rows = await self._trips.rows(self._sql["steps"], ids=packed(execution_ids)) if found else []
        for execution_id, path, outcome in rows:
            found[execution_id][path] = outcome
        return found

    # --- writing ---

    def _write(self, name: str, rows: Iterable[Any]) -> None:
        every = list(rows)
        if every:
            self._trips.later((self._sql[name], {"rows": packed(every)}))

    def _write_variables(self, changes: ThrownChanges) -> None:
        kept = [
            (v.dest_id, v.name, v.value, micros(v.updated_at)) for v in changes.variables.values()
            if v.value is not REMOVED
        ]  # fmt: skip
        self._write("put_variables", kept)
        gone = ((v.dest_id, v.name) for v in changes.variables.values() if v.value is REMOVED)
        self._write("delete_variables", gone)


def _queue_values(need: QueueNeed) -> dict[str, Any]:
    return {
        "dest_id": need.dest_id,
        "namespace": need.namespace,
        "keys": packed(need.keys) if need.keys else None,
        "since": need.since_offset,
        "limit": need.limit,
    }
