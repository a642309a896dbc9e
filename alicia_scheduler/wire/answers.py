"""Answers to commands, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import CommandRejected
from alicia_scheduler.wire.requests import AnswerAddress, Request
from alicia_scheduler.wire.topics import Topics

__all__ = ["answer_error", "answer_message", "answer_ok", "answer_topic", "error_document"]


def answer_ok(command: str, request_id: str | None, data: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The answer to a command that was carried out."""
    return {
        "request_id": request_id,
        "command": command,
        "status": "ok",
        "data": dict(data),
        "timestamp": now.timestamp(),
    }


def answer_error(command: str | None, request_id: str | None, error: CommandRejected, now: datetime) -> dict[str, Any]:
    """The answer to a command that was refused; ``command`` is None where not even that could be read."""
    return {
        "request_id": request_id,
        "command": command,
        "status": "error",
        "error": error_document(error),
        "timestamp": now.timestamp(),
    }


def error_document(error: CommandRejected) -> dict[str, Any]:
    """Code, message and every bad field; also the ``error`` of an HTTP answer."""
    return {
        "code": error.code.value,
        "message": error.message,
        "details": [{"field": detail.field, "message": detail.message} for detail in error.details],
    }


def answer_topic(request: Request | AnswerAddress, response_topic: str | None, topics: Topics) -> str:
    """The first place that may take the answer: the Response Topic, ``reply_to``, else ``…/response/<name>``."""
    for place in (response_topic, request.reply_to):
        if place and not topics.reply_topic_problem(place):
            return place
    return topics.response(request.name or "")


def answer_message(text: str, topic: str, correlation_data: bytes | None = None) -> OutgoingMessage:
    """An answer, from its JSON text as it was first sent or stored."""
    return OutgoingMessage(topic, text.encode("utf-8", "replace"), qos=1, correlation_data=correlation_data)
