"""JSON Schemas of events, commands and messages, made from the models that read and the tables that describe them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from alicia_scheduler.core.model.durations import duration_seconds
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.wire.catalogue import BODIES, Body, FieldInfo
from alicia_scheduler.wire.commands import COMMANDS, CommandInfo

__all__ = ["body_schema", "command_schema", "event_schema", "json_schemas"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]

_KINDS: dict[str, Json] = {
    "any": {},
    "time": {"type": "number", "description": "epoch seconds"},
    "iso": {"type": "string", "format": "date-time"},
}


_MADE_UP = frozenset({"event_id", "name", "schedule_config"})
"""Required inside, made up when somebody leaves them out."""

_CONTROL_FIELDS: Json = {
    "request_id": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 128}, {"type": "integer"}]},
    "reply_to": {"type": "string", "description": "topic for the answer where there is no MQTT 5 Response Topic"},
}


class _Schema(GenerateJsonSchema):
    """Durations are written as seconds, in defaults too."""

    def encode_default(self, dft: Any) -> Any:
        return duration_seconds(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def event_schema() -> Json:
    """JSON Schema of a scheduled event as one writes it, in the canonical spelling."""
    schema = ScheduledEvent.model_json_schema(by_alias=True, schema_generator=_Schema)
    schema["required"] = [name for name in schema["required"] if name not in _MADE_UP]
    return {"$schema": DRAFT, **schema}


def command_schema(info: CommandInfo) -> Json:
    """JSON Schema of one command as it stands on ``…/command``."""
    schema = info.model.model_json_schema(by_alias=True, schema_generator=_Schema)
    fields = schema.get("properties", {})
    if "event" in fields:
        event = event_schema()
        schema["$defs"] = {**schema.get("$defs", {}), **event.pop("$defs"), "ScheduledEvent": event}
        fields["event"] = {"$ref": "#/$defs/ScheduledEvent"}
    schema["properties"] = {"command": {"enum": [info.name, *info.aliases]}, **_CONTROL_FIELDS, **fields}
    schema["required"] = ["command", *schema.get("required", [])]
    return {"$schema": DRAFT, **schema, "title": info.name, "description": info.summary}


def body_schema(body: Body) -> Json:
    """JSON Schema of an object that the service publishes."""
    fields = {**body.fields, **body.sometimes}
    return {
        "$schema": DRAFT,
        "title": body.name,
        "description": body.meaning,
        "type": "object",
        "properties": {name: _field_schema(field) for name, field in fields.items()},
        "required": list(body.fields),
    }


def json_schemas() -> dict[str, Json]:
    """Every schema by name: ``event``, ``command.<name>`` and ``message.<name>``."""
    return {
        "event": event_schema(),
        **{f"command.{info.name}": command_schema(info) for info in COMMANDS},
        **{f"message.{body.name}": body_schema(body) for body in BODIES.values()},
    }


def _field_schema(field: FieldInfo) -> Json:
    kinds = [_KINDS.get(kind, {"type": kind}) for kind in field.kind.split("|")]
    schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {**schema, "description": field.meaning} if field.meaning else schema
