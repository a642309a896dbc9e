"""A validation error in the operator's words: where it was written, what was expected, the nearest right name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from alicia_scheduler.core.model.problems import nearest
from alicia_scheduler.settings.groups import Settings
from alicia_scheduler.settings.layers import KeyPath, Layer, group_of

__all__ = ["complaints_of"]

_EXPECTED: Mapping[str, str] = {
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "string_type": "expected text; a number that is meant as text stands in quotes",
    "tuple_type": "expected a list",
    "is_instance_of": "expected a file name",
    "path_type": "expected a file name",
    "model_type": "expected a group of settings",
    "finite_number": "expected a finite number",
}


def complaints_of(error: ValidationError, layer: Layer) -> list[str]:
    """One line per wrong or unknown key of the layer; none repeats a value."""
    lines = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path: KeyPath = tuple(part for part in item["loc"] if isinstance(part, str))
        lines.append(f"{layer.where(path)}: {'.'.join(path)}: {_message(item, path)}")
    return lines


def _message(item: Mapping[str, Any], path: KeyPath) -> str:
    if item["type"] == "extra_forbidden":
        return _unknown(path)
    text = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")
    return _EXPECTED.get(item["type"], text)


def _unknown(path: KeyPath) -> str:
    """What to say of a key that does not exist; a key that exists in another group is shown with its group."""
    siblings = list(_model_at(path[:-1]).model_fields)
    close = nearest(path[-1], siblings)
    if close is None:
        close = _elsewhere(path[-1])
    if close:
        return f"unknown setting; did you mean '{close}'?"
    return f"unknown setting; known here are {', '.join(sorted(siblings))}"


def _model_at(path: Sequence[str]) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for part in path:
        model = group_of(model.model_fields[part]) or model
    return model


def _elsewhere(name: str) -> str | None:
    return next((".".join(path) for path in _key_paths(Settings, ()) if path[-1] == name), None)


def _key_paths(model: type[BaseModel], above: KeyPath) -> Iterator[KeyPath]:
    for name, info in model.model_fields.items():
        inner = group_of(info)
        if inner:
            yield from _key_paths(inner, (*above, name))
        else:
            yield (*above, name)
