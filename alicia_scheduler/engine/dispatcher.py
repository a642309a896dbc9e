"""Runs executions: claims what is ready while there is a free place, acts under a timeout, reports the outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.model.fields import json_text
from alicia_scheduler.core.on_claim import Claim, next_due_time, on_claim
from alicia_scheduler.core.on_outcome import Failed, HandedBack, Outcome, Succeeded, Waits
from alicia_scheduler.core.retry import Failure
from alicia_scheduler.core.thrown.acting import chosen_action
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.deadlines import Deadlines
from alicia_scheduler.engine.outcomes import OutcomeRecorder
from alicia_scheduler.engine.writer import Committed, Writer
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import ActionRunner, Attempt, Clock, Json, WaitsUntil

RESULT_MAX_CHARS = 256 * 1024
"""Largest result kept, as JSON; of a larger one only its size is."""

LONGEST_WAIT = timedelta(minutes=1)
"""How long the dispatcher waits for a due time before it looks at the clock again: it may have been set once more."""

SETTLING = timedelta(seconds=1)
"""What a stop grants, past its grace, to actions that were cancelled and to outcomes on their way into the store."""

AHEAD_MAX = 200
"""Executions claimed at most before there is a place for them. They wait for a place, and not for a commit."""

log = structlog.get_logger("dispatcher")


class Dispatcher:
    """Runs up to ``places`` executions at a time; the rest waits in the store, in order.

    Actions that end within milliseconds would leave their places empty for the length of a commit. So as many are
    claimed ahead as have ended since the last claim: none while actions are long, some tens while they are short.
    """

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        timings: Timings,
        runners: Mapping[str, ActionRunner],
        *,
        places: int,
        retries: bool = True,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._timings = timings
        self._runners = runners
        self._places = places
        self._recorder = OutcomeRecorder(writer, timings, self._was_fenced, retries=retries)
        self._nudged = asyncio.Event()
        self._acting: dict[str, asyncio.Task[None]] = {}
        self._ahead: deque[Claim] = deque()
        self._ended_since_claim = 0
        self._cancelled: set[str] = set()
        self._begun: dict[str, asyncio.Event] = {}
        self._deadlines = Deadlines()
        self._stopping = False
        self._claims_no_more = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._claiming: asyncio.Future[tuple[Claim, ...]] | None = None
        self.fenced = 0
        self.started = 0

    @property
    def running(self) -> int:
        """Executions whose action is under way."""
        return len(self._acting)

    def committed(self, committed: Committed) -> None:
        """Stops what was cancelled, and looks for work that has become ready."""
        for execution_id in committed.stop:
            task = self._acting.get(execution_id)
            if task is not None:
                task.cancel()
            else:
                self._forget(execution_id)
                self._cancelled.add(execution_id)
        if committed.ready:
            self.nudge()

    def nudge(self) -> None:
        """Has the dispatcher look for ready executions."""
        self._nudged.set()

    async def run(self) -> None:
        """Claims and starts executions until ``drain``; never cancelled, since a claim must not get lost on its way."""
        while not self._stopping:
            await self._nudged.wait()
            self._nudged.clear()
            wanted = self._wanted()
            if not self._stopping and wanted > 0:
                await self._claim(wanted)
        self._claims_no_more.set()

    def _wanted(self) -> int:
        ahead, self._ended_since_claim = min(self._ended_since_claim, AHEAD_MAX), 0
        return self._places + ahead - self.running - len(self._ahead)

    async def drain(self, grace: timedelta) -> None:
        """Claims no more, hands back what has not begun to act, and waits for the rest as long as the grace allows.

        A store that takes nothing cannot hold the stop up: what it does not hear of is recovered at the next start.
        """
        deadline = self._clock.steady() + grace
        self._stopping = True
        self.nudge()
        await self._end_claiming(grace)
        while self._ahead:
            self._recorder.record(self._ahead.popleft(), HandedBack(), self._clock.now())
        await asyncio.sleep(0)  # a task that is cancelled before its first step could not hand its execution back
        for execution_id, begun in list(self._begun.items()):
            if not begun.is_set():
                self._acting[execution_id].cancel()
        acting = set(self._acting.values())
        if acting:
            await asyncio.wait(acting, timeout=self._seconds_to(deadline))
        for execution_id, task in list(self._acting.items()):
            log.warning("execution_outlasts_grace", execution_id=execution_id)
            task.cancel()
        deadline = max(deadline, self._clock.steady() + SETTLING)
        while (self._acting or self._recorder.pending) and self._seconds_to(deadline):
            unfinished: set[asyncio.Future[Any]] = {*self._acting.values(), *self._recorder.pending}
            await asyncio.wait(unfinished, timeout=self._seconds_to(deadline))

    async def _end_claiming(self, grace: timedelta) -> None:
        """Waits for the claim under way; one that the store does not take in time is withdrawn."""
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self._claims_no_more.wait()
        except TimeoutError:
            if self._claiming is not None:
                self._claiming.cancel()

    def _seconds_to(self, deadline: timedelta) -> float:
        return max(0.0, (deadline - self._clock.steady()).total_seconds())

    async def _claim(self, free: int) -> None:
        def decide(view: View, now: datetime) -> Decision[tuple[Claim, ...]]:
            self._look_again(now, next_due_time(view, now))
            return on_claim(view, now, self._timings, free)

        needs = Needs(ready_at=self._clock.now(), ready_limit=free)
        self._claiming = self._writer.submit(needs, decide, last=True)
        self._cancelled.clear()
        claims = await self._claiming
        self._ahead.extend(claim for claim in claims if claim.execution.execution_id not in self._cancelled)
        self._start_what_fits()
        if len(claims) == free:
            self.nudge()

    def _start_what_fits(self) -> None:
        while self._ahead and self.running < self._places and not self._stopping:
            self._start(self._ahead.popleft())

    def _forget(self, execution_id: str) -> None:
        """Drops a claim whose execution was cancelled before there was a place for it."""
        self._ahead = deque(claim for claim in self._ahead if claim.execution.execution_id != execution_id)

    def _freed(self) -> None:
        """A place is free: what was claimed ahead takes it, or more is claimed."""
        self._ended_since_claim += 1
        self._start_what_fits()
        self.nudge()

    def _look_again(self, now: datetime, due_time: datetime | None) -> None:
        """Has the dispatcher look again when an execution that was planned before the clock was set back is due."""
        if due_time is None or self._alarm is not None:
            return
        wait = min(due_time - now, LONGEST_WAIT)
        self._alarm = asyncio.get_running_loop().call_later(wait.total_seconds(), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.nudge()

    def _start(self, claim: Claim) -> None:
        self.started += 1
        execution_id = claim.execution.execution_id
        begun = self._begun[execution_id] = asyncio.Event()
        task = asyncio.create_task(self._attempt(claim, begun), name=f"execution {execution_id}")
        self._acting[execution_id] = task
        task.add_done_callback(partial(self._ended, execution_id))

    async def _attempt(self, claim: Claim, begun: asyncio.Event) -> None:
        """Acts, frees the place, and reports; cancelled from outside, it reports only what the store must know."""
        execution_id = claim.execution.execution_id
        task = self._acting[execution_id]
        self._deadlines.set(task, claim.record.definition.timeout.total_seconds())
        try:
            outcome = await self._acted(claim, begun)
        except asyncio.CancelledError:
            if self._deadlines.passed(task):
                outcome = Failed(_timed_out(claim))
            elif self._stopping and not begun.is_set():
                outcome = HandedBack()
            else:
                return
        finally:
            self._deadlines.clear(task)
        del self._acting[execution_id]
        self._begun.pop(execution_id, None)
        self._recorder.record(claim, outcome, self._clock.now())
        self._freed()

    def _was_fenced(self) -> None:
        self.fenced += 1

    def _ended(self, execution_id: str, task: asyncio.Task[None]) -> None:
        """Frees the place of an attempt that ended without an outcome; the next attempt may have the place by now."""
        if self._acting.get(execution_id) is task:
            del self._acting[execution_id]
            self._begun.pop(execution_id, None)
            self._freed()

    async def _acted(self, claim: Claim, begun: asyncio.Event) -> Outcome:
        try:
            event = claim.record.definition
            action = chosen_action(event, claim.execution)
            if action is None:
                raise ActionFailed(
                    "the trigger that made it is gone, and the event has no action", "no_action", permanent=True
                )
            runner = self._runners[action.type]
            attempt = Attempt(claim.execution, claim.record, self._clock.now(), begun.set, action)
            return Succeeded(_kept(await runner(attempt)))
        except WaitsUntil as wait:
            return Waits(wait.wake_time)
        except ActionFailed as error:
            return Failed(_failure(error))
        except Exception as error:
            log.exception("action_broke", execution_id=claim.execution.execution_id)
            return Failed(Failure(f"{type(error).__name__}: {error}", "internal"))


def _timed_out(claim: Claim) -> Failure:
    seconds = claim.record.definition.timeout.total_seconds()
    return Failure(f"no end within {seconds:g} s", "timeout", timed_out=True)


def _kept(result: Json) -> Json:
    """The result as the history keeps it: JSON of bounded size.

    Raises:
        ValueError: It is not a JSON value.
    """
    size = len(json_text(result))
    return result if size <= RESULT_MAX_CHARS else {"truncated": True, "size": size}


def _failure(error: ActionFailed) -> Failure:
    retry_after = None
    if error.retry_after_s is not None:
        with contextlib.suppress(OverflowError, ValueError):
            retry_after = timedelta(seconds=max(0.0, error.retry_after_s))
    return Failure(error.message, error.code, permanent=error.permanent, retry_after=retry_after)
