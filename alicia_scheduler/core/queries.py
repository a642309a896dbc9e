"""What a caller may ask of the stored events and executions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events to list; ``None`` means any. ``cursor`` is the ``next_cursor`` of the page before."""

    tags: tuple[str, ...] = ()
    namespace: str | None = None
    module_id: str | None = None
    state: str | None = None
    schedule_type: str | None = None
    name: str | None = None
    origin: str | None = None
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionQuery:
    """Which executions to list, newest first."""

    event_id: str | None = None
    status: str | None = None
    triggered_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    cursor: str | None = None
