"""YAML 1.2 text to plain data, with the position of every entry.

Only what a settings file needs is read: mappings with text keys, lists, text, numbers, true, false and null. Anchors,
aliases, merge keys and tags are refused, so a small file cannot grow in memory; size, depth and the number of values
are bounded, so no file keeps the service busy for long. The library scans and parses; the meaning of a plain scalar
is decided here (YAML 1.2 core schema: ``on``, ``no`` and ``10:30`` are text).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from alicia_scheduler.errors import ConfigurationError

__all__ = ["DataPath", "Document", "YamlLimits", "YamlProblem", "read_yaml", "read_yaml_file"]

DataPath = tuple[str | int, ...]
"""The way from the top of a document to a value: keys and list indexes."""

MAX_INTEGER = 2**53
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = MappingProxyType(
    {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False},
)
_DECIMAL = re.compile(r"[-+]?[0-9]{1,20}", re.ASCII)
_PREFIXED = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,20}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """How large a document may be.

    Args:
        max_line: Characters; the scanner needs a time for some tokens that grows with the square of their length.
        max_depth: Nested mappings and lists.
    """

    max_bytes: int = 1024 * 1024
    max_line: int = 64 * 1024
    max_depth: int = 20
    max_values: int = 50_000


DEFAULT_LIMITS = YamlLimits()


class YamlProblem(ConfigurationError):
    """A document was refused.

    Args:
        line: Counted from 1; 0 when the whole file is meant.
        column: Counted from 1; 0 when the whole file is meant.
    """

    def __init__(self, message: str, file: str, line: int = 0, column: int = 0) -> None:
        where = f"{file}:{line}:{column}" if line else file
        super().__init__(f"{where}: {message}")
        self.message = message
        self.file = file
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says, and where it says it."""

    name: str
    data: Any
    positions: Mapping[DataPath, tuple[int, int]]

    def position_of(self, path: DataPath) -> tuple[int, int]:
        """Line and column (from 1) of a key or a list item; of the nearest thing around it when it is not there."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))


def read_yaml_file(path: Path, name: str | None = None, limits: YamlLimits = DEFAULT_LIMITS) -> Document:
    """The document in the file; ``name`` stands for the path in messages. Raises YamlProblem."""
    shown = name or str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(limits.max_bytes + 1)
    except OSError as error:
        raise YamlProblem(f"cannot be read: {error.strerror or error}", shown) from None
    if len(content) > limits.max_bytes:
        raise _too_large(shown, limits)
    try:
        return read_yaml(content.decode("utf-8-sig"), shown, limits)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlProblem("not UTF-8 text", shown, line, 1) from None


def read_yaml(text: str, name: str, limits: YamlLimits = DEFAULT_LIMITS) -> Document:
    """The one document in ``text``; an empty text gives None. Raises YamlProblem."""
    if len(text.encode("utf-8", "surrogatepass")) > limits.max_bytes:
        raise _too_large(name, limits)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > limits.max_line:
            raise YamlProblem(f"a line longer than {limits.max_line} characters", name, number, 1)
    return _Builder(text, name, limits).document()


def _too_large(name: str, limits: YamlLimits) -> YamlProblem:
    return YamlProblem(f"larger than {limits.max_bytes // 1024} KiB", name)


class _Builder:
    """Turns the parser's events into data; recursion is bounded by ``max_depth``."""

    def __init__(self, text: str, name: str, limits: YamlLimits) -> None:
        self._name = name
        self._limits = limits
        self._events = self._checked_events(text)
        self._values = 0
        self._positions: dict[DataPath, tuple[int, int]] = {}

    def document(self) -> Document:
        next(self._events)
        start = next(self._events)
        data = None if isinstance(start, StreamEndEvent) else self._root(start)
        return Document(self._name, data, MappingProxyType(self._positions))

    def _root(self, start: Any) -> Any:
        if start.tags or start.version not in (None, (1, 2)):
            raise self._problem("directives other than %YAML 1.2 are not allowed", start)
        data = self._value(next(self._events), (), 1)
        next(self._events)
        after = next(self._events)
        if isinstance(after, DocumentStartEvent):
            raise self._problem("more than one document in the file; remove the line ---", after)
        return data

    def _checked_events(self, text: str) -> Iterator[Any]:
        """The parser's events; its own errors as YamlProblem."""
        try:
            yield from YAML(typ="safe", pure=True).parse(text)
        except MarkedYAMLError as error:
            raise self._syntax_problem(error) from None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise YamlProblem("a control character is not allowed here", self._name, line, 1) from None
        except (YAMLError, ValueError, RecursionError) as error:
            raise YamlProblem(f"not valid YAML: {type(error).__name__}", self._name) from None

    def _value(self, event: Any, path: DataPath, depth: int) -> Any:
        self._check(event, depth)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, path, depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        return self._scalar(event)

    def _check(self, event: Any, depth: int) -> None:
        self._values += 1
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise self._problem("anchors (&name) and aliases (*name) are not allowed; write the value out", event)
        if event.ctag is not None:
            raise self._problem("tags (!name) are not allowed", event)
        if depth > self._limits.max_depth and not isinstance(event, ScalarEvent):
            raise self._problem(f"nested deeper than {self._limits.max_depth} levels", event)
        if self._values > self._limits.max_values:
            raise self._problem(f"more than {self._limits.max_values} values", event)

    def _mapping(self, start: Any, path: DataPath, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, depth)
            if key in found:
                line, _ = self._positions[(*path, key)]
                raise self._problem(f"the key {_shown(key)} is already given in line {line}", event)
            self._positions[(*path, key)] = _position(event)
            found[key] = self._value(next(self._events), (*path, key), depth + 1)
        self._positions.setdefault(path, _position(start))
        return found

    def _sequence(self, path: DataPath, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            inner = (*path, len(found))
            self._positions[inner] = _position(event)
            found.append(self._value(event, inner, depth + 1))
        return found

    def _key(self, event: Any, depth: int) -> str:
        self._check(event, depth)
        if not isinstance(event, ScalarEvent):
            raise self._problem("a key must be text, not a mapping or a list", event)
        if _is_plain(event) and event.value == "<<":
            raise self._problem("merge keys (<<) are not allowed; write the entries out", event)
        key = self._scalar(event)
        if not isinstance(key, str):
            raise self._problem(f'a key must be text; write "{_shown(event.value)}" in quotes', event)
        return key

    def _scalar(self, event: Any) -> str | int | float | bool | None:
        text = event.value
        if not _is_plain(event):
            return str(text)
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        return self._number(text, event)

    def _number(self, text: str, event: Any) -> str | int | float:
        number: int | float
        if _DECIMAL.fullmatch(text):
            number = int(text)
        elif _PREFIXED.fullmatch(text):
            number = int(text, 0)
        elif _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            number = _float(text)
        else:
            return text
        if not math.isfinite(number) or (isinstance(number, int) and abs(number) > MAX_INTEGER):
            raise self._problem("a number must be finite and within ±2^53; write it in quotes to mean text", event)
        return number

    def _syntax_problem(self, error: MarkedYAMLError) -> YamlProblem:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part) or "not valid YAML"
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return YamlProblem(_shown(" ".join(message.split()), 200), self._name, line, column)

    def _problem(self, message: str, event: Any) -> YamlProblem:
        return YamlProblem(message, self._name, *_position(event))


def _float(text: str) -> float:
    return float(text) if _FLOAT.fullmatch(text) else math.inf


def _is_plain(event: Any) -> bool:
    return not event.style


def _position(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _shown(text: str, limit: int = 60) -> str:
    """The text as a message may repeat it: bounded, and without control characters."""
    safe = "".join(character if character.isprintable() else "?" for character in text)
    return safe if len(safe) <= limit else f"{safe[:limit]}…"
