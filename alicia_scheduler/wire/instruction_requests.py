"""The fields of the commands about executions with their trace, and about variables (as in request_models.py)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from alicia_scheduler.core import commands
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.fields import Identifier, json_text
from alicia_scheduler.core.model.instruction_fields import Name
from alicia_scheduler.wire.request_models import ExecutionId, RequestModel


def _plain(value: Any) -> Any:
    json_text(value)
    return value


class GetExecutionRequest(RequestModel):
    """Fields of ``get_execution``."""

    execution_id: ExecutionId
    trace: bool = Field(False, description="also what became of every instruction")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Read the execution."""
        return commands.GetExecution(self.execution_id, self.trace)


class _VariableRequest(RequestModel):
    dest_id: Identifier = Field("default", description="the destination whose variables they are")


class ListVariablesRequest(_VariableRequest):
    """Fields of ``list_variables``."""

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Read the variables."""
        return commands.ListVariables(self.dest_id)


class SetVariableRequest(_VariableRequest):
    """Fields of ``set_variable``."""

    var_name: Name
    value: Annotated[Any, AfterValidator(_plain)] = Field(description="any JSON; it is data, never a template")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Set the variable."""
        return commands.SetVariable(self.dest_id, self.var_name, self.value)


class DeleteVariableRequest(_VariableRequest):
    """Fields of ``delete_variable``."""

    var_name: Name

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Remove the variable."""
        return commands.DeleteVariable(self.dest_id, self.var_name)
