"""Thrown events and their entries: what the store keeps of them, and what a decision about them needs, sees and leaves.

A thrown event is one row of a log with a total order, the offset. It fans out to one entry per destination; the entry
is what waits in a queue, is consumed, and ends in the history (docs/events.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

Json = Any

Scope = Literal["dest", "group", "global"]


class EntryStatus(StrEnum):
    """``status`` of an entry."""

    ACTIVE = "active"
    CONSUMED = "consumed"
    EXPIRED = "expired"


class TriggerKey(NamedTuple):
    """Where a trigger waits: ``event``, namespace, key; ``execution``, an event id; ``mqtt``, a topic filter."""

    kind: str
    namespace: str
    key: str


EntryKey = tuple[int, str]
"""Offset and destination."""

ProgressKey = tuple[int, str]
"""Event key and trigger id."""


class Thrown(NamedTuple):
    """One thrown event.

    Attributes:
        offset: Its place in the order of all thrown events.
        chain: What led to it: keys of thrown events and changes of executions, the oldest first, itself the last.
        event_id: The scheduled event whose execution threw it, if one did.
    """

    offset: int
    unique_id: str
    namespace: str
    key: str
    scope: str
    created_at: datetime
    active_from: datetime
    expires_at: datetime
    single_consumer: bool = False
    group_id: str | None = None
    display_name: str | None = None
    value: Json = None
    payload: Json = None
    sender: str | None = None
    chain: tuple[str, ...] = ()
    event_id: str | None = None
    execution_id: str | None = None


class Entry(NamedTuple):
    """A thrown event in the queue of one destination.

    Attributes:
        place: Its place in the fan-out; the entry with 0 stands for the thrown event where one is wanted.
        matched: Whether its activation has been looked at.
        reason: Why it ended: ``trigger``, ``consumer``, ``ttl``, ``cleared``, ``queue_full``.
    """

    offset: int
    dest_id: str
    place: int
    namespace: str
    key: str
    active_from: datetime
    expires_at: datetime
    status: EntryStatus = EntryStatus.ACTIVE
    matched: bool = False
    reason: str | None = None
    consumed_by: str | None = None
    consumed_at: datetime | None = None

    @property
    def entry_key(self) -> EntryKey:
        """Offset and destination."""
        return self.offset, self.dest_id


class Destination(NamedTuple):
    """A queue.

    Attributes:
        events: Scheduled events that live there.
        queued: Active entries.
    """

    events: int = 0
    queued: int = 0


class _Removed:
    """The type of ``REMOVED``."""


REMOVED = _Removed()
"""The value of a variable that shall be no more."""


class Variable(NamedTuple):
    """A durable value that the instructions of one destination share."""

    dest_id: str
    name: str
    value: Json
    updated_at: datetime


class StepRecord(NamedTuple):
    """What became of one instruction of an execution; with it the block goes on behind it after a crash."""

    execution_id: str
    path: str
    outcome: Json


class QueueNeed(NamedTuple):
    """Active entries to load; None means any, an empty tuple of keys too."""

    dest_id: str | None
    namespace: str | None
    keys: tuple[str, ...]
    since_offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class ThrownNeeds:
    """The rows about thrown events that a decision must see.

    Attributes:
        keys: Also load the scheduled events that have a trigger under one of these keys.
        destinations: All destinations in which scheduled events live.
        queues_of: Destinations whose queue length is wanted.
        oldest_of: Also the oldest active entries of those queues that hold ``full_at`` entries or more.
        due_at: Entries that become active or expire by then, at most ``due_limit`` of each kind.
        looks: How many scheduled events to load that must be laid against the entries which wait already.
        queues: Active entries by query.
        variables_of: Destinations.
        steps_of: Executions.
    """

    keys: frozenset[TriggerKey] = frozenset()
    destinations: bool = False
    queues_of: frozenset[str] = frozenset()
    full_at: int = 0
    due_at: datetime | None = None
    due_limit: int = 0
    looks: int = 0
    queues: frozenset[QueueNeed] = frozenset()
    variables_of: frozenset[str] = frozenset()
    steps_of: frozenset[str] = frozenset()

    def __or__(self, other: ThrownNeeds) -> ThrownNeeds:
        return ThrownNeeds(
            keys=self.keys | other.keys,
            destinations=self.destinations or other.destinations,
            queues_of=self.queues_of | other.queues_of,
            full_at=max(self.full_at, other.full_at),
            due_at=max((at for at in (self.due_at, other.due_at) if at), default=None),
            due_limit=max(self.due_limit, other.due_limit),
            looks=max(self.looks, other.looks),
            queues=self.queues | other.queues,
            variables_of=self.variables_of | other.variables_of,
            steps_of=self.steps_of | other.steps_of,
        )


@dataclass(frozen=True, slots=True)
class ThrownSnapshot:
    """Rows as the store holds them.

    Attributes:
        triggered: Ids of the scheduled events that have a trigger under a key.
        due: Keys of entries whose activation is due, in the order of offsets.
        expired: Keys of active entries whose time is up.
        looks: Ids of scheduled events that must be laid against the entries which wait already.
        seen: Offset and name of everybody who has had a thrown event, of the entries loaded for ``looks`` or a queue.
    """

    thrown: Mapping[int, Thrown] = field(default_factory=dict)
    entries: Mapping[EntryKey, Entry] = field(default_factory=dict)
    triggered: Mapping[TriggerKey, tuple[str, ...]] = field(default_factory=dict)
    progress: Mapping[ProgressKey, Json] = field(default_factory=dict)
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    due: tuple[EntryKey, ...] = ()
    expired: tuple[EntryKey, ...] = ()
    looks: tuple[str, ...] = ()
    seen: frozenset[tuple[int, str]] = frozenset()
    variables: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


@dataclass(slots=True)
class ThrownChanges:
    """What one decision, or all decisions of a transaction, leave; each row stands once.

    Attributes:
        progress: What triggers that wait for several events have so far; None when it begins anew.
        looks: Event keys to lay against the entries which wait already; False for those that were.
    """

    thrown: dict[int, Thrown] = field(default_factory=dict)
    entries: dict[EntryKey, Entry] = field(default_factory=dict)
    new_entries: set[EntryKey] = field(default_factory=set)
    seen: dict[tuple[int, str], None] = field(default_factory=dict)
    progress: dict[ProgressKey, Json] = field(default_factory=dict)
    looks: dict[int, bool] = field(default_factory=dict)
    variables: dict[tuple[str, str], Variable] = field(default_factory=dict)
    steps: dict[tuple[str, str], StepRecord] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.thrown or self.entries or self.seen or self.progress or self.looks or self.variables or self.steps
        )

    def add(self, later: ThrownChanges) -> None:
        """Lays later changes over these."""
        self.thrown |= later.thrown
        self.entries |= later.entries
        self.new_entries |= later.new_entries
        self.seen |= later.seen
        self.progress |= later.progress
        self.looks |= later.looks
        self.variables |= later.variables
        self.steps |= later.steps


@dataclass(frozen=True, slots=True)
class ThrownQuery:
    """Which entries to read; None means any.

    Attributes:
        keys: Any of these; none means all.
        since_offset: Only behind this offset, and then the first ``limit`` of them, else the newest.
        distinct: One entry for each thrown event.
    """

    dest_id: str | None = None
    namespace: str | None = None
    keys: tuple[str, ...] = ()
    since_offset: int | None = None
    status: str | None = None
    limit: int = 100
    distinct: bool = False
