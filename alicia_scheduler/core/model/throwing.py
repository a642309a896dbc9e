"""The properties of an event that somebody throws, in every spelling (docs/events.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from alicia_scheduler.core.commands import ThrowEvent
from alicia_scheduler.core.model.durations import Duration
from alicia_scheduler.core.model.fields import Identifier, Text, json_text
from alicia_scheduler.core.model.instants import LocalOrInstant
from alicia_scheduler.core.model.problems import InvalidDefinition, problems_of
from alicia_scheduler.core.model.trigger import FROZEN, EventKey
from alicia_scheduler.core.thrown.model import Scope

LONGEST = timedelta(days=366)


def _plain(value: Any) -> Any:
    json_text(value)
    return value


PlainJson = Annotated[Any, AfterValidator(_plain)]
"""Any JSON value. It is data: a template in it is never rendered."""


class ThrowFields(BaseModel):
    """What somebody throws."""

    model_config = FROZEN

    key: EventKey = Field(description="what happened; triggers and listeners know it by this")
    namespace: Identifier = Field(
        "default", description="keys of different namespaces have nothing to do with each other"
    )
    scope: Scope | None = Field(
        None, description="left out: `dest` with a `dest_id`, `group` with a `group_id`, else `global`"
    )
    dest_id: Identifier | None = Field(None, description="the destination, for the scope `dest`")
    group_id: Identifier | None = Field(
        None, description="a group of the setting `events.groups`, for the scope `group`"
    )
    ttl: Annotated[Duration, Field(gt=timedelta(0), le=LONGEST)] | None = Field(
        None, description="how long it stays active; left out: the setting `events.default_ttl`"
    )
    delay: Annotated[Duration, Field(le=LONGEST)] | None = Field(None, description="active only after this time")
    future_time: LocalOrInstant | None = Field(None, description="active only from this time on; instead of `delay`")
    payload: PlainJson = Field(None, description="any JSON; executions see it as `_event.payload`, as data")
    value: PlainJson = Field(None, description="any JSON, usually a text; executions see it as `_event.value`")
    sender: Annotated[Text, Field(min_length=1, max_length=128)] | None = Field(None, description="who throws it")
    display_name: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        None, description="a name for people"
    )
    single_consumer: bool = Field(False, description="true: only the first trigger or program that takes it gets it")

    @model_validator(mode="before")
    @classmethod
    def _old_spellings(cls, data: Any) -> Any:
        return canonical_throw(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.delay is not None and self.future_time is not None:
            raise ValueError("give delay or future_time, not both")
        if self.dest_id is not None and self.group_id is not None:
            raise ValueError("give dest_id or group_id, not both")
        scope = self.resolved_scope()
        if scope == "dest" and self.dest_id is None:
            raise ValueError("the scope dest needs a dest_id")
        if scope == "group" and self.group_id is None:
            raise ValueError("the scope group needs a group_id")
        if (self.dest_id is not None and scope != "dest") or (self.group_id is not None and scope != "group"):
            raise ValueError(f"the scope {scope} takes no {'dest_id' if self.dest_id is not None else 'group_id'}")
        return self

    def resolved_scope(self) -> Scope:
        """The scope, or what follows from the other fields."""
        if self.scope is not None:
            return self.scope
        return "dest" if self.dest_id is not None else "group" if self.group_id is not None else "global"

    def throw(self) -> ThrowEvent:
        """The typed command."""
        return ThrowEvent(**{**dict(self), "scope": self.resolved_scope()})


def canonical_throw(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the old spellings made new: ``event`` for ``key``, ``scope: "dest:<id>"`` and ``"group:<id>"``.

    >>> canonical_throw({"event": "rain", "scope": "dest:garden"})
    {'scope': 'dest', 'key': 'rain', 'dest_id': 'garden'}
    """
    read = dict(fields)
    if "event" in read and "key" not in read:
        read["key"] = read.pop("event")
    kind, mark, name = read["scope"].partition(":") if isinstance(read.get("scope"), str) else ("", "", "")
    if mark and kind in ("dest", "group") and f"{kind}_id" not in read:
        read["scope"], read[f"{kind}_id"] = kind, name
    return read


def parse_throw(raw: Mapping[str, Any], namespace: str = "default") -> ThrowEvent:
    """The typed command in raw fields; ``namespace`` is for those that name none.

    Raises:
        InvalidDefinition: Names every bad field.
    """
    given = {name: value for name, value in raw.items() if value is not None or name in ("payload", "value")}
    try:
        return ThrowFields.model_validate({"namespace": namespace, **given}).throw()
    except ValidationError as error:
        raise InvalidDefinition(problems_of(error, ThrowFields)) from None
