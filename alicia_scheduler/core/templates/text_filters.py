"""Filters for texts and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jinja2.runtime import Undefined

from alicia_scheduler.core.templates.limits import Meter, TemplateError, checked_length
from alicia_scheduler.core.templates.times import format_time, iso
from alicia_scheduler.core.templates.values import MAX_NUMBER_CHARS, json_text, kind, number, string, text_of, whole

MAX_DIGITS = 15
FAILURE_STEPS = 12
MAX_TRIMMED_CHARS = 16
CHANGED_CHARS_PER_STEP = 8
_unset: Any = object()


def tojson(meter: Meter, value: Any) -> str:
    """The value as JSON text."""
    return json_text(meter, value)


def default(meter: Meter, value: Any, default_value: Any = "", boolean: Any = False) -> Any:
    """The default where the value is undefined, or, with ``boolean``, where it is empty."""
    if isinstance(value, Undefined) or (boolean and not value):
        return default_value
    return value


def _in_words(change: Callable[[str], str]) -> Callable[[Meter, Any], str]:
    def changed(meter: Meter, value: Any) -> str:
        text = text_of(meter, value)
        meter.spend(len(text) // CHANGED_CHARS_PER_STEP)
        return change(text)

    return changed


def replace(meter: Meter, value: Any, old: Any, new: Any, count: Any = -1) -> str:
    """The text with ``old`` replaced by ``new``; an empty ``old`` is refused."""
    text = text_of(meter, value)
    if not string(old):
        raise TemplateError("replace: the text to look for is empty")
    found = text.count(old)
    times = found if whole(count) < 0 else min(found, count)
    meter.spend_text(len(text) + checked_length(len(text) + times * (len(text_of(meter, new)) - len(old))))
    return text.replace(old, text_of(meter, new), times)


def trim(meter: Meter, value: Any, chars: Any = None) -> str:
    """The text without the characters (white space, if none are named) at both ends."""
    text = text_of(meter, value)
    if chars is not None and len(string(chars)) > MAX_TRIMMED_CHARS:
        raise TemplateError(f"trim: more than {MAX_TRIMMED_CHARS} characters to look for")
    meter.spend(len(text) // CHANGED_CHARS_PER_STEP)
    return text.strip(chars)


def split(meter: Meter, value: Any, separator: Any = None) -> list[str]:
    """The parts of the text between separators, or between white space."""
    text = string(value)
    if separator == "":
        raise TemplateError("split: the separator is empty")
    meter.spend(len(text) // 2)
    return text.split(None if separator is None else string(separator))


def to_text(meter: Meter, value: Any) -> str:
    """The value as text."""
    return text_of(meter, value)


def to_int(meter: Meter, value: Any, default: Any = _unset, base: Any = 10) -> Any:
    """The value as a whole number, cut towards zero; without a default, text that is no number is an error."""
    try:
        if isinstance(value, str) and whole(base) != 10:
            return int(_short(value), base)
        return int(_read(value))
    except ValueError:
        return _otherwise(meter, value, default, "a whole number")


def to_float(meter: Meter, value: Any, default: Any = _unset) -> Any:
    """The value as a number with a fraction; without a default, text that is no number is an error."""
    try:
        return float(_read(value))
    except ValueError:
        return _otherwise(meter, value, default, "a number")


def _read(value: Any) -> int | float:
    if not isinstance(value, str):
        return number(value)
    text = _short(value)
    try:
        return int(text)
    except ValueError:
        return number(float(text))


def _short(text: str) -> str:
    if len(text) > MAX_NUMBER_CHARS:
        raise ValueError("too long for a number")
    return text


def _otherwise(meter: Meter, value: Any, default: Any, expected: str) -> Any:
    """The default; an undefined value fails even so, as only ``default`` forgives it."""
    meter.spend(FAILURE_STEPS)
    found = kind(value)
    if default is _unset:
        raise TemplateError(f"expected {expected}, got {found}; a default can be given")
    return default


def absolute(meter: Meter, value: Any) -> int | float:
    """The number without its sign."""
    return abs(number(value))


def rounded(meter: Meter, value: Any, precision: Any = 0, method: Any = "common") -> float:
    """The number rounded to so many decimals; method: common, ceil or floor."""
    digits = whole(precision)
    if abs(digits) > MAX_DIGITS:
        raise TemplateError(f"round: the precision must be within {MAX_DIGITS}")
    scale = 10.0**digits
    match method:
        case "common":
            return float(round(number(value), digits))
        case "ceil":
            return math.ceil(number(value) * scale) / scale
        case "floor":
            return math.floor(number(value) * scale) / scale
        case _:
            raise TemplateError("round: the method must be common, ceil or floor")


TEXT_FILTERS: dict[str, Callable[..., Any]] = {
    "tojson": tojson,
    "default": default,
    "d": default,
    "lower": _in_words(str.lower),
    "upper": _in_words(str.upper),
    "capitalize": _in_words(str.capitalize),
    "title": _in_words(str.title),
    "trim": trim,
    "replace": replace,
    "split": split,
    "string": to_text,
    "int": to_int,
    "float": to_float,
    "abs": absolute,
    "round": rounded,
    "iso": iso,
    "format_time": format_time,
}
"""Filters by their name in a template."""
