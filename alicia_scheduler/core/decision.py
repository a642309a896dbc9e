"""What a decision needs, sees and returns: the vocabulary between the pure rules and the store.

A rule is a function ``(view, now, …) -> Decision``. Its caller names beforehand what it must see (``Needs``), the store
loads that into a ``Snapshot``, the ``View`` lays the decisions of the same transaction over it, and their sum
(``Changes``) is written at once. Rows are whole records: a later decision on the same row replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Generic, TypeVar

from alicia_scheduler.core.announcement import Announcement
from alicia_scheduler.core.outbox import OutboxRow
from alicia_scheduler.core.state import (
    Counters,
    EventRecord,
    EventState,
    Execution,
    RequestRecord,
    ServiceMark,
)
from alicia_scheduler.core.thrown.model import ThrownChanges, ThrownNeeds, ThrownSnapshot

Answer = TypeVar("Answer")

_NOTHING_THROWN = ThrownNeeds()


@dataclass(frozen=True, slots=True)
class Needs:
    """The rows a decision must see.

    Attributes:
        event_ids: Events whose record, state and, if any, unfinished executions are loaded.
        execution_ids: Executions, together with their events (as for ``event_ids``).
        request_ids: Answers given before.
        due_at: Also load events with ``wake_time <= due_at``, earliest first, at most ``due_limit``.
        ready_at: Also load executions that may run at that instant: pending and not held, or retrying with a
            ``retry_time`` that has come; by priority (high first), due time, id; at most ``ready_limit``; with events.
        interrupted: Also load up to ``interrupted_limit`` executions with status running, with events.
        ahead_of: Also load up to ``ahead_limit`` events whose ``mark_time`` lies after that instant.
        thrown: The rows about thrown events; whatever they name is loaded with its scheduled events.
    """

    event_ids: frozenset[str] = frozenset()
    execution_ids: frozenset[str] = frozenset()
    request_ids: frozenset[str] = frozenset()
    due_at: datetime | None = None
    due_limit: int = 0
    ready_at: datetime | None = None
    ready_limit: int = 0
    interrupted: bool = False
    interrupted_limit: int = 0
    ahead_of: datetime | None = None
    ahead_limit: int = 0
    thrown: ThrownNeeds = _NOTHING_THROWN


def merged_thrown_needs(needs: Iterable[ThrownNeeds]) -> ThrownNeeds:
    """The needs of several decisions about thrown events as one."""
    merged = _NOTHING_THROWN
    for one in needs:
        merged = merged | one
    return merged


def merged_needs(needs: Iterable[Needs]) -> Needs:
    """The needs of several decisions of one transaction as one; the latest instants and the largest limits win."""
    every = tuple(needs)
    if len(every) == 1:
        return every[0]
    return Needs(
        event_ids=frozenset().union(*(n.event_ids for n in every)),
        execution_ids=frozenset().union(*(n.execution_ids for n in every)),
        request_ids=frozenset().union(*(n.request_ids for n in every)),
        due_at=max((n.due_at for n in every if n.due_at), default=None),
        due_limit=max((n.due_limit for n in every), default=0),
        ready_at=max((n.ready_at for n in every if n.ready_at), default=None),
        ready_limit=max((n.ready_limit for n in every), default=0),
        interrupted=any(n.interrupted for n in every),
        interrupted_limit=max((n.interrupted_limit for n in every), default=0),
        ahead_of=min((n.ahead_of for n in every if n.ahead_of), default=None),
        ahead_limit=max((n.ahead_limit for n in every), default=0),
        thrown=merged_thrown_needs(n.thrown for n in every if n.thrown is not _NOTHING_THROWN),
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows as the store holds them; a row that does not exist is absent.

    Attributes:
        due: Ids of the due events, earliest first.
        ready: Ids of the executions that may run, in the order to run them.
        interrupted: Ids of executions found running.
        ahead: Ids of events whose mark lies in the future.
        total_events: How many events are stored; None when no event was asked for by id.
    """

    records: Mapping[str, EventRecord] = field(default_factory=dict)
    states: Mapping[str, EventState] = field(default_factory=dict)
    executions: Mapping[str, Execution] = field(default_factory=dict)
    requests: Mapping[str, RequestRecord] = field(default_factory=dict)
    due: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    total_events: int | None = None
    thrown: ThrownSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Decision(Generic[Answer]):
    """What a rule wants to be so.

    Attributes:
        deleted: Ids of events to remove; their executions stay as history.
        stop: Ids of executions whose action must be stopped once this is committed.
        counters: The counters after this decision; None when it drew no number.
        mark: The service mark to leave; None to leave it as it is.
    """

    answer: Answer
    records: tuple[EventRecord, ...] = ()
    states: tuple[EventState, ...] = ()
    deleted: tuple[str, ...] = ()
    executions: tuple[Execution, ...] = ()
    requests: tuple[RequestRecord, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    stop: tuple[str, ...] = ()
    counters: Counters | None = None
    mark: ServiceMark | None = None
    sent: tuple[int, ...] = ()
    thrown: ThrownChanges | None = None


def joined(decisions: Sequence[Decision[Any]], answer: Answer) -> Decision[Answer]:
    """Several decisions about different rows as one; none of them may have drawn numbers."""
    every = chain.from_iterable
    return Decision(
        answer,
        records=tuple(every(d.records for d in decisions)),
        states=tuple(every(d.states for d in decisions)),
        deleted=tuple(every(d.deleted for d in decisions)),
        executions=tuple(every(d.executions for d in decisions)),
        requests=tuple(every(d.requests for d in decisions)),
        announcements=tuple(every(d.announcements for d in decisions)),
        stop=tuple(every(d.stop for d in decisions)),
        sent=tuple(every(d.sent for d in decisions)),
    )


@dataclass(slots=True)
class Changes:
    """Everything one transaction writes; each row stands once.

    Attributes:
        records: Events to insert or replace, by event id.
        deleted: Keys of removed events, by event id. An id can be removed and made again in one transaction:
            removals are written first.
        new_executions: Ids among ``executions`` that must not exist yet; one that does is an error.
        sent: Outbox sequences the broker has acknowledged.
    """

    records: dict[str, EventRecord] = field(default_factory=dict)
    states: dict[str, EventState] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    new_executions: set[str] = field(default_factory=set)
    requests: dict[str, RequestRecord] = field(default_factory=dict)
    outbox: list[OutboxRow] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    mark: ServiceMark | None = None
    thrown: ThrownChanges = field(default_factory=ThrownChanges)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.records
            or self.states
            or self.deleted
            or self.executions
            or self.requests
            or self.outbox
            or self.sent
            or self.mark
            or self.thrown
        )
