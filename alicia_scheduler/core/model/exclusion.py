"""When a schedule does not apply: dates, times of day, public holidays; and the daylight-saving override.

An exclusion looks at the local time, in the event's zone, at which the event would fire.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_serializer, model_validator

from alicia_scheduler.core.model.day_names import WeekdayNames, parse_time_of_day, time_of_day_text
from alicia_scheduler.core.model.instants import CalendarDate
from alicia_scheduler.core.model.strict_config import StrictConfig

END_OF_DAY = 86_400
_EXPECTED = (
    'expected a date "2026-12-24", {"from": date, "to": date}, {"time": ["22:00", "06:00"]} or '
    '{"holidays": {"country": "DE"}}'
)


class ExcludedDates(StrictConfig):
    """All days from one date to another, both included; written as plain text when it is one day."""

    from_: CalendarDate = Field(alias="from")
    to: CalendarDate

    @model_validator(mode="before")
    @classmethod
    def _read_single_date(cls, data: Any) -> Any:
        if isinstance(data, (str, date)):
            return {"from": data, "to": data}
        if isinstance(data, Mapping) and "date" in data and not {"from", "to"} & set(data):
            rest = {name: value for name, value in data.items() if name != "date"}
            return {**rest, "from": data["date"], "to": data["date"]}
        return data

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError(f"'to' {self.to} lies before 'from' {self.from_}")
        return self

    @model_serializer(mode="plain")
    def _canonical(self) -> Any:
        first, last = self.from_.isoformat(), self.to.isoformat()
        return first if first == last else {"from": first, "to": last}


def _read_time_range(value: object) -> tuple[int, int]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError('expected two times of day such as ["22:00", "06:00"]')
    start = parse_time_of_day(value[0])
    end = END_OF_DAY if value[1] == "24:00" else parse_time_of_day(value[1])
    if start == end:
        raise ValueError("the two times of day are the same; to exclude whole days give dates")
    return start, end


def _time_range_text(value: tuple[int, int]) -> list[str]:
    return [time_of_day_text(value[0]), time_of_day_text(value[1])]


class ExcludedTimes(StrictConfig):
    """A range of local times, start included, end not; an end before the start lies on the next day.

    ``days_of_week`` are the days on which the range begins; None is every day.
    """

    time: Annotated[
        tuple[int, int], BeforeValidator(_read_time_range), PlainSerializer(_time_range_text, return_type=list[str])
    ]
    days_of_week: WeekdayNames | None = None

    @model_validator(mode="after")
    def _some_day(self) -> Self:
        if self.days_of_week == ():
            raise ValueError("days_of_week is empty; leave it out for every day")
        return self


class HolidayRegion(StrictConfig):
    """A country, and a part of it where its holidays differ (ISO 3166 codes)."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2,3}$")]
    subdivision: Annotated[str, Field(pattern=r"^[A-Za-z0-9 _-]{1,40}$")] | None = None


class ExcludedHolidays(StrictConfig):
    """The public holidays of a region, whole days."""

    holidays: HolidayRegion

    @model_validator(mode="before")
    @classmethod
    def _read_country_alone(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("holidays"), str):
            country, _, subdivision = re.sub(r"[/_]", "-", data["holidays"]).partition("-")
            return {**data, "holidays": {"country": country, "subdivision": subdivision or None}}
        return data


def _shape(value: Any) -> str:
    if isinstance(value, (ExcludedTimes, ExcludedHolidays)):
        return type(value).__name__
    if isinstance(value, Mapping):
        return "ExcludedTimes" if "time" in value else "ExcludedHolidays" if "holidays" in value else "ExcludedDates"
    return "ExcludedDates"


Exclusion: TypeAlias = Annotated[
    Annotated[ExcludedDates, Tag("ExcludedDates")]
    | Annotated[ExcludedTimes, Tag("ExcludedTimes")]
    | Annotated[ExcludedHolidays, Tag("ExcludedHolidays")],
    Discriminator(_shape, custom_error_type="exclusion", custom_error_message=_EXPECTED),
]
"""One entry of an event's ``exclude`` list."""


class DstOverride(StrictConfig):
    """What to do otherwise than the daylight-saving table says; None keeps the rule of the table."""

    gap: Literal["skip", "shift"] | None = None
    overlap: Literal["first", "second", "both"] | None = None
