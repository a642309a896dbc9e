"""Operators with a bound: each checks what it would make before it makes it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from alicia_scheduler.core.templates.limits import Meter, TemplateError, checked_length
from alicia_scheduler.core.templates.values import bounded, kind, measure, number, sequence, text_of, whole

MAX_EXPONENT = 64

_arithmetic: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
BINARY = frozenset(_arithmetic)
UNARY = frozenset({"+", "-"})

_ordering: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


def calculated(meter: Meter, sign: str, left: Any, right: Any) -> Any:
    """The result of a binary operator; ``+`` also joins two texts or two lists, all else is for numbers."""
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return joined(meter, [left, right])
    if sign == "+" and isinstance(left, list) and isinstance(right, list):
        meter.spend(len(left) + len(right))
        return left + right
    meter.spend(1)
    if not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
        hint = "; ~ joins text" if sign == "+" else ""
        raise TemplateError(f"{sign} is for numbers, got {kind(left)} and {kind(right)}{hint}")
    if sign == "**" and abs(number(right)) > MAX_EXPONENT:
        raise TemplateError(f"an exponent must be within {MAX_EXPONENT}")
    return _computed(sign, number(left), number(right))


def _computed(sign: str, left: int | float, right: int | float) -> int | float:
    try:
        result = _arithmetic[sign](left, right)
    except ZeroDivisionError:
        raise TemplateError("division by zero") from None
    except OverflowError:
        raise TemplateError("a number grows too large") from None
    if isinstance(result, complex):
        raise TemplateError("the root of a negative number is not a number")
    return number(result)


def signed(sign: str, value: Any) -> int | float:
    """The number, negated for ``-``."""
    return -number(value) if sign == "-" else +number(value)


def joined(meter: Meter, parts: list[Any], separator: str = "") -> str:
    """The parts as one text, its length checked before it is made."""
    meter.spend(len(parts))
    chars = 0
    texts: list[str] = []
    for part in parts:
        text = text_of(meter, part)
        chars = checked_length(chars + len(text) + len(separator))
        texts.append(text)
    meter.spend_text(chars)
    return separator.join(texts)


def compared(meter: Meter, left: Any, *rest: Any) -> bool:
    """Whether a chain such as ``1 < x <= 5`` holds; ``rest`` is operator, operand and so on."""
    for sign, right in zip(rest[::2], rest[1::2], strict=True):
        if not _holds(meter, sign, left, right):
            return False
        left = right
    return True


def _holds(meter: Meter, sign: str, left: Any, right: Any) -> bool:
    pay_for_comparing(meter, left, right)
    match sign:
        case "eq":
            return bool(left == right)
        case "ne":
            return bool(left != right)
        case "in":
            return contained(left, right)
        case "notin":
            return not contained(left, right)
        case _:
            return _ordered(sign, left, right)


def pay_for_comparing(meter: Meter, *values: Any) -> None:
    """Pays for looking at every part of the values."""
    for value in values:
        if isinstance(value, (str, list, dict)):
            measure(meter, value)
        else:
            kind(value)  # fails for an undefined one


def contained(item: Any, container: Any) -> bool:
    """Whether the list, object or text contains the item."""
    if isinstance(container, str) and not isinstance(item, str):
        raise TemplateError(f"only text can be in a text, got {kind(item)}")
    if isinstance(container, dict) and isinstance(item, (list, dict)):
        return False
    if not isinstance(container, (str, list, dict)):
        raise TemplateError(f"in needs a list, an object or a text, got {kind(container)}")
    return item in container


def _ordered(sign: str, left: Any, right: Any) -> bool:
    try:
        return bool(_ordering[sign](left, right))
    except TypeError:
        raise TemplateError(f"{kind(left)} and {kind(right)} have no order; convert one, as in x|float") from None


def cut(meter: Meter, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """The part of a text or list between two places."""
    if not isinstance(value, (str, list)):
        raise TemplateError(f"only text and lists have parts, got {kind(value)}")
    places = (None if place is None else whole(place) for place in (start, stop, step))
    meter.spend(len(value))
    return bounded(meter, value[slice(*places)])


def passes(meter: Meter, value: Any, nodes: int) -> Iterator[Any]:
    """The items of a loop, each paid for before its pass."""
    for item in sequence(meter, value):
        meter.iterate(nodes)
        yield item
