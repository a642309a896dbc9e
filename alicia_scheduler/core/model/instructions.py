"""Instructions: a list that is carried out in order (docs/instructions.md).

An instruction is an object with an ``action``: one of the models below, or a plain action by the name of its type.
``parsed_block`` of ``instruction_parsing`` reads every spelling; what is held here is the canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    WrapValidator,
    model_validator,
)

from alicia_scheduler.core.model.action_kinds import PlainAction
from alicia_scheduler.core.model.condition import Condition
from alicia_scheduler.core.model.fields import JsonValue
from alicia_scheduler.core.model.instruction_fields import (
    MAX_PASSES,
    Name,
    TemplateOrCount,
    TemplateOrItems,
    at_least_one,
)
from alicia_scheduler.core.model.instruction_parsing import (
    MAX_BRANCHES,
    MAX_CHOICES,
    bounded_block,
    checked_loop_ends,
    parsed_block,
)
from alicia_scheduler.core.model.plain_instructions import (
    Log,
    PlainInstruction,
    SetVar,
    Stop,
    Terminate,
    ThrowEvent,
    Wait,
    WaitForEvent,
)
from alicia_scheduler.core.model.strict_config import StrictConfig


class Weighted(StrictConfig):
    """One way of a ``random_choice``."""

    weight: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 1
    instructions_block: Block


class RandomChoice(PlainInstruction):
    """Takes one of several ways, or sets a variable to one of several values; a repeat takes the same one."""

    spellings: ClassVar = {"var": "var_name"}

    action: Literal["random_choice"] = "random_choice"
    options: (
        Annotated[tuple[Weighted, ...], Field(strict=False, max_length=MAX_CHOICES), AfterValidator(at_least_one)]
        | None
    ) = None
    var_name: Name | None = None
    choices: (
        Annotated[tuple[JsonValue, ...], Field(strict=False, max_length=MAX_CHOICES), AfterValidator(at_least_one)]
        | None
    ) = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.options is None) == (self.choices is None):
            raise ValueError("give either options (blocks) or choices (values for var_name)")
        if (self.var_name is None) != (self.choices is None):
            raise ValueError("choices and var_name belong together")
        return self

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """The ways."""
        for place, option in enumerate(self.options or ()):
            yield f"options[{place}].instructions_block", option.instructions_block


class If(PlainInstruction):
    """Carries out ``then`` when the condition is true, else ``else``."""

    action: Literal["if"] = "if"
    condition: Condition
    then: Block
    else_: Annotated[Block, Field(alias="else")] = ()

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """Both ways."""
        yield "then", self.then
        yield "else", self.else_


class Option(StrictConfig):
    """One way of a ``choose``."""

    condition: Condition
    then: Block


class Choose(PlainInstruction):
    """Carries out the first option whose condition is true, else ``default``."""

    action: Literal["choose"] = "choose"
    options: Annotated[tuple[Option, ...], Field(strict=False, max_length=MAX_CHOICES), AfterValidator(at_least_one)]
    default: Block = ()

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """Every way."""
        for place, option in enumerate(self.options):
            yield f"options[{place}].then", option.then
        yield "default", self.default


class Repeat(PlainInstruction):
    """Carries out a block several times: ``count`` times, ``while`` or ``until`` a condition, or ``for_each`` item."""

    spellings: ClassVar = {"do": "instructions_block"}

    action: Literal["repeat"] = "repeat"
    count: TemplateOrCount | None = None
    while_: Annotated[Condition | None, Field(alias="while")] = None
    until: Condition | None = None
    for_each: TemplateOrItems | None = None
    max_passes: Annotated[int, Field(ge=1, le=MAX_PASSES)] = 100
    instructions_block: Block

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in (self.count, self.while_, self.until, self.for_each) if kind is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of count, while, until and for_each")
        return self

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """What is repeated."""
        yield "instructions_block", self.instructions_block


class Parallel(PlainInstruction):
    """Carries out several blocks at once, and goes on when all have ended."""

    action: Literal["parallel"] = "parallel"
    branches: Annotated[tuple[Block, ...], Field(strict=False, max_length=MAX_BRANCHES), AfterValidator(at_least_one)]

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """The branches."""
        for place, branch in enumerate(self.branches):
            yield f"branches[{place}]", branch


class Act(PlainInstruction):
    """A plain action; people write its fields beside ``action``, which is its type."""

    action: Annotated[str, Field(max_length=64)]
    act: PlainAction

    def _flattened(self, fields: dict[str, Any]) -> dict[str, Any]:
        act = {name: value for name, value in fields.pop("act").items() if value is not None and name != "type"}
        return {**fields, **act}


Instruction: TypeAlias = (
    SetVar | Log | ThrowEvent | Wait | WaitForEvent | RandomChoice | If | Choose | Repeat | Parallel | Stop | Terminate
    | Act
)  # fmt: skip
"""Every instruction."""

KINDS: dict[str, type[PlainInstruction]] = {
    kind.model_fields["action"].default: kind
    for kind in (
        SetVar, Log, ThrowEvent, Wait, WaitForEvent, RandomChoice, If, Choose, Repeat, Parallel, Stop, Terminate,
    )
}  # fmt: skip
"""The model of each instruction by its ``action``; plain actions stand in their own registry."""


def _read_block(value: Any, handler: Any) -> Any:
    return parsed_block(value, KINDS, Act)


def _written_block(block: Block) -> list[Any]:
    return [instruction.model_dump(mode="json") for instruction in block]


Block: TypeAlias = Annotated[tuple[Instruction, ...], WrapValidator(_read_block), PlainSerializer(_written_block)]
"""A list of instructions inside another one."""

_RECURSIVE: tuple[type[StrictConfig], ...] = (Weighted, Option, *KINDS.values(), Act)
for _kind in _RECURSIVE:
    _kind.model_rebuild()


def _bounded(block: Block) -> Block:
    checked_loop_ends(block)
    bounded_block(block)
    return block


InstructionsBlock = Annotated[Block, AfterValidator(_bounded)]
"""A whole program: bounded in number and depth."""


class Instructions(StrictConfig):
    """The action ``instructions``: carries out a list of instructions."""

    type: Literal["instructions"] = "instructions"
    instructions_block: InstructionsBlock


def every_instruction(block: Block, path: str = "") -> Iterator[tuple[str, Instruction]]:
    """All instructions of a block and of the blocks inside, each with its path."""
    for place, instruction in enumerate(block):
        here = f"{path}[{place}]"
        yield here, instruction
        for inner, nested in instruction.blocks():
            yield from every_instruction(nested, f"{here}.{inner}")
