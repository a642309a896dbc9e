"""Keeps a second process off the same file."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from alicia_scheduler.errors import StoreInUse


class ProcessLock:
    """An advisory lock on ``<file>.lock``; the kernel drops it with the process, also after kill -9.

    The file stays behind, empty of meaning: removing it would let two processes lock two different files.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = store.with_name(store.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Takes the lock and writes down who has it.

        Raises:
            StoreInUse: Another process has it; the message names it.
            OSError: The lock file cannot be written.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        except BlockingIOError:
            message = f"{self._store} is in use by {_holder(descriptor)}; stop it, or give this service another store"
            os.close(descriptor)
            raise StoreInUse(message) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the lock back; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holder(descriptor: int) -> str:
    """Who wrote the lock file, and when: the file's own time tells, so nobody asks a clock."""
    since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['pid']} on {holder['host']} since {since:%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, KeyError, TypeError):
        return "another process"
