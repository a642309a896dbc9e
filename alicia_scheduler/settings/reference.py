"""The page about every setting, made from the models themselves; `docs/settings.md` is its output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from alicia_scheduler.settings.groups import Settings
from alicia_scheduler.settings.layers import PREFIX, KeyPath, group_of

__all__ = ["settings_markdown"]

_HEAD = """# Settings

<!-- Made from alicia_scheduler/settings/groups.py by settings_markdown(); a test keeps it equal. Do not edit. -->

One YAML 1.2 file, `config/scheduler.yaml` unless `--config` or `ALICIA_SCHEDULER_CONFIG` names another, with the
groups below. A value is taken from the first of these that gives one:

1. an option of the command line,
2. the environment variable in the last column (an empty one counts as not set; lists are written
   with commas, lists by name as JSON),
3. the settings file,
4. Alicia's own `MQTT_BROKER`, `MQTT_PORT`, `MQTT_USERNAME`, `MQTT_PASSWORD`,
5. the default.

An unknown or wrong key stops the start; every one is named with its line and the nearest right name. Durations are a
number of seconds, or text with a unit: `90s`, `5m`, `2h`, `1d`, `500ms`. Relative file names stand beside the
settings file (without one: in `config/`), whichever source gives them; only `store.url` is relative to the working
directory. Of `mqtt.password` and `mqtt.password_file`, `http.token` and `http.token_file`, `mqtt.host` and
`mqtt.hosts`, one source may give one, and the stronger source wins. Secrets are shown nowhere: not in logs, messages
or pages.

In the settings file anchors, aliases, merge keys, tags and repeated keys are refused; at most 1 MiB, lines of 64 Ki
characters, 20 levels, 50,000 values.
"""
_TABLE = "| Key | Type | Default | Range | Meaning | Environment |\n|---|---|---|---|---|---|"
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_TYPES = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "text, secret",
    Path: "file name",
    timedelta: "duration",
    tuple: "list of text",
    dict: "lists by name",
}


def settings_markdown() -> str:
    """The reference page: a table per group with key, type, default, range, meaning and environment variable."""
    parts = [_HEAD]
    for name, info in Settings.model_fields.items():
        model = group_of(info)
        assert model is not None
        rows = [_row(path, field) for path, field in _fields(model, (name,))]
        parts.append("\n".join([f"## {name}", "", f"{info.description}", "", _TABLE, *rows, ""]))
    return "\n".join(parts)


def _fields(model: type[BaseModel], above: KeyPath) -> Iterator[tuple[KeyPath, FieldInfo]]:
    for name, info in model.model_fields.items():
        inner = group_of(info)
        if inner:
            yield from _fields(inner, (*above, name))
        else:
            yield (*above, name), info


def _row(path: KeyPath, info: FieldInfo) -> str:
    kind, rules = _unwrapped(info)
    variable = PREFIX + "__".join(path).upper()
    cells = (
        f"`{'.'.join(path[1:])}`",
        _kind(kind),
        f"`{_written(info.default)}`" if info.default is not None else "–",
        _range(rules, kind),
        f"{info.description}",
        f"`{variable}`",
    )
    return f"| {' | '.join(cells)} |"


def _unwrapped(info: FieldInfo) -> tuple[Any, list[Any]]:
    """The type without ``| None`` and the rules it is bound by."""
    kind, rules = info.annotation, list(info.metadata)
    if NoneType in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Annotated:
        kind, *inner = get_args(kind)
        rules += inner
    nested = [rule for outer in rules if isinstance(outer, FieldInfo) for rule in outer.metadata]
    return kind, rules + nested


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    return _TYPES[get_origin(kind) or kind]


def _range(rules: list[Any], kind: Any) -> str:
    least, most = _rule(rules, "ge"), _rule(rules, "le")
    if least is not None and most is not None:
        return f"{_written(least)} – {_written(most)}"
    longest = _rule(rules, "max_length")
    unit = "entries" if get_origin(kind) in (tuple, dict) else "characters"
    return f"{_rule(rules, 'min_length') or 0} – {longest} {unit}" if longest is not None else ""


def _rule(rules: list[Any], name: str) -> Any:
    return next((getattr(rule, name) for rule in rules if hasattr(rule, name)), None)


def _written(value: Any) -> str:
    """The value as one would write it in the settings file."""
    if isinstance(value, timedelta):
        return _written_duration(value)
    if isinstance(value, (str, Path)):
        return str(value)
    return json.dumps(value)


def _written_duration(value: timedelta) -> str:
    milliseconds = value // timedelta(milliseconds=1)
    unit, size = next((unit, size) for unit, size in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}" if milliseconds else "0"
