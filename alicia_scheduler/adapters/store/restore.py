"""A backup in place of the store: first a checked copy beside it, then one rename.

At no moment do a new file and the log of the old one lie together, and the replaced store stays, whole, under a dated
name. Whoever calls these functions holds the lock of the store.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alicia_scheduler.adapters.store.backup import back_up
from alicia_scheduler.adapters.store.connection import connect_reader, finished
from alicia_scheduler.adapters.store.failures import store_errors
from alicia_scheduler.adapters.store.rows import micros
from alicia_scheduler.adapters.store.schema import check_file, check_library, check_whole
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.errors import StoreError

LOGS = ("-wal", "-shm", "-journal")
COMPANIONS = (*LOGS, ".lock", ".part")


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What a copy holds that time has overtaken.

    Attributes:
        executions: Ids of unfinished executions, those of one event together, oldest first.
        once_only: Ids of events that are due and never run anything twice.
    """

    executions: tuple[str, ...]
    once_only: tuple[str, ...]


def staging_place(store: Path) -> Path:
    """Where the copy lies until it goes into place: beside the store, so that a rename moves it."""
    return store.with_name(store.name + ".restoring")


async def stage(source: Path, staged: Path, progress: Callable[[int, int], None]) -> None:
    """Copies a backup beside the store and checks the copy from end to end; the store itself is not touched.

    Args:
        progress: Called with pages left and pages in all.

    Raises:
        StoreDamaged: The source is damaged, another program's or a newer version's.
        StoreError: It cannot be read, or there is no room for it.
    """
    check_library()
    discard(staged)
    with store_errors(source):
        _check_room(source, staged)
    at_rest = not any(source.with_name(source.name + log).exists() for log in LOGS)
    reader = await connect_reader(source, at_rest=at_rest)
    try:
        await check_file(reader, source)
    finally:
        await finished(reader.close())
    await back_up(source, staged, progress, at_rest=at_rest)
    reader = await connect_reader(staged, at_rest=True)
    try:
        await check_whole(reader, source)
    finally:
        await finished(reader.close())


def discard(staged: Path) -> None:
    """Removes a copy that did not go into place, and what SQLite put beside it."""
    with store_errors(staged):
        for suffix in ("", *COMPANIONS):
            staged.with_name(staged.name + suffix).unlink(missing_ok=True)


def unsettled(staged: Path, now: datetime) -> Unsettled:
    """What of the copy must be judged before it goes into place; raises StoreError."""
    sql = statements("restore")
    uri = f"{staged.as_uri()}?mode=ro"
    with store_errors(staged), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as reader:
        executions = reader.execute(sql["unfinished_ids"]).fetchall()
        events = reader.execute(sql["once_only_due"], {"at": micros(now)}).fetchall()
    return Unsettled(tuple(row[0] for row in executions), tuple(row[0] for row in events))


def put_in_place(staged: Path, store: Path, now: datetime) -> Path | None:
    """Makes the copy the store; the name under which the old one lies now, None when there was none.

    Raises:
        StoreError: The files cannot be renamed.
    """
    with store_errors(store):
        if staged.with_name(staged.name + "-wal").exists():
            raise StoreError(f"{staged} was not closed in order; restore again")
        _belongs_like(staged, store)
        kept = _kept(store, now) if store.exists() else None
        for log in LOGS:
            store.with_name(store.name + log).unlink(missing_ok=True)
        staged.replace(store)
        _to_disk(store.parent)
    return kept


def _check_room(source: Path, staged: Path) -> None:
    needed, free = source.stat().st_size, shutil.disk_usage(staged.parent).free
    if needed > free:
        raise StoreError(f"{staged.parent} has {free >> 20} MiB left, the copy needs {(needed >> 20) + 1} MiB")


def _kept(store: Path, now: datetime) -> Path:
    """Gives the old store and its log a second, dated name, so that it is whole whatever happens next."""
    name = f"{store.name}.replaced-{now:%Y%m%dT%H%M%SZ}"
    kept = store.with_name(name)
    number = 1
    while kept.exists():
        number += 1
        kept = store.with_name(f"{name}-{number}")
    for suffix in ("-wal", "-journal", ""):
        old = store.with_name(store.name + suffix)
        if old.exists():
            _second_name(old, kept.with_name(kept.name + suffix))
    _to_disk(store.parent)
    return kept


def _second_name(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:  # a file system without links
        shutil.copyfile(old, new)
        _to_disk(new)


def _belongs_like(staged: Path, store: Path) -> None:
    """Gives the copy, and a lock file made by the way, to whom the store belongs: an administrator may restore it."""
    model = (store if store.exists() else store.parent).stat()
    for path in (staged, store.with_name(store.name + ".lock")):
        if path.exists():
            path.chmod(0o600)
            with suppress(PermissionError):
                os.chown(path, model.st_uid, model.st_gid)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
