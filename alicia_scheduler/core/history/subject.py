"""What is known about an event before its executions are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alicia_scheduler.core.model.event import InvalidSchedule, ScheduledEvent, compiled_timing
from alicia_scheduler.core.state import EventRecord, EventState, Execution, TriggeredBy
from alicia_scheduler.core.timing import Timing

BY_TIMER = frozenset({TriggeredBy.SCHEDULER, TriggeredBy.CATCH_UP})


@dataclass(frozen=True, slots=True)
class Known:
    """What holds for every event of the store.

    Attributes:
        kept_since: What ended before may have been removed by its age.
        traced_since: Every pause and resume since then is known; the store itself keeps only the pause under way.
    """

    kept_since: datetime
    traced_since: datetime


@dataclass(frozen=True, slots=True)
class Rest:
    """A span in which the timer of an event rested; ``until`` None when its end is not known."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Subject:
    """One event, or what is left of one that was deleted.

    Attributes:
        counted_since: Nominal time of the oldest execution that the limit per event keeps; None below the limit.
    """

    event_id: str
    record: EventRecord | None = None
    state: EventState | None = None
    counted_since: datetime | None = None
    rests: tuple[Rest, ...] = ()

    @property
    def definition(self) -> ScheduledEvent | None:
        """The current definition."""
        return self.record.definition if self.record else None

    def timing(self) -> Timing | None:
        """The compiled timing rule; None without an event, or when the rule can never fire."""
        if self.record is None or self.state is None:
            return None
        try:
            return compiled_timing(self.record.definition, self.state.anchor_time)
        except InvalidSchedule:
            return None

    def is_current(self, execution: Execution) -> bool:
        """Whether the execution was made under the definition that is stored now."""
        record = self.record
        return record is not None and execution.event_key == record.key and execution.created_at >= record.updated_at
