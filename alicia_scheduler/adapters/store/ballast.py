"""Room kept back for the day on which the disk is full.

On a full disk SQLite cannot even delete, since a deletion is written to the log first. So a file of a few megabytes
lies beside the store; when the disk is full it goes, and housekeeping has room to remove what retention allows. Until
the disk has room for it again, everything else is refused: otherwise the next events would eat the reserve.
"""

from __future__ import annotations

import os
from pathlib import Path

MARGIN = 2
"""The file comes back only when so many times its size is free."""


class Ballast:
    """The file ``<store>.ballast``.

    Attributes:
        spent: Whether the disk was full and the reserve has been given up.
    """

    def __init__(self, store: Path, size_bytes: int) -> None:
        self._path = store.with_name(store.name + ".ballast")
        self._size = size_bytes
        self.spent = False

    def give_up(self) -> None:
        """Frees the room, once."""
        if self._size and self._path.exists():
            self._path.unlink(missing_ok=True)
            self.spent = True

    def restore(self) -> None:
        """Puts the file back if it is not there and the disk has room for it."""
        if not self._size or self._present() or self._free_bytes() < MARGIN * self._size:
            return
        try:
            self._allocate()
            self.spent = False
        except OSError:
            self._path.unlink(missing_ok=True)

    def _present(self) -> bool:
        return self._path.exists() and self._path.stat().st_size == self._size

    def _allocate(self) -> None:
        """Writes bytes that no file system can compress or leave out."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, os.urandom(self._size))
        finally:
            os.close(descriptor)

    def _free_bytes(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize
