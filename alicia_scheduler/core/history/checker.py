"""All rules over the executions of one event."""

from __future__ import annotations

from alicia_scheduler.core.history.announcements import TOLD, Announced, Announcements, Coverage
from alicia_scheduler.core.history.attempts import PlannedOnce, never_early, retry_times
from alicia_scheduler.core.history.conservation import Conservation
from alicia_scheduler.core.history.findings import Rule, Tally
from alicia_scheduler.core.history.sequence import Sequence
from alicia_scheduler.core.history.subject import Known, Subject
from alicia_scheduler.core.state import Execution

NO_RECORDING = "ends, for want of a recording"


class EventCheck:
    """Takes the executions of one event one after the other, so that a long history needs no memory.

    Args:
        coverage: What a recording of the bus heard; None without one.
    """

    def __init__(self, subject: Subject, known: Known, coverage: Coverage | None, tally: Tally) -> None:
        self._subject = subject
        self._tally = tally
        self._conservation = Conservation(subject, known, tally)
        self._planned_once = PlannedOnce(subject, tally)
        self._sequence = Sequence(subject, tally)
        self._announcements = Announcements(subject, coverage, tally) if coverage else None

    def see(self, execution: Execution, announced: Announced | None = None, *, waiting: bool = False) -> None:
        """Takes the next execution, by nominal time.

        Args:
            announced: What the recording has of its end.
            waiting: The message about its end still stands in the outbox.
        """
        self._conservation.see(execution)
        self._planned_once.see(execution)
        never_early(execution, self._tally)
        self._sequence.see(execution)
        retry_times(self._subject, execution, self._tally)
        if self._announcements is not None:
            self._announcements.see(execution, announced, waiting=waiting)
        elif execution.status in TOLD:
            self._tally.skipped(Rule.RESULTS_ANNOUNCED, NO_RECORDING)

    def end(self) -> None:
        """Takes note that there are no more executions."""
        self._conservation.end()
