"""One stretch of one execution of instructions: from a claim to the end, or to the next long wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from alicia_scheduler.core.decision import Needs, merged_needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.instructions.advancing import Advance, Stand, Throw, block_names, on_advance
from alicia_scheduler.core.instructions.course import Broke, Ended, Flow, Open, Todo
from alicia_scheduler.core.instructions.deciding import LOCAL
from alicia_scheduler.core.instructions.receiving import wanted
from alicia_scheduler.core.instructions.steps import MAX_INPUT_CHARS, MAX_OUTPUT_CHARS, Step, StepStatus, bounded
from alicia_scheduler.core.model.instructions import Act
from alicia_scheduler.core.model.plain_instructions import WaitForEvent
from alicia_scheduler.core.template_names import execution_names
from alicia_scheduler.core.templates import TemplateError, contains_template, render_value
from alicia_scheduler.core.thrown.model import ThrownNeeds
from alicia_scheduler.core.thrown.needs import throw_needs
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import ActionRunner, Attempt, Clock, Json, WaitsUntil

LONG_WAIT = timedelta(seconds=5)
"""A wait longer than this leaves the execution's place to others; a shorter one is not worth two commits."""

Key = tuple[str, str]
"""Namespace and key of a thrown event."""

log = structlog.get_logger("instructions")


@dataclass(slots=True)
class Outside:
    """What a stretch works with.

    Attributes:
        runners: The plain actions, by type.
        watch: Has the execution nudged when an event with that namespace and key is thrown.
        leaving: Whether the service stops.
    """

    writer: Writer
    clock: Clock
    timings: Timings
    runners: Mapping[str, ActionRunner]
    rules: ThrowRules
    watch: Callable[[Key, str], None]
    leaving: bool = False


