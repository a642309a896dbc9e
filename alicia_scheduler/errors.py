"""Every error the package raises on purpose.

The tree says who can do something about it::

    SchedulerError
    ├─ CommandRejected      the caller: the command was wrong, nothing changed
    ├─ ConfigurationError   the operator: settings or declared files are wrong, the service does not start
    ├─ StoreError           the machine
    │  ├─ StoreUnavailable  for now (disk full, file locked): nothing was committed, try again later
    │  ├─ StoreInUse        another process owns the file
    │  └─ StoreDamaged      the file is not what we wrote: stop, overwrite nothing
    ├─ BusError             the broker
    │  ├─ BusUnavailable    not connected, or the connection went while the message was under way: outcome unknown
    │  └─ PublishRefused    the broker answered with a reason code of 0x80 or more
    └─ ActionFailed         the outside world: an attempt failed, ``permanent`` says whether another one can help
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ActionFailed",
    "BusError",
    "BusUnavailable",
    "CommandRejected",
    "ConfigurationError",
    "ErrorCode",
    "FieldProblem",
    "PublishRefused",
    "SchedulerError",
    "StoreDamaged",
    "StoreError",
    "StoreInUse",
    "StoreUnavailable",
]


class ErrorCode(StrEnum):
    """The codes an answer or an ``errors`` message can carry; other programs branch on them."""

    INVALID_JSON = "invalid_json"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNKNOWN_COMMAND = "unknown_command"
    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    PAST_TIME = "past_time"
    LIMIT_EXCEEDED = "limit_exceeded"
    NOT_ALLOWED = "not_allowed"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One bad field: its dotted path and what was expected there."""

    field: str
    message: str


class SchedulerError(Exception):
    """The root of every error raised on purpose."""


class CommandRejected(SchedulerError):
    """The command was refused; nothing changed."""

    def __init__(self, code: ErrorCode, message: str, details: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


class ConfigurationError(SchedulerError):
    """Settings or a declared file are wrong; the message names file, line and the nearest right name."""


class StoreError(SchedulerError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The same transaction may succeed later. Whether this one was committed, the service mark in the store tells."""


class StoreInUse(StoreError):
    """Another process owns the store; the message names it."""


class StoreDamaged(StoreError):
    """The file is not a store this version can read; it was left untouched."""


class BusError(SchedulerError):
    """A message did not reach the broker, or may not have."""


class BusUnavailable(BusError):
    """There is no connection, or it went while the message was under way: the outcome is unknown."""


class PublishRefused(BusError):
    """The broker refused the message.

    Args:
        reason_code: The MQTT 5 reason code, 0x80 or more.
        permanent: Whether sending the same message again is pointless.
    """

    def __init__(self, message: str, reason_code: int, *, permanent: bool) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        self.permanent = permanent


class ActionFailed(SchedulerError):
    """An attempt failed.

    Args:
        code: A short stable word for programs, such as ``publish_refused``.
        permanent: Whether another attempt is pointless.
        retry_after_s: The delay the other side asked for, in seconds.
    """

    def __init__(self, message: str, code: str, *, permanent: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
