"""Drives the rules of instructions without an engine: a store in memory, effects in a list, and crashes on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from alicia_scheduler.core.decision import Snapshot
from alicia_scheduler.core.instructions.advancing import Advance, Stand, Throw, on_advance
from alicia_scheduler.core.instructions.course import Course, Flow, Open, Todo
from alicia_scheduler.core.instructions.deciding import LOCAL
from alicia_scheduler.core.instructions.steps import Step, StepStatus, restored_step
from alicia_scheduler.core.model.action import Instructions
from alicia_scheduler.core.state import ExecutionStatus, ServiceMark
from alicia_scheduler.core.thrown.model import ThrownSnapshot
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.view import View
from tests.unit.rules.rows import NOON, execution, manual, rows, timings

EXECUTION = "x"


class Crash(Exception):
    """The process has died."""


@dataclass
class Home:
    """What outlives a process: the rows, and what the outside world has seen.

    Attributes:
        crashes: Numbers of boundaries at which the process dies; a boundary lies before and after every commit, and
            between an effect and its record.
    """

    block: list[Any]
    crashes: frozenset[int] = frozenset()
    fails: frozenset[str] = frozenset()
    boundary: int = 0
    attempt: int = 1
    now: datetime = NOON
    mark: ServiceMark = field(default_factory=ServiceMark)
    steps: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    thrown: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        action = {"type": "instructions", "instructions_block": self.block}
        definition = manual("lamp", action=action)
        assert isinstance(definition.action, Instructions)
        self.program = definition.action.instructions_block
        self.row = rows(definition)

    def to_end(self) -> Flow:
        """How the execution ends, over as many processes as it takes."""
        while True:
            try:
                return self._lives()
            except Crash:
                self.attempt += 1

    def _lives(self) -> Flow:
        course = Course(self.program, self.attempt, {path: restored_step(path, s) for path, s in self.steps.items()})
        stand = Stand(EXECUTION, self.attempt, course, "program", ThrowRules())
        finished: list[Step] = []
        event: Throw | None = None
        while True:
            advance = self._commit(stand, finished, event)
            stand = replace(stand, course=advance.course)
            flow = advance.flow
            if not isinstance(flow, Open):
                return flow
            finished, event = [], advance.throws[0] if advance.throws else None
            if event is None and not any(isinstance(t.instruction, LOCAL) and t.open is None for t in flow.todos):
                finished = self._act(flow, advance)

    def _commit(self, stand: Stand, finished: list[Step], event: Throw | None) -> Advance:
        self._may_die()
        running = execution(EXECUTION, status=ExecutionStatus.RUNNING, fence=self.attempt, attempt=self.attempt)
        record, state = self.row
        view = View(self.mark)
        snapshot = ThrownSnapshot(variables={"default": dict(self.variables)}, steps={EXECUTION: dict(self.steps)})
        view.load(Snapshot({"lamp": record}, {"lamp": state}, {EXECUTION: running}, thrown=snapshot))
        decision = on_advance(view, self.now, timings, stand, finished, event)
        view.absorb(decision)
        self.mark = view.mark
        self.steps = dict(view.thrown.steps(EXECUTION))
        self.variables = dict(view.thrown.variables("default"))
        self.thrown += [thrown.payload for thrown in view.changes.thrown.thrown.values()]
        self._may_die()
        return decision.answer

    def _act(self, flow: Open, advance: Advance) -> list[Step]:
        acts = [todo for todo in flow.todos if todo.instruction.action == "mqtt_publish"]
        if not acts:
            assert advance.wake_time is not None, "nothing would ever come of it"
            self.now = max(self.now, advance.wake_time)
            return []
        return [self._acted(todo) for todo in acts]

    def _acted(self, todo: Todo) -> Step:
        self.now += timedelta(milliseconds=1)
        self.effects.append(todo.path)
        self._may_die()
        failed = todo.path in self.fails
        status = StepStatus.FAILED if failed else StepStatus.DONE
        return Step(todo.path, "mqtt_publish", status, self.attempt, self.now, self.now,
                    error="it broke" if failed else None, code="broken" if failed else None)  # fmt: skip

    def _may_die(self) -> None:
        self.boundary += 1
        if self.boundary in self.crashes:
            raise Crash


def without_repeats(effects: list[str]) -> Iterator[str]:
    """The effects, each repeat of the one before it left out."""
    last = None
    for effect in effects:
        if effect != last:
            yield effect
        last = effect
