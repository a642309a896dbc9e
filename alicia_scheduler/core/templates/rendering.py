"""Templates in nested JSON values: every string is rendered once, and what comes out is data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alicia_scheduler.core.templates.limits import Meter, TemplateError
from alicia_scheduler.core.templates.sandbox import parsed, rendered

MARKERS = ("{{", "{%", "{#")
SHOWN_CHARS = 80

Json = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

Change = Callable[[str], Json]


def contains_template(value: object) -> bool:
    """Whether any string in the nested value, keys aside, has a template in it.

    >>> contains_template({"state": ["{{ x }}"]}), contains_template({"{{ key }}": "ON"})
    (True, False)
    """
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _is_template(item):
                return True
        elif isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
    return False


def _is_template(text: str) -> bool:
    return "{" in text and any(marker in text for marker in MARKERS)


def check_template(text: str) -> None:
    """Makes sure that the text can be rendered, given the names it uses; text without a template always can.

    Raises:
        TemplateError: It does not parse, or uses what is not possible in a template.
    """
    check_value(text)


def check_value(value: Json, path: str = "") -> None:
    """Makes sure that every template in a nested value can be rendered, and that they are not too many.

    Raises:
        TemplateError: The first that cannot; its ``path`` tells which.
    """
    meter = Meter()

    def checked(text: str) -> str:
        meter.enter(parsed(text)[1])
        return text

    _changed(value, path, checked)


def render_value(value: Json, context: Mapping[str, Json], path: str = "") -> Json:
    """A new value in which every string of the nested one is rendered; object keys stay as they are.

    A string that is one single expression becomes that expression's value, type and all. What comes from the context
    is data: a template in it is not rendered.

    >>> render_value({"level": "{{ a + 1 }}", "text": "level {{ a }}"}, {"a": 41})
    {'level': 42, 'text': 'level 41'}

    Args:
        value: Left as it is; strings without a template come back unchanged.
        context: Plain JSON by name; instants as epoch seconds.
        path: Where the value stands, for error messages.

    Raises:
        TemplateError: A template cannot be rendered, or all together are too costly.
    """
    names, meter = context if isinstance(context, dict) else dict(context), Meter()
    return _changed(value, path, lambda text: rendered(text, names, meter))


def _changed(value: Json, path: str, change: Change) -> Json:
    """A new value in which every template has become what ``change`` makes of it; errors carry path and source."""
    try:
        return _changed_inside(value, change)
    except TemplateError as error:
        raise error.within(path) from None
    except RecursionError:
        raise TemplateError("the value is nested too deep", path) from None


def _changed_inside(value: Json, change: Change) -> Json:
    if isinstance(value, str):
        return _changed_text(value, change) if _is_template(value) else value
    if isinstance(value, dict):
        return {key: _changed_at(str(key), item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_changed_at(f"[{place}]", item, change) for place, item in enumerate(value)]
    return value


def _changed_at(key: str, value: Json, change: Change) -> Json:
    try:
        return _changed_inside(value, change)
    except TemplateError as error:
        raise error.within(key) from None


def _changed_text(text: str, change: Change) -> Json:
    try:
        return change(text)
    except TemplateError as error:
        shown = text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
        raise TemplateError(error.reason, error.path, shown) from None
