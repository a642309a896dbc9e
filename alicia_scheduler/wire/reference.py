"""The tables of docs/topics.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from alicia_scheduler.wire.catalogue import BODIES, TOPICS, Body, TopicInfo
from alicia_scheduler.wire.commands import COMMANDS, CommandInfo
from alicia_scheduler.wire.json_schemas import command_schema, event_schema
from alicia_scheduler.wire.topics import EVENT_TYPES

__all__ = ["refreshed_page", "topics_markdown"]

BEGIN = "<!-- generated: begin -->"
END = "<!-- generated: end -->"
_CONTROL = frozenset({"command", "request_id", "reply_to"})


def topics_markdown() -> str:
    """Topics, messages and commands as Markdown tables."""
    heads = ("topic", "way", "QoS", "retained", "durable", "message", "what")
    types = ", ".join(f"`{name}`" for name in EVENT_TYPES)
    parts = [
        "## Topics\n",
        _table(heads, (_topic_row(topic) for topic in TOPICS)),
        f"The event types: {types}.\n",
        "## Messages\n",
        *(_of_body(body) for body in BODIES.values()),
        "## A scheduled event\n",
        _of_event(),
        "## Commands\n",
        *(_of_command(info) for info in COMMANDS),
    ]
    return "\n".join(parts)


def refreshed_page(page: str) -> str:
    """The page with the tables between its marks made anew; what stands around them is written by hand."""
    head, begin, rest = page.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    return f"{head}{begin}\n\n{topics_markdown()}\n{end}{tail}"


def _topic_row(topic: TopicInfo) -> tuple[str, ...]:
    address = topic.address.replace("{", "<").replace("}", ">")
    return (
        f"`{address}`" if topic.absolute else f"`…/{address}`",
        topic.way,
        "any" if topic.way == "in" else str(topic.qos),
        "yes" if topic.retained else "no",
        "yes" if topic.durable else "no",
        f"[{topic.body}](#{topic.body})" if topic.body else "",
        topic.meaning,
    )


def _of_body(body: Body) -> str:
    rows = [(f"`{name}`", field.kind, field.meaning) for name, field in body.fields.items()]
    rows += [(f"`{name}` (not always)", field.kind, field.meaning) for name, field in body.sometimes.items()]
    return f"### {body.name}\n\n{body.meaning}.\n\n{_table(('field', 'type', 'meaning'), rows)}"


def _of_event() -> str:
    schema = event_schema()
    parts = [f"{_one_line(schema['description'])}.\n\n{_fields_table(schema)}"]
    for name, part in sorted(schema["$defs"].items()):
        fields = _fields_table(part) if part.get("properties") else "No fields.\n"
        parts.append(f"### {name}\n\n{_one_line(part['description'])}.\n\n{fields}")
    return "\n".join(parts)


def _fields_table(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = (
        (f"`{name}`", "yes" if name in required else "no", _kind(field), _meaning(field))
        for name, field in schema["properties"].items()
        if name not in _CONTROL
    )
    return _table(("field", "required", "type", "meaning"), rows)


def _of_command(info: CommandInfo) -> str:
    schema = command_schema(info)
    aliases = f" Also called {', '.join(f'`{name}`' for name in info.aliases)}." if info.aliases else ""
    fields = _fields_table(schema) if set(schema["properties"]) - _CONTROL else "No fields.\n"
    return f"### {info.name}\n\n{info.summary[0].upper()}{info.summary[1:]}.{aliases}\n\n{fields}"


def _kind(field: dict[str, Any]) -> str:
    """The type of a field in a word or two."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "object" if name == "ScheduledEvent" else f"[{name}](#{name.lower()})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        kinds = (_kind(kind) for kind in field["anyOf"] if kind.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if field.get("format") == "date-time":
        return "time with offset"
    kind = str(field.get("type", "any JSON"))
    limits = [str(field[key]) for key in ("minimum", "maximum") if key in field]
    return f"{kind} {'–'.join(limits)}" if len(limits) == 2 else kind


def _meaning(field: dict[str, Any]) -> str:
    default = field.get("default")
    shown = f"default `{json.dumps(default)}`" if default not in (None, [], "") else ""
    nested = [kind.get("description") for kind in field.get("anyOf", ())]
    text = field.get("description") or next(filter(None, nested), "")
    if str(field.get("$ref", "")).endswith("/ScheduledEvent"):
        text = "a [scheduled event](#a-scheduled-event)"
    return "; ".join(part for part in (_one_line(text), shown) if part)


def _one_line(text: str) -> str:
    """The first paragraph, as Markdown."""
    return " ".join(text.partition("\n\n")[0].replace("``", "`").split()).rstrip(".")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
