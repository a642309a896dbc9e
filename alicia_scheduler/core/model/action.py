"""What an execution does: a plain action (``action_kinds`` holds their registry), or a list of instructions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, SerializeAsAny, WrapValidator

from alicia_scheduler.core.model.action_kinds import PLAIN_KINDS, PlainAction
from alicia_scheduler.core.model.instruction_parsing import complaint
from alicia_scheduler.core.model.instructions import Act, Instructions, every_instruction
from alicia_scheduler.core.model.mqtt_publish import Expectation, MqttPublish
from alicia_scheduler.core.model.problems import nearest

ACTION_KINDS: dict[str, type[BaseModel]] = {**PLAIN_KINDS, "instructions": Instructions}
"""The model of every action by its ``type``."""

ACTION_TYPES = tuple(ACTION_KINDS)


def _by_type(raw: Any, handler: Any) -> Any:
    """The action of the model that its ``type`` names, so that a complaint is about that one and no other."""
    if isinstance(raw, BaseModel):
        return raw
    if not isinstance(raw, Mapping):
        raise ValueError("expected an object")
    name = raw.get("type", "mqtt_publish")
    kind = ACTION_KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        close = nearest(name, ACTION_TYPES) if isinstance(name, str) else None
        hint = f"did you mean '{close}'?" if close else f"known are {', '.join(ACTION_TYPES)}"
        raise complaint(("type",), f"unknown type; {hint}")
    return kind.model_validate(raw)


Action = Annotated[SerializeAsAny[PlainAction | Instructions], WrapValidator(_by_type)]
"""Every action kind this version runs."""


def with_action_defaults(raw: Any, event_id: str) -> Any:
    """The raw action with ``type`` and ``topic`` filled in; anything but an object is returned as it is."""
    if not isinstance(raw, dict):
        return raw
    filled = {"type": "mqtt_publish", **raw}
    if filled["type"] == "mqtt_publish":
        filled.setdefault("topic", f"alicia/event/{event_id}")
    return filled


def plain_actions(action: PlainAction | Instructions | None) -> Iterator[tuple[str, PlainAction]]:
    """The action itself, or those among its instructions, each with its path below the action."""
    if isinstance(action, Instructions):
        for path, instruction in every_instruction(action.instructions_block):
            if isinstance(instruction, Act):
                yield f"instructions_block{path}", instruction.act
    elif action is not None:
        yield "", action


__all__ = [
    "ACTION_TYPES", "Action", "Expectation", "Instructions", "MqttPublish", "plain_actions", "with_action_defaults",
]  # fmt: skip
