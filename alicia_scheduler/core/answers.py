"""What the rules answer to a command; ``engine/service.py`` makes the documents of the contract from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alicia_scheduler.core.state import EventRecord, EventState, Execution
from alicia_scheduler.core.thrown.model import Entry, Thrown


@dataclass(frozen=True, slots=True)
class FireTime:
    """A fire that lies ahead; ``note`` says what daylight saving did to it, if anything."""

    nominal: datetime
    due: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """An event after a command.

    Attributes:
        previous_fires: For an update: what lay ahead before it.
        created: Whether the command made the event.
    """

    record: EventRecord
    state: EventState
    next_fires: tuple[FireTime, ...] = ()
    previous_fires: tuple[FireTime, ...] | None = None
    created: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletedAnswer:
    """The event has gone."""

    event_id: str


@dataclass(frozen=True, slots=True)
class ExecutionAnswer:
    """An execution after a command."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class ThrownAnswer:
    """A thrown event and its entries as the throw left them.

    Attributes:
        dropped: Entries that had to make room.
    """

    thrown: Thrown
    entries: tuple[Entry, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ConsumedAnswer:
    """Thrown events that a program has taken, the oldest first."""

    entries: tuple[tuple[Thrown, Entry], ...]


@dataclass(frozen=True, slots=True)
class ClearedAnswer:
    """How many active entries were ended; ``more`` when others are left."""

    cleared: int
    more: bool


@dataclass(frozen=True, slots=True)
class VariablesAnswer:
    """The variables of a destination after a command."""

    dest_id: str
    variables: Mapping[str, Any]


ThrownChangeAnswer = ThrownAnswer | ConsumedAnswer | ClearedAnswer
ChangeAnswer = EventAnswer | DeletedAnswer | ExecutionAnswer | ThrownChangeAnswer | VariablesAnswer
