"""Pages of events and executions: the SQL for a query, led by the index that serves it best.

No text of a caller becomes part of a statement: conditions come from the tables below, values are bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alicia_scheduler.adapters.store.cursors import cursor_text, read_cursor
from alicia_scheduler.adapters.store.rows import micros, packed
from alicia_scheduler.adapters.store.statements import with_rows
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import EventState, EventStatus, Execution, ExecutionStatus, TriggeredBy

_EVENTS = with_rows(
    """
    SELECT json_group_array(json_array({record}, {state}))
    FROM (
        SELECT d.event_id, d.key FROM %s
        WHERE %s ORDER BY d.event_id LIMIT :limit
    ) AS page
    CROSS JOIN events AS r ON r.key = page.key
    CROSS JOIN states AS s ON s.key = page.key
    """
)
_EXECUTIONS = with_rows(
    """
    SELECT json_group_array({execution})
    FROM (
        SELECT * FROM executions %s
        WHERE %s ORDER BY scheduled_time DESC, execution_id DESC LIMIT :limit
    ) AS e
    """
)

_EVENT_CONDITIONS = {
    "namespace": "v.namespace = :namespace",
    "schedule_type": "v.schedule_type = :schedule_type",
    "module_id": "v.module_id = :module_id",
    "origin": "v.origin = :origin",
    "name": "instr(v.folded_name, :name) > 0",
}
_EXECUTION_CONDITIONS = {
    "event_id": "event_id = :event_id",
    "status": "status = :status",
    "triggered_by": "triggered_by = :triggered_by",
    "since": "scheduled_time >= :since",
    "until": "scheduled_time <= :until",
}
_UNFINISHED = "status IN ('pending', 'running', 'retrying')"
_UNUSUAL = "status IN ('failed', 'timed_out', 'cancelled', 'skipped', 'missed')"


@dataclass(frozen=True, slots=True)
class Page:
    """A statement for one page, asking for one row more than the page holds, to see whether there is another."""

    sql: str
    values: dict[str, Any]


def events_page(query: EventQuery) -> Page:
    """The statement for a page of events; raises CommandRejected for an unknown cursor."""
    values: dict[str, Any] = {"limit": query.limit + 1}
    conditions = []
    for name, condition in _EVENT_CONDITIONS.items():
        value = getattr(query, name)
        if value is not None:
            values[name] = value.casefold() if name == "name" else value
            conditions.append(condition)
    if query.cursor is not None:
        (values["after"],) = read_cursor(query.cursor, (str,))
        conditions.append("d.event_id > :after")
    lead = _leading_table(query, values, conditions)
    return Page(_EVENTS % (lead, " AND ".join(conditions) or "true"), values)


def _leading_table(query: EventQuery, values: dict[str, Any], conditions: list[str]) -> str:
    """The table to walk in the order of event ids, and the join that the filters need; adds its conditions."""
    if query.state is not None:
        values["state"] = query.state
    if query.tags:
        values |= {"tag": query.tags[0], "tags": packed(query.tags), "tag_count": len(set(query.tags))}
        conditions.append("d.tag = :tag")
        conditions.append(
            "(SELECT count(*) FROM event_tags AS t WHERE t.event_id = d.event_id"
            " AND t.tag IN (SELECT value FROM json_each(:tags))) = :tag_count"
        )
        if query.state is not None:
            conditions.append("(SELECT status FROM states WHERE key = d.key) = :state")
        return "event_tags AS d CROSS JOIN events AS v ON v.key = d.key"
    if query.state is not None and query.state != EventStatus.ACTIVE:
        conditions.append("d.status = :state AND d.status <> 'active'")
        return "states AS d INDEXED BY states_not_active CROSS JOIN events AS v ON v.key = d.key"
    if query.state is not None:
        conditions.append("(SELECT status FROM states WHERE key = d.key) = :state")
    return f"events AS d INDEXED BY {_event_index(query, conditions)}"


def _event_index(query: EventQuery, conditions: list[str]) -> str:
    conditions[:] = [condition.replace("v.", "d.") for condition in conditions]
    if query.module_id is not None:
        return "events_by_module"
    if query.origin is not None and query.origin != "bus":
        conditions.append("d.origin <> 'bus'")
        return "events_declared"
    return "events_listing"


def executions_page(query: ExecutionQuery) -> Page:
    """The statement for a page of executions; raises CommandRejected for an unknown cursor."""
    values: dict[str, Any] = {"limit": query.limit + 1}
    conditions = []
    for name, condition in _EXECUTION_CONDITIONS.items():
        value = getattr(query, name)
        if value is not None:
            values[name] = micros(value) if name in ("since", "until") else value
            conditions.append(condition)
    if query.cursor is not None:
        values["time"], values["id"] = read_cursor(query.cursor, (int, str))
        conditions.append("(scheduled_time, execution_id) < (:time, :id)")
    index = _execution_index(query, conditions)
    return Page(_EXECUTIONS % (f"INDEXED BY {index}", " AND ".join(conditions) or "true"), values)


def _execution_index(query: ExecutionQuery, conditions: list[str]) -> str:
    """The index to walk; adds the condition that its partial content needs."""
    if query.event_id is not None:
        return "executions_by_event"
    if query.status in {"pending", "running", "retrying"}:
        conditions.append(_UNFINISHED)
        return "executions_unfinished"
    if query.status is not None and query.status != ExecutionStatus.COMPLETED:
        conditions.append(_UNUSUAL)
        return "executions_unusual"
    if query.triggered_by is not None and query.triggered_by != TriggeredBy.SCHEDULER:
        conditions.append("triggered_by <> 'scheduler'")
        return "executions_by_cause"
    return "executions_by_time"


def event_cursor(state: EventState) -> str:
    """The cursor of the page after this event."""
    return cursor_text(state.event_id)


def execution_cursor(execution: Execution) -> str:
    """The cursor of the page after this execution."""
    return cursor_text(micros(execution.scheduled_time), execution.execution_id)
