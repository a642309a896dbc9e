"""What may stand in a template: an allow-list of parts, checked on the tree before anything is compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import nodes

from alicia_scheduler.core.templates.limits import LIMITS, TemplateError
from alicia_scheduler.core.templates.list_filters import LIST_FILTERS
from alicia_scheduler.core.templates.predicates import PREDICATES
from alicia_scheduler.core.templates.text_filters import TEXT_FILTERS
from alicia_scheduler.core.templates.values import MAX_INT

FILTERS: Mapping[str, Callable[..., Any]] = {**TEXT_FILTERS, **LIST_FILTERS}
"""Every filter by its name in a template."""

LOOP_NAMES = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs"})

_allowed: frozenset[type[nodes.Node]] = frozenset(
    {nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict}
    | {nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Compare}
    | {nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul}
    | {nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Concat, nodes.CondExpr, nodes.If, nodes.For, nodes.Assign}
)
_construct: dict[type[nodes.Node], str] = {
    nodes.Call: "calling a function or method (use a filter, as in x|lower)",
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from … import %}",
    nodes.Extends: "{% extends %}",
    nodes.Block: "{% block %}",
    nodes.Macro: "{% macro %}",
    nodes.CallBlock: "{% call %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.AssignBlock: "{% set %} … {% endset %} (use {% set name = … %})",
    nodes.With: "{% with %} (use {% set %})",
    nodes.NSRef: "assigning to an attribute",
    nodes.Scope: "{% autoescape %}",
}


def check_tree(tree: nodes.Template) -> int:
    """The number of parts in the tree, all of which are allowed; raises TemplateError naming the first that is not."""
    count = 0
    for node, depth, loops in _walk(tree):
        count += 1
        if count > LIMITS.nodes:
            raise TemplateError(f"it has more than {LIMITS.nodes} parts")
        if depth > LIMITS.depth:
            raise TemplateError(f"it is nested more than {LIMITS.depth} deep")
        if loops > LIMITS.loop_depth:
            raise TemplateError(f"its loops are nested more than {LIMITS.loop_depth} deep")
        _check_node(node)
    return count


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    """Every node with its depth and the number of loops around it, without recursion."""
    waiting = [(tree, 0, 0)]
    while waiting:
        node, depth, loops = waiting.pop()
        yield node, depth, loops
        inside = loops + isinstance(node, nodes.For)
        waiting.extend((child, depth + 1, inside) for child in _children(node))


def _children(node: nodes.Node) -> Iterator[nodes.Node]:
    """The node's parts, but for the ``loop`` in ``loop.index``, which may stand nowhere else."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "loop":
        return iter(())
    return node.iter_child_nodes()


def _check_node(node: nodes.Node) -> None:
    if type(node) not in _allowed:
        name = _construct.get(type(node), type(node).__name__.lower())
        raise TemplateError(f"{name} is not possible in a template")
    match node:
        case nodes.Name(name=name):
            _check_name(name)
        case nodes.Getattr(node=nodes.Name(name="loop"), attr=attribute):
            if attribute not in LOOP_NAMES:
                raise TemplateError(f"loop has no {attribute!r}; it has {', '.join(sorted(LOOP_NAMES))}")
        case nodes.Const(value=value):
            _check_constant(value)
        case nodes.For(recursive=True):
            raise TemplateError("a recursive loop is not possible in a template")
        case nodes.Filter():
            _check_use("filter", FILTERS, node)
        case nodes.Test():
            _check_use("test", PREDICATES, node)


def _check_name(name: str) -> None:
    if name == "loop":
        raise TemplateError("loop can only be used as loop.index, loop.first and the like, inside {% for %}")
    if name in RESERVED:
        raise TemplateError(f"the name {name} cannot be used in a template")


def _check_constant(value: Any) -> None:
    match value:
        case int() if abs(value) > MAX_INT:
            raise TemplateError("a whole number is larger than 2**63")
        case float() if value == float("inf"):
            raise TemplateError("a number is too large")
        case str() if not _is_unicode(value):
            raise TemplateError("a text has half of a surrogate pair in it")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _check_use(sort: str, known: Mapping[str, Callable[..., Any]], node: nodes.Filter | nodes.Test) -> None:
    """Whether the filter or test exists and can take the arguments it is given."""
    if node.name not in known:
        raise TemplateError(f"there is no {sort} {node.name[:40]!r}; there are {', '.join(sorted(known))}")
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise TemplateError("arguments with * or ** are not possible in a template")
    names = {str(pair.key): None for pair in node.kwargs}
    try:
        inspect.signature(known[node.name]).bind(None, None, *node.args, **names)
    except TypeError as error:
        raise TemplateError(f"{sort} {node.name}: {error}") from None
