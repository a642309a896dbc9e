"""One step of the way through a program: what was finished is recorded, and everything that needs nobody else is done.

An instruction and its record are one transaction, whether it sets a variable, throws an event, consumes one, or only
decides. Those that act on the outside world are left to the caller, who comes back with what became of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from alicia_scheduler.core.commands import ThrowEvent as ThrowCommand
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.instructions.course import Course, Flow, Open, Todo
from alicia_scheduler.core.instructions.deciding import (
    LOCAL,
    InstructionFailed,
    Outcome,
    decided,
    failed_step,
    step_of,
)
from alicia_scheduler.core.instructions.receiving import look, next_look, opened
from alicia_scheduler.core.instructions.steps import HEADER, Json, Step, StepStatus
from alicia_scheduler.core.model.plain_instructions import ThrowEvent, Wait, WaitForEvent
from alicia_scheduler.core.model.problems import InvalidDefinition
from alicia_scheduler.core.state import EventRecord, Execution, ExecutionStatus
from alicia_scheduler.core.template_names import execution_names
from alicia_scheduler.core.templates import TemplateError, render_value
from alicia_scheduler.core.thrown.model import StepRecord
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.thrown.throwing import source_of, throw
from alicia_scheduler.core.variables import VariableRefused, set_variable
from alicia_scheduler.core.view import View
from alicia_scheduler.errors import CommandRejected, ErrorCode

CHUNK = 50
"""Instructions of one execution in one transaction."""

TRACE_STEPS = 1000
"""Instructions of one execution whose inputs are kept."""


class Superseded(Exception):
    """The execution is no longer the caller's: it was cancelled, or claimed anew."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a runner stands with an execution.

    Attributes:
        fence: The fencing token of its claim.
        program_mark: Tells this program from another one.
        traced: Whether inputs and outputs are kept for people.
    """

    execution_id: str
    fence: int
    course: Course
    program_mark: str
    rules: ThrowRules
    traced: bool = True


@dataclass(frozen=True, slots=True)
class Throw:
    """An event that is to be thrown next, with its fields rendered."""

    todo: Todo
    command: ThrowCommand
    fields: Json


@dataclass(frozen=True, slots=True)
class Advance:
    """How far it came.

    Attributes:
        throws: Events to throw, each in a step of its own.
        lines: Level, text and path of lines for the log.
        variables: Those of the destination as they are now.
        wake_time: When a wait is over, or a thrown event that one waits for becomes active.
    """

    course: Course
    flow: Flow
    throws: tuple[Throw, ...] = ()
    lines: tuple[tuple[str, str, str], ...] = ()
    wake_time: datetime | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)


def on_advance(
    view: View, now: datetime, timings: Timings, stand: Stand, finished: Iterable[Step] = (), event: Throw | None = None
) -> Decision[Advance]:
    """Records what was finished, throws the event, and goes on as far as nobody else is needed.

    Raises:
        Superseded: Nothing is recorded.
    """
    draft = Draft(view, now, timings)
    execution, record = _own(draft, stand)
    failure: CommandRejected | None = None
    if event is not None:
        try:
            throw(draft, event.command, stand.rules, source_of(execution, event.todo.path))
        except CommandRejected as error:
            draft, failure = Draft(draft.view, now, timings), error  # nothing of a throw that was refused may stay
    turn = _Turn(draft, stand, execution, record)
    turn.begin(finished)
    if event is not None:
        turn.thrown(event, failure)
    return draft.decision(turn.gone_on())


def _own(draft: Draft, stand: Stand) -> tuple[Execution, EventRecord]:
    execution = draft.execution(stand.execution_id)
    if execution is None or execution.status is not ExecutionStatus.RUNNING or execution.fence != stand.fence:
        raise Superseded
    event = draft.event(execution.event_id)
    if event is None or event[0].key != execution.event_key:
        raise Superseded
    return execution, event[0]


@dataclass(slots=True)
class _Turn:
    """One decision in the making."""

    draft: Draft
    stand: Stand
    execution: Execution
    record: EventRecord
    course: Course = field(init=False)
    throws: dict[str, Throw] = field(default_factory=dict)
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    kept: int = 0

    def __post_init__(self) -> None:
        self.course = self.stand.course.fork()

    @property
    def dest_id(self) -> str:
        return self.record.definition.dest_id

    def begin(self, finished: Iterable[Step]) -> None:
        """Records what was finished outside; at the very first, which program it is."""
        if HEADER not in self.course.steps:
            output = {"program": self.stand.program_mark, "since": self.draft.counters.offset - 1}
            now = self.draft.now
            self.keep(Step(HEADER, "", StepStatus.DONE, self.execution.attempt, now, now, output=output))
        for step in finished:
            self.keep(step)

    def gone_on(self) -> Advance:
        """Goes on as far as possible."""
        flow = self.course.next()
        while isinstance(flow, Open) and self.kept < CHUNK and self._moved(flow):
            flow = self.course.next()
        if self.kept and self.execution.crash_count:
            self.draft.amend(self.execution._replace(crash_count=0))
        variables = dict(self.draft.thrown.variables(self.dest_id))
        here = {todo.path for todo in flow.todos} if isinstance(flow, Open) else set()
        throws = tuple(throw for path, throw in self.throws.items() if path in here)
        return Advance(self.course, flow, throws, tuple(self.lines), self._wake_time(flow), variables)

    def _moved(self, flow: Open) -> bool:
        """Whether something became of one of the instructions; then the way may lead elsewhere for the others too."""
        return any(self.done(todo) for todo in flow.todos)

    def _wake_time(self, flow: Flow) -> datetime | None:
        """When something becomes of an instruction by itself."""
        times: list[datetime] = []
        for todo in flow.todos if isinstance(flow, Open) else ():
            times += [todo.open.wake_time] if todo.open is not None and todo.open.wake_time is not None else []
            if isinstance(todo.instruction, WaitForEvent) and todo.open is not None:
                later = next_look(self.draft, todo.open, todo.instruction, self.record)
                times += [later] if later is not None else []
        return min(times, default=None)

    def done(self, todo: Todo) -> bool:
        """Whether something became of the instruction here and now."""
        try:
            return self._attempted(todo)
        except InstructionFailed as failure:
            self.fail(todo, failure)
        except TemplateError as error:
            self.fail(todo, InstructionFailed(str(error), "bad_template"))
        except VariableRefused as error:
            self.fail(todo, InstructionFailed(str(error), "limit_exceeded"))
        except ValueError as error:
            self.fail(todo, InstructionFailed(str(error), "bad_value"))
        return True

    def _attempted(self, todo: Todo) -> bool:
        match todo.instruction:
            case Wait() if todo.open is not None:
                return self._woken(todo, todo.open)
            case WaitForEvent():
                return self._received(todo, todo.instruction)
            case ThrowEvent():
                return self._prepared(todo, todo.instruction)
            case instruction if isinstance(instruction, LOCAL):
                self._settle(todo, decided(todo, self.names(todo), self.execution.execution_id, self.draft.now))
                return True
            case _:
                return False

    def _settle(self, todo: Todo, outcome: Outcome) -> None:
        if outcome.variable is not None:
            set_variable(self.draft, self.dest_id, *outcome.variable)
        if outcome.line is not None:
            self.lines.append((*outcome.line, todo.path))
        self.keep(step_of(todo, outcome, self.execution.attempt, self.draft.now, traced=self.traced))

    def _woken(self, todo: Todo, waiting: Step) -> bool:
        if waiting.wake_time is not None and self.draft.now < waiting.wake_time:
            return False
        self.keep(replace(waiting, status=StepStatus.DONE, ended_at=self.draft.now, wake_time=None))
        return True

    def _received(self, todo: Todo, instruction: WaitForEvent) -> bool:
        if todo.open is None:
            self.keep(opened(self.draft, todo, instruction, self.course, self.execution.attempt))
            return True
        step = look(self.draft, todo.open, instruction, self.record, self.execution.execution_id, self.names(todo))
        if step == todo.open:
            return False
        self.keep(step)
        return step.status is not StepStatus.OPEN

    # throwing

    def _prepared(self, todo: Todo, instruction: ThrowEvent) -> bool:
        """Renders the event; it is thrown in the next step, since the store must first be asked who waits for it."""
        from alicia_scheduler.core.model.throwing import parse_throw  # it reads triggers, which hold instructions

        fields = render_value(instruction.thrown_fields(), self.names(todo))
        try:
            command = parse_throw(fields, self.record.definition.namespace)
        except InvalidDefinition as error:
            raise InstructionFailed(str(error), "bad_value", inputs=fields) from None
        self.throws[todo.path] = Throw(todo, command, fields)
        return False

    def thrown(self, event: Throw, failure: CommandRejected | None) -> None:
        """Records what became of the throw."""
        if failure is not None:
            lasting = failure.code not in (ErrorCode.LIMIT_EXCEEDED, ErrorCode.UNAVAILABLE)
            problem = InstructionFailed(failure.message, failure.code.value, permanent=lasting, inputs=event.fields)
            self.fail(event.todo, problem)
            return
        offset = self.draft.counters.offset - 1
        outcome = Outcome({"offset": offset, "key": event.command.key}, event.fields)
        self._settle(event.todo, outcome)

    # records

    def fail(self, todo: Todo, failure: InstructionFailed) -> None:
        """Records a failure."""
        now = self.draft.now
        started_at = todo.open.started_at if todo.open is not None else now
        self.keep(failed_step(todo, failure, self.execution.attempt, started_at, now))

    def keep(self, step: Step) -> None:
        """Records a step."""
        self.kept += 1
        self.course.record([step])
        self.draft.thrown.put_step(StepRecord(self.execution.execution_id, step.path, step.stored()))

    @property
    def traced(self) -> bool:
        return self.stand.traced and len(self.course.steps) <= TRACE_STEPS

    def names(self, todo: Todo) -> dict[str, Json]:
        """What the instruction's templates can name."""
        names = execution_names(self.record, self.execution, self.draft.now)
        return {**names, **block_names(self.course, todo, self.draft.thrown.variables(self.dest_id))}


def block_names(course: Course, todo: Todo, variables: Mapping[str, Json]) -> dict[str, Json]:
    """The names that only instructions have: ``vars``, ``steps``, and inside of a repeat ``repeat``."""
    names: dict[str, Json] = {"vars": dict(variables), "steps": course.outputs()}
    if todo.place.turn is not None:
        names["repeat"] = todo.place.turn.names()
    return names
