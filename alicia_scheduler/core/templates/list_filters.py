"""Filters for lists and objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jinja2.runtime import Undefined

from alicia_scheduler.core.templates.limits import Meter, TemplateError
from alicia_scheduler.core.templates.operations import joined
from alicia_scheduler.core.templates.predicates import PREDICATES
from alicia_scheduler.core.templates.values import kind, measure, missing, number, sequence, string

MAX_PATH_CHARS = 200
PREDICATE_STEPS = 10
_unset: Any = object()


def attribute_of(value: Any, path: Any) -> Any:
    """What stands in the value under a dotted path of keys, or an undefined value."""
    if len(string(path)) > MAX_PATH_CHARS:
        raise TemplateError("the attribute's name is too long")
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return missing(f"{kind(value)} has no {name!r}")
        value = value[name]
    return value


def _attributes(meter: Meter, value: Any, attribute: Any) -> list[Any]:
    items = sequence(meter, value)
    meter.spend(len(items))
    if attribute is None:
        return items
    meter.spend(len(items) * (4 + 2 * string(attribute).count(".")))
    return [attribute_of(item, attribute) for item in items]


def mapped(meter: Meter, value: Any, *, attribute: Any, default: Any = _unset) -> list[Any]:
    """What stands in each item under the attribute; a default replaces what is missing."""
    found = _attributes(meter, value, attribute)
    if default is _unset:
        for item in found:
            kind(item)  # fails for an undefined one
        return found
    return [default if isinstance(item, Undefined) else item for item in found]


def join(meter: Meter, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """The items as one text."""
    return joined(meter, _attributes(meter, value, attribute), string(separator))


def length(meter: Meter, value: Any) -> int:
    """The number of items or characters."""
    if not isinstance(value, (str, list, dict)):
        raise TemplateError(f"{kind(value)} has no length")
    return len(value)


def first(meter: Meter, value: Any) -> Any:
    """The first item or character."""
    items = value if isinstance(value, str) else sequence(meter, value)
    return items[0] if items else missing("first: there are no items")


def last(meter: Meter, value: Any) -> Any:
    """The last item or character."""
    items = value if isinstance(value, str) else sequence(meter, value)
    return items[-1] if items else missing("last: there are no items")


def total(meter: Meter, value: Any, attribute: Any = None, start: Any = 0) -> int | float:
    """The sum of the items; each must be a number."""
    result = number(start)
    for item in _attributes(meter, value, attribute):
        result = number(result + number(item))
    return result


def to_list(meter: Meter, value: Any) -> list[Any]:
    """The characters of a text, the keys of an object, or a list as it is."""
    meter.spend(len(value) if isinstance(value, str) else 1)
    return list(value) if isinstance(value, str) else sequence(meter, value)


def items(meter: Meter, value: Any) -> list[list[Any]]:
    """The pairs of key and value of an object."""
    if not isinstance(value, dict):
        raise TemplateError(f"items: expected an object, got {kind(value)}")
    meter.spend(2 * len(value))
    return [[key, item] for key, item in value.items()]


def reverse(meter: Meter, value: Any) -> Any:
    """The text or list back to front."""
    return value[::-1] if isinstance(value, str) else sequence(meter, value)[::-1]


def _order(item: Any) -> Any:
    if kind(item) not in ("a number", "true/false", "text"):
        raise TemplateError(f"{kind(item)} has no order; name an attribute of it")
    return item


def _folded(item: Any) -> Any:
    return _order(item.lower() if isinstance(item, str) else item)


def _keys(meter: Meter, value: Any, attribute: Any, case_sensitive: Any) -> list[Any]:
    """What each item is ordered by; pays for comparing as a sort does."""
    found = _attributes(meter, value, attribute)
    meter.spend(sum(measure(meter, item) for item in found) * len(found).bit_length() // 16)
    keys = [_order(item) if case_sensitive else _folded(item) for item in found]
    if len({isinstance(key, str) for key in keys}) > 1:
        raise TemplateError("numbers and text have no common order")
    return keys


def ordered(
    meter: Meter, value: Any, reverse: Any = False, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    """The items in order; all numbers or all text."""
    found, keys = sequence(meter, value), _keys(meter, value, attribute, case_sensitive)
    return [found[place] for place in sorted(range(len(found)), key=keys.__getitem__, reverse=bool(reverse))]


def smallest(meter: Meter, value: Any, case_sensitive: Any = False, attribute: Any = None) -> Any:
    """The smallest item."""
    found, keys = sequence(meter, value), _keys(meter, value, attribute, case_sensitive)
    return found[min(range(len(found)), key=keys.__getitem__)] if found else missing("min: there are no items")


def largest(meter: Meter, value: Any, case_sensitive: Any = False, attribute: Any = None) -> Any:
    """The largest item."""
    found, keys = sequence(meter, value), _keys(meter, value, attribute, case_sensitive)
    return found[max(range(len(found)), key=keys.__getitem__)] if found else missing("max: there are no items")


def unique(meter: Meter, value: Any, case_sensitive: Any = False, attribute: Any = None) -> list[Any]:
    """The items without repeats, each where it first stood."""
    kept: dict[Any, Any] = {}
    for item, key in zip(sequence(meter, value), _attributes(meter, value, attribute), strict=True):
        meter.spend(measure(meter, key) // 4)
        kept.setdefault(_identity(key, bool(case_sensitive)), item)
    return list(kept.values())


def _identity(key: Any, case_sensitive: bool) -> Any:
    if isinstance(key, (list, dict)):
        return (json.dumps(key, sort_keys=True),)
    return key.lower() if isinstance(key, str) and not case_sensitive else key


def _chosen(wanted: bool) -> Callable[..., list[Any]]:
    def chosen(meter: Meter, value: Any, *test: Any) -> list[Any]:
        return [item for item in _attributes(meter, value, None) if _passes(meter, item, *test) is wanted]

    return chosen


def _chosen_by(wanted: bool) -> Callable[..., list[Any]]:
    def chosen(meter: Meter, value: Any, attribute: Any, *test: Any) -> list[Any]:
        pairs = zip(sequence(meter, value), _attributes(meter, value, attribute), strict=True)
        return [item for item, subject in pairs if _passes(meter, subject, *test) is wanted]

    return chosen


def _passes(meter: Meter, value: Any, test: Any = None, *arguments: Any) -> bool:
    meter.spend(PREDICATE_STEPS)
    if test is None:
        kind(value)
        return bool(value)
    if string(test) not in PREDICATES:
        raise TemplateError(f"there is no test {test[:40]!r}")
    return PREDICATES[test](meter, value, *arguments)


LIST_FILTERS: dict[str, Callable[..., Any]] = {
    "map": mapped,
    "join": join,
    "length": length,
    "count": length,
    "first": first,
    "last": last,
    "sum": total,
    "list": to_list,
    "items": items,
    "reverse": reverse,
    "sort": ordered,
    "min": smallest,
    "max": largest,
    "unique": unique,
    "select": _chosen(True),
    "reject": _chosen(False),
    "selectattr": _chosen_by(True),
    "rejectattr": _chosen_by(False),
}
"""Filters by their name in a template."""
