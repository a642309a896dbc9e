"""Conditions: an expression that decides, written bare or as a template (docs/templates.md)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from alicia_scheduler.core.model.fields import checked_template

MAX_CONDITION_CHARS = 4000


def as_template(condition: str) -> str:
    """The condition as a template: a bare expression gets its braces.

    >>> as_template("vars.count > 3")
    '{{ vars.count > 3 }}'
    """
    return condition if "{{" in condition or "{%" in condition else "{{ " + condition + " }}"


def _spelled(value: object) -> object:
    """``true`` and ``false`` of JSON and YAML as text."""
    return str(value).lower() if isinstance(value, bool) else value


def _checked(value: str) -> str:
    if not value.strip():
        raise ValueError('expected an expression, such as "vars.count > 3"')
    checked_template(as_template(value))
    return value


Condition = Annotated[str, BeforeValidator(_spelled), Field(max_length=MAX_CONDITION_CHARS), AfterValidator(_checked)]
"""A field that holds an expression."""
