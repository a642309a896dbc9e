"""What the rules answer to a command; ``engine/service.py`` makes the documents of the contract from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alicia_scheduler.core.state import EventRecord, EventState, Execution


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


ChangeAnswer = EventAnswer | DeletedAnswer | ExecutionAnswer
