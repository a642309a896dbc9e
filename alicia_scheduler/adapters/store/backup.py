"""A consistent copy of the store while the service goes on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from alicia_scheduler.adapters.store.connection import Connection, connect_reader, finished
from alicia_scheduler.adapters.store.failures import store_errors
from alicia_scheduler.errors import StoreError

PAGES_A_STEP = 256
PAUSE_S = 0.002


async def back_up(store: Path, target: Path, progress: Callable[[int, int], None], *, at_rest: bool = False) -> None:
    """Writes the copy under another name and renames it when it is complete and on the disk.

    The copy is what was committed when it began: the reader stays in one read transaction, so that commits made
    meanwhile neither restart it nor get into it.

    Args:
        progress: Called on the event loop with pages left and pages in all.
        at_rest: Nobody writes the store; it may lie on a read-only disk.

    Raises:
        StoreError: The target exists, or the copy could not be written.
    """
    part = _unfinished_copy(target)
    reader = await connect_reader(store, at_rest=at_rest)
    try:
        with store_errors(part):
            await _copy(reader, part, progress)
            _settle(part, target)
    finally:
        await finished(reader.close())
        part.unlink(missing_ok=True)


def _unfinished_copy(target: Path) -> Path:
    """The name of the copy while it grows; what an earlier attempt left there goes."""
    if target.exists():
        raise StoreError(f"{target} exists; a backup never overwrites a file")
    part = target.with_name(target.name + ".part")
    with store_errors(part):
        part.unlink(missing_ok=True)
    return part


async def _copy(reader: Connection, part: Path, progress: Callable[[int, int], None]) -> None:
    loop = asyncio.get_running_loop()
    stopped = False

    def report(_status: int, remaining: int, total: int) -> None:
        if stopped:
            raise asyncio.CancelledError
        loop.call_soon_threadsafe(progress, remaining, total)

    copy = sqlite3.connect(part, check_same_thread=False, isolation_level=None)
    try:
        await reader.run("BEGIN")
        await reader.row("SELECT count(*) FROM sqlite_schema")  # the transaction begins with the first look
        await reader.raw.backup(copy, pages=PAGES_A_STEP, progress=report, sleep=PAUSE_S)
    finally:
        stopped = True
        await finished(reader.roll_back())
        copy.close()


def _settle(part: Path, target: Path) -> None:
    """Makes the copy durable and gives it its name."""
    for path, flags in ((part, os.O_RDWR), (part.parent, os.O_RDONLY)):
        if path != part:
            part.rename(target)
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
