"""Commands as typed values: what ``wire/commands.py`` reads from JSON, and what the rules and the service act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.thrown.model import Scope, ThrownQuery

OnConflict = Literal["error", "replace", "skip"]


@dataclass(frozen=True, slots=True)
class CreateEvent:
    """Stores a new event; ``on_conflict`` says what to do when its id is taken."""

    event: ScheduledEvent
    on_conflict: OnConflict = "error"
    origin: str = "bus"


@dataclass(frozen=True, slots=True)
class UpdateEvent:
    """Changes a definition by JSON merge patch (RFC 7396); ``revision`` is the one the caller saw, if it cares."""

    event_id: str
    changes: Mapping[str, Any]
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteEvent:
    """Removes an event; its executions stay as history."""

    event_id: str


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """Ends an event and whatever of it waits or runs; keeps it for reading."""

    event_id: str


@dataclass(frozen=True, slots=True)
class PauseEvent:
    """Stops the timer of an event, until an instant or until resumed."""

    event_id: str
    note: str | None = None
    until: datetime | None = None
    cause: Literal["user", "failures", "system"] = "user"


@dataclass(frozen=True, slots=True)
class ResumeEvent:
    """Starts the timer of a paused or disabled event again."""

    event_id: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """Runs an event now, whatever its timer says."""

    event_id: str
    payload: Any = None


@dataclass(frozen=True, slots=True)
class CancelExecution:
    """Stops an execution that waits or runs."""

    execution_id: str


@dataclass(frozen=True, slots=True)
class ThrowEvent:
    """Throws an event into the queues of its destinations; ``ttl`` None means the default of the settings.

    Attributes:
        future_time: Naive for a local time in the service's zone.
    """

    key: str
    namespace: str = "default"
    scope: Scope = "global"
    dest_id: str | None = None
    group_id: str | None = None
    ttl: timedelta | None = None
    delay: timedelta | None = None
    future_time: datetime | None = None
    payload: Any = None
    value: Any = None
    sender: str | None = None
    display_name: str | None = None
    single_consumer: bool = False


@dataclass(frozen=True, slots=True)
class ConsumeThrown:
    """Takes thrown events out of a queue, the oldest first, for a program that polls."""

    dest_id: str
    namespace: str | None = None
    keys: tuple[str, ...] = ()
    since_offset: int = 0
    limit: int = 1
    consumer: str = "bus"


@dataclass(frozen=True, slots=True)
class ClearThrown:
    """Ends active thrown events before their time."""

    dest_id: str | None = None
    namespace: str | None = None
    keys: tuple[str, ...] = ()
    since_offset: int = 0


@dataclass(frozen=True, slots=True)
class ListThrown:
    """Reads queues and their history."""

    query: ThrownQuery


@dataclass(frozen=True, slots=True)
class GetEvent:
    """Reads one event."""

    event_id: str


@dataclass(frozen=True, slots=True)
class ListEvents:
    """Reads a page of events."""

    query: EventQuery


@dataclass(frozen=True, slots=True)
class GetExecution:
    """Reads one execution; with ``trace`` also what became of its instructions."""

    execution_id: str
    trace: bool = False


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Sets a variable of a destination."""

    dest_id: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class DeleteVariable:
    """Removes a variable of a destination."""

    dest_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ListVariables:
    """Reads the variables of a destination."""

    dest_id: str


@dataclass(frozen=True, slots=True)
class ListExecutions:
    """Reads a page of executions, newest first."""

    query: ExecutionQuery


@dataclass(frozen=True, slots=True)
class Preview:
    """Computes the next fires of a stored event (``event_id``) or of a definition, strictly after ``start``."""

    event_id: str | None = None
    event: ScheduledEvent | None = None
    count: int = 5
    start: datetime | None = None


@dataclass(frozen=True, slots=True)
class GetStats:
    """Reads the counters of the service."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks whether the service listens."""


Change = (
    CreateEvent | UpdateEvent | DeleteEvent | CancelEvent | PauseEvent | ResumeEvent | TriggerEvent | CancelExecution
    | ThrowEvent | ConsumeThrown | ClearThrown | SetVariable | DeleteVariable
)  # fmt: skip
"""Commands that change the store."""

Read = GetEvent | ListEvents | GetExecution | ListExecutions | ListThrown | ListVariables | Preview | GetStats | Ping
"""Commands that change nothing."""

Command = Change | Read
