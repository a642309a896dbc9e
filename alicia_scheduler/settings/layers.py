"""The sources of settings, each as one layer: what it gives, and where each value was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from alicia_scheduler.adapters.files.yaml_reader import Document, read_yaml_file
from alicia_scheduler.settings.groups import Settings

__all__ = [
    "PREFIX", "KeyPath", "Layer", "alicia_layer", "environment_layer", "file_layer", "group_of", "override_layer",
]  # fmt: skip

KeyPath = tuple[str, ...]
"""Group, key and, for a nested group, the key within."""

PREFIX = "ALICIA_SCHEDULER_"
_ALICIA_VARIABLES: Mapping[str, KeyPath] = {
    "MQTT_BROKER": ("mqtt", "host"),
    "MQTT_PORT": ("mqtt", "port"),
    "MQTT_USERNAME": ("mqtt", "username"),
    "MQTT_PASSWORD": ("mqtt", "password"),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source gives.

    Args:
        values: Nested as in the settings file.
        where: Says, for a path, where the operator wrote it: ``file:line:column``, a variable, an option.
        typed: Whether a value must have the right type already; text from the environment is parsed.
    """

    values: dict[str, Any]
    where: Callable[[KeyPath], str]
    typed: bool = False
    file: Path | None = None


def file_layer(path: Path) -> tuple[Layer, list[str]]:
    """The settings file and what is wrong with its outline; raises YamlProblem when it is not readable YAML."""
    document = read_yaml_file(path)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        problem = f"{_in_file(document)(())}: expected groups such as mqtt: and store:"
        return Layer({}, _in_file(document), file=path), [problem]
    return Layer(data, _in_file(document), typed=True, file=path), []


def _in_file(document: Document) -> Callable[[KeyPath], str]:
    def where(path: KeyPath) -> str:
        line, column = document.position_of(path)
        return f"{document.name}:{line}:{column}"

    return where


def environment_layer(environ: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """``ALICIA_SCHEDULER_GROUP__KEY`` variables; an empty one counts as not set."""
    given: dict[KeyPath, Any] = {}
    names: dict[KeyPath, str] = {}
    problems: list[str] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and environ[name]):
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if len(path) > 1:
            given[path] = _value_of_text(path, environ[name])
            names[path] = name
        elif wanted := _missing_underscore(path[0]):
            problems.append(f"{name}: did you mean {wanted} (two underscores after the group)?")
    values, collisions = _nested(given, names.__getitem__)
    return Layer(values, lambda path: _variable_given(path, names)), problems + collisions


def _variable_given(path: KeyPath, names: Mapping[KeyPath, str]) -> str:
    """The variable that gave the value at the path, or the first one that gave something below it."""
    below = (name for given, name in names.items() if given[: len(path)] == path)
    return names.get(path) or next(below, _variable_of(path))


def _missing_underscore(name: str) -> str | None:
    """The variable that a name with single underscores was meant to be; None for names of other programs."""
    for group, info in Settings.model_fields.items():
        model = group_of(info)
        if name.startswith(f"{group}_") and model and name.removeprefix(f"{group}_") in model.model_fields:
            return _variable_of((group, name.removeprefix(f"{group}_")))
    return None


def _variable_of(path: KeyPath) -> str:
    return PREFIX + "__".join(path).upper()


def alicia_layer(environ: Mapping[str, str], taken: Set[str]) -> Layer:
    """Alicia's own variables, for what no other source gives; `taken` are the keys of ``mqtt`` that one gives."""
    if "hosts" in taken:
        taken = {*taken, "host", "port"}
    if "password_file" in taken:
        taken = {*taken, "password"}
    chosen = {path: name for name, path in _ALICIA_VARIABLES.items() if environ.get(name) and path[1] not in taken}
    values, _ = _nested({path: environ[name] for path, name in chosen.items()}, _variable_of)
    return Layer(values, lambda path: chosen.get(path, "MQTT_*"))


def override_layer(overrides: Mapping[str, Any]) -> tuple[Layer, list[str]]:
    """Options of the command line: ``{"mqtt.host": "x"}`` or nested; None means not given."""
    given: dict[KeyPath, Any] = {}
    _flatten(overrides, (), given)
    values, problems = _nested(given, _option_of)
    return Layer(values, _option_of), problems


def _flatten(overrides: Mapping[str, Any], above: KeyPath, given: dict[KeyPath, Any]) -> None:
    for name, value in overrides.items():
        path = (*above, *name.split("."))
        if isinstance(value, Mapping):
            _flatten(value, path, given)
        elif value is not None:
            given[path] = _value_of_text(path, value) if isinstance(value, str) else value


def _option_of(path: KeyPath) -> str:
    return f"option {'.'.join(path)}"


def _nested(given: Mapping[KeyPath, Any], name: Callable[[KeyPath], str]) -> tuple[dict[str, Any], list[str]]:
    """Nested mappings, and a problem for every value that stands where others need a group."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for path in sorted(given):
        place: Any = values
        for part in path[:-1]:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place
        if isinstance(place, dict):
            place[path[-1]] = given[path]
        else:
            problems.append(f"{name(path)}: its group is given as a plain value too")
    return values, problems


def _value_of_text(path: KeyPath, text: str) -> Any:
    """The text itself, or a list where the setting is one (commas between, or JSON), or an object as JSON."""
    info = _field_at(path)
    if info is None or "tuple[" not in str(info.annotation):
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    if str(info.annotation).startswith("dict["):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _field_at(path: KeyPath) -> FieldInfo | None:
    model: type[BaseModel] | None = Settings
    info: FieldInfo | None = None
    for part in path:
        info = model.model_fields.get(part) if model else None
        model = group_of(info) if info else None
    return info


def group_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a group itself."""
    annotation = info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
