"""The trace of an execution as a tree that people read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alicia_scheduler.cli import output

PART = re.compile(r"\.?[A-Za-z]+(?:\[\d+\])?|\[\d+\]")
COLUMNS = ("instruction", "", "status", "took", "what")
SHOWN_CHARS = 100


@dataclass(slots=True)
class _Node:
    name: str
    step: Mapping[str, Any] | None = None
    inside: "dict[str, _Node]" = field(default_factory=dict)


def print_trace(data: Mapping[str, Any]) -> None:
    """Prints the steps below the blocks that they stand in, in the order in which they began."""
    if data["trace_left_out"]:
        output.say(f"the first {data['trace_left_out']} instructions are left out")
    output.print_table(COLUMNS, trace_rows(data["trace"]), "no instructions are recorded")


def trace_rows(steps: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """One row an instruction; what stands inside of another one is indented.

    >>> rows = trace_rows([{"path": p, "action": "log", "status": "done", "duration": 0.5, "id": None, "attempt": 1,
    ...     "inputs": None, "output": 1, "error_message": None} for p in ("[0]", "[0].then[0]")])
    >>> [row[0] for row in rows]
    ['[0]', '  .then[0]']
    """
    root = _Node("")
    for step in steps:
        node = root
        for part in PART.findall(step["path"]):
            node = node.inside.setdefault(part, _Node(part))
        node.step = step
    return list(_rows(root, 0))


def _rows(node: _Node, depth: int) -> Iterator[tuple[object, ...]]:
    for inner in node.inside.values():
        name, here = inner.name, inner
        while here.step is None and len(here.inside) == 1:
            here = next(iter(here.inside.values()))
            name += here.name
        yield ("  " * depth + name, *_cells(here.step))
        yield from _rows(here, depth + 1)


def _cells(step: Mapping[str, Any] | None) -> tuple[object, ...]:
    if step is None:
        return (None, None, None, None)
    took = None if step["duration"] is None else f"{step['duration']:.3f} s"
    what = step["error_message"] or _what(step["output"] if step["output"] is not None else step["inputs"])
    return (step["action"], step["status"], took, what)


def _what(value: object) -> str:
    text = output.printable(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
