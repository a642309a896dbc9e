"""What an instruction that acts on nothing outside comes to: pure, given the names that its templates may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alicia_scheduler.core.identity import fraction
from alicia_scheduler.core.instructions.course import Todo
from alicia_scheduler.core.instructions.steps import (
    MAX_INPUT_CHARS,
    MAX_OUTPUT_CHARS,
    Json,
    Step,
    StepStatus,
    bounded,
    step_id,
)
from alicia_scheduler.core.model.condition import as_template
from alicia_scheduler.core.model.fields import json_text
from alicia_scheduler.core.model.instruction_fields import count_of, duration_of, items_of
from alicia_scheduler.core.model.instructions import Choose, If, RandomChoice, Repeat
from alicia_scheduler.core.model.plain_instructions import Log, SetVar, Stop, Terminate, Wait
from alicia_scheduler.core.templates import TemplateError, render_value

Names = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an instruction came to.

    Attributes:
        variable: A variable to set.
        line: Level and text for the service's log.
        wake_time: The instruction waits until then.
    """

    output: Json = None
    inputs: Json = None
    variable: tuple[str, Json] | None = None
    line: tuple[str, str] | None = None
    wake_time: datetime | None = None


class InstructionFailed(Exception):
    """The instruction failed; a permanent failure will not go away by another attempt."""

    def __init__(self, message: str, code: str, *, permanent: bool = True, inputs: Json = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.permanent = permanent
        self.inputs = inputs


LOCAL = (SetVar, Log, If, Choose, RandomChoice, Repeat, Stop, Terminate, Wait)
"""Instructions that are decided here, in the transaction that records them."""


def decided(todo: Todo, names: Names, execution_id: str, now: datetime) -> Outcome:
    """What the instruction comes to.

    Raises:
        InstructionFailed: Its templates or values are wrong.
    """
    try:
        return _decided(todo, names, execution_id, now)
    except TemplateError as error:
        raise InstructionFailed(str(error), "bad_template") from None
    except ValueError as error:
        raise InstructionFailed(str(error), "bad_value") from None


def _decided(todo: Todo, names: Names, execution_id: str, now: datetime) -> Outcome:
    instruction = todo.instruction
    match instruction:
        case SetVar():
            value = render_value(instruction.value, names, "value")
            return Outcome(value, {"var_name": instruction.var_name, "value": value}, (instruction.var_name, value))
        case Log():
            message = render_value(instruction.message, names, "message")
            text = message if isinstance(message, str) else json_text(message)
            return Outcome(text, {"message": text, "level": instruction.level}, line=(instruction.level, text))
        case If():
            true = holds(instruction.condition, names)
            return _way("then" if true else "else", {"condition": true})
        case Choose():
            return _first_true(instruction, names)
        case RandomChoice():
            return _drawn(instruction, names, step_id(execution_id, todo.path))
        case Repeat():
            return _asked(instruction, todo, names) if todo.asks == "again" else _counted(instruction, names)
        case Stop() | Terminate():
            fields = {"reason": instruction.reason, "result": getattr(instruction, "result", None)}
            rendered = render_value(fields, names, "")
            return Outcome(rendered, rendered)
        case Wait():
            duration = duration_of(render_value(_plain(instruction.duration), names, "duration"))
            return Outcome(None, {"duration": duration.total_seconds()}, wake_time=now + duration)
        case _:
            raise AssertionError(f"{instruction.action} is decided elsewhere")


def holds(condition: str, names: Names) -> bool:
    """Whether the condition is true.

    Raises:
        TemplateError: It cannot be evaluated.
        ValueError: It is neither true nor false.
    """
    value = render_value(as_template(condition), names, "condition")
    known = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(known, bool):
        raise ValueError(f"the condition is neither true nor false, but {json_text(value)[:200]}")
    return known


def _way(way: str | None, inputs: Json) -> Outcome:
    return Outcome({"way": way}, inputs)


def _first_true(instruction: Choose, names: Names) -> Outcome:
    tried: list[bool] = []
    for place, option in enumerate(instruction.options):
        tried.append(holds(option.condition, names))
        if tried[-1]:
            return _way(f"options[{place}].then", {"conditions": tried})
    return _way("default", {"conditions": tried})


def _drawn(instruction: RandomChoice, names: Names, seed: str) -> Outcome:
    """One way or value, drawn by a hash of who asks: the same one after a crash."""
    drawn = fraction("random_choice", seed)
    if instruction.options is not None:
        place = weighted_place(drawn, [option.weight for option in instruction.options])
        return _way(f"options[{place}].instructions_block", {"drawn": round(drawn, 6)})
    assert instruction.choices is not None
    assert instruction.var_name is not None
    place = weighted_place(drawn, [1.0] * len(instruction.choices))
    value = render_value(instruction.choices[place], names, f"choices[{place}]")
    output = {"way": None, "value": value}
    return Outcome(output, {"drawn": round(drawn, 6)}, (instruction.var_name, value))


def weighted_place(drawn: float, weights: Sequence[float]) -> int:
    """The place among the weights that a number in [0, 1) falls on.

    >>> [weighted_place(x, [1, 2, 1]) for x in (0.0, 0.25, 0.74, 0.75)]
    [0, 1, 1, 2]
    """
    mark = drawn * sum(weights)
    for place, weight in enumerate(weights):
        mark -= weight
        if mark < 0:
            return place
    return len(weights) - 1


def _counted(repeat: Repeat, names: Names) -> Outcome:
    if repeat.for_each is not None:
        items = list(items_of(render_value(_plain(repeat.for_each), names, "for_each")))
        if len(json_text(items)) > MAX_OUTPUT_CHARS:
            raise ValueError(f"the items of for_each are longer than {MAX_OUTPUT_CHARS} characters as JSON")
        return Outcome({"passes": len(items), "items": items}, {"passes": len(items)})
    passes = count_of(render_value(repeat.count, names, "count"))
    return Outcome({"passes": passes}, {"count": passes})


def _asked(repeat: Repeat, todo: Todo, names: Names) -> Outcome:
    """Whether a ``while`` begins the pass, or an ``until`` asks for another one."""
    assert todo.place.turn is not None
    index = todo.place.turn.index
    if repeat.while_ is not None:
        again, reached = holds(repeat.while_, names), index > repeat.max_passes
    else:
        again, reached = not holds(repeat.until or "", names), index >= repeat.max_passes
    if again and reached:
        raise InstructionFailed(f"no end after {repeat.max_passes} passes (max_passes)", "limit_exceeded")
    return Outcome({"again": again}, {"pass": index})


def _plain(value: Any) -> Json:
    return value.total_seconds() if isinstance(value, timedelta) else value


# records


def step_of(todo: Todo, outcome: Outcome, attempt: int, now: datetime, *, traced: bool) -> Step:
    """The record of an instruction that was decided: done, or waiting."""
    waits = outcome.wake_time is not None and outcome.wake_time > now
    return Step(
        path=todo.path,
        action=todo.instruction.action,
        status=StepStatus.OPEN if waits else StepStatus.DONE,
        attempt=attempt,
        started_at=now,
        ended_at=None if waits else now,
        inputs=bounded(outcome.inputs, MAX_INPUT_CHARS) if traced else None,
        output=outcome.output,
        wake_time=outcome.wake_time if waits else None,
        id=todo.instruction.id,
    )


def failed_step(todo: Todo, failure: InstructionFailed, attempt: int, started_at: datetime, now: datetime) -> Step:
    """The record of an instruction that failed."""
    return Step(
        path=todo.path,
        action=todo.instruction.action,
        status=StepStatus.FAILED,
        attempt=attempt,
        started_at=started_at,
        ended_at=now,
        inputs=bounded(failure.inputs, MAX_INPUT_CHARS),
        error=failure.message[:2000],
        code=failure.code,
        permanent=failure.permanent,
        id=todo.instruction.id,
    )
