"""What every command has in common: its name, its request id, and where its answer should go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.wire.envelope import ENVELOPE_FIELDS
from alicia_scheduler.wire.topics import Topics

__all__ = ["AnswerAddress", "Request", "answer_address", "fingerprint", "is_legacy_command", "parse_request"]

MAX_REQUEST_ID = 128
MAX_NAME = 64
_CONTROL_FIELDS = frozenset({"command", "request_id", "reply_to"})
_ALWAYS_LEFT_OVER = ENVELOPE_FIELDS - {"priority", "metadata", "destination", "routing", "version"}


@dataclass(frozen=True, slots=True)
class Request:
    """A command that has been taken apart but not yet understood; ``name`` is as the caller wrote it."""

    name: str
    request_id: str | None
    reply_to: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerAddress:
    """As much of a request as could be read, so that a refusal reaches the caller too."""

    name: str | None
    request_id: str | None
    reply_to: str | None


def parse_request(topic_name: str | None, body: Mapping[str, Any], topics: Topics | None = None) -> Request:
    """The request in the body; ``topic_name`` is what stood behind ``…/command/``, if anything.

    >>> parse_request(None, {"command": "get_event", "request_id": 7, "event_id": "lamp"}).fields
    {'event_id': 'lamp'}

    Args:
        topic_name: What stood behind ``…/command/`` in the topic, if anything.
        body: The decoded and unwrapped payload.
        topics: Given, ``reply_to`` must also be a topic that answers may go to.

    Raises:
        CommandRejected: INVALID_REQUEST, naming each of command, request_id and reply_to that is wrong.
    """
    found = (
        _name_problem(topic_name, body.get("command")),
        _request_id_problem(body.get("request_id")),
        _reply_to_problem(body.get("reply_to"), topics),
    )
    problems = tuple(problem for problem in found if problem)
    if problems:
        raise CommandRejected(ErrorCode.INVALID_REQUEST, refusal(problems), problems)
    address = answer_address(topic_name, body, topics)
    return Request(str(address.name), address.request_id, address.reply_to, _own_fields(body))


def answer_address(topic_name: str | None, body: Mapping[str, Any], topics: Topics | None = None) -> AnswerAddress:
    """Whatever of the request is right; never raises."""
    name = topic_name or body.get("command")
    request_id = body.get("request_id")
    reply_to = body.get("reply_to")
    return AnswerAddress(
        name if isinstance(name, str) and not _name_problem(name, None) else None,
        None if request_id is None or _request_id_problem(request_id) else str(request_id),
        reply_to if isinstance(reply_to, str) and not _reply_to_problem(reply_to, topics) else None,
    )


def is_legacy_command(body: Mapping[str, Any]) -> bool:
    """Whether a message on any other topic is meant for us: it names a command and is not itself an answer to one."""
    return "command" in body and "status" not in body


def fingerprint(name: str, fields: Mapping[str, Any]) -> str:
    """A hash of what a command asks for: equal content, equal hash, whatever the order of the keys."""
    text = json.dumps([name, fields], ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def shown(name: str, longest: int = MAX_NAME) -> str:
    """A name from outside that is safe to repeat: short, and in printable characters."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= longest else f"{text[:longest]}…"


def refusal(problems: tuple[FieldProblem, ...]) -> str:
    """One line that names the bad fields."""
    names = ", ".join(dict.fromkeys(problem.field for problem in problems))
    text = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the request: {names}"
    return text if len(text) <= 200 else f"{text[:199]}…"


def _own_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without what belongs to the envelope; some of its names are only sure next to a ``message_id``."""
    left_over = ENVELOPE_FIELDS if "message_id" in body else _ALWAYS_LEFT_OVER
    return {name: value for name, value in body.items() if name not in left_over and name not in _CONTROL_FIELDS}


def _name_problem(topic_name: str | None, name: object) -> FieldProblem | None:
    if name is None and topic_name is None:
        return FieldProblem("command", "is required: the name of a command, such as create_event")
    if name is not None and not isinstance(name, str):
        return FieldProblem("command", "expected text: the name of a command")
    if topic_name is not None and name is not None and name != topic_name:
        return FieldProblem("command", "differs from the name in the topic; leave one of them out")
    given = name or topic_name
    if not given or len(given) > MAX_NAME or not given.isprintable():
        return FieldProblem("command", f"expected 1 to {MAX_NAME} printable characters")
    return None


def _request_id_problem(value: object) -> FieldProblem | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return None
    if isinstance(value, str) and 1 <= len(value) <= MAX_REQUEST_ID and value.isprintable():
        return None
    return FieldProblem("request_id", f"expected 1 to {MAX_REQUEST_ID} printable characters, or a whole number")


def _reply_to_problem(value: object, topics: Topics | None) -> FieldProblem | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return FieldProblem("reply_to", "expected text: the topic for the answer")
    problem = topics.reply_topic_problem(value) if topics else None
    return FieldProblem("reply_to", problem) if problem else None
