"""What must hold between the executions of one event: their order, and how many run at once."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.history.findings import Finding, Rule, Tally
from alicia_scheduler.core.history.subject import Subject
from alicia_scheduler.core.state import Execution, TriggeredBy


class Sequence:
    """Compares the executions of one event with those before; they come by nominal time."""

    def __init__(self, subject: Subject, tally: Tally) -> None:
        self._subject = subject
        self._tally = tally
        self._before: Execution | None = None
        self._busy_until: tuple[datetime | None, str] | None = None
        self._running: list[tuple[datetime, datetime | None]] = []

    def see(self, execution: Execution) -> None:
        """Takes the next execution."""
        definition = self._subject.definition
        if execution.start_time is None or execution.triggered_by is TriggeredBy.BACKFILL:
            return
        if definition is None or not self._subject.is_current(execution):
            for rule in (Rule.ORDER, Rule.OVERLAP):
                self._tally.skipped(rule, "executions made before the event was last changed or deleted")
            return
        if definition.overlap_policy == "allow":
            self._tally.skipped(Rule.ORDER, "executions that may run side by side (overlap_policy allow)")
            self._count_running(execution, execution.start_time, definition.max_concurrent)
            return
        self._in_order(execution)
        self._alone(execution, execution.start_time)

    def _in_order(self, execution: Execution) -> None:
        self._tally.checked[Rule.ORDER] += 1
        before, self._before = self._before, execution
        if before is not None and _began_later(before, execution):
            sentence = f"it began before {before.execution_id}, whose time is earlier"
            self._found(Rule.ORDER, execution, sentence)

    def _alone(self, execution: Execution, start: datetime) -> None:
        self._tally.checked[Rule.OVERLAP] += 1
        if self._busy_until is not None:
            end, other = self._busy_until
            if end is None or start < end:
                where = f"{end - start} before the end of" if end else "beside"
                self._found(Rule.OVERLAP, execution, f"it began {where} {other}; its policy allows one at a time")
        self._busy_until = (execution.end_time, execution.execution_id)

    def _count_running(self, execution: Execution, start: datetime, allowed: int) -> None:
        self._tally.checked[Rule.OVERLAP] += 1
        self._running = [span for span in self._running if span[1] is None or span[1] > start][-2 * allowed :]
        beside = sum(begin <= start for begin, _ in self._running)
        self._running.append((start, execution.end_time))
        if beside >= allowed:
            self._found(Rule.OVERLAP, execution, f"it began beside {beside} others; max_concurrent is {allowed}")

    def _found(self, rule: Rule, execution: Execution, sentence: str) -> None:
        time = execution.start_time or execution.scheduled_time
        self._tally.found(Finding(rule, execution.event_id, execution.execution_id, time, sentence))


def _began_later(before: Execution, after: Execution) -> bool:
    """Whether ``before`` was claimed after ``after``; no clock step can turn fencing tokens round."""
    if before.attempt == 1 and after.attempt == 1:
        return before.fence > after.fence
    assert before.start_time is not None
    assert after.start_time is not None
    return before.start_time > after.start_time
