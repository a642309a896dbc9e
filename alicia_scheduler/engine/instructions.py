"""Carries out the action ``instructions``: records every step, acts, waits, and goes on after a crash.

The rules stand in ``core/instructions``. What needs the outside world is done here, each plain action by its own
runner. A long wait gives the execution's place free: the runner raises WaitsUntil, and is called again when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import blake2b

import structlog

from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.instructions.advancing import (
    Stand,
    Superseded,
)
from alicia_scheduler.core.instructions.course import Course
from alicia_scheduler.core.instructions.steps import HEADER, StepStatus, restored_step
from alicia_scheduler.core.lifecycle import is_waiting
from alicia_scheduler.core.model.action import Instructions
from alicia_scheduler.core.model.fields import json_text
from alicia_scheduler.core.model.instructions import Block
from alicia_scheduler.core.queries import ExecutionQuery
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.stretch import Key, Outside, Stretch
from alicia_scheduler.engine.writer import Committed, Writer
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import ActionRunner, Attempt, Clock, Json, Store, WaitsUntil

WATCHING_MAX = 10_000
"""Executions that wait for the same event, of which memory knows."""

PAGE = 100
"""Waiting executions looked at together after a start."""

log = structlog.get_logger("instructions")


class InstructionsRunner:
    """Runs ``instructions``.

    Args:
        runners: The plain actions, by type.
    """

    def __init__(
        self,
        writer: Writer,
        store: Store,
        clock: Clock,
        timings: Timings,
        runners: Mapping[str, ActionRunner],
        rules: ThrowRules,
    ) -> None:
        self._outside = Outside(writer, clock, timings, runners, rules, self.watch)
        self._store = store
        self._here: dict[str, asyncio.Event] = {}
        self._watching: dict[Key, dict[str, None]] = {}

    async def __call__(self, attempt: Attempt) -> Json:
        """The result of the block.

        Raises:
            ActionFailed: An instruction failed.
            WaitsUntil: Nothing can be done before a later time, or the service stops.
        """
        execution_id = attempt.execution.execution_id
        nudged = self._here[execution_id] = asyncio.Event()
        waits = False
        try:
            attempt.begin()
            return await Stretch(self._outside, attempt, await self._stand(attempt), nudged).to_end()
        except WaitsUntil:
            waits = True
            raise
        except Superseded:
            raise ActionFailed("the execution is no longer this process's", "superseded", permanent=True) from None
        finally:
            if not waits:
                self._watch_no_more(execution_id)
            if self._here.get(execution_id) is nudged:
                del self._here[execution_id]

    def leave(self) -> None:
        """Has every block stop behind the instruction that is under way; the next start goes on with it."""
        self._outside.leaving = True
        for nudged in self._here.values():
            nudged.set()

    def watch(self, key: Key, execution_id: str) -> None:
        """Has the execution look again when such an event is thrown."""
        self._watching.setdefault(key, {})[execution_id] = None
        if len(self._watching[key]) > WATCHING_MAX:  # some were cancelled while they waited: the others watch again
            for watching in self._watching.pop(key):
                self._nudge(watching)

    def _watch_no_more(self, execution_id: str) -> None:
        for key in [key for key, watching in self._watching.items() if execution_id in watching]:
            del self._watching[key][execution_id]
            if not self._watching[key]:
                del self._watching[key]

    def committed(self, committed: Committed) -> None:
        """Notices thrown events that somebody waits for."""
        if not self._watching:
            return
        for thrown in committed.thrown:
            for execution_id in self._watching.pop((thrown.namespace, thrown.key), ()):
                self._nudge(execution_id)

    async def resume(self) -> None:
        """After a start: has every execution that waits for an event look, and watch for the next one, again."""
        cursor: str | None = None
        while True:
            found, cursor = await self._store.executions(ExecutionQuery(status="retrying", limit=PAGE, cursor=cursor))
            for execution in found:
                if is_waiting(execution) and await self._waits_for_event(execution.execution_id):
                    self._nudge(execution.execution_id)
            if cursor is None:
                return

    async def _waits_for_event(self, execution_id: str) -> bool:
        steps = await self._store.steps(execution_id)
        return any(step["status"] == StepStatus.OPEN and "since" in step for _, step in steps)

    def _nudge(self, execution_id: str) -> None:
        here = self._here.get(execution_id)
        if here is not None:
            here.set()
            return
        needs = Needs(execution_ids=frozenset({execution_id}))
        future = self._outside.writer.submit(
            needs, partial(_woken, timings=self._outside.timings, execution_id=execution_id)
        )
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _stand(self, attempt: Attempt) -> Stand:
        action = attempt.action
        assert isinstance(action, Instructions)
        execution = attempt.execution
        stored = await self._store.steps(execution.execution_id)
        steps = {path: restored_step(path, step) for path, step in stored}
        mark = program_mark(action.instructions_block)
        if HEADER in steps and steps[HEADER].output["program"] != mark:
            message = "the instructions were changed while the execution was under way"
            raise ActionFailed(message, "instructions_changed", permanent=True)
        course = Course(action.instructions_block, execution.attempt, steps)
        traced = attempt.event.definition.trace_enabled
        return Stand(execution.execution_id, execution.fence, course, mark, self._outside.rules, traced)


def program_mark(block: Block) -> str:
    """A text that no other program has."""
    text = json_text([instruction.model_dump(mode="json") for instruction in block])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _woken(view: View, now: datetime, timings: Timings, execution_id: str) -> Decision[None]:
    """Has a waiting execution run again at once."""
    draft = Draft(view, now, timings)
    execution = draft.execution(execution_id)
    if execution is not None and is_waiting(execution):
        draft.amend(execution._replace(retry_time=now))
    return draft.decision(None)
