"""The definition of a scheduled event, as other programs write it (contract: docs/topics.md).

``parse_event`` reads every spelling and returns the one canonical form; nothing behind it checks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alicia_scheduler.core.model.action import Action, with_action_defaults
from alicia_scheduler.core.model.durations import Duration
from alicia_scheduler.core.model.fields import EventId, Identifier, JsonObject, Tag, Text
from alicia_scheduler.core.model.problems import InvalidDefinition, problems_of
from alicia_scheduler.core.model.schedule import (
    DstOverride,
    Exclusion,
    IntervalSchedule,
    LocalOrInstant,
    ManualSchedule,
    OnceSchedule,
    Schedule,
    parse_schedule,
)
from alicia_scheduler.core.model.trigger import Trigger, Triggers
from alicia_scheduler.core.timing import (
    InvalidSchedule,
    Timing,
    TimingSpec,
    checked_timezone,
    compile_timing,
    resolve_local,
)

ScheduleType = Literal["once", "interval", "cron", "recurring", "event", "manual"]
CatchUp = Literal["last", "none", "first", "all"]
OverlapPolicy = Literal["skip", "queue_one", "queue_all", "cancel_running", "allow"]

CATCH_UP_WINDOW = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SHORT = timedelta(days=1)
LONG = timedelta(days=366)


def _zone_name(value: str) -> str:
    try:
        return checked_timezone(value)
    except InvalidSchedule as error:
        raise ValueError(error.message) from None


def _at_most(limit: timedelta) -> Any:
    return Field(le=limit)


@dataclass(frozen=True, slots=True)
class EventDefaults:
    """What an event gets for the fields it leaves out; from the settings."""

    timezone: str = "UTC"
    misfire_grace: timedelta = timedelta(seconds=60)
    catch_up: CatchUp = "last"
    catch_up_window: timedelta | None = None
    max_retries: int = 3
    retry_delay: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(seconds=300)
    trace_enabled: bool = True
    min_interval: timedelta = timedelta(seconds=1)


class ScheduledEvent(BaseModel):
    """One scheduled event: when it fires, what it does, and what happens when something is in the way.

    Instants are UTC; ``catch_up_window`` None means the rule for the schedule type (docs/time-rules.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    event_id: EventId
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    description: Annotated[Text, Field(max_length=4000)] = ""
    namespace: Identifier = "default"
    module_id: Annotated[Text, Field(max_length=128)] | None = None
    dest_id: Identifier = "default"
    tags: Annotated[tuple[Tag, ...], Field(strict=False, max_length=64)] = ()
    metadata: JsonObject = Field(default_factory=dict)

    schedule_type: ScheduleType
    schedule_config: SerializeAsAny[Schedule]
    timezone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    start_at: LocalOrInstant | None = None
    end_at: LocalOrInstant | None = None
    max_executions: Annotated[int, Field(ge=1, le=2**53)] | None = None
    jitter: Annotated[Duration, _at_most(SHORT)] = timedelta(0)
    exclude: Annotated[tuple[Exclusion, ...], Field(strict=False, max_length=400)] = ()
    dst: DstOverride = Field(default_factory=DstOverride)
    allow_past: bool = False

    misfire_grace: Annotated[Duration, _at_most(LONG)] = timedelta(seconds=60)
    catch_up: CatchUp = "last"
    catch_up_window: Annotated[Duration, _at_most(LONG)] | None = None
    catch_up_max: Annotated[int, Field(ge=1, le=1000)] = 100
    on_resume: Literal["skip", "last"] = "skip"

    overlap_policy: OverlapPolicy = "skip"
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 10
    queue_limit: Annotated[int, Field(ge=1, le=1000)] = 100
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0

    max_retries: Annotated[int, Field(ge=0, le=1000)] = 3
    retry_delay: Annotated[Duration, _at_most(LONG)] = timedelta(seconds=60)
    retry_backoff: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = 2
    retry_max_delay: Annotated[Duration, _at_most(LONG)] = timedelta(hours=1)
    retry_jitter: Annotated[Duration, _at_most(SHORT)] = timedelta(0)
    until_next_fire: bool = True
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(seconds=300)
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"

    triggers: Annotated[Triggers, Field(validate_default=True)] = ()
    action: Annotated[Action | None, Field(validate_default=True)] = None
    enabled: bool = True
    trace_enabled: bool = True

    @field_validator("schedule_config", mode="before")
    @classmethod
    def _schedule_by_type(cls, config: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("schedule_type")
        if kind is None:
            return ManualSchedule()  # schedule_type is wrong itself, and is reported; no rule can judge the config
        if not isinstance(config, Mapping):
            raise ValueError("expected an object")
        return parse_schedule(kind, config)

    @model_validator(mode="after")
    def _span_is_in_order(self) -> Self:
        start, end = self.starts_at, self.ends_at
        if start and end and end < start:
            raise ValueError("end_at lies before start_at")
        return self

    @field_validator("triggers")
    @classmethod
    def _fires_somehow(cls, triggers: tuple[Trigger, ...], info: ValidationInfo) -> tuple[Trigger, ...]:
        if info.data.get("schedule_type") == "event" and not triggers:
            raise ValueError("an event that fires only on triggers needs at least one")
        return triggers

    @field_validator("action")
    @classmethod
    def _something_to_do(cls, action: Action | None, info: ValidationInfo) -> Action | None:
        kind, triggers = info.data.get("schedule_type"), info.data.get("triggers", ())
        bare = any(t.do != "stop" and t.trigger_actions is None for t in triggers)
        if action is None and (kind != "event" or bare or not triggers):
            raise ValueError("is required, but where the event only fires on triggers that all bring trigger_actions")
        return action

    @property
    def starts_at(self) -> datetime | None:
        """``start_at`` as an instant."""
        return self._instant(self.start_at)

    @property
    def ends_at(self) -> datetime | None:
        """``end_at`` as an instant."""
        return self._instant(self.end_at)

    def _instant(self, value: datetime | None) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return resolve_local(value, self.timezone, self.dst)[0]

    def window(self) -> timedelta:
        """How far back a missed nominal time may still be caught up (docs/time-rules.md, catch-up)."""
        if self.catch_up_window is not None:
            return self.catch_up_window
        every = self.schedule_config.every if isinstance(self.schedule_config, IntervalSchedule) else None
        return CATCH_UP_WINDOW if every is None else min(max(every, MINUTE), CATCH_UP_WINDOW)

    @property
    def past_allowed(self) -> bool:
        """Whether this event says itself that its time may lie in the past."""
        return self.allow_past or (isinstance(self.schedule_config, OnceSchedule) and self.schedule_config.allow_past)


def parse_event(raw: Mapping[str, Any], defaults: EventDefaults) -> ScheduledEvent:
    """The definition in canonical form, with the defaults filled in.

    Raises:
        InvalidDefinition: names every bad field at once.
    """
    data = {name: value for name, value in raw.items() if value is not None or name in ("module_id",)}
    filled = {**_default_fields(defaults), **data}
    event_id = filled.get("event_id")
    filled.setdefault("name", event_id)
    filled.setdefault("schedule_config", {})
    if "action" in filled:
        filled["action"] = with_action_defaults(filled["action"], str(event_id))
    try:
        event = ScheduledEvent.model_validate(filled)
    except ValidationError as error:
        raise InvalidDefinition(problems_of(error, ScheduledEvent)) from None
    return event


def _default_fields(defaults: EventDefaults) -> dict[str, Any]:
    return {
        "timezone": defaults.timezone,
        "misfire_grace": defaults.misfire_grace,
        "catch_up": defaults.catch_up,
        "catch_up_window": defaults.catch_up_window,
        "max_retries": defaults.max_retries,
        "retry_delay": defaults.retry_delay,
        "timeout": defaults.timeout,
        "trace_enabled": defaults.trace_enabled,
    }


def compiled_timing(event: ScheduledEvent, anchor: datetime) -> Timing:
    """The event's timing rule, ready to ask; raises InvalidSchedule."""
    return compile_timing(
        TimingSpec(
            event_id=event.event_id,
            schedule=event.schedule_config,
            timezone=checked_timezone(event.timezone),
            created_at=anchor,
            start_at=event.starts_at,
            end_at=event.ends_at,
            jitter=event.jitter,
            exclude=event.exclude,
            dst=event.dst,
        )
    )


__all__ = [
    "CatchUp", "EventDefaults", "InvalidSchedule", "OverlapPolicy", "ScheduleType", "ScheduledEvent", "compiled_timing",
    "parse_event",
]  # fmt: skip
