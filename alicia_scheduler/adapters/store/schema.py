"""Whether a file is a store that this version can use, and how an older one becomes one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alicia_scheduler.adapters.store.connection import Connection
from alicia_scheduler.adapters.store.failures import damaged
from alicia_scheduler.adapters.store.statements import migrations, statements
from alicia_scheduler.errors import StoreDamaged, StoreError

APPLICATION_ID = 0x416C6963
"""Tells a store from another program's SQLite file; "Alic" in ASCII."""

OLDEST_SQLITE = (3, 38, 0)
"""The first one with the ``->>`` operator."""

SMALLEST_PAGE_BYTES = 512
"""SQLite takes a shorter file for an empty one and would write over it."""

CHECKED_BYTES = 64 << 20
"""After an unclean stop, files up to this size are checked page by page before use: some tenths of a second. Larger
ones are not, since a start must not take longer the more is stored; SQLite finds damage when it first touches it."""


def check_library() -> None:
    """Raises StoreError when Python's SQLite is too old."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(f"SQLite {needed} or newer is needed, this Python brings {sqlite3.sqlite_version}")


async def check_file(reader: Connection, path: Path) -> None:
    """Looks at an existing file through a connection that cannot change it.

    Raises:
        StoreDamaged: It is damaged, or another program's, or written by a newer version.
        StoreUnavailable: It cannot be read for now.
    """
    if _size_bytes(path) < SMALLEST_PAGE_BYTES:
        raise damaged(path, "too short for a database")
    application, version = await _number(reader, "application_id"), await _number(reader, "user_version")
    tables = await _number(reader, "schema_version")
    if tables and application != APPLICATION_ID:
        raise StoreDamaged(f"{path} is an SQLite file of another program; it was left untouched")
    if version > max(migrations()):
        raise StoreDamaged(
            f"{path} was written by a newer version (schema {version}, this one knows {max(migrations())}); it was "
            f"left untouched. Install that version again, or `alicia-scheduler restore --replace` an older backup."
        )
    if version and _size_bytes(path) <= CHECKED_BYTES and not await _stopped_in_order(reader):
        await _check_pages(reader, path)


async def migrate(writer: Connection) -> None:
    """Brings the file to the newest schema, one numbered script after the other; raises StoreError."""
    await writer.row(f"PRAGMA application_id = {APPLICATION_ID}")
    present = await _number(writer, "user_version")
    for version, script in migrations().items():
        if version > present:
            try:
                await writer.script(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;")
            except BaseException:
                await writer.roll_back()
                raise


async def _number(connection: Connection, pragma: str) -> int:
    row = await connection.row(f"PRAGMA {pragma}")
    return int(row[0]) if row else 0


def _size_bytes(path: Path) -> int:
    return path.stat().st_size


async def _stopped_in_order(reader: Connection) -> bool:
    row = await reader.row(statements("reading")["stopped_in_order"])
    return bool(row and row[0])


async def check_whole(reader: Connection, path: Path) -> None:
    """Compares every page and every index; raises StoreDamaged."""
    await _check_pages(reader, path, "integrity_check")


async def _check_pages(reader: Connection, path: Path, check: str = "quick_check") -> None:
    row = await reader.row(f"PRAGMA {check}(1)")
    if row is None or row[0] != "ok":
        raise damaged(path, str(row[0]) if row else f"no answer to {check}")
