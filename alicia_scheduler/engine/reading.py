"""The commands that change nothing: what they read, and the documents they answer with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from alicia_scheduler.core.answers import (
    EventAnswer,
    FireTime,
)
from alicia_scheduler.core.commands import (
    GetEvent,
    GetExecution,
    GetStats,
    ListEvents,
    ListExecutions,
    ListThrown,
    ListVariables,
    Ping,
    Preview,
    Read,
)
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.event_answers import fires_after, next_fires
from alicia_scheduler.core.model.event import InvalidSchedule, compiled_timing
from alicia_scheduler.core.thrown.model import ThrownNeeds, ThrownQuery
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.answer_documents import answered_event, fire
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.ports import Clock, Store
from alicia_scheduler.wire.documents import event_document, execution_document
from alicia_scheduler.wire.messages import ServiceStatus, status_document
from alicia_scheduler.wire.thrown_documents import entry_document
from alicia_scheduler.wire.trace_documents import trace_document

FIRES_AT_A_TIME = 5
"""Fires of a preview that are computed in one go."""

ROWS_AT_A_TIME = 50
"""Documents of a page that are made in one go."""

Status = Callable[[], Awaitable[ServiceStatus]]


class Reader:
    """Answers the commands that only read, in turn with the changes."""

    def __init__(self, writer: Writer, store: Store, clock: Clock, timings: Timings, status: Status) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock
        self._timings = timings
        self._status = status

    async def read(self, command: Read) -> Mapping[str, Any]:
        """The ``data`` of the answer; raises CommandRejected."""
        match command:
            case GetEvent(event_id):
                return await self._seen(Needs(event_ids=frozenset({event_id})), self._event(event_id))
            case GetExecution(execution_id, trace):
                traced = ThrownNeeds(steps_of=frozenset({execution_id} if trace else ()))
                needs = Needs(execution_ids=frozenset({execution_id}), thrown=traced)
                return await self._seen(needs, _execution(execution_id, trace=trace))
            case Preview():
                return await self._preview(command)
            case ListEvents() | ListExecutions() | ListThrown() | ListVariables():
                await self._writer.barrier()
                return await self._listed(command)
            case GetStats():
                await self._writer.barrier()
                return status_document(await self._status(), self._clock.now())
            case Ping():
                return {"pong": True, "time": self._clock.now().timestamp()}
            case _:
                assert_never(command)

    async def _listed(self, command: ListEvents | ListExecutions | ListThrown | ListVariables) -> Mapping[str, Any]:
        """What the store holds of it."""
        match command:
            case ListEvents(query):
                events, cursor = await self._store.events(query)
                return {"events": await _documents(event_document, events), "next_cursor": cursor}
            case ListExecutions(execution_query):
                executions, cursor = await self._store.executions(execution_query)
                rows = ((execution,) for execution in executions)
                return {"executions": await _documents(execution_document, rows), "next_cursor": cursor}
            case ListThrown(thrown_query):
                return await self._thrown(thrown_query)
            case ListVariables(dest_id):
                return {"dest_id": dest_id, "variables": await self._store.variables(dest_id)}
            case _:
                assert_never(command)

    async def _thrown(self, query: ThrownQuery) -> dict[str, Any]:
        """Queue and history; without an offset to begin behind, the newest of each."""
        if query.since_offset is None and query.status is None:
            found = [*await self._store.thrown(replace(query, status="active")),
                     *await self._store.thrown(replace(query, status="ended"))]  # fmt: skip
        else:
            found = [*await self._store.thrown(query)]
        documents = await _documents(entry_document, found)
        last = found[-1][1].offset if query.since_offset is not None and len(found) == query.limit else None
        return {
            "queue": [document for document in documents if document["status"] == "active"],
            "history": [document for document in documents if document["status"] != "active"],
            "next_offset": last,
        }

    async def _seen(self, needs: Needs, read: Callable[[View, datetime], dict[str, Any]]) -> dict[str, Any]:
        """Reads in turn with the changes, so that a caller finds what it has just made, and nothing later."""
        return await self._writer.submit(needs, lambda view, now: Decision(read(view, now)))

    def _event(self, event_id: str) -> Callable[[View, datetime], dict[str, Any]]:
        def read(view: View, now: datetime) -> dict[str, Any]:
            event = view.event(event_id)
            if event is None:
                raise _no_event(event_id)
            record, state = event
            fires = next_fires(self._timings(record, state), state, now)
            return answered_event(EventAnswer(record, state, fires))

        return read

    async def _preview(self, command: Preview) -> dict[str, Any]:
        if command.event is not None:
            now, zone = self._clock.now(), command.event.timezone
            return await _preview_document(command, _compiled(command, now), zone, command.start or now)
        event_id = command.event_id or ""

        def read(view: View, now: datetime) -> tuple[Timing, str, datetime]:
            event = view.event(event_id)
            if event is None:
                raise _no_event(event_id)
            return self._timings(*event), event[0].definition.timezone, command.start or now

        needs = Needs(event_ids=frozenset({event_id}))
        found = await self._writer.submit(needs, lambda view, now: Decision(read(view, now)))
        return await _preview_document(command, *found)


def _execution(execution_id: str, *, trace: bool) -> Callable[[View, datetime], dict[str, Any]]:
    def read(view: View, _now: datetime) -> dict[str, Any]:
        execution = view.execution(execution_id)
        if execution is None:
            raise CommandRejected(
                ErrorCode.NOT_FOUND,
                f"there is no execution '{execution_id}'",
                [FieldProblem("execution_id", "is not known")],
            )
        document = {"execution": execution_document(execution)}
        return document | trace_document(view.thrown.steps(execution_id)) if trace else document

    return read


def _no_event(event_id: str) -> CommandRejected:
    return CommandRejected(
        ErrorCode.NOT_FOUND, f"there is no event '{event_id}'", [FieldProblem("event_id", "is not known")]
    )


def _compiled(command: Preview, now: datetime) -> Timing:
    assert command.event is not None
    try:
        return compiled_timing(command.event, now)
    except InvalidSchedule as error:
        raise CommandRejected(
            ErrorCode.INVALID_REQUEST, str(error), [FieldProblem(f"event.{error.field}", error.message)]
        ) from None


async def _preview_document(command: Preview, timing: Timing, zone: str, start: datetime) -> dict[str, Any]:
    """The next fires; a rare rule searches centuries for a thousand of them, so the others get their turn meanwhile."""
    fires: list[FireTime] = []
    while len(fires) < command.count:
        piece = fires_after(timing, start, min(FIRES_AT_A_TIME, command.count - len(fires)))
        if not piece:
            break
        fires += piece
        start = piece[-1].nominal
        await asyncio.sleep(0)
    warnings = [] if len(fires) == command.count else [f"only {len(fires)} fires follow"]
    return {"fires": [fire(time, zone) for time in fires], "warnings": warnings}


async def _documents(document: Callable[..., dict[str, Any]], rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """A document for every row of a page; a long page lets the others have their turn meanwhile."""
    documents: list[dict[str, Any]] = []
    for row in rows:
        documents.append(document(*row))
        if len(documents) % ROWS_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return documents
