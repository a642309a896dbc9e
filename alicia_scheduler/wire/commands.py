"""The commands: what each reads from JSON, and the typed value that the rules get.

A command is a request model, its dataclass in ``core/commands.py``, and its line in ``COMMANDS``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from alicia_scheduler.core.commands import Command
from alicia_scheduler.core.model.event import EventDefaults, ScheduledEvent, parse_event
from alicia_scheduler.core.model.problems import MAX_PROBLEMS, InvalidDefinition, nearest, problems_of
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.wire import instruction_requests as instructions
from alicia_scheduler.wire import request_models as models
from alicia_scheduler.wire import requests
from alicia_scheduler.wire import thrown_requests as thrown
from alicia_scheduler.wire.requests import (
    AnswerAddress,
    Request,
    answer_address,
    is_legacy_command,
    parse_request,
    refusal,
    shown,
)

__all__ = [
    "COMMANDS", "AnswerAddress", "CommandInfo", "Request", "answer_address", "command_info", "fingerprint",
    "is_legacy_command", "parse_command", "parse_request",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """One command.

    Attributes:
        changes: Whether it may change the store, so that its answer is kept by request id.
        aliases: Older names that mean the same.
    """

    name: str
    summary: str
    model: type[models.RequestModel]
    changes: bool = False
    aliases: tuple[str, ...] = ()


COMMANDS = (
    CommandInfo("create_event", "validates and stores a scheduled event; answers with it and its next 5 fires",
                models.CreateEventRequest, True, ("schedule_event",)),
    CommandInfo("update_event", "changes fields of an event; answers with the fires before and after",
                models.UpdateEventRequest, True),
    CommandInfo("delete_event", "removes an event; its executions stay as history", models.DeleteEventRequest, True),
    CommandInfo("cancel_event", "ends an event and what waits or runs of it; keeps it for reading",
                models.CancelEventRequest, True),
    CommandInfo("pause_event", "stops the timer of an event, for good or until an instant",
                models.PauseEventRequest, True, ("disable_event",)),
    CommandInfo("resume_event", "starts the timer of a paused or disabled event again",
                models.ResumeEventRequest, True, ("enable_event",)),
    CommandInfo("trigger_event", "runs an event now, also while paused; its schedule does not move",
                models.TriggerEventRequest, True, ("execute_event_now",)),
    CommandInfo("get_event", "reads one event and its next fires", models.GetEventRequest),
    CommandInfo("list_events", "reads a page of events", models.ListEventsRequest),
    CommandInfo("preview", "computes the next fires of a stored event or of a definition; stores nothing",
                models.PreviewRequest),
    CommandInfo("list_executions", "reads a page of executions, newest first", models.ListExecutionsRequest),
    CommandInfo("get_execution", "reads one execution with its attempts, and its trace if asked for",
                instructions.GetExecutionRequest),
    CommandInfo("cancel_execution", "stops an execution that waits or runs", models.CancelExecutionRequest, True),
    CommandInfo("throw_event", "throws an event into the queues of its destinations, where triggers wait for it",
                thrown.ThrowEventRequest, True),
    CommandInfo("list_thrown", "reads the queues of thrown events and their history, in the order of offsets",
                thrown.ListThrownRequest),
    CommandInfo("consume_thrown", "takes active thrown events out of a queue, for programs that poll",
                thrown.ConsumeThrownRequest, True),
    CommandInfo("clear_thrown", "ends active thrown events; their history stays", thrown.ClearThrownRequest, True),
    CommandInfo("list_variables", "reads the variables of a destination", instructions.ListVariablesRequest),
    CommandInfo("set_variable", "sets a variable of a destination", instructions.SetVariableRequest, True),
    CommandInfo("delete_variable", "removes a variable of a destination", instructions.DeleteVariableRequest, True),
    CommandInfo("get_stats", "reads the counters of the service", models.GetStatsRequest),
    CommandInfo("ping", "answers, so that the caller knows the service listens", models.PingRequest),
)  # fmt: skip
"""Every command, in the order of the documents."""

MAX_PATH = 160
_BY_NAME = {name: info for info in COMMANDS for name in (info.name, *info.aliases)}


def command_info(name: str) -> CommandInfo:
    """The command of that name or alias.

    Raises:
        CommandRejected: UNKNOWN_COMMAND, with the nearest names.
    """
    info = _BY_NAME.get(name)
    if info is None:
        raise _unknown_command(name)
    return info


def fingerprint(name: str, fields: Mapping[str, Any]) -> str:
    """A hash of what a command asks for; an alias and its command have the same."""
    info = _BY_NAME.get(name)
    return requests.fingerprint(info.name if info else name, fields)


def parse_command(name: str, body: Mapping[str, Any], defaults: EventDefaults, *, fallback_event_id: str) -> Command:
    """The typed command; ``body`` holds its own fields only (``Request.fields``).

    Args:
        name: The command or an alias of it.
        body: The fields of the command.
        defaults: What an event in the request gets for the fields it leaves out.
        fallback_event_id: The id of an event that names none.

    Raises:
        CommandRejected: UNKNOWN_COMMAND, or INVALID_REQUEST that names every bad field.
    """
    model = command_info(name).model
    body = model.canonical(body)
    known = {field.alias or field_name for field_name, field in model.model_fields.items()}
    given = {
        key: value for key, value in body.items() if key in known and (value is not None or key in ("payload", "value"))
    }
    problems = [_unknown_field(key, known) for key in body if key not in known]
    event, event_problems = _definition(given.get("event"), defaults, fallback_event_id)
    problems += event_problems
    try:
        request = model.model_validate(given)
    except ValidationError as error:
        problems += problems_of(error, model)
        raise _invalid(problems) from None
    if problems:
        raise _invalid(problems)
    return request.command(event)


def _definition(
    raw: object, defaults: EventDefaults, fallback_event_id: str
) -> tuple[ScheduledEvent | None, tuple[FieldProblem, ...]]:
    if not isinstance(raw, dict):
        return None, ()
    event_id = raw.get("event_id")
    try:
        return parse_event({**raw, "event_id": fallback_event_id if event_id is None else event_id}, defaults), ()
    except InvalidDefinition as error:
        return None, tuple(FieldProblem(_below_event(problem.field), problem.message) for problem in error.problems)


def _below_event(field: str) -> str:
    return "event" if field == "(whole)" else shown(f"event.{field}", MAX_PATH)


def _unknown_field(name: str, known: set[str]) -> FieldProblem:
    close = nearest(name, sorted(known))
    if close:
        hint = f"did you mean '{close}'?"
    else:
        hint = f"known are {', '.join(sorted(known))}" if known else "this command has none"
    return FieldProblem(shown(name), f"unknown field; {hint}")


def _invalid(problems: list[FieldProblem]) -> CommandRejected:
    shortened = tuple(problems[:MAX_PROBLEMS])
    return CommandRejected(ErrorCode.INVALID_REQUEST, refusal(shortened), shortened)


def _unknown_command(name: str) -> CommandRejected:
    close = difflib.get_close_matches(name.lower()[:64], _BY_NAME, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(i.name for i in COMMANDS)}"
    return CommandRejected(
        ErrorCode.UNKNOWN_COMMAND, f"there is no command '{shown(name)}'", (FieldProblem("command", hint),)
    )
