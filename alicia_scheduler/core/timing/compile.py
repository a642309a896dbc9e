"""From a schedule to a timing that answers when an event fires: the rule, its exclusions, its span and its jitter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, assert_never

from alicia_scheduler.core.model.schedule import (
    CronSchedule,
    DstOverride,
    EventSchedule,
    Exclusion,
    IntervalSchedule,
    ManualSchedule,
    OnceSchedule,
    RecurringSchedule,
    Schedule,
)
from alicia_scheduler.core.timing.calendar import NEVER, LocalRule
from alicia_scheduler.core.timing.cron import cron_rule
from alicia_scheduler.core.timing.errors import InvalidSchedule
from alicia_scheduler.core.timing.exclusions import Exclusions, without_excluded
from alicia_scheduler.core.timing.interval import ElapsedTiming, FixedDelayTiming, MonthsTiming
from alicia_scheduler.core.timing.jitter import jitter_offset
from alicia_scheduler.core.timing.local_timing import LocalTiming
from alicia_scheduler.core.timing.once import once_timing
from alicia_scheduler.core.timing.recurring import recurring_rule
from alicia_scheduler.core.timing.rule import NoTimes, TimingRule
from alicia_scheduler.core.timing.seconds import EPOCH, NAIVE_EPOCH, TICK, local_second_of, naive_of, second_of
from alicia_scheduler.core.timing.zones import checked_timezone, elapsed_clock, rule_clock


@dataclass(frozen=True, slots=True)
class TimingSpec:
    """What decides when an event fires.

    Attributes:
        event_id: places ``H`` and jitter.
        schedule: the rule.
        timezone: IANA name.
        created_at: aware UTC; anchor when there is no ``start_at``, and base of a once schedule's ``delay``.
        start_at: aware UTC, or None; a nominal time at it still counts.
        end_at: aware UTC, or None; a nominal time at it still counts.
        jitter: the greatest delay between nominal and due time.
        exclude: when the rule does not apply.
        dst: what to do otherwise than the daylight-saving table says.
    """

    event_id: str
    schedule: Schedule
    timezone: str
    created_at: datetime
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter: timedelta = timedelta(0)
    exclude: tuple[Exclusion, ...] = ()
    dst: DstOverride = field(default_factory=DstOverride)

    @property
    def anchor(self) -> datetime:
        """The instant from which intervals and periods are counted."""
        return self.created_at if self.start_at is None else self.start_at


class Timing(Protocol):
    """When an event fires. All instants are aware UTC."""

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant; a fixed delay counts from it."""
        ...

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant; None for a fixed delay."""
        ...

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times lie after the first instant, up to and including the second."""
        ...

    def due_time(self, nominal: datetime) -> datetime:
        """Return the nominal time plus its jitter, before the following nominal time."""
        ...

    def note(self, nominal: datetime) -> str:
        """Return what a person should know about a nominal time, such as a clock change, or nothing."""
        ...


