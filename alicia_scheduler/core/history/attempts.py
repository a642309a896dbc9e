"""What must hold for each execution by itself: not early, and no attempt before its time."""

from __future__ import annotations

from datetime import datetime, timedelta

from alicia_scheduler.core.history.findings import Finding, Rule, Tally
from alicia_scheduler.core.history.subject import BY_TIMER, Subject
from alicia_scheduler.core.on_start import INTERRUPTED
from alicia_scheduler.core.retry import retry_delay
from alicia_scheduler.core.state import AttemptRecord, Execution, ExecutionStatus

ROUNDING = timedelta(milliseconds=1)


class PlannedOnce:
    """Compares each record of the timer with the one before; they come by nominal time."""

    def __init__(self, subject: Subject, tally: Tally) -> None:
        self._subject = subject
        self._tally = tally
        self._before: tuple[int, datetime] | None = None
        self._times = 0

    def see(self, execution: Execution) -> None:
        """Takes the next record."""
        if execution.triggered_by not in BY_TIMER:
            return
        self._tally.checked[Rule.PLANNED_ONCE] += 1
        place = (execution.event_key, execution.scheduled_time)
        self._times = self._times + 1 if place == self._before else 1
        self._before = place
        if self._times > self._allowed(execution):
            sentence = f"the nominal time has {self._times} records"
            finding = Finding(
                Rule.PLANNED_ONCE, execution.event_id, execution.execution_id, execution.scheduled_time, sentence
            )
            self._tally.found(finding)

    def _allowed(self, execution: Execution) -> int:
        """A clock that was set back makes nominal times come round again, each time as another generation."""
        state = self._subject.state
        return state.generation + 1 if state and state.key == execution.event_key else 1


def never_early(execution: Execution, tally: Tally) -> None:
    """Notes attempts that began before the due time, and a due time before the nominal one."""
    rule = Rule.NEVER_EARLY
    if execution.due_time < execution.scheduled_time:
        sentence = f"the due time lies {execution.scheduled_time - execution.due_time} before the nominal time"
        tally.found(Finding(rule, execution.event_id, execution.execution_id, execution.due_time, sentence))
    starts = [attempt.start_time for attempt in execution.attempts]
    starts += [execution.start_time] if execution.start_time else []
    if not starts:
        return
    tally.checked[rule] += 1
    first = min(starts)
    if first < execution.due_time:
        sentence = f"an attempt began {execution.due_time - first} before the due time"
        tally.found(Finding(rule, execution.event_id, execution.execution_id, first, sentence))


def retry_times(subject: Subject, execution: Execution, tally: Tally) -> None:
    """Notes attempts that came before the time the definition asks for, or that it does not allow."""
    if not _was_retried(execution):
        return
    if not subject.is_current(execution):
        reason = "executions made before the event was last changed or deleted"
        tally.skipped(Rule.RETRY_TIMES, reason)
        return
    tally.checked[Rule.RETRY_TIMES] += 1
    for before, after in zip(execution.attempts, execution.attempts[1:], strict=False):
        _compare(subject, execution, before, after.start_time, tally)
    if execution.status is ExecutionStatus.RETRYING and execution.retry_time and execution.attempts:
        _compare(subject, execution, execution.attempts[-1], execution.retry_time, tally)
    _number_is_allowed(subject, execution, tally)


def _was_retried(execution: Execution) -> bool:
    return len(execution.attempts) > 1 or execution.status is ExecutionStatus.RETRYING


def _compare(subject: Subject, execution: Execution, before: AttemptRecord, start: datetime, tally: Tally) -> None:
    assert subject.definition is not None
    if before.end_time is None:
        return
    delay = timedelta(0)
    if before.error_message != INTERRUPTED:  # what a crash interrupted runs again at once
        delay = retry_delay(subject.definition, execution._replace(attempt=before.attempt))
    earliest = before.end_time + delay
    if start < earliest - ROUNDING:
        sentence = (
            f"attempt {before.attempt + 1} comes {earliest - start} too early: the definition asks for {delay} after "
            f"the end of attempt {before.attempt}"
        )
        tally.found(Finding(Rule.RETRY_TIMES, execution.event_id, execution.execution_id, start, sentence))


def _number_is_allowed(subject: Subject, execution: Execution, tally: Tally) -> None:
    assert subject.definition is not None
    interrupted = sum(attempt.error_message == INTERRUPTED for attempt in execution.attempts)
    allowed = subject.definition.max_retries + 1 + interrupted
    if execution.attempt > allowed:
        sentence = f"it had {execution.attempt} attempts; max_retries and interruptions allow {allowed}"
        time = execution.attempts[-1].start_time
        tally.found(Finding(Rule.RETRY_TIMES, execution.event_id, execution.execution_id, time, sentence))
