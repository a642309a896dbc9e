"""The declared events: what the YAML files of one directory say, and what is wrong with them.

Only the shape of the files is checked here; what an event must look like is the caller's business (`parse_event`), and
`DeclaredEvent.locate` gives its complaints a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alicia_scheduler.adapters.files.yaml_reader import DataPath, Document, YamlProblem, read_yaml_file

__all__ = ["ORIGIN_PREFIX", "DeclaredEvent", "DeclaredFiles", "FileProblem", "is_declared_file", "read_declared"]

ORIGIN_PREFIX = "file:"
MAX_FILES = 1000
_SUFFIXES = (".yaml", ".yml")
_PATH_PART = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong in a file; line and column count from 1, 0 means the whole file."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class DeclaredEvent:
    """One entry of a file's ``events`` list, as written.

    Args:
        origin: ``file:<name>``, what the store keeps as the event's origin.
        index: Its place in the list, from 0.
    """

    raw: Mapping[str, Any]
    origin: str
    index: int
    document: Document = field(repr=False, compare=False)

    def locate(self, problem_path: str) -> tuple[int, int]:
        """Line and column of a dotted path such as ``schedule_config.cron_expression`` within this event."""
        path: DataPath = ("events", self.index)
        for part in _PATH_PART.findall(problem_path):
            path = (*path, int(part) if part.isdecimal() and (*path, part) not in self.document.positions else part)
        return self.document.position_of(path)

    def problem(self, problem_path: str, message: str) -> FileProblem:
        """A complaint about one field, with its place in the file."""
        line, column = self.locate(problem_path)
        return FileProblem(self.document.name, line, column, f"{problem_path}: {message}" if problem_path else message)


@dataclass(frozen=True, slots=True)
class DeclaredFiles:
    """What the directory says.

    Args:
        broken: Origins of the files that could not be used; nothing that they declared before may change.
        complete: False if the directory itself could not be read; then nothing may be removed at all.
    """

    events: tuple[DeclaredEvent, ...] = ()
    problems: tuple[FileProblem, ...] = ()
    broken: frozenset[str] = frozenset()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _File:
    origin: str
    events: tuple[DeclaredEvent, ...] = ()
    problems: tuple[FileProblem, ...] = ()


def is_declared_file(name: str) -> bool:
    """Whether a file of this name declares events; hidden ones and editors' leftovers do not."""
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def read_declared(directory: Path) -> DeclaredFiles:
    """What all ``*.yaml`` and ``*.yml`` files of the directory declare, in the order of their names.

    A missing directory declares nothing. Reading takes up to two seconds a megabyte, so it belongs in a thread.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if is_declared_file(path.name) and not path.is_dir())
    except FileNotFoundError:
        return DeclaredFiles()
    except OSError as error:
        problem = FileProblem(str(directory), 0, 0, f"cannot be listed: {error.strerror or type(error).__name__}")
        return DeclaredFiles(problems=(problem,), complete=False)
    files = [_read(path) for path in paths[:MAX_FILES]]
    beyond = [_broken(path, f"not read: only {MAX_FILES} files are") for path in paths[MAX_FILES:]]
    return _joined([*_without_repeats(files), *beyond])


def _joined(files: Sequence[_File]) -> DeclaredFiles:
    return DeclaredFiles(
        events=tuple(event for file in files if not file.problems for event in file.events),
        problems=tuple(problem for file in files for problem in file.problems),
        broken=frozenset(file.origin for file in files if file.problems),
    )


def _broken(path: Path, message: str) -> _File:
    return _File(_origin(path), (), (FileProblem(str(path), 0, 0, message),))


def _origin(path: Path) -> str:
    return f"{ORIGIN_PREFIX}{path.name}"


def _read(path: Path) -> _File:
    if not path.is_file():
        return _broken(path, "not a regular file")
    try:
        document = read_yaml_file(path)
    except YamlProblem as error:
        return _File(_origin(path), (), (FileProblem(error.file, error.line, error.column, error.message),))
    return _events_of(document, _origin(path))


def _events_of(document: Document, origin: str) -> _File:
    outline = list(_outline_problems(document))
    if outline:
        return _File(origin, (), tuple(outline))
    events = tuple(DeclaredEvent(raw, origin, index, document) for index, raw in enumerate(document.data["events"]))
    problems = tuple(
        event.problem("event_id", "expected text; an event in a file needs an id of its own")
        for event in events
        if not isinstance(event.raw.get("event_id"), str)
    )
    return _File(origin, events, problems)


def _outline_problems(document: Document) -> Iterator[FileProblem]:
    """An empty file is a problem too: it is what a reader sees while an editor writes, and must not remove events."""
    data = document.data
    if not isinstance(data, dict) or "events" not in data:
        yield _problem(document, (), 'expected "events:" with a list; "events: []" declares none')
    elif not isinstance(data["events"], list):
        yield _problem(document, ("events",), 'expected a list of events; "events: []" declares none')
    else:
        for index, raw in enumerate(data["events"]):
            if not isinstance(raw, dict):
                yield _problem(document, ("events", index), "expected an event with its fields")
    for key in data if isinstance(data, dict) else ():
        if key != "events":
            yield _problem(document, (key,), 'unknown key; a file of events has only "events:"')


def _problem(document: Document, path: DataPath, message: str) -> FileProblem:
    return FileProblem(document.name, *document.position_of(path), message)


def _without_repeats(files: Sequence[_File]) -> list[_File]:
    """The files with a problem on every event whose id is declared more than once."""
    places: dict[str, list[DeclaredEvent]] = {}
    for file in files:
        for event in file.events:
            if isinstance(event.raw.get("event_id"), str):
                places.setdefault(event.raw["event_id"], []).append(event)
    repeats: dict[str, list[FileProblem]] = {}
    for found in places.values():
        for event in found if len(found) > 1 else ():
            others = ", ".join(_place(other) for other in found if other is not event)
            repeats.setdefault(event.origin, []).append(event.problem("event_id", f"declared in {others} too"))
    return [replace(file, problems=(*file.problems, *repeats.get(file.origin, ()))) for file in files]


def _place(event: DeclaredEvent) -> str:
    line, _ = event.locate("event_id")
    return f"{event.document.name}:{line}"
