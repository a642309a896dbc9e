"""Declared events in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alicia_scheduler.ports import DeclaredEntry, DeclaredProblem


@dataclass(frozen=True)
class Entry:
    """One declared event."""

    raw: Mapping[str, Any]
    origin: str = "file:a.yaml"

    def problem(self, problem_path: str, message: str) -> str:
        return f"{self.origin}: {problem_path}: {message}"


@dataclass(frozen=True)
class Reading:
    """What the files say."""

    events: Sequence[DeclaredEntry] = ()
    problems: Sequence[DeclaredProblem] = ()
    broken: frozenset[str] = frozenset()
    complete: bool = True


@dataclass
class NothingDeclared:
    """Files that say what ``now`` says; ``say`` changes them."""

    now: Reading = field(default_factory=Reading)
    reads: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> Reading:
        self.reads += 1
        return self.now

    async def changes(self) -> AsyncIterator[None]:
        yield None
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield None

    def say(self, *entries: Entry, problems: Sequence[str] = (), broken: frozenset[str] = frozenset()) -> None:
        self.now = Reading(entries, problems, broken)
        self._changed.set()
