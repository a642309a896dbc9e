"""What the rules want other programs to hear; ``wire/messages.py`` gives each its topics and payload."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from alicia_scheduler.core.state import EventRecord, EventState, Execution
    from alicia_scheduler.core.thrown.model import Thrown

EventChange = Literal[
    "event_created", "event_updated", "event_deleted", "event_paused", "event_resumed", "event_cancelled",
    "event_completed", "event_expired",
]  # fmt: skip
ExecutionChange = Literal[
    "execution_started", "execution_completed", "execution_failed", "execution_retry", "execution_skipped",
    "execution_missed", "execution_cancelled",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventChanged:
    """A scheduled event was made, changed or ended."""

    change: EventChange
    record: EventRecord
    state: EventState


@dataclass(frozen=True, slots=True)
class ExecutionChanged:
    """An execution entered another status; results and failures follow from it."""

    change: ExecutionChange
    execution: Execution


@dataclass(frozen=True, slots=True)
class Problem:
    """Something is wrong that its cause may not hear of in an answer."""

    code: str
    message: str
    event_id: str | None = None
    execution_id: str | None = None
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Recovered:
    """The service is whole again after a gap; says what the gap cost.

    Attributes:
        cause: ``start``, ``reconnect``, ``clock`` or ``restore``.
        clean: Whether the process before stopped in order; None where that is not the question.
        missed: Nominal times that passed in the gap and will not run.
        resumed: Executions that run again.
    """

    cause: Literal["start", "reconnect", "clock", "restore"]
    since: datetime | None
    until: datetime
    clean: bool | None = None
    missed: int = 0
    resumed: int = 0
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventThrown:
    """Somebody threw an event; ``dest_ids`` are its destinations."""

    thrown: Thrown
    dest_ids: tuple[str, ...]


Announcement = EventChanged | ExecutionChanged | EventThrown | Problem | Recovered