class Stretch:
    """One stretch of one execution: from a claim to its end, or to the next long wait."""

    def __init__(self, outside: Outside, attempt: Attempt, stand: Stand, nudged: asyncio.Event) -> None:
        self._outside = outside
        self._attempt = attempt
        self._stand = stand
        self._nudged = nudged
        self._acting: dict[str, asyncio.Task[Step]] = {}
        self._watched: set[str] = set()

    async def to_end(self) -> Json:
        """The result, once nothing is left to do."""
        try:
            finished: list[Step] = []
            event: Throw | None = None
            while True:
                advance = await self._advanced(finished, event)
                if not isinstance(advance.flow, Open):
                    return self._ended(advance)
                finished = []
                event = advance.throws[0] if advance.throws else None
                if event is None and not self._watch(advance.flow) and not _goes_on(advance.flow):
                    finished = await self._outcomes(advance, advance.flow)
        finally:
            await self._stop_acting(self._acting)

    async def _advanced(self, finished: Iterable[Step], event: Throw | None) -> Advance:
        """Records what is finished, in one transaction with all that follows from it."""
        self._nudged.clear()
        self._watch(self._stand.course.next())
        decide = partial(
            on_advance, timings=self._outside.timings, stand=self._stand, finished=tuple(finished), event=event
        )
        advance = await self._outside.writer.submit(self._needs(event), decide)
        stand = self._stand = replace(self._stand, course=advance.course)
        for level, text, path in advance.lines:
            fields = {"event_id": self._attempt.execution.event_id, "execution_id": stand.execution_id, "step": path}
            getattr(log, level)("instruction_log", message=text, **fields)
        return advance

    def _needs(self, event: Throw | None) -> Needs:
        record = self._attempt.event
        flow = self._stand.course.next()
        waits = [todo for todo in flow.todos if todo.open is not None] if isinstance(flow, Open) else []
        queues = frozenset(
            wanted(todo.open, todo.instruction, record)
            for todo in waits
            if todo.open is not None and isinstance(todo.instruction, WaitForEvent)
        )
        dest_ids = frozenset({record.definition.dest_id})
        own = Needs(
            execution_ids=frozenset({self._stand.execution_id}),
            thrown=ThrownNeeds(queues=queues, variables_of=dest_ids),
        )
        return own if event is None else merged_needs((own, throw_needs(event.command, self._outside.rules)))

    def _watch(self, flow: Flow) -> bool:
        """Whether a wait for an event has just begun: the queue must be looked at once more after that."""
        before = len(self._watched)
        for todo in flow.todos if isinstance(flow, Open) else ():
            if isinstance(todo.instruction, WaitForEvent) and todo.open is not None:
                namespace = todo.instruction.namespace or self._attempt.event.definition.namespace
                self._outside.watch((namespace, todo.instruction.key), self._stand.execution_id)
                self._watched.add(todo.path)
        return len(self._watched) > before

    # acting and waiting

    async def _outcomes(self, advance: Advance, flow: Open) -> list[Step]:
        """What became of instructions that act, as soon as there is something; nothing when a wait is over.

        Raises:
            WaitsUntil: There is nothing to do for a while.
        """
        await self._stop_acting({path: task for path, task in self._acting.items() if path not in _paths(flow)})
        if not self._outside.leaving:
            self._start_acting(advance, flow)
        if not self._acting:
            self._make_way(advance)
        await self._something(advance.wake_time)
        done = [path for path, task in self._acting.items() if task.done()]
        return [self._acting.pop(path).result() for path in done]

    def _start_acting(self, advance: Advance, flow: Open) -> None:
        for todo in flow.todos:
            if isinstance(todo.instruction, Act) and todo.path not in self._acting:
                names = block_names(advance.course, todo, advance.variables)
                self._acting[todo.path] = asyncio.create_task(
                    self._acted(todo, todo.instruction, names), name=f"step {self._stand.execution_id}{todo.path}"
                )

    def _make_way(self, advance: Advance) -> None:
        """Gives the place free when the service stops, or the wait is long and nothing has come meanwhile."""
        now = self._outside.clock.now()
        wake_time = advance.wake_time or now
        if self._outside.leaving or (wake_time - now > LONG_WAIT and not self._nudged.is_set()):
            raise WaitsUntil(wake_time)

    async def _something(self, wake_time: datetime | None) -> None:
        """Returns when an action has ended, an event was thrown, or the wake time has come."""
        waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._nudged.wait())}
        if wake_time is not None:
            pause = max(timedelta(0), wake_time - self._outside.clock.now())
            waiting.add(asyncio.ensure_future(self._outside.clock.sleep(pause)))
        try:
            await asyncio.wait({*waiting, *self._acting.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()

    async def _acted(self, todo: Todo, instruction: Act, names: Mapping[str, Json]) -> Step:
        """The record of a plain action that was carried out by its own runner."""
        started_at = self._outside.clock.now()
        attempt = self._attempt
        own = Attempt(attempt.execution, attempt.event, started_at, action=instruction.act, names=names, step=todo.path)
        output: Json = None
        failure: ActionFailed | None = None
        try:
            output = await self._outside.runners[instruction.act.type](own)
        except ActionFailed as error:
            failure = error
        except Exception as error:
            log.exception("instruction_broke", execution_id=self._stand.execution_id, step=todo.path)
            failure = ActionFailed(f"{type(error).__name__}: {error}", "internal")
        keeps = self._stand.traced or instruction.id is not None
        return Step(
            path=todo.path,
            action=instruction.action,
            status=StepStatus.FAILED if failure else StepStatus.DONE,
            attempt=attempt.execution.attempt,
            started_at=started_at,
            ended_at=self._outside.clock.now(),
            inputs=_shown(instruction, own) if self._stand.traced else None,
            output=bounded(output, MAX_OUTPUT_CHARS) if keeps else None,
            error=failure.message[:2000] if failure else None,
            code=failure.code if failure else None,
            permanent=failure.permanent if failure else False,
            id=instruction.id,
        )

    async def _stop_acting(self, acting: Mapping[str, asyncio.Task[Step]]) -> None:
        """Stops actions that nobody waits for any more: their block has been left."""
        tasks = dict(acting)
        for path, task in tasks.items():
            task.cancel()
            self._acting.pop(path, None)
        if tasks:
            await asyncio.wait(tasks.values())

    def _ended(self, advance: Advance) -> Json:
        flow = advance.flow
        if isinstance(flow, Broke):
            place = f"instruction {flow.path}: " if flow.path else ""
            raise ActionFailed(f"{place}{flow.message}", flow.code, permanent=flow.permanent)
        return {
            "action_type": "instructions",
            "status": "success",
            "steps": len(advance.course.steps) - 1,
            "result": flow.result if isinstance(flow, Ended) else None,
        }


def _goes_on(flow: Open) -> bool:
    """Whether something is left that the next transaction does: there was more than fits into one."""
    return any(isinstance(todo.instruction, LOCAL) and todo.open is None for todo in flow.todos)


def _paths(flow: Open) -> set[str]:
    return {todo.path for todo in flow.todos}


def _shown(instruction: Act, attempt: Attempt) -> Json:
    """The fields of a plain action as rendered, for the trace."""
    fields = instruction.model_dump(mode="json")
    if contains_template(fields):
        names = {**execution_names(attempt.event, attempt.execution, attempt.now), **attempt.names}
        with contextlib.suppress(TemplateError):
            fields = render_value(fields, names)
    return bounded(
        {name: value for name, value in fields.items() if name not in ("action", "on_error")}, MAX_INPUT_CHARS
    )