class CompiledTiming:
    """A rule between the start and the end of its event, with jitter."""

    __slots__ = ("_before_start", "_end", "_event_id", "_jitter", "_rule")

    def __init__(self, rule: TimingRule, spec: TimingSpec) -> None:
        self._rule = rule
        self._before_start = None if spec.start_at is None else spec.start_at - TICK
        self._end = spec.end_at
        self._event_id = spec.event_id
        self._jitter = spec.jitter

    def next_time(self, after: datetime) -> datetime | None:
        """Return the first nominal time strictly after an instant."""
        if self._before_start is not None and after < self._before_start:
            after = self._before_start
        nominal = self._rule.next_time(after)
        return None if nominal is None or (self._end is not None and nominal > self._end) else nominal

    def previous_time(self, until: datetime) -> datetime | None:
        """Return the last nominal time at or before an instant."""
        if self._end is not None and until > self._end:
            until = self._end
        nominal = self._rule.previous_time(until)
        before = self._before_start
        return None if nominal is None or (before is not None and nominal <= before) else nominal

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many nominal times lie after the first instant, up to and including the second."""
        if self._before_start is not None:
            after = max(after, self._before_start)
        if self._end is not None:
            until = min(until, self._end)
        return self._rule.count(after, until) if after < until else 0

    def due_time(self, nominal: datetime) -> datetime:
        """Return the nominal time plus its jitter, before the following nominal time."""
        if not self._jitter:
            return nominal
        return nominal + jitter_offset(self._event_id, nominal, self._jitter, self.next_time(nominal))

    def note(self, nominal: datetime) -> str:
        """Return what a person should know about a nominal time, or nothing."""
        return self._rule.note(nominal)


def compile_timing(spec: TimingSpec) -> Timing:
    """Return the timing of an event.

    Raises:
        InvalidSchedule: names the field; also for a rule that can never fire, found in bounded time.
    """
    checked_timezone(spec.timezone)
    if spec.start_at is not None and spec.end_at is not None and spec.end_at < spec.start_at:
        raise InvalidSchedule("end_at", "lies before start_at")
    exclusions = Exclusions(spec.exclude, elapsed_clock(spec.timezone)) if spec.exclude else None
    rule = _rule(spec, exclusions)
    if not isinstance(rule, (NoTimes, FixedDelayTiming)):
        rule = without_excluded(rule, exclusions)
    if not isinstance(rule, NoTimes) and rule.next_time(_checked_from(spec)) is None:
        raise InvalidSchedule(*_never_fires(spec))
    return CompiledTiming(rule, spec)


def _checked_from(spec: TimingSpec) -> datetime:
    """Return the instant after which a rule must fire at least once; a once schedule may lie in the past."""
    return EPOCH - TICK if isinstance(spec.schedule, OnceSchedule) else spec.anchor - TICK


def _never_fires(spec: TimingSpec) -> tuple[str, str]:
    if spec.exclude:
        return "exclude", "the schedule never fires: every time it names is excluded"
    if isinstance(spec.schedule, CronSchedule):
        field, shown = "schedule_config.cron_expression", f"'{spec.schedule.cron_expression}'"
        return field, f"{shown} never fires from {spec.anchor:%Y-%m-%d} on"
    return "schedule_config", f"the schedule never fires from {spec.anchor:%Y-%m-%d} on"


def _rule(spec: TimingSpec, exclusions: Exclusions | None) -> TimingRule:
    schedule = spec.schedule
    match schedule:
        case OnceSchedule():
            return once_timing(schedule, spec.created_at, spec.timezone, spec.dst)
        case IntervalSchedule():
            return _interval(schedule, spec, exclusions)
        case CronSchedule():
            rule, names_wall_clock = cron_rule(schedule, spec.event_id)
            return _local(rule, spec, names_wall_clock=names_wall_clock)
        case RecurringSchedule():
            rule, names_wall_clock = recurring_rule(schedule, _local_anchor(spec))
            return _local(rule, spec, names_wall_clock=names_wall_clock)
        case ManualSchedule() | EventSchedule():
            return NoTimes()
        case _:
            assert_never(schedule)


def _local(rule: LocalRule, spec: TimingSpec, *, names_wall_clock: bool) -> TimingRule:
    if rule.next(local_second_of(_local_anchor(spec))) == NEVER:
        raise InvalidSchedule(*_never_fires(spec))
    return LocalTiming(rule, rule_clock(spec.timezone, spec.dst, names_wall_clock=names_wall_clock))


def _interval(schedule: IntervalSchedule, spec: TimingSpec, exclusions: Exclusions | None) -> TimingRule:
    if schedule.every is not None:
        if schedule.mode == "fixed_delay":
            return FixedDelayTiming(schedule.every, spec.start_at, exclusions)
        return ElapsedTiming(EPOCH if schedule.align else spec.anchor, schedule.every)
    if schedule.months is None:
        raise InvalidSchedule("schedule_config", "neither every nor months is given")
    clock = rule_clock(spec.timezone, spec.dst, names_wall_clock=True)
    anchor = NAIVE_EPOCH if schedule.align else _local_anchor(spec)
    return MonthsTiming(anchor, schedule.months, clock)


def _local_anchor(spec: TimingSpec) -> datetime:
    """Return what the wall clock shows at the anchor, to the microsecond."""
    anchor = spec.anchor.astimezone(UTC)
    local = elapsed_clock(spec.timezone).local_second(second_of(anchor))
    return naive_of(local) + timedelta(microseconds=anchor.microsecond)
