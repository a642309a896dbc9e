"""The part of the store in memory that is about thrown events, triggers, variables and steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alicia_scheduler.adapters.store.memory_tables import Tables
from alicia_scheduler.core.state import EventRecord, EventStatus
from alicia_scheduler.core.thrown.model import (
    REMOVED,
    Destination,
    Entry,
    EntryStatus,
    QueueNeed,
    Thrown,
    ThrownChanges,
    ThrownNeeds,
    ThrownQuery,
    ThrownSnapshot,
    TriggerKey,
)
from alicia_scheduler.core.thrown.waiting import EVENT, EXECUTION, MQTT, event_keys, trigger_keys
from alicia_scheduler.ports import Retention

OLDEST_LIMIT = 200
LOOKED_AT_LIMIT = 5000


def load_thrown(tables: Tables, needs: ThrownNeeds) -> tuple[ThrownSnapshot, frozenset[str]]:
    """What the needs name, and the ids of the scheduled events that must be loaded with it."""
    if needs == ThrownNeeds():
        return ThrownSnapshot(), frozenset()
    rows = tables.thrown
    due, expired = _due(tables, needs)
    looks = [r for r in _by_key(tables) if r.key in rows.looks][: needs.looks]
    found = {e.entry_key: e for e in (*due, *expired, *_queued(tables, needs), *_late(tables, looks))}
    single = {offset for offset, _ in found if rows.thrown[offset].single_consumer}
    found |= {key: entry for key, entry in rows.entries.items() if key[0] in single}
    keys = needs.keys | {TriggerKey(EVENT, e.namespace, e.key) for e in due}
    triggered = {key: _waiting(tables, key) for key in keys}
    records = [tables.records[id_] for ids in triggered.values() for id_ in ids] + looks
    offsets = {offset for offset, _ in found}
    snapshot = ThrownSnapshot(
        thrown={offset: rows.thrown[offset] for offset in offsets},
        entries=found,
        triggered=triggered,
        progress=_progress(tables, records),
        destinations=_destinations(tables, needs),
        due=tuple(e.entry_key for e in due),
        expired=tuple(e.entry_key for e in expired),
        looks=tuple(r.event_id for r in looks),
        seen=frozenset(seen for seen in rows.seen if seen[0] in offsets),
        variables=_variables(tables, needs.variables_of | {r.definition.dest_id for r in records}),
        steps={id_: rows.steps.get(id_, {}).copy() for id_ in needs.steps_of},
    )
    return snapshot, frozenset(r.event_id for r in records)


def load_watchers(tables: Tables, event_ids: Iterable[str]) -> tuple[ThrownSnapshot, frozenset[str]]:
    """The scheduled events that wait for executions of some others, directly and over others."""
    if not tables.thrown.waiting:
        return ThrownSnapshot(), frozenset()
    triggered: dict[TriggerKey, tuple[str, ...]] = {}
    left = list(event_ids)
    while left:
        key = TriggerKey(EXECUTION, "", left.pop())
        if key not in triggered:
            triggered[key] = _waiting(tables, key)
            left += triggered[key]
    triggered = {key: ids for key, ids in triggered.items() if ids}
    records = [tables.records[id_] for ids in triggered.values() for id_ in ids]
    variables = _variables(tables, {r.definition.dest_id for r in records})
    snapshot = ThrownSnapshot(triggered=triggered, progress=_progress(tables, records), variables=variables)
    return snapshot, frozenset(r.event_id for r in records)


def merged_thrown(found: ThrownSnapshot, watching: ThrownSnapshot, needs: ThrownNeeds) -> ThrownSnapshot | None:
    """Both as one; None when nothing was asked for and nobody watches."""
    if needs == ThrownNeeds() and not watching.triggered:
        return None
    return replace(
        found,
        triggered={**found.triggered, **watching.triggered},
        progress={**found.progress, **watching.progress},
        variables={**found.variables, **watching.variables},
    )


def apply_thrown(tables: Tables, changes: ThrownChanges) -> None:
    """Writes the rows."""
    rows = tables.thrown
    rows.thrown |= changes.thrown
    rows.entries |= changes.entries
    rows.seen |= changes.seen.keys()
    keys = {record.key for record in tables.records.values()}
    for progress_key, state in changes.progress.items():
        rows.progress.pop(progress_key, None)
        if state is not None and progress_key[0] in keys:
            rows.progress[progress_key] = state
    for event_key, wanted in changes.looks.items():
        (rows.looks.add if wanted and event_key in keys else rows.looks.discard)(event_key)
    for variable in changes.variables.values():
        of_dest = rows.variables.setdefault(variable.dest_id, {})
        of_dest.pop(variable.name, None)
        if variable.value is not REMOVED:
            of_dest[variable.name] = variable.value
    for step in changes.steps.values():
        rows.steps.setdefault(step.execution_id, {})[step.path] = step.outcome


def note_triggers(tables: Tables, records: Mapping[str, EventRecord]) -> None:
    """Keeps the scheduled events apart that have triggers."""
    for event_id, record in records.items():
        tables.thrown.waiting.pop(event_id, None)
        if record.definition.triggers:
            tables.thrown.waiting[event_id] = record


def forget_event(tables: Tables, event_id: str, event_key: int) -> None:
    """Removes what hangs on a scheduled event."""
    tables.thrown.waiting.pop(event_id, None)
    tables.thrown.looks.discard(event_key)
    for key in [key for key in tables.thrown.progress if key[0] == event_key]:
        del tables.thrown.progress[key]


def next_thrown_times(tables: Tables) -> list[datetime]:
    """When entries need the planner; what has expired waits for the next whole second."""
    active = [e for e in tables.thrown.entries.values() if e.status is EntryStatus.ACTIVE]
    times = [e.active_from for e in active if not e.matched]
    times += [e.expires_at.replace(microsecond=0) + timedelta(seconds=1) for e in active]
    return times + ([datetime.fromtimestamp(0, UTC)] if tables.thrown.looks else [])


def thrown_page(tables: Tables, query: ThrownQuery) -> Sequence[tuple[Thrown, Entry]]:
    """Entries in the order of offsets."""
    found = sorted((e for e in tables.thrown.entries.values() if _asked(e, query)), key=lambda e: (e.offset, e.place))
    page = found[: query.limit] if query.since_offset is not None else found[-query.limit :]
    return [(tables.thrown.thrown[entry.offset], entry) for entry in page]


def mqtt_filters(tables: Tables, limit: int) -> Sequence[tuple[str, str]]:
    """What triggers of active scheduled events listen to."""
    active = [r for r in _by_key(tables) if tables.states[r.event_id].status is EventStatus.ACTIVE]
    keys = {key for r in active for key in trigger_keys(r.definition) if key.kind == MQTT}
    return sorted((key.namespace, key.key) for key in keys)[:limit]


def remove_thrown(tables: Tables, retention: Retention) -> int:
    """Removes a batch of thrown events that are over and too old, or too many."""
    before = retention.thrown_before or retention.executions_before
    busy = {e.offset for e in tables.thrown.entries.values() if e.status is EntryStatus.ACTIVE}
    oldest = tables.mark.counters.offset - retention.thrown_kept
    old = [t.offset for t in tables.thrown.thrown.values() if t.created_at < before or t.offset < oldest]
    gone = set([offset for offset in sorted(old) if offset not in busy][: retention.batch])
    rows = tables.thrown
    rows.thrown = {offset: thrown for offset, thrown in rows.thrown.items() if offset not in gone}
    rows.entries = {key: entry for key, entry in rows.entries.items() if key[0] not in gone}
    rows.seen = {seen for seen in rows.seen if seen[0] not in gone}
    return len(gone)


def _by_key(tables: Tables) -> list[EventRecord]:
    return sorted(tables.thrown.waiting.values(), key=lambda record: record.key)


def _waiting(tables: Tables, key: TriggerKey) -> tuple[str, ...]:
    return tuple(r.event_id for r in _by_key(tables) if key in trigger_keys(r.definition))


def _progress(tables: Tables, records: Iterable[EventRecord]) -> dict[tuple[int, str], object]:
    keys = {record.key for record in records}
    return {key: state for key, state in tables.thrown.progress.items() if key[0] in keys}


def _variables(tables: Tables, dest_ids: Iterable[str]) -> dict[str, dict[str, object]]:
    return {dest_id: tables.thrown.variables.get(dest_id, {}).copy() for dest_id in dest_ids}


def _due(tables: Tables, needs: ThrownNeeds) -> tuple[list[Entry], list[Entry]]:
    at = needs.due_at
    if at is None:
        return [], []
    active = [e for e in tables.thrown.entries.values() if e.status is EntryStatus.ACTIVE]
    due = sorted((e for e in active if not e.matched and e.active_from <= at), key=lambda e: (e.active_from, e.offset))
    expired = sorted((e for e in active if e.expires_at <= at), key=lambda e: e.expires_at)
    return due[: needs.due_limit], expired[: needs.due_limit]


def _late(tables: Tables, looks: list[EventRecord]) -> list[Entry]:
    wanted = {(r.definition.dest_id, key.namespace, key.key) for r in looks for key in event_keys(r.definition)}
    found = [e for e in tables.thrown.entries.values() if (e.dest_id, e.namespace, e.key) in wanted]
    return sorted(e for e in found if e.status is EntryStatus.ACTIVE)[:LOOKED_AT_LIMIT]


def _queued(tables: Tables, needs: ThrownNeeds) -> list[Entry]:
    found = [entry for need in needs.queues for entry in _of_queue(tables, need)]
    for dest_id in needs.queues_of if needs.full_at else ():
        queue = _of_queue(tables, QueueNeed(dest_id, None, (), 0, OLDEST_LIMIT))
        found += queue if _queue_length(tables, dest_id) >= needs.full_at else []
    return found


def _of_queue(tables: Tables, need: QueueNeed) -> list[Entry]:
    query = ThrownQuery(need.dest_id, need.namespace, need.keys, need.since_offset, "active", need.limit)
    return [entry for _, entry in thrown_page(tables, query)]


def _queue_length(tables: Tables, dest_id: str) -> int:
    entries = tables.thrown.entries.values()
    return sum(1 for e in entries if e.dest_id == dest_id and e.status is EntryStatus.ACTIVE)


def _destinations(tables: Tables, needs: ThrownNeeds) -> dict[str, Destination]:
    lived_in = [record.definition.dest_id for record in tables.records.values()]
    wanted = needs.queues_of | (frozenset(lived_in) if needs.destinations else frozenset())
    return {dest_id: Destination(lived_in.count(dest_id), _queue_length(tables, dest_id)) for dest_id in wanted}


def _asked(entry: Entry, query: ThrownQuery) -> bool:
    ended = entry.status is not EntryStatus.ACTIVE
    return (
        query.dest_id in (None, entry.dest_id)
        and query.namespace in (None, entry.namespace)
        and (not query.keys or entry.key in query.keys)
        and (query.since_offset is None or entry.offset > query.since_offset)
        and (query.status is None or (ended if query.status == "ended" else entry.status == query.status))
        and (not query.distinct or entry.place == 0)
    )
