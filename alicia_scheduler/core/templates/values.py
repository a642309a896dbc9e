"""Plain JSON data inside a template: what kind it is, what it costs to walk, how it reads as text."""

from __future__ import annotations

import json
import math
from typing import Any

from jinja2 import StrictUndefined, UndefinedError
from jinja2.runtime import Undefined

from alicia_scheduler.core.templates.limits import CHARS_PER_STEP, Meter, TemplateError, checked_length

MAX_INT = 2**63
MAX_NUMBER_CHARS = 64
ENCODING_STEPS = 8

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def kind(value: Any) -> str:
    """The word for the value's type; raises for an undefined one and for what is not JSON."""
    match value:
        case str():
            return "text"
        case bool():
            return "true/false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "an object"
        case None:
            return "none"
        case Undefined():
            raise TemplateError(undefined_reason(value))
        case _:
            raise TemplateError(f"{type(value).__name__} is not a JSON value")


def undefined_reason(value: Undefined) -> str:
    """Why the value is undefined, in Jinja's words."""
    try:
        str(value)
    except UndefinedError as error:
        return str(error)
    return "the value is undefined"


def missing(reason: str) -> Undefined:
    """An undefined value that ``default`` can replace and that fails with the reason anywhere else."""
    return StrictUndefined(hint=reason)


def number(value: Any) -> int | float:
    """The value itself, if it is a finite number of sensible size."""
    if isinstance(value, int):
        if abs(value) > MAX_INT:
            raise TemplateError("a whole number is larger than 2**63")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TemplateError("a number is infinite or not a number")
        return value
    raise TemplateError(f"expected a number, got {kind(value)}")


def whole(value: Any) -> int:
    """The value itself, if it is a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(number(value))
    raise TemplateError(f"expected a whole number, got {kind(value)}")


def sequence(meter: Meter, value: Any) -> list[Any]:
    """The list itself, or the keys of an object."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        meter.spend(len(value))
        return list(value)
    raise TemplateError(f"expected a list, got {kind(value)}")


def string(value: Any) -> str:
    """The value itself, if it is text."""
    if isinstance(value, str):
        return value
    raise TemplateError(f"expected text, got {kind(value)}")


def measure(meter: Meter, value: Any) -> int:
    """The value's length in characters, about as JSON; pays for a walk through it.

    A list that holds the same list twice counts it twice, so doubling runs out of steps instead of memory.
    """
    chars = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            size = len(item) + 2
        elif isinstance(item, (list, dict)):
            size = 2 * len(item) + 2
            meter.spend(len(item) + 1)
            waiting.extend(_parts(item))
        else:
            size = 4 if item is None else len(str(number(item)))
        meter.spend_text(size + CHARS_PER_STEP)
        chars += size
    return chars


def _parts(container: list[Any] | dict[Any, Any]) -> list[Any]:
    if isinstance(container, list):
        return container
    for key in container:
        if not isinstance(key, str):
            raise TemplateError(f"the keys of an object must be text, got {kind(key)}")
    return [*container, *container.values()]


def json_text(meter: Meter, value: Any) -> str:
    """The value as JSON text."""
    meter.spend(ENCODING_STEPS)
    checked_length(measure(meter, value))
    return _encoder.encode(value)


def text_of(meter: Meter, value: Any) -> str:
    """The value as it stands in a text: numbers and words as Jinja writes them, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return json_text(meter, value)
    if value is None:
        return "None"
    return str(number(value))


def copied(value: Any) -> Any:
    """A copy that shares no list or object with the value."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def bounded(meter: Meter, value: Any) -> Any:
    """The value itself, if it is one that a step of a template may hand on."""
    if isinstance(value, str):
        checked_length(len(value))
        meter.spend_text(len(value))
    elif isinstance(value, (int, float)):
        number(value)
    elif isinstance(value, (list, dict)):
        meter.spend(len(value))
    return value
