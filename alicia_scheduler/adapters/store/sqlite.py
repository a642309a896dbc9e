"""The store on one SQLite file: one connection writes, two read, and every statement moves many rows in one step.

A row at a time would cost a trip to the connection's thread each, or, with ``executemany``, a fight for Python's
interpreter lock at every row while the event loop is busy. So the number of trips for a transaction is small and the
same for one row and for a thousand, and rows that were just written are kept at hand (``hot_rows``).

Durability: write-ahead log with ``synchronous = FULL``, so a commit that returned survives a power cut. Opening reads
the version and the service mark, nothing that grows with what is stored (``schema.CHECKED_BYTES`` bounds the check
after an unclean stop). Damage found later raises StoreDamaged at the first touch. Nothing is written before the file
has been looked at through a read-only connection.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from alicia_scheduler.adapters.store.backup import back_up
from alicia_scheduler.adapters.store.ballast import Ballast
from alicia_scheduler.adapters.store.connection import Connection, connect_reader, connect_writer, finished
from alicia_scheduler.adapters.store.failures import DiskFull, store_errors
from alicia_scheduler.adapters.store.hot_rows import HotRows
from alicia_scheduler.adapters.store.listing import event_cursor, events_page, execution_cursor, executions_page
from alicia_scheduler.adapters.store.outbox_rows import outbox_from
from alicia_scheduler.adapters.store.process_lock import ProcessLock
from alicia_scheduler.adapters.store.retention import RetentionSteps
from alicia_scheduler.adapters.store.rows import execution_from, mark_from, micros, record_from, state_from, unpacked
from alicia_scheduler.adapters.store.schema import check_file, check_library, migrate
from alicia_scheduler.adapters.store.sqlite_transaction import SqliteTransaction
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.adapters.store.thrown_listing import thrown_page
from alicia_scheduler.adapters.store.thrown_rows import entry_from, thrown_from
from alicia_scheduler.adapters.store.thrown_transaction import TriggerMemory
from alicia_scheduler.core.outbox import OutboxRow
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import EventRecord, EventState, Execution, ServiceMark
from alicia_scheduler.core.thrown.model import Entry, Json, Thrown, ThrownQuery
from alicia_scheduler.errors import StoreUnavailable
from alicia_scheduler.ports import Retention, StoreCounts

_ROOM_STEPS = (
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA incremental_vacuum(1024)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
)


class SqliteStore:
    """Everything in one SQLite file; the files ``.lock`` and ``.ballast`` lie beside it.

    Args:
        path: The file; made with its directory if it is not there.
        ballast_bytes: Room kept back for the day on which the disk is full; 0 for none.
    """

    def __init__(self, path: Path, *, ballast_bytes: int = 8 << 20) -> None:
        self._path = path.absolute()
        self._lock = ProcessLock(self._path)
        self._ballast = Ballast(self._path, ballast_bytes)
        self._hot = HotRows()
        self._retention = RetentionSteps()
        self._triggers = TriggerMemory()
        self._turn = asyncio.Lock()
        self._sql = statements("reading")
        self._open = AsyncExitStack()
        self._writer: Connection | None = None
        self._points: Connection | None = None
        self._lists: Connection | None = None

    async def open(self) -> ServiceMark:
        """Opens or creates the file and returns what the process before left.

        Raises:
            StoreInUse: Another process has it.
            StoreDamaged: It is damaged, another program's or a newer version's; it was left untouched.
            StoreUnavailable: It cannot be opened for now.
        """
        check_library()
        async with AsyncExitStack() as stack:
            with store_errors(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
                stack.callback(self._lock.release)
                await self._connect(stack)
                self._ballast.restore()
            row = await _opened(self._points).row(self._sql["mark"])
            self._open = stack.pop_all()
        assert row is not None, "the first migration makes the row"
        return mark_from(row)

    async def _connect(self, stack: AsyncExitStack) -> None:
        if self._path.exists() and self._path.stat().st_size:
            reader = await connect_reader(self._path)
            try:
                await check_file(reader, self._path)
            finally:
                await finished(reader.close())
        else:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._writer = await connect_writer(self._path, self._ballast.give_up)
        stack.push_async_callback(self._writer.close)
        await migrate(self._writer)
        self._points = await connect_reader(self._path)
        stack.push_async_callback(self._points.close)
        self._lists = await connect_reader(self._path)
        stack.push_async_callback(self._lists.close)

    async def close(self) -> None:
        """Waits for the transaction under way, ends the connections and gives the file back."""
        async with self._turn:
            self._writer, self._points, self._lists = None, None, None
            self._hot.clear()
            await finished(self._open.aclose())

    # --- writing ---

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        """A write transaction; commits on a normal end, else rolls back.

        Raises:
            StoreUnavailable: For now it cannot be written; nothing was committed.
            StoreError: It cannot be written.
        """
        async with self._turn:
            self._refuse_without_reserve()
            writer = _opened(self._writer)
            transaction = SqliteTransaction(writer, self._hot, self._triggers)
            try:
                yield transaction
                await finished(transaction.commit())
            except BaseException:
                self._hot.clear()  # it may have been committed all the same
                await finished(writer.roll_back())
                raise
            self._hot.committed(transaction.written)
            self._retention.grew(transaction.planned)

    @asynccontextmanager
    async def _written(self) -> AsyncIterator[Connection]:
        """Commits what is written inside, or rolls it back; a commit that has begun ends before a cancellation."""
        writer = _opened(self._writer)
        try:
            yield writer
            await finished(writer.commit())
        except BaseException:
            await finished(writer.roll_back())
            raise

    def _refuse_without_reserve(self) -> None:
        if self._ballast.spent:
            self._ballast.restore()
        if self._ballast.spent:
            raise DiskFull(f"{self._path}: the disk is full, only housekeeping may still write; free some room")

    async def remove_expired(self, retention: Retention) -> int:
        """Removes one small batch of what retention allows; returns how many rows went, 0 when nothing is left."""
        if self._ballast.spent:
            await self._give_room_back()
        removed = await self._removed(retention)
        if self._ballast.spent:
            await self._give_room_back()
        self._ballast.restore()
        return removed

    async def _removed(self, retention: Retention) -> int:
        async with self._turn, self._written() as writer:
            await writer.run("BEGIN IMMEDIATE")
            removed = await self._retention.remove_old(writer, retention)
        while not removed and self._retention.events_left:
            async with self._turn, self._written() as writer:
                await writer.run("BEGIN IMMEDIATE")
                removed = await self._retention.remove_surplus(writer, retention)
        return removed

    async def _give_room_back(self) -> None:
        """Returns the log and removed pages to the file system; as far as it gets, the next call goes further."""
        with suppress(DiskFull):
            async with self._turn:
                for step in _ROOM_STEPS:
                    await _opened(self._writer).script(step)

    # --- reading what is committed ---

    async def event(self, event_id: str) -> tuple[EventRecord, EventState] | None:
        """One event; raises StoreError."""
        row = await _opened(self._points).row(self._sql["event"], event_id=event_id)
        if row is None:
            return None
        record, state = unpacked(row[0])
        return record_from(record), state_from(state)

    async def events(self, query: EventQuery) -> tuple[Sequence[tuple[EventRecord, EventState]], str | None]:
        """A page of events by event id, and the cursor of the next page.

        Raises:
            CommandRejected: The cursor is none of ours.
            StoreError: The store cannot be read.
        """
        page = events_page(query)
        rows = await _opened(self._lists).rows(page.sql, **page.values)
        found = [(record_from(record), state_from(state)) for record, state in rows]
        found.sort(key=lambda event: event[1].event_id)
        more = len(found) > query.limit
        return found[: query.limit], event_cursor(found[query.limit - 1][1]) if more else None

    async def execution(self, execution_id: str) -> Execution | None:
        """One execution; raises StoreError."""
        row = await _opened(self._points).row(self._sql["execution"], execution_id=execution_id)
        return execution_from(unpacked(row[0])) if row else None

    async def executions(self, query: ExecutionQuery) -> tuple[Sequence[Execution], str | None]:
        """A page of executions by nominal time and id, newest first, and the cursor of the next page.

        Raises:
            CommandRejected: The cursor is none of ours.
            StoreError: The store cannot be read.
        """
        page = executions_page(query)
        found = [execution_from(row) for row in await _opened(self._lists).rows(page.sql, **page.values)]
        more = len(found) > query.limit
        return found[: query.limit], execution_cursor(found[query.limit - 1]) if more else None

    async def outbox(self, after: int, limit: int) -> Sequence[OutboxRow]:
        """Waiting messages with a sequence above ``after``, in order; raises StoreError."""
        rows = await _opened(self._points).rows(self._sql["outbox"], after=after, limit=limit)
        return [outbox_from(row) for row in rows]

    async def thrown(self, query: ThrownQuery) -> Sequence[tuple[Thrown, Entry]]:
        """Entries in the order of offsets; raises StoreError."""
        page = thrown_page(query)
        rows = await _opened(self._lists).rows(page.sql, **page.values)
        found = [(thrown_from(thrown), entry_from(entry)) for thrown, entry in rows]
        return sorted(found, key=lambda row: (row[1].offset, row[1].place))

    async def variables(self, dest_id: str) -> Mapping[str, Json]:
        """The variables of a destination by name; raises StoreError."""
        return dict(await _opened(self._points).rows(self._sql["thrown_variables"], dest_id=dest_id))

    async def steps(self, execution_id: str) -> Sequence[tuple[str, Json]]:
        """What became of the instructions of an execution, in order; raises StoreError."""
        rows = await _opened(self._points).rows(self._sql["thrown_steps"], execution_id=execution_id)
        return [(path, outcome) for path, outcome in rows]

    async def mqtt_filters(self, limit: int) -> Sequence[tuple[str, str]]:
        """What triggers of active scheduled events listen to; raises StoreError."""
        rows = await _opened(self._points).rows(self._sql["mqtt_filters"], limit=limit)
        return [(retained, topic_filter) for retained, topic_filter in rows]

    async def counts(self, now: datetime) -> StoreCounts:
        """How much lies in the store; raises StoreError."""
        row = await _opened(self._points).row(self._sql["counts"], now=micros(now))
        assert row is not None, "the first migration makes the row"
        events, executions, unfinished, running, retrying, outbox, due = row
        return StoreCounts(events, executions, unfinished - running - retrying, running, retrying, outbox, due)

    async def declared(self) -> Mapping[str, str]:
        """Event id to origin, of the events that a file declares; raises StoreError."""
        row = await _opened(self._lists).row(self._sql["declared"])
        return dict(unpacked(row[0])) if row else {}

    async def backup(self, target: str, progress: Callable[[int, int], None]) -> None:
        """Writes a consistent copy while the service goes on; raises StoreError."""
        _opened(self._points)
        await back_up(self._path, Path(target), progress)


def _opened(connection: Connection | None) -> Connection:
    if connection is None:
        raise StoreUnavailable("the store is not open")
    return connection
