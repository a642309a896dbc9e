"""Reads a list of instructions: finds each one's model by its ``action``, and names every bad field by its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from alicia_scheduler.core.model.action_kinds import PLAIN_KINDS
from alicia_scheduler.core.model.fields import MAX_JSON_CHARS, json_text
from alicia_scheduler.core.model.problems import nearest
from alicia_scheduler.core.model.strict_config import with_suggestions

MAX_BLOCK = 100
"""Instructions in one list."""

MAX_INSTRUCTIONS = 250
"""Instructions of a program, those of the blocks inside included."""

MAX_DEPTH = 8
"""Blocks inside blocks."""

MAX_RAW_DEPTH = 64
"""Nesting of the JSON, checked before anything walks through it."""

MAX_BRANCHES = 10
"""Branches of one parallel."""

MAX_CHOICES = 100
"""Ways of a choose, ways or values of a random_choice."""

Place = tuple[int | str, ...]


def parsed_block(value: Any, kinds: Mapping[str, type[BaseModel]], plain: type[BaseModel]) -> tuple[BaseModel, ...]:
    """The instructions in a raw list.

    Args:
        kinds: The models by ``action``.
        plain: The model that holds a plain action.

    Raises:
        pydantic.ValidationError: Names every bad field of every instruction.
        ValueError: It is no list, or too long, or too deep.
    """
    if not isinstance(value, (list, tuple)):
        raise ValueError("expected a list of instructions")
    if len(value) > MAX_BLOCK:
        raise ValueError(f"more than {MAX_BLOCK} instructions in one list")
    _check_depth(value)
    found: list[BaseModel] = []
    problems: list[InitErrorDetails] = []
    for place, raw in enumerate(value):
        try:
            found.append(_parsed(raw, kinds, plain))
        except ValidationError as error:
            problems += located(error, (place,))
    _raise_if(problems)
    return tuple(found)


def _parsed(raw: Any, kinds: Mapping[str, type[BaseModel]], plain: type[BaseModel]) -> BaseModel:
    if isinstance(raw, BaseModel):
        return raw
    if not isinstance(raw, Mapping):
        raise complaint((), 'expected an object with an "action"')
    name = raw.get("action")
    if not isinstance(name, str):
        raise complaint(("action",), "is required" if name is None else "expected text")
    if name in PLAIN_KINDS:
        return _plain(name, raw, plain)
    if name not in kinds:
        raise complaint(("action",), _unknown(name, [*kinds, *PLAIN_KINDS]))
    return kinds[name].model_validate(raw)


def _plain(name: str, raw: Mapping[str, Any], plain: type[BaseModel]) -> BaseModel:
    """The plain action in an object that also holds the fields which all instructions share."""
    shared = {key: value for key, value in raw.items() if key in plain.model_fields and key != "act"}
    own = {key: value for key, value in raw.items() if key not in shared}
    model = PLAIN_KINDS[name]
    problems: list[InitErrorDetails] = []
    act: BaseModel | None = None
    try:
        act = model.model_validate({**own, "type": name})
    except ValidationError as error:
        problems += located(with_suggestions(error, [*model.model_fields, *shared_names(plain)]))
    try:
        return _checked(plain.model_validate({**shared, "act": act}), problems)
    except ValidationError as error:
        problems += [detail for detail in located(error) if detail["loc"][:1] != ("act",)]
        raise _error(problems) from None


def _checked(parsed: BaseModel, problems: list[InitErrorDetails]) -> BaseModel:
    _raise_if(problems)
    return parsed


def shared_names(plain: type[BaseModel]) -> list[str]:
    """The fields that an instruction has beside those of its plain action."""
    return [name for name in plain.model_fields if name not in ("act", "action")]


def _unknown(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return (
        f"unknown instruction; did you mean '{close}'?" if close else f"unknown instruction; known: {', '.join(known)}"
    )


def renamed(data: Mapping[str, Any], spellings: Mapping[str, str]) -> dict[str, Any]:
    """The fields under their canonical names; raises ValueError when one is given twice."""
    fields = dict(data)
    for alias, name in spellings.items():
        if alias in fields:
            if name in fields:
                raise ValueError(f"'{alias}' and '{name}' mean the same; give one of them")
            fields[name] = fields.pop(alias)
    return fields


# bounds


def bounded_block(block: Any) -> None:
    """Raises ValueError when the program is empty, too long, too deep or too large."""
    if not block:
        raise ValueError("expected at least one instruction")
    count, depth = _extent(block, 1)
    if count > MAX_INSTRUCTIONS:
        raise ValueError(f"{count} instructions, counting those inside; at most {MAX_INSTRUCTIONS} are possible")
    if depth > MAX_DEPTH:
        raise ValueError(f"blocks are nested {depth} deep; at most {MAX_DEPTH} are possible")
    if len(json_text([instruction.model_dump(mode="json") for instruction in block])) > MAX_JSON_CHARS:
        raise ValueError(f"longer than {MAX_JSON_CHARS} characters as JSON")
    _check_ids(block)


def _extent(block: Iterable[Any], depth: int) -> tuple[int, int]:
    """How many instructions there are, and how deep the deepest stands."""
    count, deepest = 0, depth
    for instruction in block:
        count += 1
        for _, nested in instruction.blocks():
            inner, reached = _extent(nested, depth + 1)
            count, deepest = count + inner, max(deepest, reached)
    return count, deepest


def _check_ids(block: Iterable[Any]) -> None:
    seen: set[str] = set()
    waiting = [block]
    while waiting:
        for instruction in waiting.pop():
            if instruction.id in seen:
                raise ValueError(f"two instructions have the id '{instruction.id}'")
            seen |= {instruction.id} - {None}
            waiting += [nested for _, nested in instruction.blocks()]


def checked_loop_ends(block: Iterable[Any], *, looping: bool = False) -> None:
    """Raises ValueError when something would leave a loop that it is not in."""
    for instruction in block:
        if instruction.action == "terminate" and instruction.scope == "loop" and not looping:
            raise ValueError("terminate with the scope 'loop' stands outside of every repeat")
        for _, nested in instruction.blocks():
            checked_loop_ends(nested, looping=looping or instruction.action == "repeat")


def _check_depth(value: Any) -> None:
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_RAW_DEPTH:
            raise ValueError(f"nested more than {MAX_RAW_DEPTH} deep")
        inner = item.values() if isinstance(item, Mapping) else item if isinstance(item, (list, tuple)) else ()
        waiting += [(nested, depth + 1) for nested in inner]


def checked_throw(fields: Mapping[str, Any]) -> None:
    """Raises pydantic.ValidationError for what could not be thrown."""
    from alicia_scheduler.core.model.throwing import ThrowFields  # it reads triggers, which hold instructions

    try:
        ThrowFields.model_validate(dict(fields))
    except ValidationError as error:
        raise with_suggestions(error, list(ThrowFields.model_fields)) from None


# errors


def located(error: ValidationError, place: Place = ()) -> list[InitErrorDetails]:
    """The problems of an error, ``place`` further in."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(item["type"], "{message}", {"message": item["msg"].removeprefix("Value error, ")}),
            loc=(*place, *item["loc"]),
            input=None,
        )
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def complaint(place: Place, message: str) -> ValidationError:
    """An error with one problem."""
    kind = PydanticCustomError("instruction", "{message}", {"message": message})
    return _error([InitErrorDetails(type=kind, loc=place, input=None)])


def _error(problems: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("instructions", problems)


def _raise_if(problems: list[InitErrorDetails]) -> None:
    if problems:
        raise _error(problems)
