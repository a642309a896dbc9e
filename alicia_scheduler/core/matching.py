"""Whether a JSON value contains another one."""

from __future__ import annotations

from typing import Any


def contains(value: Any, wanted: Any) -> bool:
    """Whether every key of ``wanted`` stands in ``value`` with an equal value, and so on inside of objects.

    >>> contains({"state": "ON", "brightness": 3}, {"state": "ON"})
    True
    >>> contains({"a": {"b": 1}}, {"a": {"b": 2}})
    False
    """
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and contains(value[name], inner) for name, inner in wanted.items()
        )
    return (type(value) is type(wanted) and bool(value == wanted)) or _equal_numbers(value, wanted)


def _equal_numbers(value: Any, wanted: Any) -> bool:
    """1 and 1.0 are one number in JSON; true and 1 are not."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (value, wanted))
    return numbers and bool(value == wanted)
