"""A decision in the making. Every rule builds its decision here, so counters and announcements follow from the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from alicia_scheduler.core.announcement import (
    Announcement,
    EventChange,
    EventChanged,
    ExecutionChange,
    ExecutionChanged,
)
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.lifecycle import BEGINNINGS, EVENT_TRANSITIONS, IllegalTransition, is_waiting, moved
from alicia_scheduler.core.overlap import next_held
from alicia_scheduler.core.state import (
    UNFINISHED,
    EventRecord,
    EventState,
    Execution,
    ExecutionStatus,
    RequestRecord,
    ServiceMark,
)
from alicia_scheduler.core.thrown.ledger import Ledger
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View

Answer = TypeVar("Answer")
Timings = Callable[[EventRecord, EventState], Timing]
"""Gives the compiled timing rule of an event; the caller keeps compiled rules, the rules here only ask."""

S = ExecutionStatus
_CHANGES: dict[ExecutionStatus, ExecutionChange] = {
    S.RUNNING: "execution_started",
    S.COMPLETED: "execution_completed",
    S.FAILED: "execution_failed",
    S.TIMED_OUT: "execution_failed",
    S.RETRYING: "execution_retry",
    S.SKIPPED: "execution_skipped",
    S.MISSED: "execution_missed",
    S.CANCELLED: "execution_cancelled",
}


class Draft:
    """Collects the rows and announcements of one decision over what the view shows."""

    def __init__(self, view: View, now: datetime, timings: Timings) -> None:
        self.view = view
        self.now = now
        self.timings = timings
        self.counters = view.counters
        self._records: dict[str, EventRecord] = {}
        self._states: dict[str, EventState] = {}
        self._executions: dict[str, Execution] = {}
        self._of_event: dict[str, dict[str, Execution]] = {}
        self._deleted: list[str] = []
        self._requests: list[RequestRecord] = []
        self._announcements: list[Announcement] = []
        self._stop: list[str] = []
        self._mark: ServiceMark | None = None
        self._thrown: Ledger | None = None

    # what the rules read

    def event(self, event_id: str) -> tuple[EventRecord, EventState] | None:
        """Both rows of the event as this decision leaves them."""
        stored = self.view.event(event_id)
        record = self._records.get(event_id) or (stored[0] if stored else None)
        state = self._states.get(event_id) or (stored[1] if stored else None)
        return (record, state) if record and state and event_id not in self._deleted else None

    def state(self, event_id: str) -> EventState:
        """The state of an event that is known to exist, as this decision leaves it."""
        drafted = self._states.get(event_id)
        if drafted is not None:
            return drafted
        event = self.event(event_id)
        assert event is not None, f"event {event_id} is gone"
        return event[1]

    def execution(self, execution_id: str) -> Execution | None:
        """The execution as this decision leaves it."""
        return self._executions.get(execution_id) or self.view.execution(execution_id)

    def unfinished(self, event_id: str) -> list[Execution]:
        """The event's unfinished executions as this decision leaves them, oldest first."""
        stored, drafted = self.view.unfinished(event_id), self._of_event.get(event_id)
        if not drafted:
            return stored
        seen = {e.execution_id: e for e in stored} | drafted
        alive = [e for e in seen.values() if e.status in UNFINISHED]
        return sorted(alive, key=lambda e: (e.due_time, e.execution_id))

    @property
    def thrown(self) -> Ledger:
        """Thrown events, as this decision leaves them and to be changed by it."""
        if self._thrown is None:
            self._thrown = Ledger(self.view.thrown)
        return self._thrown

    # what the rules write

    def put_record(self, record: EventRecord) -> None:
        """Stores the definition."""
        self._records[record.event_id] = record

    def put_state(self, state: EventState) -> None:
        """Stores the state. A mark that goes back begins another generation, so no execution id is given out twice.

        Raises:
            IllegalTransition: The status may not follow the one before.
        """
        before = self._states.get(state.event_id) or self.view.state(state.event_id)
        if before is not None and before.key == state.key and state.event_id not in self._deleted:
            if state.status is not before.status and state.status not in EVENT_TRANSITIONS[before.status]:
                raise IllegalTransition(f"event {state.event_id}: {before.status} → {state.status}")
            if state.mark_time < before.mark_time and state.generation == before.generation:
                state = state._replace(generation=state.generation + 1)
        self._states[state.event_id] = state

    def delete(self, event_id: str) -> None:
        """Removes the event."""
        self._deleted.append(event_id)
        self._records.pop(event_id, None)
        self._states.pop(event_id, None)

    def create(self, execution: Execution) -> None:
        """Adds a new execution: pending, skipped or missed."""
        if execution.status not in BEGINNINGS:
            raise IllegalTransition(f"a new execution cannot be {execution.status}")
        self._keep(execution, None)

    def move(self, execution: Execution, status: ExecutionStatus, **changes: Any) -> Execution:
        """The execution in its new status, stored, counted and announced; an ended one lets a held one go."""
        after = moved(execution, status, **changes)
        self._keep(after, execution)
        if after.status not in UNFINISHED:
            self._release(after)
        return after

    def amend(self, execution: Execution) -> None:
        """Stores an execution whose status stays as it is."""
        self._note(execution)

    def stop(self, execution_id: str) -> None:
        """Has the running action stopped once this decision is durable."""
        self._stop.append(execution_id)

    def answered(self, request: RequestRecord) -> None:
        """Keeps the answer under its request id."""
        self._requests.append(request)

    def announce(self, announcement: Announcement) -> None:
        """Tells other programs."""
        self._announcements.append(announcement)

    def announce_event(self, change: EventChange, event_id: str) -> None:
        """Tells other programs what happened to the event, with its rows as this decision leaves them."""
        event = self.event(event_id)
        if event:
            self._announcements.append(EventChanged(change, *event))

    def leave(self, mark: ServiceMark) -> None:
        """Replaces the service mark."""
        self._mark = mark

    def draw_key(self) -> int:
        """A number that no event has had."""
        self.counters = self.counters._replace(key=self.counters.key + 1)
        return self.counters.key - 1

    def draw_fence(self) -> int:
        """A fencing token above every one before."""
        self.counters = self.counters._replace(fence=self.counters.fence + 1)
        return self.counters.fence - 1

    def draw_offset(self) -> int:
        """The next place in the order of all thrown events."""
        self.counters = self.counters._replace(offset=self.counters.offset + 1)
        return self.counters.offset - 1

    def decision(self, answer: Answer) -> Decision[Answer]:
        """The finished decision."""
        return Decision(
            answer=answer,
            records=tuple(self._records.values()),
            states=tuple(self._states.values()),
            deleted=tuple(self._deleted),
            executions=tuple(self._executions.values()),
            requests=tuple(self._requests),
            announcements=tuple(self._announcements),
            stop=tuple(self._stop),
            counters=self.counters if self.counters != self.view.counters else None,
            mark=self._mark,
            thrown=self._thrown.changes if self._thrown is not None else None,
        )

    # what follows by itself

    def _keep(self, execution: Execution, before: Execution | None) -> None:
        self._note(execution)
        state = self._states.get(execution.event_id) or self.view.state(execution.event_id)
        if state and state.key == execution.event_key and execution.event_id not in self._deleted:
            self._states[execution.event_id] = counted(state, execution, before)
        change = _CHANGES.get(execution.status)
        if is_waiting(execution) or (before and is_waiting(before) and execution.status is S.RUNNING):
            return  # nothing that others would call a retry or a start: the attempt is still under way
        if change and not (before and before.status is execution.status):
            self._announcements.append(ExecutionChanged(change, execution))

    def _release(self, ended: Execution) -> None:
        """Lets the execution go that waited for this one."""
        if ended.status in (S.SKIPPED, S.MISSED):
            return
        held = next_held(self.unfinished(ended.event_id))
        if held is not None:
            self._note(held._replace(held=False))

    def _note(self, execution: Execution) -> None:
        self._executions[execution.execution_id] = execution
        self._of_event.setdefault(execution.event_id, {})[execution.execution_id] = execution


