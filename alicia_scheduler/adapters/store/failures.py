"""What can go wrong in a store, told in the package's own errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alicia_scheduler.errors import StoreDamaged, StoreError, StoreInUse, StoreUnavailable

PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Primary result codes of troubles that somebody outside can end."""

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
"""Primary result codes of a file that is not what SQLite wrote."""


class DuplicateExecution(StoreError):
    """An execution that was to be new exists already: somebody planned the same fire twice, and nothing was written."""


class DiskFull(StoreUnavailable):
    """There is no room to write to."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 when the error did not come from SQLite."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_duplicate(error: StoreError) -> bool:
    """Whether a row was refused because its unique id exists."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """The error as the engine knows it: whether to try again, or to stop and touch nothing."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"{path}: no room on the disk ({error})")
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return StoreInUse(f"{path}: {error}; this one ends")
    if code in PASSING:
        return StoreUnavailable(f"{path}: {error}")
    if code in DAMAGED:
        return damaged(path, str(error))
    return StoreError(f"{path}: {error}")


def damaged(path: Path, problem: str) -> StoreDamaged:
    """The refusal to go on with a damaged file, with the way out."""
    what = " ".join(problem.split())
    return StoreDamaged(
        f"{path} is damaged ({what}); nothing was overwritten. Stop the service and call `alicia-scheduler restore "
        f"--replace BACKUP` with a copy made by `alicia-scheduler backup`: it keeps the damaged file."
    )


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Inside it, what SQLite and the file system raise comes out as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error}") from error
