"""What happens when an execution's turn comes: it is claimed for one attempt, with a fencing token of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.lifecycle import is_waiting
from alicia_scheduler.core.state import AttemptRecord, EventRecord, Execution, ExecutionStatus
from alicia_scheduler.core.view import View


@dataclass(frozen=True, slots=True)
class Claim:
    """An execution that this process now runs, with the definition to run it by."""

    execution: Execution
    record: EventRecord


def on_claim(view: View, now: datetime, timings: Timings, limit: int) -> Decision[tuple[Claim, ...]]:
    """Claims up to ``limit`` of the view's ready executions, in their order."""
    draft = Draft(view, now, timings)
    claims: list[Claim] = []
    for execution_id in view.ready:
        execution = draft.execution(execution_id)
        if len(claims) < limit and execution is not None and _may_run(execution, now):
            claim = _claimed(draft, execution)
            claims += [claim] if claim else []
    return draft.decision(tuple(claims))


def next_due_time(view: View, now: datetime) -> datetime | None:
    """When the first ready execution may run that may not yet: its due time came once, and the clock was set back."""
    waiting = [execution for execution in map(view.execution, view.ready) if execution is not None]
    return min((e.due_time for e in waiting if e.status is ExecutionStatus.PENDING and e.due_time > now), default=None)


def _may_run(execution: Execution, now: datetime) -> bool:
    if execution.status is ExecutionStatus.RETRYING:
        return execution.retry_time is None or execution.retry_time <= now
    return execution.status is ExecutionStatus.PENDING and not execution.held and execution.due_time <= now


def _claimed(draft: Draft, execution: Execution) -> Claim | None:
    event = draft.event(execution.event_id)
    if event is None or event[0].key != execution.event_key:
        _end_orphan(draft, execution)
        return None
    if is_waiting(execution):
        return Claim(_resumed(draft, execution), event[0])
    attempt = execution.attempt + 1
    running = draft.move(
        execution,
        ExecutionStatus.RUNNING,
        attempt=attempt,
        fence=draft.draw_fence(),
        start_time=execution.start_time or draft.now,
        retry_time=None,
        attempts=(*execution.attempts, AttemptRecord(attempt, draft.now)),
    )
    return Claim(running, event[0])


def _resumed(draft: Draft, execution: Execution) -> Execution:
    """The execution that has waited in the midst of an attempt goes on with it."""
    changes = {"fence": draft.draw_fence(), "retry_time": None, "reason": None}
    return draft.move(execution, ExecutionStatus.RUNNING, **changes)


def _end_orphan(draft: Draft, execution: Execution) -> None:
    """Ends an execution whose event has gone."""
    draft.move(execution, ExecutionStatus.CANCELLED, reason="event_deleted", end_time=draft.now, retry_time=None)
