"""Turns a validation error into one list that names every bad field, what was expected, and the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from alicia_scheduler.errors import FieldProblem, SchedulerError

MAX_PROBLEMS = 50
_PLAIN_EXTRA = "Extra inputs are not permitted"
"""Pydantic's own words; a model that knows better says it itself."""

_EXPECTED = {
    "missing": "is required",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected an object",
    "mapping_type": "expected an object",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
}


class InvalidDefinition(SchedulerError):
    """A definition is wrong; ``problems`` names every bad field."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = tuple(problems)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that the given one was probably meant to be.

    >>> nearest("shedule_type", ["schedule_type", "state"])
    'schedule_type'
    """
    found = difflib.get_close_matches(name.lower()[:64], known, n=1, cutoff=0.6)
    return found[0] if found else None


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> tuple[FieldProblem, ...]:
    """Every problem of a validation error, with dotted paths below ``prefix``; at most MAX_PROBLEMS."""
    found: dict[tuple[str, str], FieldProblem] = {}
    for item in error.errors(include_url=False, include_input=False)[:MAX_PROBLEMS]:
        problem = _problem(item, model, prefix)
        found.setdefault((problem.field, problem.message), problem)
    return tuple(found.values())


def _problem(item: Mapping[str, Any], model: type[BaseModel], prefix: str) -> FieldProblem:
    location = [part for part in item["loc"][:-1] if not _is_tag(part)]
    if item["loc"] and (item["type"] == "extra_forbidden" or not _is_tag(item["loc"][-1])):
        location.append(item["loc"][-1])
    path = _path([*([prefix] if prefix else []), *location])
    if item["type"] == "extra_forbidden" and item["msg"] == _PLAIN_EXTRA:
        return FieldProblem(path, _unknown(str(location[-1]), _fields_at(model, location[:-1])))
    return FieldProblem(path or "(whole)", _message(item))


def _path(location: Sequence[object]) -> str:
    """The place as people write it.

    >>> _path(["action", "instructions_block", 2, "then", 0, "var_name"])
    'action.instructions_block[2].then[0].var_name'
    """
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return joined.removeprefix(".")


def _message(item: Mapping[str, Any]) -> str:
    known = _EXPECTED.get(item["type"])
    if known:
        return known
    return str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")


def _is_tag(part: object) -> bool:
    """Whether pydantic put the part there itself, to tell the members of a union apart."""
    return isinstance(part, str) and (part.endswith("]") or part[:1].isupper() or part.startswith("function-"))


def _unknown(name: str, known: Sequence[str]) -> str:
    close = nearest(name, known)
    if close:
        return f"unknown field; did you mean '{close}'?"
    return f"unknown field; known are {', '.join(sorted(known)[:40])}" if known else "unknown field"


def _fields_at(model: type[BaseModel], location: Sequence[object]) -> list[str]:
    models: list[type[BaseModel]] = [model]
    for part in location:
        models = [m for parent in models for m in _models_of(parent, part)]
    return [name for m in models for name in m.model_fields]


def _models_of(parent: type[BaseModel], part: object) -> list[type[BaseModel]]:
    if isinstance(part, int):
        return [parent]
    field = parent.model_fields.get(str(part))
    return _models_in(field.annotation) if field else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple, list):
        return [m for argument in get_args(annotation) for m in _models_in(argument)]
    return []
