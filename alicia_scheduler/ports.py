"""What the engine needs from the outside world, as Protocols; adapters implement them, the engine sees nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import EventRecord, EventState, Execution, ServiceMark
from alicia_scheduler.core.thrown.model import Entry, Thrown, ThrownQuery

Json = Any
"""A JSON value: dict, list, str, int, float, bool or None."""


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        ...

    def steady(self) -> timedelta:
        """Time since an arbitrary start that no clock step moves and that goes on while the machine sleeps."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Returns after ``duration`` of steady time."""
        ...


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message from the broker; ``delivery`` is the adapter's own mark, needed to acknowledge it."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    delivery: object = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PublishReceipt:
    """The broker took the message. ``reason_code`` 0x10 means that nobody is subscribed."""

    reason_code: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """The state of the connection; ``number`` counts the connects, so a change is never missed."""

    connected: bool
    number: int
    session_present: bool = False
    protocol: str = ""
    broker: str = ""
    problem: str = ""


class Bus(Protocol):
    """An MQTT connection that keeps itself up."""

    def publish(self, message: OutgoingMessage) -> asyncio.Future[PublishReceipt]:
        """Hands the message to the connection at once; the future ends when the broker has acknowledged it.

        The future raises BusUnavailable (at once when there is no connection, or when it goes) or PublishRefused.
        """
        ...

    def send(self, message: OutgoingMessage) -> bool:
        """Hands a QoS 0 message to the connection and forgets it; False when it could not go."""
        ...

    def messages(self) -> AsyncIterator[IncomingMessage]:
        """The messages of the service's own subscriptions, in order; a full inbox stops reading from the broker."""
        ...

    def acknowledge(self, message: IncomingMessage) -> None:
        """Tells the broker that the message is done with; ignored when its connection is gone."""
        ...

    def listen(
        self, topic_filter: str, *, retained: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[IncomingMessage]]:
        """A temporary subscription, in force once entered; raises BusUnavailable when it cannot be made.

        Args:
            retained: Also what the broker has kept when the subscription is made.
        """
        ...

    @property
    def connection(self) -> Connection:
        """The connection as it stands."""
        ...

    async def connection_after(self, number: int, connected: bool) -> Connection:
        """Waits until the state differs from what the caller saw last, and returns it."""
        ...


class Transaction(Protocol):
    """One open write transaction."""

    async def load(self, needs: Needs) -> Snapshot:
        """The rows that ``needs`` names, as they stand within this transaction."""
        ...

    async def apply(self, changes: Changes) -> None:
        """Writes the rows; they are durable once the transaction has ended without an error.

        A mark that does not follow the one in the store ends the transaction with StoreInUse: another process has taken
        the store over.
        """
        ...

    async def mark(self) -> ServiceMark:
        """The service mark as it stands in the store."""
        ...

    async def next_wake_time(self, now: datetime) -> datetime | None:
        """The earliest wake time of an event, or time of a retry after ``now``, whichever comes first.

        A retry that is due already waits for a free place, not for the planner.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How much lies in the store."""

    events: int
    executions: int
    pending: int
    running: int
    retrying: int
    outbox: int
    due: int


@dataclass(frozen=True, slots=True)
class Retention:
    """What may be removed: ended executions, old request ids, and thrown events that are over.

    Attributes:
        executions_per_event: Ended executions of one event; the oldest beyond go.
        thrown_before: None for the same as executions.
        thrown_kept: Thrown events in all; the oldest beyond go.
    """

    executions_before: datetime
    executions_per_event: int
    requests_before: datetime
    thrown_before: datetime | None = None
    thrown_kept: int = 100_000
    batch: int = 500


