"""The bus interface as an AsyncAPI 3 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

from __future__ import annotations

import json
import re
from typing import Any

from alicia_scheduler.wire.catalogue import TOPICS, TopicInfo
from alicia_scheduler.wire.commands import COMMANDS
from alicia_scheduler.wire.json_schemas import json_schemas
from alicia_scheduler.wire.topics import EVENT_TYPES, Topics

__all__ = ["asyncapi_document"]

Json = dict[str, Any]

_PARAMETERS: dict[str, Json] = {
    "command": {"enum": [info.name for info in COMMANDS]},
    "event_type": {"enum": list(EVENT_TYPES)},
    "event_id": {"description": "the id of a scheduled event"},
    "namespace": {"description": "the namespace of a thrown event"},
    "key": {"description": "the key of a thrown event"},
}


def asyncapi_document(version: str, topics: Topics) -> Json:
    """Channels, operations and messages under the prefix of ``topics``."""
    schemas = {name.replace(".", "_"): schema for name, schema in json_schemas().items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Alicia Scheduler", "version": version, "description": "Scheduled events over MQTT."},
        "defaultContentType": "application/json",
        "channels": {_name(topic): _channel(topic, topics) for topic in TOPICS},
        "operations": {_name(topic): _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {name: {"name": name, "payload": _ref("schemas", name)} for name in schemas if name != "event"},
            "schemas": _hoisted(schemas),
        },
    }


def _channel(topic: TopicInfo, topics: Topics) -> Json:
    parameters = re.findall(r"\{(\w+)\}", topic.address)
    channel: Json = {
        "address": topic.address if topic.absolute else f"{topics.prefix}/{topic.address}",
        "description": topic.meaning,
        "messages": {name: _ref("messages", name) for name in _messages(topic)},
    }
    return {**channel, "parameters": {name: _PARAMETERS[name] for name in parameters}} if parameters else channel


def _operation(topic: TopicInfo) -> Json:
    mqtt = {"qos": topic.qos, "retain": topic.retained}
    return {
        "action": "receive" if topic.way == "in" else "send",
        "channel": {"$ref": f"#/channels/{_name(topic)}"},
        "summary": topic.meaning,
        **({"bindings": {"mqtt": mqtt}} if topic.way == "out" else {}),
    }


def _messages(topic: TopicInfo) -> list[str]:
    if topic.address.startswith("command"):
        return [f"command_{info.name}" for info in COMMANDS]
    if topic.body == "answer":
        return ["message_answer", "message_refusal"]
    return [f"message_{topic.body}"] if topic.body else []


def _hoisted(schemas: dict[str, Json]) -> Json:
    """The schemas with their definitions beside them, since a reference here counts from the top of the document."""
    definitions: Json = {}
    for schema in schemas.values():
        definitions |= schema.pop("$defs", {})
    text = json.dumps({**definitions, **schemas}).replace("#/$defs/", "#/components/schemas/")
    hoisted: Json = json.loads(text)
    return hoisted


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _name(topic: TopicInfo) -> str:
    return re.sub(r"\W+", "_", topic.address).strip("_")
