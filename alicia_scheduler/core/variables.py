"""The variables of a destination: durable values that its executions share, within bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping

from alicia_scheduler.core.answers import VariablesAnswer
from alicia_scheduler.core.commands import DeleteVariable, SetVariable
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.model.fields import json_text
from alicia_scheduler.core.model.instruction_fields import NAME_PATTERN
from alicia_scheduler.core.thrown.model import REMOVED, Json, Variable
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem

MAX_VARIABLES = 200
"""Variables of one destination."""

MAX_VALUE_CHARS = 16_384
"""One value, as JSON."""

MAX_TOTAL_CHARS = 262_144
"""All values of one destination, as JSON."""

_name = re.compile(NAME_PATTERN, re.ASCII)


VariableChange = SetVariable | DeleteVariable


class VariableRefused(ValueError):
    """The variable cannot be set so."""


def changed_variables(draft: Draft, command: VariableChange) -> VariablesAnswer:
    """The variables after the command; raises CommandRejected."""
    dest_id = command.dest_id
    if isinstance(command, DeleteVariable):
        if command.name not in draft.thrown.variables(dest_id):
            raise _refused(ErrorCode.NOT_FOUND, f"'{dest_id}' has no variable '{command.name}'")
        draft.thrown.put_variable(Variable(dest_id, command.name, REMOVED, draft.now))
    else:
        try:
            set_variable(draft, dest_id, command.name, command.value)
        except VariableRefused as error:
            raise _refused(ErrorCode.LIMIT_EXCEEDED, str(error)) from None
    return VariablesAnswer(dest_id, draft.thrown.variables(dest_id))


def _refused(code: ErrorCode, message: str) -> CommandRejected:
    return CommandRejected(code, message, [FieldProblem("var_name", message)])


def set_variable(draft: Draft, dest_id: str, name: str, value: Json) -> None:
    """Leaves the variable so; raises VariableRefused."""
    check_variable(draft.thrown.variables(dest_id), name, value)
    draft.thrown.put_variable(Variable(dest_id, name, value, draft.now))


def check_variable(present: Mapping[str, Json], name: str, value: Json) -> None:
    """Raises VariableRefused when the destination cannot take the variable."""
    if not _name.fullmatch(name):
        raise VariableRefused("a variable's name has 1 to 64 of A-Z a-z 0-9 _ and no digit first")
    size = len(json_text(value))
    if size > MAX_VALUE_CHARS:
        raise VariableRefused(f"the value of '{name}' is {size} characters long as JSON, at most {MAX_VALUE_CHARS}")
    if name not in present and len(present) >= MAX_VARIABLES:
        raise VariableRefused(f"the destination has {MAX_VARIABLES} variables already; delete_variable removes one")
    others = sum(len(json_text(other)) for key, other in present.items() if key != name)
    if others + size > MAX_TOTAL_CHARS:
        raise VariableRefused(f"the variables of the destination would be larger than {MAX_TOTAL_CHARS} characters")