def counted(state: EventState, execution: Execution, before: Execution | None) -> EventState:
    """The state after one of the event's executions went from ``before`` to ``execution``."""
    status = execution.status
    unfinished = (status in UNFINISHED) - (before is not None and before.status in UNFINISHED)
    changes: dict[str, Any] = {"unfinished": max(0, state.unfinished + unfinished)} if unfinished else {}
    match status:
        case S.RUNNING:
            first = execution.attempt == 1 and (before is None or before.status is S.PENDING)
            changes |= {"last_run_time": execution.attempts[-1].start_time, "run_count": state.run_count + first}
            changes |= {"last_status": status}
        case S.COMPLETED:
            changes |= {"success_count": state.success_count + 1, "last_error": None, "last_status": status}
        case S.FAILED | S.TIMED_OUT:
            changes |= {"failure_count": state.failure_count + 1, "last_status": status}
            changes |= {"last_error": execution.error_message}
        case S.RETRYING:
            changes |= {"last_status": status, "last_error": execution.error_message}
        case S.SKIPPED:
            changes |= {"skipped_count": state.skipped_count + 1}
        case S.MISSED:
            changes |= {"missed_count": state.missed_count + max(1, execution.missed_count)}
        case S.CANCELLED:
            changes |= {"last_status": status} if before is not None and before.attempt else {}
        case S.PENDING:
            handed_back = before is not None and not execution.attempt
            changes |= {"run_count": max(0, state.run_count - 1)} if handed_back else {}
    return state._replace(**changes) if changes else state


__all__ = ["Draft", "Timings", "counted"]
