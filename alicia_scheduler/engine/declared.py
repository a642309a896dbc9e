"""Declared events: makes the store say what the files say, and leaves events made over the bus alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.commands import CreateEvent, DeleteEvent
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.model.event import ScheduledEvent, parse_event
from alicia_scheduler.core.model.problems import InvalidDefinition
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.ports import DeclaredEntry, DeclaredSource, Store

BREAKS_FILE = frozenset({ErrorCode.INVALID_REQUEST, ErrorCode.NOT_ALLOWED})
"""Refusals that are mistakes in the file. A time that has passed and an id that is taken concern one event alone."""

log = structlog.get_logger("declared")


class Declared:
    """Applies the declared events at the start, on every change of the files, and when told to."""

    def __init__(
        self, source: DeclaredSource, store: Store, writer: Writer, timings: Timings, rules: CommandRules
    ) -> None:
        self._source = source
        self._store = store
        self._writer = writer
        self._timings = timings
        self._rules = rules
        self._asked = asyncio.Event()

    def reload(self) -> None:
        """Has the files read again."""
        self._asked.set()

    async def run(self) -> None:
        """Applies the files whenever they change or a reload is asked for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            while True:
                await self._asked.wait()
                self._asked.clear()
                await self.apply()

    async def _watch(self) -> None:
        try:
            async for _ in self._source.changes():
                self.reload()
        except OSError as error:
            log.warning("files_not_watched", error=str(error), advice="send SIGHUP after a change")

    async def apply(self) -> None:
        """Creates, replaces and removes events until the store agrees with the files; reports what is wrong in them."""
        files = await self._source.read()
        stored = await self._store.declared()
        problems = [str(problem) for problem in files.problems]
        wanted: dict[str, tuple[ScheduledEvent, DeclaredEntry]] = {}
        broken = set(files.broken)
        for entry in files.events:
            try:
                event = parse_event(entry.raw, self._rules.defaults)
                wanted[event.event_id] = (event, entry)
            except InvalidDefinition as error:
                problems += [str(entry.problem(p.field, p.message)) for p in error.problems]
                broken.add(entry.origin)
        problems += await self._find_refused(wanted, broken)
        problems += await self._store_wanted(wanted, broken)
        if files.complete:
            await self._remove_unwanted(stored, wanted, broken)
        await self._report(problems)

    async def _find_refused(
        self, wanted: Mapping[str, tuple[ScheduledEvent, DeclaredEntry]], broken: set[str]
    ) -> list[str]:
        """Adds the files to ``broken`` that hold an event with a rule or an action that is refused; answers why."""
        problems: list[str] = []
        for event, entry in wanted.values():
            if entry.origin not in broken:
                try:
                    await self._put(event, entry.origin, only_try=True)
                except CommandRejected as error:
                    if error.code in BREAKS_FILE:
                        problems.append(_refusal(entry, error))
                        broken.add(entry.origin)
        return problems

    async def _store_wanted(
        self, wanted: Mapping[str, tuple[ScheduledEvent, DeclaredEntry]], broken: set[str]
    ) -> list[str]:
        """Stores the events of the files that are whole; answers what was refused."""
        problems: list[str] = []
        for event, entry in wanted.values():
            if entry.origin not in broken:
                try:
                    await self._put(event, entry.origin)
                except CommandRejected as error:
                    problems.append(_refusal(entry, error))
        return problems

    async def _put(self, event: ScheduledEvent, origin: str, *, only_try: bool = False) -> None:
        def decide(view: View, now: datetime) -> Decision[Any]:
            current = view.event(event.event_id)
            if current and current[0].definition == event and current[0].origin == origin:
                return Decision(None)
            if current and not current[0].origin.startswith("file:"):
                raise taken_by_bus(event.event_id)
            command = CreateEvent(event, "replace", origin)
            decision = on_command(view, now, self._timings, command, self._rules, origin)
            return Decision(None) if only_try else decision

        await self._writer.submit(Needs(event_ids=frozenset({event.event_id})), decide)

    async def _remove_unwanted(self, stored: Mapping[str, str], wanted: Mapping[str, object], broken: set[str]) -> None:
        for event_id, origin in stored.items():
            if event_id not in wanted and origin not in broken:
                await self._remove(event_id)

    async def _remove(self, event_id: str) -> None:
        def decide(view: View, now: datetime) -> Decision[Any]:
            if view.event(event_id) is None:
                return Decision(None)
            return on_command(view, now, self._timings, DeleteEvent(event_id), self._rules, "declared")

        await self._writer.submit(Needs(event_ids=frozenset({event_id})), decide)

    async def _report(self, problems: list[str]) -> None:
        for problem in problems:
            log.error("declared_event_refused", problem=problem)
        if problems:
            announcements = tuple(Problem("invalid_request", problem) for problem in problems[:100])
            await self._writer.submit(Needs(), lambda view, now: Decision(None, announcements=announcements))


def _refusal(entry: DeclaredEntry, error: CommandRejected) -> str:
    field = error.details[0].field.removeprefix("event.") if error.details else ""
    return str(entry.problem(field, error.message))


def taken_by_bus(event_id: str) -> CommandRejected:
    """The refusal of a declared event whose id somebody has used over the bus."""
    message = f"an event '{event_id}' was made over the bus; delete it there, or declare another id"
    return CommandRejected(ErrorCode.ALREADY_EXISTS, message, [FieldProblem("event_id", "is taken")])
