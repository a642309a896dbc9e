"""A drawing of scheduled events, what they throw and what triggers them, as Mermaid text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]

NESTED = ("then", "else", "default", "instructions_block")
LISTS = ("options", "branches")


@dataclass(slots=True)
class _Drawing:
    """Nodes by what they stand for, and the arrows between them, each once and in order."""

    nodes: dict[tuple[str, ...], str] = field(default_factory=dict)
    lines: dict[str, None] = field(default_factory=dict)

    def node(self, kind: str, *name: str) -> str:
        """The id of the node, which is drawn when it is first asked for."""
        key = (kind, *name)
        if key not in self.nodes:
            self.nodes[key] = f"{kind}{sum(known[0] == kind for known in self.nodes) + 1}"
            self.lines[f"  {self.nodes[key]}{_shape(kind, name)}"] = None
        return self.nodes[key]

    def arrow(self, start: str, end: str, label: str = "") -> None:
        """An arrow; one with a label that is not simply "starts" says what it does."""
        words = f"|{_quoted(label)}| " if label else " "
        self.lines[f"  {start} -->{words}{end}"] = None


def mermaid(events: Sequence[Event]) -> str:
    """The drawing: events as boxes, thrown events as rounded boxes, topics as flags.

    >>> print(mermaid([{"event_id": "a", "namespace": "n", "triggers": [{"type": "event", "value": "k"}]}]))
    flowchart TD
      e1["a"]
      k1(["n / k"])
      k1 --> e1
    """
    drawing = _Drawing()
    for event in events:
        drawing.node("e", event["event_id"])
    for event in events:
        _triggers(drawing, event)
        for block in _blocks(event):
            _instructions(drawing, event, block)
    return "\n".join(["flowchart TD", *drawing.lines])


def _triggers(drawing: _Drawing, event: Event) -> None:
    here = drawing.node("e", event["event_id"])
    for trigger in event.get("triggers") or ():
        does = "" if trigger.get("do", "start") == "start" else trigger["do"]
        for start, word in _sources(drawing, event, trigger):
            drawing.arrow(start, here, ", ".join(filter(None, (word, does))))


def _sources(drawing: _Drawing, event: Event, trigger: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the arrows of a trigger begin, and what stands beside them."""
    value = trigger["value"]
    match trigger.get("type", "event"):
        case "execution":
            statuses = trigger.get("status") or ["completed"]
            words = [statuses] if isinstance(statuses, str) else statuses
            yield drawing.node("e", value), " or ".join(words)
        case "mqtt":
            yield drawing.node("m", value), ""
        case kind:
            namespace = trigger.get("namespace") or event.get("namespace") or "default"
            word = {"all_of": "all of", "count": f"{trigger.get('count')} times"}.get(kind, "")
            for key in [value] if isinstance(value, str) else value:
                yield drawing.node("k", namespace, key), word


def _blocks(event: Event) -> Iterator[Sequence[Any]]:
    """Every block of instructions of the event: its own, and those of its triggers."""
    action = event.get("action")
    if isinstance(action, Mapping):
        yield action.get("instructions_block") or ()
    for trigger in event.get("triggers") or ():
        actions = trigger.get("trigger_actions")
        if isinstance(actions, Mapping):
            yield actions.get("instructions_block") or ()


def _instructions(drawing: _Drawing, event: Event, block: Any) -> None:
    here = drawing.node("e", event["event_id"])
    for instruction in _every(block):
        key = instruction.get("key") or instruction.get("event")
        if not isinstance(key, str):
            continue
        thrown = drawing.node("k", str(instruction.get("namespace") or event.get("namespace") or "default"), key)
        if instruction.get("action") == "throw_event":
            drawing.arrow(here, thrown, "throws")
        elif instruction.get("action") == "wait_for_event":
            drawing.arrow(thrown, here, "waits for")


def _every(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every instruction in a block, also in the blocks inside."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _every(item)
    elif isinstance(value, Mapping):
        if "action" in value:
            yield value
        for name in (*NESTED, *LISTS, "do"):
            yield from _every(value.get(name))


def _shape(kind: str, name: tuple[str, ...]) -> str:
    text = _quoted(" / ".join(name))
    return {"e": f"[{text}]", "k": f"([{text}])", "m": f">{text}]"}[kind]


def _quoted(text: str) -> str:
    """The text between quotes, without what Mermaid would read as its own."""
    return '"' + re.sub(r'["<>&#|`\r\n\t]', lambda found: f"#{ord(found[0])};", text) + '"'
