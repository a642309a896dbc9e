"""Triggers: what, besides its timer, makes a scheduled event run, stop or start over (docs/events.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from alicia_scheduler.core.model.durations import Duration
from alicia_scheduler.core.model.fields import EventId, Identifier, TopicFilter, checked_template
from alicia_scheduler.core.model.instructions import InstructionsBlock

KEY_PATTERN = r"^[A-Za-z0-9_.:-]{1,128}$"
MAX_KEYS = 32
MAX_TRIGGERS = 50
LONGEST = timedelta(days=366)

FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True)

Reached = Literal["started", "completed", "failed", "retry", "skipped", "missed", "cancelled"]
"""What an execution can come to; ``failed`` is the end, after the last attempt, also by timeout."""


def as_template(condition: str) -> str:
    """The condition as a template: a bare expression gets its braces.

    >>> as_template("_event.payload.level > 3")
    '{{ _event.payload.level > 3 }}'
    """
    return condition if "{{" in condition or "{%" in condition else "{{ " + condition + " }}"


def _checked_condition(value: str) -> str:
    if not value.strip():
        raise ValueError('expected an expression, such as "_event.payload.level > 3"')
    checked_template(as_template(value))
    return value


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _different(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("a key stands there twice")
    return value


EventKey = Annotated[str, Field(pattern=KEY_PATTERN)]
Keys = Annotated[
    tuple[EventKey, ...], Field(strict=False, min_length=1, max_length=MAX_KEYS), AfterValidator(_different)
]
Within = Annotated[Duration, Field(gt=timedelta(0), le=LONGEST)]


class TriggerActions(BaseModel):
    """What runs in place of the event's own action when this trigger fires."""

    model_config = FROZEN

    instructions_block: InstructionsBlock = Field(description="the instructions, in order")


class _Trigger(BaseModel):
    model_config = FROZEN

    condition: Annotated[str, Field(max_length=4000), AfterValidator(_checked_condition)] | None = Field(
        None, description="an expression that must be true, such as `_event.payload.level > 3`"
    )
    do: Literal["start", "stop", "restart"] = Field("start", description="what to do with the event's executions")
    trigger_actions: TriggerActions | None = Field(None, description="what to run in place of the event's action")

    @cached_property
    def identity(self) -> str:
        """A hash of the definition."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return blake2b(text.encode(), digest_size=8).hexdigest()


class _OnKeys(_Trigger):
    namespace: Identifier | None = Field(None, description="namespace of the keys; left out: the event's own")


class EventTrigger(_OnKeys):
    """Fires on every thrown event with this key."""

    type: Literal["event"] = "event"
    value: EventKey = Field(description="the key")


class AllOfTrigger(_OnKeys):
    """Fires once every key has been thrown, in any order; then it begins anew."""

    type: Literal["all_of"] = "all_of"
    value: Keys = Field(description="the keys")
    within: Within | None = Field(None, description="the longest time from the first to the last of them")


class AnyOfTrigger(_OnKeys):
    """Fires on every thrown event with one of these keys."""

    type: Literal["any_of"] = "any_of"
    value: Keys = Field(description="the keys")


class CountTrigger(_OnKeys):
    """Fires on every so many thrown events with this key."""

    type: Literal["count"] = "count"
    value: EventKey = Field(description="the key")
    count: Annotated[int, Field(ge=1, le=1000)] = Field(description="how many")
    within: Within | None = Field(None, description="only those that came within this time")


class ExecutionTrigger(_Trigger):
    """Fires when an execution of another scheduled event comes to one of these."""

    type: Literal["execution"] = "execution"
    value: EventId = Field(description="the other scheduled event")
    status: Annotated[
        tuple[Reached, ...], BeforeValidator(_several), Field(strict=False, min_length=1, max_length=7)
    ] = Field(
        ("completed",), description="one or several of started, completed, failed, retry, skipped, missed, cancelled"
    )


class MqttTrigger(_Trigger):
    """Fires on every message on the topic; retained ones only if asked for."""

    type: Literal["mqtt"] = "mqtt"
    value: TopicFilter = Field(description="the topic, which may hold + and #")
    retained: bool = Field(False, description="also on messages that the broker kept")


Trigger = EventTrigger | AllOfTrigger | AnyOfTrigger | CountTrigger | ExecutionTrigger | MqttTrigger
TriggerField = Annotated[Trigger, Field(discriminator="type")]
Triggers = Annotated[tuple[TriggerField, ...], Field(strict=False, max_length=MAX_TRIGGERS)]


def trigger_id(trigger: Trigger) -> str:
    """The name of a trigger within its event: the same as long as its definition is."""
    return trigger.identity


def keys_of(trigger: Trigger) -> Sequence[str]:
    """The keys of thrown events that a trigger waits for."""
    match trigger:
        case EventTrigger() | CountTrigger():
            return (trigger.value,)
        case AllOfTrigger() | AnyOfTrigger():
            return trigger.value
        case _:
            return ()


def namespace_of(trigger: Trigger, own: str) -> str:
    """The namespace of a trigger's keys, in an event of the namespace ``own``."""
    namespace: Any = getattr(trigger, "namespace", None)
    return namespace or own
