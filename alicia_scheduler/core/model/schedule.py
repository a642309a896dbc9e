"""When an event fires: one model per ``schedule_type``, every spelling read, one canonical form written.

The rules are told in docs/time-rules.md. A model holds what the user meant; ``core/timing`` turns it into instants.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from alicia_scheduler.core.model.cron_text import canonical_cron
from alicia_scheduler.core.model.day_names import (
    DaysOfMonth,
    MonthNumbers,
    TimeOfDay,
    TimesOfDay,
    WeekdayNames,
)
from alicia_scheduler.core.model.durations import Duration, parse_duration
from alicia_scheduler.core.model.exclusion import (
    DstOverride,
    ExcludedDates,
    ExcludedHolidays,
    ExcludedTimes,
    Exclusion,
)
from alicia_scheduler.core.model.instants import LocalOrInstant, parse_instant
from alicia_scheduler.core.model.strict_config import StrictConfig

__all__ = [
    "CronSchedule",
    "DstOverride",
    "EventSchedule",
    "ExcludedDates",
    "ExcludedHolidays",
    "ExcludedTimes",
    "Exclusion",
    "IntervalSchedule",
    "LocalOrInstant",
    "ManualSchedule",
    "OnceSchedule",
    "RecurringSchedule",
    "Schedule",
    "parse_instant",
    "parse_schedule",
]

SHORTEST_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL_MONTHS = 120
MAX_PERIODS = 1000

_UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}


class _Timed(StrictConfig):
    """A schedule; a ``type`` that only repeats the event's ``schedule_type`` is read and dropped."""

    kind: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _read_spellings(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        fields = dict(data)
        if fields.get("type") == cls.kind:
            del fields["type"]
        return cls._canonical(fields)

    @classmethod
    def _canonical(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return fields


def _rename(fields: dict[str, Any], alias: str, name: str) -> None:
    """Read an older spelling of a field; raises ValueError when both spellings are given."""
    if alias in fields:
        if fields.get(name) is not None:
            raise ValueError(f"'{alias}' and '{name}' mean the same; give one of them")
        fields[name] = fields.pop(alias)


class OnceSchedule(_Timed):
    """Fires once: at ``run_at`` (naive: local time in the event's zone), or ``delay`` after the creation."""

    kind: ClassVar[str] = "once"

    run_at: LocalOrInstant | None = None
    delay: Duration | None = None
    allow_past: bool = False

    @classmethod
    def _canonical(cls, fields: dict[str, Any]) -> dict[str, Any]:
        _rename(fields, "timestamp", "run_at")
        return fields

    @model_validator(mode="after")
    def _one_moment(self) -> Self:
        if (self.run_at is None) == (self.delay is None):
            raise ValueError("give either run_at (an instant or a local time) or delay (a duration)")
        return self


def _long_enough(every: timedelta) -> timedelta:
    if every < SHORTEST_INTERVAL:
        raise ValueError("an interval is at least 1 second")
    return every


class IntervalSchedule(_Timed):
    """Fires every so much elapsed time, or every so many calendar months.

    ``align`` counts from the epoch in place of the event's own anchor; ``fixed_delay`` counts from the end of the
    last execution.
    """

    kind: ClassVar[str] = "interval"

    every: Annotated[Duration, AfterValidator(_long_enough)] | None = None
    months: Annotated[int, Field(ge=1, le=MAX_INTERVAL_MONTHS)] | None = None
    align: bool = False
    mode: Literal["fixed_rate", "fixed_delay"] = "fixed_rate"

    @classmethod
    def _canonical(cls, fields: dict[str, Any]) -> dict[str, Any]:
        _rename(fields, "interval_type", "type")
        _rename(fields, "interval_value", "value")
        _rename(fields, "interval", "every")
        if "interval_seconds" in fields:
            return _seconds_spelling(fields)
        return _unit_spelling(fields) if "type" in fields or "value" in fields else fields

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.every is None) == (self.months is None):
            raise ValueError('give every (a duration such as "5m"), months, or type and value')
        if self.mode == "fixed_delay" and (self.months is not None or self.align):
            raise ValueError("fixed_delay counts from the end of the last execution: no months, no align")
        return self


def _seconds_spelling(fields: dict[str, Any]) -> dict[str, Any]:
    """Read the parsed form ``interval_seconds``, whose unit and value may stand beside it if they agree."""
    seconds = fields.pop("interval_seconds")
    if fields.get("every") is not None:
        raise ValueError("'interval_seconds' and 'every' mean the same; give one of them")
    beside = _unit_spelling({key: fields.pop(key) for key in ("type", "value") if key in fields})
    if beside and (beside.get("every") is None or parse_duration(beside["every"]) != parse_duration(seconds)):
        raise ValueError("interval_seconds does not agree with the type and value beside it")
    return {**fields, "every": seconds}


def _unit_spelling(fields: dict[str, Any]) -> dict[str, Any]:
    if not fields:
        return fields
    if fields.get("every") is not None or fields.get("months") is not None:
        raise ValueError("give either type and value, or every, or months")
    rest = {key: value for key, value in fields.items() if key not in ("type", "value")}
    unit, value = fields.get("type", "seconds"), fields.get("value")
    if value is None:
        raise ValueError(f"value: expected a number of {unit}")
    if unit == "months":
        return {**rest, "months": value}
    if not isinstance(unit, str) or unit not in _UNIT_SECONDS:
        raise ValueError(f"type: expected one of {', '.join(_UNIT_SECONDS)}, months")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"value: expected a number of {unit}")
    return {**rest, "every": value * _UNIT_SECONDS[unit]}


