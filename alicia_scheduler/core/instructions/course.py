"""The interpreter: from a program and what became of its instructions so far to what comes next.

Nothing here acts, waits or reads a variable. Every decision of a program (which way, how many passes) is an instruction
of its own whose outcome is recorded, so the same records always lead to the same place: after a crash the course is
laid out again from the records and goes on behind the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from alicia_scheduler.core.instructions.steps import HEADER, Json, Step, StepStatus
from alicia_scheduler.core.model.instructions import Block, Choose, If, Instruction, Parallel, RandomChoice, Repeat
from alicia_scheduler.core.model.plain_instructions import Stop, Terminate

MAX_STEPS = 5000
"""Instructions of one execution, every pass counted."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a repeat, as templates see it.

    Attributes:
        index: 1 for the first.
        passes: How many there will be, where that is known.
    """

    index: int
    passes: int | None = None
    item: Json = None

    def names(self) -> dict[str, Json]:
        """The object under ``repeat``."""
        last = None if self.passes is None else self.index == self.passes
        return {"index": self.index, "first": self.index == 1, "last": last, "item": self.item}


@dataclass(frozen=True, slots=True)
class Place:
    """What surrounds an instruction.

    Attributes:
        forgiving: A failure here is final: it or something around it goes on behind failures.
        turn: The pass of the innermost repeat around it.
    """

    forgiving: bool = False
    turn: Pass | None = None


@dataclass(frozen=True, slots=True)
class Todo:
    """An instruction whose turn it is.

    Attributes:
        asks: ``do`` for the instruction itself; ``again`` whether a repeat goes on with the pass of ``place``.
        open: Its record, if it has begun to wait.
    """

    path: str
    instruction: Instruction
    place: Place
    asks: Literal["do", "again"] = "do"
    open: Step | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """Everything up to here is done."""


@dataclass(frozen=True, slots=True)
class Left:
    """A ``terminate`` leaves the innermost repeat, or only the block."""

    scope: Literal["block", "loop"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The execution is over, and completed."""

    result: Json = None


@dataclass(frozen=True, slots=True)
class Broke:
    """The execution cannot go on: an instruction failed."""

    path: str
    message: str
    code: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """These instructions come next; several at once inside of a parallel."""

    todos: tuple[Todo, ...]


Flow = Passed | Left | Ended | Broke | Open
PASSED = Passed()


