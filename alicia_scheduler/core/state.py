"""The records that the store keeps: what has happened so far, and what waits.

A scheduled event has two rows. ``EventRecord`` is wide and changes when somebody edits the event; ``EventState`` is
narrow and changes at every fire. Both are found by ``event_id``; ``key`` is never used twice, so an event that is
deleted and made again under the same id is another event.

The records are named tuples: every fire copies them several times, and a changed copy (``record._replace(…)``) of one
costs a quarter of that of a frozen dataclass (docs/decisions/0017-records-are-named-tuples.md).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from alicia_scheduler.core.model.event import ScheduledEvent

Json = Any


class EventStatus(StrEnum):
    """``state`` of a scheduled event."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ERROR = "error"


class ExecutionStatus(StrEnum):
    """``status`` of an execution; ``core/lifecycle.py`` holds the allowed transitions."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"


UNFINISHED = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.RETRYING})
"""Statuses that another transition must follow."""


class TriggeredBy(StrEnum):
    """Why an execution exists."""

    SCHEDULER = "scheduler"
    CATCH_UP = "catch_up"
    MANUAL = "manual"
    EVENT = "event"
    BACKFILL = "backfill"


class EventRecord(NamedTuple):
    """The wide row of a scheduled event: its definition and where it came from.

    Attributes:
        key: Unique for ever, also across deletion; part of every execution id.
        revision: 1 at creation, one more with each change of the definition.
        origin: ``bus``, or ``file:<name>`` for a declared event.
    """

    key: int
    event_id: str
    revision: int
    definition: ScheduledEvent
    origin: str
    created_at: datetime
    updated_at: datetime


class EventState(NamedTuple):
    """The narrow row of a scheduled event: where its timer stands and what came of its fires.

    Attributes:
        mark_time: High-water mark; no nominal time up to and including it is planned again.
        next_time: The nominal time that comes next, None when there is none or the timer rests.
        wake_time: When the planner must look at the event: the due time of ``next_time``, or the end of a pause.
        anchor_time: Where intervals count from.
        generation: Rises when a clock correction makes nominal times come round again; part of execution ids.
        unfinished: How many executions are pending, running or retrying.
        fired_count: Fires made by the timer; what ``max_executions`` limits.
    """

    key: int
    event_id: str
    status: EventStatus
    mark_time: datetime
    anchor_time: datetime
    next_time: datetime | None = None
    wake_time: datetime | None = None
    generation: int = 0
    unfinished: int = 0
    fired_count: int = 0
    run_count: int = 0
    success_count: int = 0
    failure_count: int = 0
    skipped_count: int = 0
    missed_count: int = 0
    last_run_time: datetime | None = None
    last_status: ExecutionStatus | None = None
    last_error: str | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    pause_note: str | None = None
    pause_cause: str | None = None


class AttemptRecord(NamedTuple):
    """One attempt of an execution, kept inside its execution."""

    attempt: int
    start_time: datetime
    end_time: datetime | None = None
    status: ExecutionStatus = ExecutionStatus.RUNNING
    error_message: str | None = None


class Execution(NamedTuple):
    """The life of one fire; or one record for a range of fires that were missed.

    Attributes:
        scheduled_time: The nominal time; for a manual execution the instant of the command.
        due_time: ``scheduled_time`` plus jitter.
        held: Waits for another execution of the same event to end (overlap policy), so it may not be claimed.
        attempt: Attempts begun so far; ``retry_count`` is one less.
        fence: Fencing token of the last claim; a completion that carries another one changes nothing.
        retry_time: When a ``retrying`` execution may run again.
        missed_count: For ``missed``: how many nominal times this record stands for. For a catch-up execution: how
            many were missed in all.
        last_missed_time: For a ``missed`` range: its last nominal time; ``scheduled_time`` is its first.
        crash_count: Process deaths in a row that found it running.
        payload: What the command that made it brought along.
        trigger_event: The thrown event, message or other execution that made it, and the trigger that saw it.
    """

    execution_id: str
    event_key: int
    event_id: str
    name: str
    status: ExecutionStatus
    triggered_by: TriggeredBy
    scheduled_time: datetime
    due_time: datetime
    created_at: datetime
    reason: str | None = None
    priority: int = 0
    held: bool = False
    attempt: int = 0
    fence: int = 0
    start_time: datetime | None = None
    end_time: datetime | None = None
    retry_time: datetime | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    result: Json = None
    error_message: str | None = None
    error_code: str | None = None
    missed_count: int = 0
    last_missed_time: datetime | None = None
    crash_count: int = 0
    trace_id: str | None = None
    payload: Json = None
    trigger_event: Json = None


class RequestRecord(NamedTuple):
    """The answer that a request id got, kept so that it gets the same one again.

    Attributes:
        fingerprint: Hash of the command's content; the same id with another content is refused.
        answer: The answer's JSON text as it was sent.
    """

    request_id: str
    fingerprint: str
    answer: str
    answered_at: datetime


class Counters(NamedTuple):
    """The next numbers to give out; stored with the rows that use them."""

    key: int = 1
    fence: int = 1
    sequence: int = 1
    offset: int = 1


class ServiceMark(NamedTuple):
    """What one process leaves for the next.

    Attributes:
        alive_at: The last instant the process is known to have lived; None in a new store.
        clean: Whether it stopped in order.
        starts: How many times a service has opened the store.
        serial: Rises with every transaction that writes; tells whether one whose answer got lost has happened, and
            with ``starts`` whether another process has taken the store over.
    """

    counters: Counters = Counters()
    alive_at: datetime | None = None
    clean: bool = True
    starts: int = 0
    serial: int = 0

    def follows(self, stored: ServiceMark) -> bool:
        """Whether its writer is the owner of the store in which ``stored`` stands."""
        return self.starts >= stored.starts and self.serial > stored.serial
