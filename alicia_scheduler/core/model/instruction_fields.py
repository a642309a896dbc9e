"""Field types of instructions: names, and values that may be templates which are read once they are rendered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, WrapValidator

from alicia_scheduler.core.model.durations import Duration, parse_duration
from alicia_scheduler.core.model.fields import checked_json, checked_template
from alicia_scheduler.core.templates import contains_template

MAX_PASSES = 1000
"""Passes of one repeat."""

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
LONGEST_WAIT = timedelta(days=366)

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name that templates can use after a dot."""


def duration_of(value: Any) -> timedelta:
    """The time to wait that a value means; raises ValueError."""
    duration = parse_duration(value)
    if duration > LONGEST_WAIT:
        raise ValueError("a wait is at most 366 days long")
    return duration


def count_of(value: Any) -> int:
    """The number of passes that a value means; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PASSES:
        raise ValueError(f"expected a whole number from 0 to {MAX_PASSES}")
    return value


def items_of(value: Any) -> tuple[Any, ...]:
    """The items to repeat for that a value means; raises ValueError."""
    if not isinstance(value, (list, tuple)) or len(value) > MAX_PASSES:
        raise ValueError(f"expected a list of at most {MAX_PASSES} items")
    return tuple(value)


def _template_or(read: Callable[[Any], Any]) -> WrapValidator:
    """Keeps text with a template as it is, to be read once it is rendered."""

    def validated(value: Any, _handler: Any) -> Any:
        is_template = isinstance(value, str) and contains_template(value)
        return checked_template(value) if is_template else read(value)

    return WrapValidator(validated)


def at_least_one(value: Any) -> Any:
    """The list itself, if something is in it; raises ValueError."""
    if not value:
        raise ValueError("expected at least one")
    return value


TemplateOrDuration = Annotated[Duration | str, _template_or(duration_of)]
TemplateOrCount = Annotated[int | str, _template_or(count_of)]
TemplateOrItems = Annotated[
    tuple[Any, ...] | str, _template_or(lambda value: tuple(checked_json(list(items_of(value)))))
]
