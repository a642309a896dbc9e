"""Turns the parts of a checked tree that can grow into calls of our own, metered functions."""

from __future__ import annotations

from typing import Any, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

# A template cannot say these names: a filter's name has no space.
JOINED = "joined text"
COMPARED = "compared values"
CUT = "cut part"
PASSES = "loop passes"


def _call(name: str, value: nodes.Expr, arguments: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(value, name, arguments, [], None, None, lineno=value.lineno)


class Metering(NodeTransformer):
    """Replaces ``~``, comparisons, slices, tuples and what a loop runs over; fills in a missing ``else``."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """The node to put in the place of this one, its own parts already replaced."""
        self.generic_visit(node)
        match node:
            case nodes.Concat():
                return _call(JOINED, nodes.List(node.nodes, lineno=node.lineno), [])
            case nodes.Compare():
                return _compared(node)
            case nodes.Getitem(arg=nodes.Slice() as part):
                return _call(CUT, node.node, [x or _constant(None, node) for x in (part.start, part.stop, part.step)])
            case nodes.Tuple(ctx="load"):
                return nodes.List(node.items, lineno=node.lineno)
            case nodes.CondExpr(expr2=None):
                node.expr2 = _constant("", node)  # Jinja's own stand-in would pass for a value that is not strict
            case nodes.For():
                node.iter = _call(PASSES, cast(nodes.Expr, node.iter), [_constant(_size(node), node)])
        return node


def metered(tree: nodes.Template) -> nodes.Template:
    """The checked tree, changed in place so that whatever can grow pays."""
    Metering().visit(tree)
    return tree


def _constant(value: Any, node: nodes.Node) -> nodes.Const:
    return nodes.Const(value, lineno=node.lineno)


def _compared(node: nodes.Compare) -> nodes.Filter:
    rest: list[nodes.Expr] = []
    for operand in node.ops:
        rest += [_constant(operand.op, node), operand.expr]
    return _call(COMPARED, node.expr, rest)


def _size(node: nodes.Node) -> int:
    """The number of nodes under this one: what one pass of a loop pays."""
    return 1 + sum(_size(child) for child in node.iter_child_nodes())
