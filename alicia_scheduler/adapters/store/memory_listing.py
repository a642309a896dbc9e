"""Pages of events and executions from the store in memory."""

from __future__ import annotations

from collections.abc import Sequence

from alicia_scheduler.adapters.store.cursors import cursor_text, read_cursor
from alicia_scheduler.adapters.store.memory_tables import Tables
from alicia_scheduler.adapters.store.rows import micros
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import EventRecord, EventState, Execution


def events_page(tables: Tables, query: EventQuery) -> tuple[Sequence[tuple[EventRecord, EventState]], str | None]:
    """A page of events by event id, and the cursor of the next page; raises CommandRejected for an unknown cursor."""
    after = read_cursor(query.cursor, (str,))[0] if query.cursor is not None else ""
    ids = sorted(event_id for event_id in tables.states if event_id > after)
    every = ((tables.records[event_id], tables.states[event_id]) for event_id in ids)
    found = [(record, state) for record, state in every if _event_matches(query, record, state)]
    cursor = cursor_text(found[query.limit - 1][1].event_id) if len(found) > query.limit else None
    return found[: query.limit], cursor


def executions_page(tables: Tables, query: ExecutionQuery) -> tuple[Sequence[Execution], str | None]:
    """A page of executions, newest first, and the cursor of the next; raises CommandRejected for an unknown one."""
    before = tuple(read_cursor(query.cursor, (int, str))) if query.cursor is not None else None
    matching = [execution for execution in tables.executions.values() if _execution_matches(query, execution)]
    found = [execution for execution in matching if before is None or _place(execution) < before]
    found.sort(key=_place, reverse=True)
    cursor = cursor_text(*_place(found[query.limit - 1])) if len(found) > query.limit else None
    return found[: query.limit], cursor


def _place(execution: Execution) -> tuple[int, str]:
    return micros(execution.scheduled_time), execution.execution_id


def _event_matches(query: EventQuery, record: EventRecord, state: EventState) -> bool:
    definition = record.definition
    wanted = (
        (query.namespace, definition.namespace),
        (query.module_id, definition.module_id),
        (query.schedule_type, definition.schedule_type),
        (query.state, state.status),
        (query.origin, record.origin),
    )
    named = query.name is None or query.name.casefold() in definition.name.casefold()
    return named and set(query.tags) <= set(definition.tags) and all(w is None or w == value for w, value in wanted)


def _execution_matches(query: ExecutionQuery, execution: Execution) -> bool:
    wanted = (
        (query.event_id, execution.event_id),
        (query.status, execution.status),
        (query.triggered_by, execution.triggered_by),
    )
    late_enough = query.since is None or execution.scheduled_time >= query.since
    early_enough = query.until is None or execution.scheduled_time <= query.until
    return late_enough and early_enough and all(w is None or w == value for w, value in wanted)
