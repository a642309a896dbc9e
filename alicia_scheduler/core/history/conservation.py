"""Every nominal time between the first and the last that is known has a record (docs/delivery-guarantees.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from alicia_scheduler.core.history.findings import Finding, Rule, Tally
from alicia_scheduler.core.history.subject import BY_TIMER, Known, Rest, Subject
from alicia_scheduler.core.plan import is_fixed_delay
from alicia_scheduler.core.resting import TIMED
from alicia_scheduler.core.state import EventStatus, Execution, ExecutionStatus
from alicia_scheduler.core.timing import Timing

TICK = timedelta(microseconds=1)
AT_THE_EDGE = timedelta(seconds=1)
"""A time so shortly before a pause was perhaps not looked at any more, and rests with it."""

RULE = Rule.CONSERVATION


@dataclass(slots=True)
class _Range:
    """A missed range that is being looked at; ``inside`` counts the executions whose times lie within it."""

    execution: Execution
    last: datetime
    inside: int = 0


class Conservation:
    """Walks the records of one event by nominal time; the ground that they cover must have no holes."""

    def __init__(self, subject: Subject, known: Known, tally: Tally) -> None:
        self._subject = subject
        self._known = known
        self._tally = tally
        self._timing = self._judged_by()
        self._covered = self._start()
        self._range: _Range | None = None

    def _judged_by(self) -> Timing | None:
        """The timing rule; None when the nominal times of this event cannot be told, which is noted."""
        record, state = self._subject.record, self._subject.state
        reason = None
        if record is None or state is None:
            reason = "events that were deleted"
        elif record.definition.schedule_type not in TIMED:
            return None
        elif is_fixed_delay(record.definition):
            reason = "events whose next time counts from the end before (fixed_delay)"
        elif state.generation:
            reason = "events whose times came round again after the clock was set back"
        timing = None if reason else self._subject.timing()
        if reason or timing is None:
            self._tally.skipped(RULE, reason or "events whose rule can never fire")
        return timing

    def _start(self) -> datetime:
        """The instant after which every nominal time must have a record."""
        record = self._subject.record
        start = record.updated_at if record else self._known.kept_since
        kept = [self._known.kept_since]
        if self._subject.counted_since is not None:
            kept.append(self._subject.counted_since - TICK)
        if self._timing and max(kept) > start:
            self._tally.skipped(RULE, "events whose older records may have been removed by retention")
        return max(start, *kept)

    def see(self, execution: Execution) -> None:
        """Takes the next record, by nominal time."""
        timing = self._timing
        if timing is None or execution.triggered_by not in BY_TIMER or execution.event_key != self._key():
            return
        if not self._subject.is_current(execution):
            self._tally.skipped(RULE, "records made before the event was last changed")
            return
        first, last = execution.scheduled_time, execution.scheduled_time
        if execution.status is ExecutionStatus.MISSED and execution.last_missed_time:
            last = execution.last_missed_time
        for nominal in {first, last}:
            self._is_nominal(timing, execution, nominal)
        if self._range and first <= self._range.last:
            self._range.inside += 1
            return
        self._close_range(timing)
        self._cover(timing, execution, first, last)

    def end(self) -> None:
        """Takes note that there are no more records: the ground must reach up to the event's mark."""
        state = self._subject.state
        if self._timing is None or state is None:
            return
        self._close_range(self._timing)
        if state.status is EventStatus.ACTIVE and state.mark_time > self._covered:
            self._gap(self._timing, self._covered, state.mark_time)

    def _key(self) -> int | None:
        return self._subject.record.key if self._subject.record else None

    def _is_nominal(self, timing: Timing, execution: Execution, nominal: datetime) -> None:
        if timing.previous_time(nominal) != nominal:
            self._found(f"{_shown(nominal)} is no time of the event's schedule", execution, nominal)

    def _cover(self, timing: Timing, execution: Execution, first: datetime, last: datetime) -> None:
        if first - TICK > self._covered:
            self._gap(timing, self._covered, first - TICK)
        if last > first and first > self._covered:
            self._range = _Range(execution, last)
        self._tally.checked[RULE] += max(1, execution.missed_count) if last > first else 1
        self._covered = max(self._covered, last)

    def _close_range(self, timing: Timing) -> None:
        """Compares the count of a missed range with the schedule."""
        if self._range is None:
            return
        execution, last, inside = self._range.execution, self._range.last, self._range.inside
        self._range = None
        expected = timing.count(execution.scheduled_time - TICK, last) - inside
        if execution.missed_count != expected:
            sentence = f"the range up to {_shown(last)} stands for {execution.missed_count} times, not {expected}"
            self._found(sentence, execution, execution.scheduled_time)

    def _gap(self, timing: Timing, after: datetime, until: datetime) -> None:
        """Looks at a hole in the ground: what of it lies in no rest is lost."""
        if timing.next_time(after) is None or not timing.count(after, until):
            return
        traced = self._known.traced_since
        for begin, end in self._awake(after, until):
            if begin < traced:
                self._unknown(timing, begin, min(end, traced))
            if end > traced:
                self._lost(timing, max(begin, traced), end)

    def _awake(self, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The parts of ``(after, until]`` in which the timer is not known to have rested."""
        begin = after
        for rest in sorted(self._rests_in(after), key=lambda rest: rest.since):
            if rest.since > begin:
                yield begin, min(rest.since, until)
            begin = max(begin, rest.until or until)
            if begin >= until:
                return
        yield begin, until

    def _rests_in(self, after: datetime) -> Iterator[Rest]:
        definition = self._subject.definition
        early = AT_THE_EDGE + (definition.jitter if definition else timedelta(0))
        for rest in self._subject.rests:
            if rest.until is not None or rest.since >= after - early:  # records after an open rest show that it ended
                yield Rest(rest.since - early, rest.until)

    def _unknown(self, timing: Timing, after: datetime, until: datetime) -> None:
        count = timing.count(after, until)
        if count:
            reason = "times without a record that an earlier pause would explain; pauses of that age left no trace"
            self._tally.skipped(RULE, reason, count)

    def _lost(self, timing: Timing, after: datetime, until: datetime) -> None:
        count = timing.count(after, until)
        first = timing.next_time(after)
        if count and first is not None:
            last = timing.previous_time(until) or first
            span = f"{_shown(first)}" if count == 1 else f"{count} times from {_shown(first)} to {_shown(last)}"
            self._found(f"there is no record of {span}", None, first)

    def _found(self, sentence: str, execution: Execution | None, time: datetime) -> None:
        execution_id = execution.execution_id if execution else None
        self._tally.found(Finding(RULE, self._subject.event_id, execution_id, time, sentence))


def _shown(instant: datetime) -> str:
    return instant.isoformat(" ").replace("+00:00", "Z")
