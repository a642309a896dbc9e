"""The initial and final actions of destinations: run once when the service starts, and once before it stops in order.

They are scheduled events like any other, which only this role triggers: so they are recorded, traced and listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from alicia_scheduler.core.commands import TriggerEvent
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.firing import cancel_all
from alicia_scheduler.core.lifecycle import is_finished
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.writer import Committed, Writer
from alicia_scheduler.errors import CommandRejected
from alicia_scheduler.ports import DeclaredProblem, DeclaredReading, DeclaredSource, Json, Store

FINAL_GRACE = timedelta(seconds=8)
"""How long a stop waits for the final actions."""

ORIGIN = "file:events.destinations"
"""Origin of the events that the settings make."""

log = structlog.get_logger("destinations")


@dataclass(frozen=True, slots=True)
class DestinationBlocks:
    """What a destination does at the start and at the end; an empty list is nothing."""

    initial: Sequence[Json] = ()
    final: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """One of the events, as files declare theirs."""

    raw: Mapping[str, Json]
    origin: str = ORIGIN

    def problem(self, problem_path: str, message: str) -> DeclaredProblem:
        return f"events.destinations, {self.raw['event_id']}: {problem_path}: {message}"


@dataclass(frozen=True, slots=True)
class _Reading:
    """The files, and the events of the settings."""

    events: Sequence[Any]
    problems: Sequence[DeclaredProblem]
    broken: frozenset[str]
    complete: bool


class WithDestinations:
    """A source of declared events that also declares those of the settings."""

    def __init__(self, files: DeclaredSource, blocks: Mapping[str, DestinationBlocks]) -> None:
        self._files = files
        self._entries = [_Entry(raw) for raw in _definitions(blocks)]
        self.changes = files.changes

    async def read(self) -> DeclaredReading:
        """What is declared now."""
        files = await self._files.read()
        return _Reading([*files.events, *self._entries], files.problems, files.broken, files.complete)


class Destinations:
    """Runs the initial actions once at every start, and the final ones once at an orderly stop."""

    def __init__(
        self,
        writer: Writer,
        store: Store,
        timings: Timings,
        rules: CommandRules,
        blocks: Mapping[str, DestinationBlocks],
    ) -> None:
        self._writer = writer
        self._store = store
        self._timings = timings
        self._rules = rules
        self._blocks = blocks
        self._moved = asyncio.Event()

    def committed(self, committed: Committed) -> None:
        """Notices that something has moved on."""
        self._moved.set()

    async def begin(self) -> None:
        """Starts the initial actions; final ones that a crash interrupted are not resumed."""
        for dest_id, block in self._blocks.items():
            if block.final:
                await self._abandon(final_id(dest_id))
            if block.initial:
                await self._trigger(initial_id(dest_id))

    async def end(self) -> None:
        """Runs the final actions, and waits for them as long as a stop can."""
        started = [await self._trigger(final_id(dest_id)) for dest_id, block in self._blocks.items() if block.final]
        try:
            async with asyncio.timeout(FINAL_GRACE.total_seconds()):
                for execution_id in started:
                    await self._ended(execution_id)
        except TimeoutError:
            log.warning("final_actions_outlast_grace")

    async def _trigger(self, event_id: str) -> str | None:
        def decide(view: View, now: datetime) -> Decision[str | None]:
            key = f"destinations|{view.mark.starts}"
            try:
                decision: Decision[Any] = on_command(view, now, self._timings, TriggerEvent(event_id), self._rules, key)
            except CommandRejected:
                return Decision(None)  # the event was refused, and that has been told
            return _answering(decision, decision.answer.execution.execution_id)

        return await self._writer.submit(Needs(event_ids=frozenset({event_id})), decide)

    async def _abandon(self, event_id: str) -> None:
        def decide(view: View, now: datetime) -> Decision[None]:
            draft = Draft(view, now, self._timings)
            cancel_all(draft, draft.unfinished(event_id), "service_restarted")
            return draft.decision(None)

        await self._writer.submit(Needs(event_ids=frozenset({event_id})), decide)

    async def _ended(self, execution_id: str | None) -> None:
        while execution_id is not None:
            self._moved.clear()
            execution = await self._store.execution(execution_id)
            if execution is None or is_finished(execution):
                return
            await self._moved.wait()


def initial_id(dest_id: str) -> str:
    """The id of the event that holds a destination's initial actions."""
    return f"{dest_id}.initial-actions"


def final_id(dest_id: str) -> str:
    """The id of the event that holds a destination's final actions."""
    return f"{dest_id}.final-actions"


def _definitions(blocks: Mapping[str, DestinationBlocks]) -> list[dict[str, Json]]:
    return [
        {
            "event_id": event_id,
            "name": f"{kind} actions of {dest_id}",
            "dest_id": dest_id,
            "schedule_type": "manual",
            "max_retries": 0,
            "action": {"type": "instructions", "instructions_block": list(block)},
        }
        for dest_id, found in blocks.items()
        for event_id, kind, block in (
            (initial_id(dest_id), "Initial", found.initial),
            (final_id(dest_id), "Final", found.final),
        )
        if block
    ]


def _answering(decision: Decision[Any], answer: str) -> Decision[str | None]:
    return replace(decision, answer=answer)
