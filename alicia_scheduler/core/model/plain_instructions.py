"""Instructions that hold no others; what they all share stands in ``PlainInstruction``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from alicia_scheduler.core.model.condition import Condition
from alicia_scheduler.core.model.durations import Duration
from alicia_scheduler.core.model.fields import Identifier, JsonValue
from alicia_scheduler.core.model.instruction_fields import LONGEST_WAIT, Name, TemplateOrDuration
from alicia_scheduler.core.model.instruction_parsing import checked_throw, renamed
from alicia_scheduler.core.model.strict_config import StrictConfig
from alicia_scheduler.core.templates import contains_template

if TYPE_CHECKING:
    from alicia_scheduler.core.model.instructions import Block


class PlainInstruction(StrictConfig):
    """What all instructions share.

    Attributes:
        id: Later templates find the outcome under it: ``steps.<id>.output``.
        on_error: ``continue`` goes on behind an instruction that failed.
    """

    spellings: ClassVar[Mapping[str, str]] = {}

    id: Name | None = None
    on_error: Literal["fail", "continue"] = "fail"

    @model_validator(mode="before")
    @classmethod
    def _read_spellings(cls, data: Any) -> Any:
        return renamed(data, cls.spellings) if isinstance(data, Mapping) else data

    @model_serializer(mode="wrap")
    def _canonical_form(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is left out, and under the names that people write (``else`` is no name in Python)."""
        fields = {name.removesuffix("_"): value for name, value in handler(self).items() if value is not None}
        if fields["on_error"] == "fail":
            del fields["on_error"]
        return {"action": fields.pop("action"), **self._flattened(fields)}

    def _flattened(self, fields: dict[str, Any]) -> dict[str, Any]:
        return fields

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """The blocks inside, each with its path from here."""
        yield from ()


class SetVar(PlainInstruction):
    """Sets a variable of the destination."""

    spellings: ClassVar = {"var": "var_name"}

    action: Literal["set_var"] = "set_var"
    var_name: Name
    value: JsonValue

    @model_validator(mode="before")
    @classmethod
    def _seed_spelling(cls, data: Any) -> Any:
        """Reads ``input: {"value": …}`` as ``value``."""
        inner = data.get("input") if isinstance(data, Mapping) else None
        if not isinstance(inner, Mapping) or set(inner) != {"value"}:
            return data
        if "value" in data:
            raise ValueError("'input' and 'value' mean the same; give one of them")
        return {**{name: value for name, value in data.items() if name != "input"}, "value": inner["value"]}

    def _flattened(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"value": None, **fields}


class Log(PlainInstruction):
    """Writes a line into the service's log, and into the trace."""

    action: Literal["log"] = "log"
    message: JsonValue
    level: Literal["debug", "info", "warning", "error"] = "info"


class ThrowEvent(PlainInstruction):
    """Throws an event, with the properties of the command ``throw_event``; every one may be a template."""

    spellings: ClassVar = {"event": "key"}

    action: Literal["throw_event"] = "throw_event"
    key: JsonValue
    namespace: JsonValue = None
    scope: JsonValue = None
    dest_id: JsonValue = None
    group_id: JsonValue = None
    ttl: JsonValue = None
    delay: JsonValue = None
    future_time: JsonValue = None
    payload: JsonValue = None
    value: JsonValue = None
    sender: JsonValue = None
    display_name: JsonValue = None
    single_consumer: JsonValue = None

    @model_validator(mode="after")
    def _plain_fields_are_right(self) -> Self:
        if not contains_template(self.thrown_fields()):
            checked_throw(self.thrown_fields())
        return self

    def thrown_fields(self) -> dict[str, Any]:
        """The properties that were given."""
        every = {
            name: getattr(self, name) for name in ThrowEvent.model_fields if name not in PlainInstruction.model_fields
        }
        return {name: value for name, value in every.items() if value is not None and name != "action"}


class Wait(PlainInstruction):
    """Goes on after a time, which a restart of the service does not begin anew."""

    spellings: ClassVar = {"seconds": "duration", "delay": "duration"}

    action: Literal["wait"] = "wait"
    duration: TemplateOrDuration


class WaitForEvent(PlainInstruction):
    """Goes on when an event is thrown; its output is that event.

    Attributes:
        since: ``start`` also takes one that was thrown while the execution was busy before, each only once.
    """

    spellings: ClassVar = {"event": "key"}

    action: Literal["wait_for_event"] = "wait_for_event"
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
    namespace: Identifier | None = None
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=LONGEST_WAIT)] = timedelta(days=1)
    condition: Condition | None = None
    since: Literal["now", "start"] = "now"
    on_timeout: Literal["fail", "continue"] = "fail"


class Stop(PlainInstruction):
    """Ends the execution: completed with ``result``, or with ``error`` failed for good."""

    action: Literal["stop"] = "stop"
    reason: JsonValue = None
    result: JsonValue = None
    error: bool = False


class Terminate(PlainInstruction):
    """Leaves the block it stands in, the innermost ``repeat``, or everything."""

    action: Literal["terminate"] = "terminate"
    scope: Literal["execution", "loop", "block"] = "execution"
    reason: JsonValue = None