class Course:
    """Where an execution stands in its program.

    Args:
        attempt: The attempt of the execution; instructions that failed in an earlier one are done again.
        steps: What became of the instructions so far, by path.
    """

    def __init__(self, program: Block, attempt: int, steps: Mapping[str, Step] | None = None) -> None:
        self.program = program
        self.attempt = attempt
        self.steps: dict[str, Step] = dict(steps or {})
        self._closed: dict[str, Flow] = {}
        self._passes: dict[str, int] = {}

    def fork(self) -> Course:
        """Another course that stands at the same place; what is recorded there does not change this one."""
        other = Course(self.program, self.attempt, self.steps)
        other._closed, other._passes = dict(self._closed), dict(self._passes)
        return other

    def record(self, steps: Iterable[Step]) -> None:
        """Notes what became of instructions."""
        self.steps.update((step.path, step) for step in steps)

    def next(self) -> Flow:
        """What comes next."""
        if len(self.steps) > MAX_STEPS:
            return Broke(HEADER, f"more than {MAX_STEPS} instructions were carried out", "limit_exceeded", True)
        return self._block(self.program, "", Place())

    def outputs(self) -> dict[str, Json]:
        """The outcome of every instruction that has an ``id``, as templates see it under ``steps``."""
        return {
            step.id: {"status": step.status.value, "output": step.output, "error": step.error}
            for step in self.steps.values()
            if step.id is not None and step.status is not StepStatus.OPEN
        }

    # one construct each

    def _block(self, block: Block, path: str, place: Place) -> Flow:
        for number, instruction in enumerate(block):
            flow = self._instruction(instruction, f"{path}[{number}]", place)
            if flow == Left("block"):
                return PASSED
            if flow is not PASSED:
                return flow
        return PASSED

    def _instruction(self, instruction: Instruction, path: str, place: Place) -> Flow:
        closed = self._closed.get(path)
        if closed is not None:
            return closed
        forgives = instruction.on_error == "continue"
        flow = self._walked(instruction, path, Place(place.forgiving or forgives, place.turn))
        if forgives and isinstance(flow, Broke):
            flow = PASSED
        if not isinstance(flow, Open):
            self._closed[path] = flow
        return flow

    def _walked(self, instruction: Instruction, path: str, place: Place) -> Flow:
        match instruction:
            case If() | Choose() | RandomChoice():
                return self._way(instruction, path, place)
            case Repeat():
                return self._repeat(instruction, path, place)
            case Parallel():
                return self._parallel(instruction, path, place)
            case _:
                found = self._outcome(Todo(path, instruction, place))
                return _after(instruction, found) if isinstance(found, Step) else found

    def _outcome(self, todo: Todo) -> Step | Open | Broke:
        """The record of an instruction that is done, else that it comes next, or that it has failed."""
        step = self.steps.get(todo.path)
        if step is None:
            return Open((todo,))
        if step.status is StepStatus.DONE:
            return step
        if step.status is StepStatus.OPEN:
            return Open((Todo(todo.path, todo.instruction, todo.place, todo.asks, step),))
        if step.attempt < self.attempt and not todo.place.forgiving:
            return Open((todo,))
        return Broke(todo.path, step.error or "", step.code or "", step.permanent)

    def _way(self, instruction: If | Choose | RandomChoice, path: str, place: Place) -> Flow:
        found = self._outcome(Todo(path, instruction, place))
        if not isinstance(found, Step):
            return found
        way = found.output.get("way")
        if way is None:
            return PASSED
        return self._block(dict(instruction.blocks())[way], f"{path}.{way}", place)

    def _parallel(self, instruction: Parallel, path: str, place: Place) -> Flow:
        flows = [self._block(branch, f"{path}.{name}", place) for name, branch in instruction.blocks()]
        for flow in flows:
            if not isinstance(flow, Open | Passed):
                return flow
        todos = tuple(todo for flow in flows if isinstance(flow, Open) for todo in flow.todos)
        return Open(todos) if todos else PASSED

    # repeats

    def _repeat(self, repeat: Repeat, path: str, place: Place) -> Flow:
        if repeat.count is None and repeat.for_each is None:
            return self._conditional(repeat, path, place)
        found = self._outcome(Todo(path, repeat, place))
        if not isinstance(found, Step):
            return found
        items = found.output.get("items")
        passes = found.output["passes"]
        while (index := self._passes.get(path, 0) + 1) <= passes:
            turn = Pass(index, passes, items[index - 1] if items is not None else None)
            flow = self._turn(repeat, path, Place(place.forgiving, turn))
            if flow is not PASSED:
                return PASSED if flow == Left("loop") else flow
        return PASSED

    def _conditional(self, repeat: Repeat, path: str, place: Place) -> Flow:
        """``while`` asks before each pass, ``until`` after it."""
        while True:
            here = Place(place.forgiving, Pass(self._passes.get(path, 0) + 1))
            again = Todo(f"{path}.pass[{_index(here)}].again", repeat, here, "again")
            if repeat.while_ is not None:
                found = self._outcome(again)
                if not isinstance(found, Step):
                    return found
                if not found.output["again"]:
                    return PASSED
            flow = self._turn(repeat, path, here, again if repeat.until is not None else None)
            if flow is not PASSED:
                return PASSED if flow == Left("loop") else flow

    def _turn(self, repeat: Repeat, path: str, here: Place, ask: Todo | None = None) -> Flow:
        """One pass; ``ask`` stands behind it and may end the repeat."""
        flow = self._block(repeat.instructions_block, f"{path}.pass[{_index(here)}]", here)
        if flow is not PASSED:
            return flow
        if ask is not None:
            found = self._outcome(ask)
            if not isinstance(found, Step):
                return found
            if not found.output["again"]:
                return Left("loop")
        self._passes[path] = _index(here)
        return PASSED


def _after(instruction: Instruction, step: Step) -> Flow:
    """Where a finished instruction leads."""
    match instruction:
        case Stop():
            message = str(step.output.get("reason") or "stopped by an instruction")
            failed = Broke(step.path, message, "stopped", permanent=True)
            return failed if instruction.error else Ended(step.output.get("result"))
        case Terminate(scope="execution"):
            return Ended()
        case Terminate(scope="loop"):
            return Left("loop")
        case Terminate():
            return Left("block")
        case _:
            return PASSED


def _index(place: Place) -> int:
    assert place.turn is not None
    return place.turn.index
