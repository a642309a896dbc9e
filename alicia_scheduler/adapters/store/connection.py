"""Connections to the SQLite file, set up alike: one that writes, and readers that cannot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite

from alicia_scheduler.adapters.store.failures import DiskFull, store_error
from alicia_scheduler.adapters.store.many_rows import Step
from alicia_scheduler.adapters.store.rows import unpacked

BUSY_TIMEOUT_S = 5.0
WRITER_CACHE_KIB = 16 * 1024
READER_CACHE_KIB = 2 * 1024
LOG_LIMIT_BYTES = 64 << 20
CHECKPOINT_PAGES = 1000
"""4 MiB. On a full disk the log must still fit into the file with the room of the ballast, so it is kept short."""

_EVERY = ("PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON", "PRAGMA foreign_keys = ON")
_WRITER = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}",
    f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
    f"PRAGMA cache_size = -{WRITER_CACHE_KIB}",
)
_READER = ("PRAGMA query_only = ON", f"PRAGMA cache_size = -{READER_CACHE_KIB}")


class Connection:
    """One connection with its own thread. Every call is one trip to that thread and one step of SQLite."""

    def __init__(self, raw: aiosqlite.Connection, path: Path, on_full: Callable[[], None]) -> None:
        self.raw = raw
        self._path = path
        self._on_full = on_full

    async def row(self, sql: str, **values: Any) -> tuple[Any, ...] | None:
        """The first row of a query; raises StoreError."""
        found = await self._call(self.raw.execute_fetchall(sql, values))
        return next((tuple(row) for row in found), None)

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        """The rows in the one JSON value that a query returns; raises StoreError."""
        row = await self.row(sql, **values)
        return unpacked(row[0]) if row and row[0] is not None else []

    async def run(self, sql: str, **values: Any) -> int:
        """How many rows a statement changed; raises StoreError."""
        cursor: aiosqlite.Cursor = await self._call(self.raw.execute(sql, values))
        return cursor.rowcount

    async def steps(
        self, steps: Sequence[Step], query: tuple[str, Mapping[str, Any]] | None = None, *, commit: bool = False
    ) -> tuple[Any, ...] | None:
        """Runs the statements in one trip, then the query, whose first row is returned, and the commit.

        A trip costs as much as the rows of ten fires: two threads hand the interpreter lock to each other. aiosqlite
        has no public way to run several statements in one; a test of the library's inside fails when this one goes.

        Raises:
            StoreError: The store could not.
        """
        trip = self.raw._execute(self._run_steps, steps, query, commit)  # type: ignore[no-untyped-call]  # noqa: SLF001
        found: tuple[Any, ...] | None = await self._call(trip)
        return found

    def _run_steps(
        self, steps: Sequence[Step], query: tuple[str, Mapping[str, Any]] | None, commit: bool
    ) -> tuple[Any, ...] | None:
        """Runs in the connection's thread."""
        connection = self.raw._conn  # noqa: SLF001
        for sql, values in steps:
            connection.execute(sql, values)
        row: tuple[Any, ...] | None = connection.execute(*query).fetchone() if query else None
        if commit:
            connection.commit()
        return row

    async def script(self, sql: str) -> None:
        """Runs several statements; raises StoreError."""
        await self._call(self.raw.executescript(sql))

    async def commit(self) -> None:
        """Makes the open transaction durable, if there is one; raises StoreError."""
        await self._call(self.raw.commit())

    async def roll_back(self) -> None:
        """Undoes the open transaction, if there is one. What fails here, SQLite has undone by itself already."""
        with suppress(sqlite3.Error):
            await self.raw.rollback()

    async def close(self) -> None:
        """Ends the connection and its thread; raises StoreError."""
        await self._call(self.raw.close())

    async def _call(self, call: Any) -> Any:
        try:
            return await call
        except sqlite3.Error as error:
            problem = store_error(error, self._path)
            if isinstance(problem, DiskFull):
                self._on_full()
            raise problem from error


async def finished(work: Coroutine[Any, Any, None]) -> None:
    """Lets the work end even when the caller is cancelled meanwhile; the cancellation comes after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()
        raise cancelled
    task.result()


async def connect_writer(path: Path, on_full: Callable[[], None]) -> Connection:
    """The connection that writes; makes the file if it is not there. Raises StoreError."""
    return await _connect(path, "rwc", _WRITER + _EVERY, on_full)


async def connect_reader(path: Path, *, at_rest: bool = False) -> Connection:
    """A connection that can only read; raises StoreError.

    Args:
        at_rest: Nobody writes the file: no log or index of it is made, so it may lie on a read-only disk.
    """
    return await _connect(path, "ro&immutable=1" if at_rest else "ro", _READER + _EVERY, lambda: None)


async def _connect(path: Path, mode: str, settings: tuple[str, ...], on_full: Callable[[], None]) -> Connection:
    uri = f"{path.as_uri()}?mode={mode}"
    try:
        raw = await aiosqlite.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    connection = Connection(raw, path, on_full)
    try:
        for setting in settings:
            await connection.row(setting)
    except BaseException:
        await finished(connection.close())
        raise
    return connection