class Store(Protocol):
    """The durable truth. One process writes; reads never block the writer."""

    async def open(self) -> ServiceMark:
        """Opens or creates the store and returns what the process before left; raises StoreError."""
        ...

    async def close(self) -> None:
        """Ends the connections; nothing that was committed is lost without it."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A write transaction; commits on a normal end, else rolls back. Only one at a time. Raises StoreError."""
        ...

    async def event(self, event_id: str) -> tuple[EventRecord, EventState] | None:
        """One event as committed."""
        ...

    async def events(self, query: EventQuery) -> tuple[Sequence[tuple[EventRecord, EventState]], str | None]:
        """A page of events by event id, and the cursor of the next page."""
        ...

    async def execution(self, execution_id: str) -> Execution | None:
        """One execution as committed."""
        ...

    async def executions(self, query: ExecutionQuery) -> tuple[Sequence[Execution], str | None]:
        """A page of executions, newest first, and the cursor of the next page."""
        ...

    async def outbox(self, after: int, limit: int) -> Sequence[OutboxRow]:
        """Waiting messages with a sequence above ``after``, in order."""
        ...

    async def thrown(self, query: ThrownQuery) -> Sequence[tuple[Thrown, Entry]]:
        """Entries of thrown events in the order of offsets; ``status`` may also be ``ended`` for all that are over."""
        ...

    async def variables(self, dest_id: str) -> Mapping[str, Json]:
        """The variables of a destination by name."""
        ...

    async def steps(self, execution_id: str) -> Sequence[tuple[str, Json]]:
        """What became of the instructions of an execution: path and outcome, in order."""
        ...

    async def mqtt_filters(self, limit: int) -> Sequence[tuple[str, str]]:
        """What triggers of active scheduled events listen to: ``retained`` or nothing, and the topic filter."""
        ...

    async def counts(self, now: datetime) -> StoreCounts:
        """How much lies in the store; cheap, the numbers of rows are kept, not counted."""
        ...

    async def declared(self) -> Mapping[str, str]:
        """Event id to origin, of the events whose origin starts with ``file:``."""
        ...

    async def remove_expired(self, retention: Retention) -> int:
        """Removes one small batch of what retention allows, in a transaction of its own; returns how many rows went."""
        ...

    async def backup(self, target: str, progress: Callable[[int, int], None]) -> None:
        """Writes a consistent copy while the service goes on; ``progress`` gets pages left and pages in all."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an action needs to know about the attempt that it is.

    Attributes:
        begin: To be called just before the first effect; an attempt that has not begun is handed back at a stop.
        action: What to do, where it is not the event's action: what the trigger that made the execution brings.
        names: More names for the templates: those that only instructions have.
        step: The path of the instruction that acts; together with the execution id it is the same over repeats.
    """

    execution: Execution
    event: EventRecord
    now: datetime
    begin: Callable[[], None] = lambda: None
    action: Any = None
    names: Mapping[str, Json] = field(default_factory=dict)
    step: str | None = None


class WaitsUntil(Exception):
    """An action has nothing to do until ``wake_time``: it gives its place free, and is called again then."""

    def __init__(self, wake_time: datetime) -> None:
        super().__init__(wake_time.isoformat())
        self.wake_time = wake_time


class ActionRunner(Protocol):
    """Runs one kind of action. Raises ActionFailed or WaitsUntil; cancelling it really stops the action."""

    def __call__(self, attempt: Attempt) -> Awaitable[Json]:
        """The result of the attempt, as JSON."""
        ...


class DeclaredProblem(Protocol):
    """What is wrong in a file; its text names file, line and column."""

    def __str__(self) -> str: ...


class DeclaredEntry(Protocol):
    """One event as a file declares it."""

    @property
    def raw(self) -> Mapping[str, Json]:
        """The fields as written."""
        ...

    @property
    def origin(self) -> str:
        """``file:<name>``."""
        ...

    def problem(self, problem_path: str, message: str) -> DeclaredProblem:
        """A complaint about one field, with its place in the file."""
        ...


class DeclaredReading(Protocol):
    """What the files say. Events of ``broken`` origins stay as they are; nothing is removed unless ``complete``."""

    @property
    def events(self) -> Sequence[DeclaredEntry]:
        """The events of the files that could be read."""
        ...

    @property
    def problems(self) -> Sequence[DeclaredProblem]:
        """What is wrong in the files."""
        ...

    @property
    def broken(self) -> frozenset[str]:
        """Origins of the files that could not be used."""
        ...

    @property
    def complete(self) -> bool:
        """Whether every file could be listed."""
        ...


class DeclaredSource(Protocol):
    """Where declared events come from."""

    async def read(self) -> DeclaredReading:
        """What is declared now."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """One item at first, then one after every change; raises OSError when changes cannot be watched."""
        ...
