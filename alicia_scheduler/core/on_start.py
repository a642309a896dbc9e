"""What a start finds: attempts that a crash interrupted, and how long the service was away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alicia_scheduler.core.announcement import Recovered
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.on_outcome import count_from_end
from alicia_scheduler.core.state import Execution, ExecutionStatus, ServiceMark
from alicia_scheduler.core.view import View

MAX_CRASHES = 3
"""An execution found running after this many process deaths in a row is taken for their cause."""

INTERRUPTED = "the service stopped while the attempt was under way"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What one look at interrupted executions did: how many were found, and how many of them run again."""

    found: int
    resumed: int


def on_interrupted(view: View, now: datetime, timings: Timings, *, crashed: bool = True) -> Decision[Interrupted]:
    """Puts executions that were running when the process before ended back in line, under the same id.

    Args:
        crashed: The process died; after an orderly stop the executions are not suspected of having killed it.
    """
    draft = Draft(view, now, timings)
    resumed = 0
    for execution_id in view.interrupted:
        execution = draft.execution(execution_id)
        if execution is not None and execution.status is ExecutionStatus.RUNNING:
            resumed += _recovered(draft, execution, crashed=crashed)
    return draft.decision(Interrupted(len(view.interrupted), resumed))


def _recovered(draft: Draft, execution: Execution, *, crashed: bool) -> bool:
    """Whether the execution runs again."""
    interrupted = _with_closed_attempt(execution, draft.now, crashes=int(crashed))
    event = draft.event(execution.event_id)
    if interrupted.crash_count >= MAX_CRASHES:
        return _given_up(draft, interrupted, "quarantined", f"running at {MAX_CRASHES} process deaths in a row")
    if event is not None and event[0].definition.delivery == "at_most_once":
        return _given_up(draft, interrupted, "unknown_outcome", INTERRUPTED)
    draft.move(interrupted, ExecutionStatus.PENDING, held=False)
    return True


def _with_closed_attempt(execution: Execution, now: datetime, crashes: int) -> Execution:
    *before, last = execution.attempts
    closed = last._replace(end_time=now, status=ExecutionStatus.FAILED, error_message=INTERRUPTED)
    return execution._replace(attempts=(*before, closed), crash_count=execution.crash_count + crashes)


def _given_up(draft: Draft, execution: Execution, reason: str, message: str) -> bool:
    draft.move(
        execution,
        ExecutionStatus.FAILED,
        end_time=draft.now,
        reason=reason,
        error_code=reason,
        error_message=message,
    )
    count_from_end(draft, execution.event_id, draft.now)
    return False


def opened(mark: ServiceMark, now: datetime) -> ServiceMark:
    """The mark of a process that has just taken the store over."""
    return mark._replace(alive_at=now, clean=False, starts=mark.starts + 1)


def recovery(before: ServiceMark, now: datetime, missed: int, resumed: int) -> Recovered | None:
    """The announcement after a start; None when there was nothing to recover from."""
    if before.alive_at is None or (before.clean and not missed and not resumed):
        return None
    return Recovered("start", before.alive_at, now, before.clean, missed, resumed)
