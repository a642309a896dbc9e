"""The registry of plain actions: those that do one thing. A new kind is one more member of ``PlainAction``.

Every member stands as an event's ``action`` (by its ``type``) and as an instruction (by its ``action``).
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from alicia_scheduler.core.model.mqtt_publish import MqttPublish

PlainAction = MqttPublish
"""Every kind of plain action this version runs: a union once there are more."""

PLAIN_KINDS: dict[str, type[BaseModel]] = {
    kind.model_fields["type"].default: kind for kind in get_args(PlainAction) or (PlainAction,)
}
"""The model of each kind by its ``type``."""


def parse_plain(raw: Any, *, strict: bool = True) -> PlainAction:
    """The plain action in the raw object; raises pydantic.ValidationError, and KeyError for an unknown ``type``."""
    kind = PLAIN_KINDS[raw["type"]]
    parsed: PlainAction = kind.model_validate(raw, strict=strict)  # type: ignore[assignment]
    return parsed
