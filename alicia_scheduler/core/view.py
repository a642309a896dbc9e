"""What the rules see: the rows of one transaction, with the decisions already taken in it laid over them."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.core.decision import Changes, Decision, Snapshot
from alicia_scheduler.core.state import (
    UNFINISHED,
    Counters,
    EventRecord,
    EventState,
    Execution,
    RequestRecord,
    ServiceMark,
)
from alicia_scheduler.core.thrown.ledger import ThrownView
from alicia_scheduler.core.thrown.waiting import trigger_keys


class View:
    """The rows of one transaction. Rules only read it; the writer lays decisions over it with ``absorb``."""

    def __init__(self, mark: ServiceMark) -> None:
        self.mark = mark
        self.changes = Changes()
        self.due: tuple[str, ...] = ()
        self.ready: tuple[str, ...] = ()
        self.interrupted: tuple[str, ...] = ()
        self.ahead: tuple[str, ...] = ()
        self.total_events = 0
        self._records: dict[str, EventRecord] = {}
        self._states: dict[str, EventState] = {}
        self._executions: dict[str, Execution] = {}
        self._unfinished: dict[str, dict[str, Execution]] = {}
        self._requests: dict[str, RequestRecord] = {}
        self.thrown = ThrownView()

    def load(self, snapshot: Snapshot) -> None:
        """Adds rows from the store; a row that a decision has changed meanwhile stays as decided."""
        self.due, self.ready = snapshot.due, snapshot.ready
        self.interrupted, self.ahead = snapshot.interrupted, snapshot.ahead
        if snapshot.total_events is not None:
            self.total_events = snapshot.total_events
        for event_id, record in snapshot.records.items():
            if event_id not in self.changes.deleted:
                self._records.setdefault(event_id, record)
                self._states.setdefault(event_id, snapshot.states[event_id])
        for execution_id, execution in snapshot.executions.items():
            if execution_id not in self._executions:
                self._see(execution)
        self._requests = {**snapshot.requests, **self._requests}
        if snapshot.thrown is not None:
            self.thrown.load(snapshot.thrown)

    @property
    def counters(self) -> Counters:
        """The next free numbers."""
        return self.mark.counters

    def record(self, event_id: str) -> EventRecord | None:
        """The event's definition, if it exists."""
        return self._records.get(event_id)

    def state(self, event_id: str) -> EventState | None:
        """The event's state, if it exists."""
        return self._states.get(event_id)

    def event(self, event_id: str) -> tuple[EventRecord, EventState] | None:
        """Both rows of the event, if it exists."""
        record = self._records.get(event_id)
        return (record, self._states[event_id]) if record else None

    def execution(self, execution_id: str) -> Execution | None:
        """The execution, if it exists."""
        return self._executions.get(execution_id)

    def unfinished(self, event_id: str) -> list[Execution]:
        """The event's executions that are pending, running or waiting to retry; oldest first."""
        found = self._unfinished.get(event_id)
        return sorted(found.values(), key=lambda e: (e.due_time, e.execution_id)) if found else []

    def request(self, request_id: str) -> RequestRecord | None:
        """The answer the request id got before."""
        return self._requests.get(request_id)

    def absorb(self, decision: Decision[Any]) -> None:
        """Lays a decision over the rows and adds it to the changes of the transaction."""
        for event_id in decision.deleted:
            self._delete(event_id)
        for record in decision.records:
            self.total_events += record.event_id not in self._records
            self._records[record.event_id] = self.changes.records[record.event_id] = record
            for key in trigger_keys(record.definition):
                self.thrown.wait_for(key, (record.event_id,))
        for state in decision.states:
            self._states[state.event_id] = self.changes.states[state.event_id] = state
        for execution in decision.executions:
            self._add(execution)
        for request in decision.requests:
            self._requests[request.request_id] = self.changes.requests[request.request_id] = request
        self.changes.sent.extend(decision.sent)
        if decision.thrown is not None:
            self.thrown.absorb(decision.thrown)
            self.changes.thrown.add(decision.thrown)
        if decision.mark is not None:
            self.mark = self.changes.mark = decision.mark
        if decision.counters is not None:
            self.draw(decision.counters)

    def draw(self, counters: Counters) -> None:
        """Takes the counters on: their numbers are given out."""
        self.mark = self.changes.mark = self.mark._replace(counters=counters)

    def written(self) -> None:
        """Forgets the changes once they are in the store; what was seen stays."""
        self.changes = Changes(mark=None)

    def _delete(self, event_id: str) -> None:
        record = self._records.pop(event_id, None)
        self.total_events -= record is not None
        self._states.pop(event_id, None)
        was_new = self.changes.records.pop(event_id, None)
        self.changes.states.pop(event_id, None)
        if record is not None and (was_new is None or was_new.revision > 1):
            self.changes.deleted.setdefault(event_id, record.key)

    def _add(self, execution: Execution) -> None:
        if execution.execution_id not in self._executions:
            self.changes.new_executions.add(execution.execution_id)
        self.changes.executions[execution.execution_id] = execution
        self._see(execution)

    def _see(self, execution: Execution) -> None:
        self._executions[execution.execution_id] = execution
        siblings = self._unfinished.setdefault(execution.event_id, {})
        if execution.status in UNFINISHED:
            siblings[execution.execution_id] = execution
        else:
            siblings.pop(execution.execution_id, None)
