"""The tests of a template (``x is number``), also used by select and reject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2.runtime import Undefined

from alicia_scheduler.core.templates.limits import Meter, TemplateError
from alicia_scheduler.core.templates.operations import compared
from alicia_scheduler.core.templates.values import kind, whole

Predicate = Callable[..., bool]


def _of_kind(*kinds: str) -> Predicate:
    def is_of_kind(meter: Meter, value: Any) -> bool:
        return kind(value) in kinds

    return is_of_kind


def _comparison(sign: str) -> Predicate:
    def compares(meter: Meter, value: Any, other: Any) -> bool:
        return compared(meter, value, sign, other)

    return compares


def _is_defined(meter: Meter, value: Any) -> bool:
    return not isinstance(value, Undefined)


def _is_undefined(meter: Meter, value: Any) -> bool:
    return isinstance(value, Undefined)


def _is_integer(meter: Meter, value: Any) -> bool:
    return kind(value) == "a number" and isinstance(value, int)


def _is_float(meter: Meter, value: Any) -> bool:
    return kind(value) == "a number" and isinstance(value, float)


def _is_true(meter: Meter, value: Any) -> bool:
    return kind(value) == "true/false" and value is True


def _is_false(meter: Meter, value: Any) -> bool:
    return kind(value) == "true/false" and value is False


def _divisible_by(meter: Meter, value: Any, divisor: Any) -> bool:
    if whole(divisor) == 0:
        raise TemplateError("division by zero")
    return whole(value) % whole(divisor) == 0


def _is_even(meter: Meter, value: Any) -> bool:
    return whole(value) % 2 == 0


def _is_odd(meter: Meter, value: Any) -> bool:
    return whole(value) % 2 == 1


PREDICATES: dict[str, Predicate] = {
    "defined": _is_defined,
    "undefined": _is_undefined,
    "none": _of_kind("none"),
    "string": _of_kind("text"),
    "number": _of_kind("a number", "true/false"),
    "integer": _is_integer,
    "float": _is_float,
    "boolean": _of_kind("true/false"),
    "true": _is_true,
    "false": _is_false,
    "mapping": _of_kind("an object"),
    "sequence": _of_kind("a list", "text", "an object"),
    "even": _is_even,
    "odd": _is_odd,
    "divisibleby": _divisible_by,
    "in": _comparison("in"),
    "eq": _comparison("eq"),
    "equalto": _comparison("eq"),
    "ne": _comparison("ne"),
    "lt": _comparison("lt"),
    "lessthan": _comparison("lt"),
    "le": _comparison("lteq"),
    "gt": _comparison("gt"),
    "greaterthan": _comparison("gt"),
    "ge": _comparison("gteq"),
}
"""Every test by its name in a template."""
