"""Every end of an execution was told on the bus, as often and in the order that is promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alicia_scheduler.core.history.findings import Finding, Rule, Tally
from alicia_scheduler.core.history.subject import Subject
from alicia_scheduler.core.state import UNFINISHED, Execution, ExecutionStatus

SLACK = timedelta(seconds=5)
"""A result may be that much under way, and two clocks that much apart, at the edge of a recording."""

TOLD = {
    ExecutionStatus.COMPLETED: "execution_results",
    ExecutionStatus.FAILED: "execution_failures",
    ExecutionStatus.TIMED_OUT: "execution_failures",
}
"""Where the end of an execution is told, by its status."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a recording has of one execution: the first message about its end.

    Attributes:
        topic: ``execution_results`` or ``execution_failures``.
        place: How manieth message of the recording it is.
    """

    topic: str
    status: str
    place: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The spans in which a recording heard everything."""

    spans: tuple[tuple[datetime, datetime], ...]

    def holds(self, instant: datetime) -> bool:
        """Whether a message about that instant must be in the recording.

        >>> from datetime import UTC
        >>> Coverage(((datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),)).holds(
        ...     datetime(2026, 1, 1, 12, tzinfo=UTC))
        True
        """
        return any(since + SLACK <= instant <= until - SLACK for since, until in self.spans)


class Announcements:
    """Compares the ends of one event's executions with a recording; the executions come by nominal time."""

    def __init__(self, subject: Subject, coverage: Coverage, tally: Tally) -> None:
        self._subject = subject
        self._coverage = coverage
        self._tally = tally
        self._last_place: dict[str, int] = {}

    def see(self, execution: Execution, announced: Announced | None, *, waiting: bool) -> None:
        """Takes the next execution, and what is known of its announcement.

        Args:
            waiting: The message still stands in the outbox.
        """
        if announced is not None:
            self._agrees(execution, announced)
            return
        if execution.status not in TOLD or execution.end_time is None:
            return
        if waiting or not self._coverage.holds(execution.end_time):
            reason = "ends whose message still waits for the broker" if waiting else "ends outside of the recording"
            self._tally.skipped(Rule.RESULTS_ANNOUNCED, reason)
            return
        self._tally.checked[Rule.RESULTS_ANNOUNCED] += 1
        topic = TOLD[execution.status]
        self._found(Rule.RESULTS_ANNOUNCED, execution, f"it ended {execution.status}, and nothing on {topic} told it")

    def _agrees(self, execution: Execution, announced: Announced) -> None:
        self._tally.checked[Rule.RESULTS_ANNOUNCED] += 1
        if execution.status in UNFINISHED:
            sentence = f"it was told to be {announced.status}, and the store has it as {execution.status}"
            self._found(Rule.RESULTS_ANNOUNCED, execution, sentence)
        elif execution.status != announced.status or TOLD.get(execution.status) != announced.topic:
            sentence = f"{announced.topic} told {announced.status}, the store says {execution.status}"
            self._found(Rule.RESULTS_ANNOUNCED, execution, sentence)
        else:
            self._in_order(execution, announced)

    def _in_order(self, execution: Execution, announced: Announced) -> None:
        definition = self._subject.definition
        if definition is None or definition.overlap_policy == "allow" or not self._subject.is_current(execution):
            return
        before = self._last_place.get(announced.topic, -1)
        if announced.place < before:
            self._found(Rule.ORDER, execution, f"{announced.topic} told it before one with an earlier time")
        self._last_place[announced.topic] = max(before, announced.place)

    def _found(self, rule: Rule, execution: Execution, sentence: str) -> None:
        time = execution.end_time or execution.scheduled_time
        self._tally.found(Finding(rule, execution.event_id, execution.execution_id, time, sentence))
