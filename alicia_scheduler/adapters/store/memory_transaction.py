"""One write transaction on the store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from alicia_scheduler.adapters.store.failures import DuplicateExecution
from alicia_scheduler.adapters.store.memory_tables import Tables
from alicia_scheduler.adapters.store.memory_thrown import (
    apply_thrown,
    forget_event,
    load_thrown,
    load_watchers,
    merged_thrown,
    next_thrown_times,
    note_triggers,
)
from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.state import UNFINISHED, EventState, Execution, ExecutionStatus, ServiceMark
from alicia_scheduler.errors import StoreInUse

MOST_UNFINISHED = 1000
"""So many unfinished executions of one event are loaded at most, the oldest ones."""


class MemoryTransaction:
    """Works on the committed tables until the first change, from then on a copy, which becomes theirs at the commit."""

    def __init__(self, committed: Tables) -> None:
        self._committed = committed
        self.tables = committed

    async def load(self, needs: Needs) -> Snapshot:
        """The rows that ``needs`` names, as they stand within this transaction."""
        tables = self.tables
        thrown, event_ids = load_thrown(tables, needs.thrown)
        needs = replace(needs, event_ids=needs.event_ids | event_ids)
        ready, interrupted = self._ready(needs), self._interrupted(needs)
        due, ahead = self._due(needs), self._ahead(needs)
        named = [tables.executions[id_] for id_ in needs.execution_ids if id_ in tables.executions]
        executions = {execution.execution_id: execution for execution in (*named, *ready, *interrupted)}
        known = {e.event_id for e in executions.values()} | {state.event_id for state in (*due, *ahead)}
        watching, event_ids = load_watchers(tables, needs.event_ids | known)
        needs = replace(needs, event_ids=needs.event_ids | event_ids)
        states = self._states(needs, executions.values(), [*due, *ahead])
        return Snapshot(
            records={event_id: tables.records[event_id] for event_id in states},
            states=states,
            executions=executions | self._unfinished(states, executions.values()),
            requests={id_: tables.requests[id_] for id_ in needs.request_ids if id_ in tables.requests},
            due=tuple(state.event_id for state in due),
            ready=tuple(execution.execution_id for execution in ready),
            interrupted=tuple(execution.execution_id for execution in interrupted),
            ahead=tuple(state.event_id for state in ahead),
            total_events=len(tables.records),
            thrown=merged_thrown(thrown, watching, needs.thrown),
        )

    async def apply(self, changes: Changes) -> None:
        """Writes the rows, removals first.

        Raises:
            DuplicateExecution: An execution that must be new exists.
        """
        if self.tables is self._committed:
            self.tables = self._committed.copy()
        planned = sorted(changes.new_executions & self.tables.executions.keys())
        if planned:
            raise DuplicateExecution(f"planned already: {', '.join(planned)}")
        self._apply_events(changes)
        for execution in changes.executions.values():
            self._put_execution(execution)
        self.tables.requests |= changes.requests
        self.tables.outbox |= {row.sequence: row for row in changes.outbox}
        for sequence in changes.sent:
            self.tables.outbox.pop(sequence, None)
        apply_thrown(self.tables, changes.thrown)
        if changes.mark is not None:
            if not changes.mark.follows(self._committed.mark):
                raise StoreInUse("another process has taken the store over; this one ends")
            self.tables.mark = changes.mark

    async def mark(self) -> ServiceMark:
        """The service mark as it stands in the store."""
        return self.tables.mark

    async def next_wake_time(self, now: datetime) -> datetime | None:
        """The earliest wake time of an event, or time of a retry after ``now``, whichever comes first."""
        wakes = [state.wake_time for state in self.tables.states.values() if state.wake_time is not None]
        waiting = self.tables.unfinished.values()
        retries = [e.retry_time for e in waiting if e.status is ExecutionStatus.RETRYING and e.retry_time is not None]
        wakes += [retry_time for retry_time in retries if retry_time > now]
        wakes += next_thrown_times(self.tables)
        return min(wakes, default=None)

    # --- reading ---

    def _due(self, needs: Needs) -> list[EventState]:
        at = needs.due_at
        if at is None:
            return []
        found = [(s.wake_time, s.key, s) for s in self.tables.states.values() if s.wake_time and s.wake_time <= at]
        return [state for _, _, state in sorted(found, key=lambda row: row[:2])[: needs.due_limit]]

    def _ahead(self, needs: Needs) -> list[EventState]:
        at = needs.ahead_of
        found = [] if at is None else [state for state in self.tables.states.values() if state.mark_time > at]
        return sorted(found, key=lambda state: state.key)[: needs.ahead_limit]

    def _ready(self, needs: Needs) -> list[Execution]:
        at = needs.ready_at
        found = [] if at is None else [e for e in self.tables.unfinished.values() if _may_run(e, at)]
        return sorted(found, key=lambda e: (-e.priority, e.due_time, e.execution_id))[: needs.ready_limit]

    def _interrupted(self, needs: Needs) -> list[Execution]:
        if not needs.interrupted:
            return []
        running = [e for e in self.tables.unfinished.values() if e.status is ExecutionStatus.RUNNING]
        return running[: needs.interrupted_limit]

    def _states(self, needs: Needs, executions: Iterable[Execution], found: list[EventState]) -> dict[str, EventState]:
        states = {state.event_id: state for state in found}
        for execution in executions:
            state = self.tables.states.get(execution.event_id)
            if state is not None and state.key == execution.event_key:
                states[state.event_id] = state
        return states | {id_: self.tables.states[id_] for id_ in needs.event_ids if id_ in self.tables.states}

    def _unfinished(self, states: dict[str, EventState], seen: Iterable[Execution]) -> dict[str, Execution]:
        """The unfinished executions of the events that have more of them than were seen already."""
        loaded = Counter(execution.event_key for execution in seen if execution.status in UNFINISHED)
        keys = {state.key for state in states.values() if state.unfinished > loaded[state.key]}
        found: dict[str, Execution] = {}
        room = dict.fromkeys(keys, MOST_UNFINISHED)
        for execution_id, execution in self.tables.unfinished.items() if keys else ():
            if room.get(execution.event_key, 0) > 0:
                room[execution.event_key] -= 1
                found[execution_id] = execution
        return found

    # --- writing ---

    def _apply_events(self, changes: Changes) -> None:
        for event_id, key in changes.deleted.items():
            record = self.tables.records.get(event_id)
            if record is not None and record.key == key:
                del self.tables.records[event_id]
                self.tables.states.pop(event_id, None)
                forget_event(self.tables, event_id, key)
        self.tables.records |= changes.records
        note_triggers(self.tables, changes.records)
        self.tables.states |= changes.states

    def _put_execution(self, execution: Execution) -> None:
        self.tables.executions[execution.execution_id] = execution
        if execution.status in UNFINISHED:
            self.tables.unfinished[execution.execution_id] = execution
        else:
            self.tables.unfinished.pop(execution.execution_id, None)


def _may_run(execution: Execution, at: datetime) -> bool:
    if execution.status is ExecutionStatus.RETRYING:
        return execution.retry_time is not None and execution.retry_time <= at
    return execution.status is ExecutionStatus.PENDING and not execution.held
