"""A view without a store: rows by hand, decisions laid over them, one transaction after the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from alicia_scheduler.core.announcement import Announcement, EventChanged, ExecutionChanged
from alicia_scheduler.core.commands import Change, CreateEvent
from alicia_scheduler.core.decision import Decision, Snapshot
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.model.event import EventDefaults, ScheduledEvent, compiled_timing, parse_event
from alicia_scheduler.core.on_claim import Claim, on_claim
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.on_outcome import Attempted, Failed, Outcome, Succeeded, on_outcomes
from alicia_scheduler.core.on_tick import Planned, on_tick
from alicia_scheduler.core.retry import Failure
from alicia_scheduler.core.state import (
    UNFINISHED,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    ServiceMark,
    TriggeredBy,
)
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
S = ExecutionStatus
Answer = TypeVar("Answer")


def after_noon(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def event(event_id: str = "lamp", **fields: Any) -> ScheduledEvent:
    """An event; by default one that fires every minute."""
    raw = {
        "event_id": event_id,
        "schedule_type": "cron",
        "schedule_config": {"cron_expression": "* * * * *"},
        "action": {"topic": f"home/{event_id}", "message": {}},
    }
    return parse_event({**raw, **fields}, EventDefaults())


def manual(event_id: str = "lamp", **fields: Any) -> ScheduledEvent:
    return event(event_id, **{"schedule_type": "manual", "schedule_config": {}, **fields})


def timings(record: EventRecord, state: EventState) -> Timing:
    return compiled_timing(record.definition, state.anchor_time)


def rows(definition: ScheduledEvent, at: datetime = NOON, **fields: Any) -> tuple[EventRecord, EventState]:
    """Both rows of an event that was made at an instant, with its timer running."""
    record = EventRecord(1, definition.event_id, 1, definition, "bus", at, at)
    state = EventState(1, definition.event_id, EventStatus.ACTIVE, at, at)
    timing = timings(record, state)
    following = timing.next_time(at)
    state = state._replace(next_time=following, wake_time=timing.due_time(following) if following else None)
    return record, state._replace(**fields)


def execution(execution_id: str = "x", **fields: Any) -> Execution:
    at = fields.pop("at", NOON)
    plain: dict[str, Any] = {
        "execution_id": execution_id, "event_key": 1, "event_id": "lamp", "name": "lamp", "status": S.PENDING,
        "triggered_by": TriggeredBy.SCHEDULER, "scheduled_time": at, "due_time": at, "created_at": at,
    }  # fmt: skip
    return Execution(**{**plain, **fields})


class Book:
    """What a store would hold: every decision is laid over a fresh view of it, and kept."""

    def __init__(self, *events: tuple[EventRecord, EventState], now: datetime = NOON) -> None:
        self.now = now
        self.mark = ServiceMark()
        self.records = {record.event_id: record for record, _ in events}
        self.states = {state.event_id: state for _, state in events}
        self.executions: dict[str, Execution] = {}
        self.said: list[Announcement] = []
        self.stopped: list[str] = []

    def view(self, **found: Any) -> View:
        view = View(self.mark)
        view.load(Snapshot(self.records, self.states, self.executions, total_events=len(self.records), **found))
        return view

    def keep(self, view: View, decision: Decision[Answer]) -> Answer:
        view.absorb(decision)
        changes = view.changes
        assert not changes.new_executions & self.executions.keys(), "an execution was planned twice"
        for event_id in changes.deleted:
            del self.records[event_id], self.states[event_id]
        self.records |= changes.records
        self.states |= changes.states
        self.executions |= changes.executions
        self.mark = view.mark
        self.said += decision.announcements
        self.stopped += decision.stop
        return decision.answer

    # the rules

    def tick(self, now: datetime | None = None, *, corrected: bool = False) -> Planned:
        self.now = now or self.now
        due = [s for s in self.states.values() if s.wake_time and s.wake_time <= self.now]
        view = self.view(due=tuple(s.event_id for s in sorted(due, key=lambda s: s.wake_time or NOON)))
        return self.keep(view, on_tick(view, self.now, timings, corrected=corrected))

    def claim(self, limit: int = 100) -> tuple[Claim, ...]:
        found = [e for e in self.executions.values() if self._may_run(e)]
        found.sort(key=lambda e: (-e.priority, e.due_time, e.execution_id))
        view = self.view(ready=tuple(e.execution_id for e in found))
        return self.keep(view, on_claim(view, self.now, timings, limit))

    def end(self, claim: Claim, outcome: Outcome, *, retries: bool = True) -> bool:
        view = self.view()
        attempted = Attempted(claim.execution.execution_id, claim.execution.fence, outcome, self.now)
        (current,) = self.keep(view, on_outcomes(view, self.now, timings, [attempted], retries=retries))
        return current

    def succeed(self, claim: Claim) -> bool:
        return self.end(claim, Succeeded({"ok": True}))

    def fail(self, claim: Claim, **fields: Any) -> bool:
        return self.end(claim, Failed(Failure("it broke", "broken", **fields)))

    def command(self, command: Change, rules: CommandRules | None = None, request: str = "r") -> Any:
        view = self.view()
        return self.keep(view, on_command(view, self.now, timings, command, rules or CommandRules(), request))

    def create(self, definition: ScheduledEvent, **fields: Any) -> Any:
        return self.command(CreateEvent(definition, **fields))

    def draft(self, act: Callable[[Draft], Answer]) -> Answer:
        view = self.view()
        draft = Draft(view, self.now, timings)
        return self.keep(view, draft.decision(act(draft)))

    # what came of it

    def of(self, status: str) -> list[Execution]:
        found = [e for e in self.executions.values() if e.status == status]
        return sorted(found, key=lambda e: (e.scheduled_time, e.execution_id))

    def state(self, event_id: str = "lamp") -> EventState:
        return self.states[event_id]

    def changes(self) -> list[str]:
        """The names of the lifecycle events that were told."""
        return [a.change for a in self.said if isinstance(a, (EventChanged, ExecutionChanged))]

    def unfinished(self, event_id: str = "lamp") -> list[Execution]:
        return [e for e in self.executions.values() if e.event_id == event_id and e.status in UNFINISHED]

    def _may_run(self, execution: Execution) -> bool:
        if execution.status is S.RETRYING:
            return execution.retry_time is not None and execution.retry_time <= self.now
        return execution.status is S.PENDING and not execution.held