class CronSchedule(_Timed):
    """Fires by a cron expression; ``day_logic`` says how day-of-month and day-of-week combine."""

    kind: ClassVar[str] = "cron"

    cron_expression: Annotated[str, AfterValidator(canonical_cron)]
    day_logic: Literal["auto", "and", "or"] = "auto"

    @classmethod
    def _canonical(cls, fields: dict[str, Any]) -> dict[str, Any]:
        _rename(fields, "cron", "cron_expression")
        return fields


class RecurringSchedule(_Timed):
    """Fires by the calendar: a frequency, times of day, and the days that every given list must allow."""

    kind: ClassVar[str] = "recurring"

    frequency: Literal["hourly", "daily", "weekly", "monthly", "yearly"]
    time_of_day: TimeOfDay | None = None
    times: TimesOfDay | None = None
    days_of_week: WeekdayNames = ()
    days_of_month: DaysOfMonth = ()
    months: MonthNumbers = ()
    interval: Annotated[int, Field(ge=1, le=MAX_PERIODS)] = 1
    missing_day: Literal["skip", "last"] = "skip"

    @classmethod
    def _canonical(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if "hour" in fields or "minute" in fields:
            fields["time_of_day"] = _clock_of_parts(fields)
        if fields.get("time_of_day") is None and fields.get("times") is None:
            fields["time_of_day"] = "00:00"
        times = fields.get("times")
        if isinstance(times, (list, tuple)) and len(times) == 1 and fields.get("time_of_day") is None:
            fields["time_of_day"], fields["times"] = times[0], None
        return fields

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.time_of_day is None) == (not self.times):
            raise ValueError("give either time_of_day or times, with at least one time")
        if self.frequency == "weekly" and not self.days_of_week:
            raise ValueError('a weekly rule needs days_of_week, such as ["mon", "fri"]')
        if self.frequency in ("monthly", "yearly") and not self.days_of_month:
            raise ValueError(f"a {self.frequency} rule needs days_of_month, such as [1] or [-1] for the last")
        if self.frequency == "yearly" and not self.months:
            raise ValueError("a yearly rule needs months, such as [12]")
        return self

    @property
    def day_times(self) -> tuple[int, ...]:
        """The times of day in seconds after midnight, in order."""
        return self.times if self.times else (self.time_of_day or 0,)


def _clock_of_parts(fields: dict[str, Any]) -> str:
    """Read the parsed form ``hour`` and ``minute``."""
    hour, minute = fields.pop("hour", 0), fields.pop("minute", 0)
    if fields.get("time_of_day") is not None or fields.get("times") is not None:
        raise ValueError("give either time_of_day, or times, or hour and minute")
    if any(isinstance(part, bool) or not isinstance(part, int) or part < 0 for part in (hour, minute)):
        raise ValueError("hour and minute: expected whole numbers")
    return f"{hour:02}:{minute:02}"


class ManualSchedule(_Timed):
    """Never fires by itself; only when run by hand."""

    kind: ClassVar[str] = "manual"


class EventSchedule(_Timed):
    """Never fires by itself; only on its triggers."""

    kind: ClassVar[str] = "event"


Schedule: TypeAlias = (
    OnceSchedule | IntervalSchedule | CronSchedule | RecurringSchedule | ManualSchedule | EventSchedule
)

_BY_TYPE: dict[str, type[Schedule]] = {
    "once": OnceSchedule,
    "interval": IntervalSchedule,
    "cron": CronSchedule,
    "recurring": RecurringSchedule,
    "event": EventSchedule,
    "manual": ManualSchedule,
}


def parse_schedule(schedule_type: str, config: Mapping[str, object]) -> Schedule:
    """Return the schedule that a ``schedule_type`` and its ``schedule_config`` describe.

    Raises:
        ValidationError: pydantic's; names every bad field.
    """
    model = _BY_TYPE.get(schedule_type)
    if model is None:
        message = f"expected one of {', '.join(_BY_TYPE)}"
        kind = PydanticCustomError("schedule_type", "{message}", {"message": message})
        raise ValidationError.from_exception_data(
            "Schedule", [InitErrorDetails(type=kind, loc=("schedule_type",), input=schedule_type)]
        )
    return model.model_validate(dict(config))
