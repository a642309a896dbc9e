"""The simulated disk: the real store in memory behind a handle for each process, with everything that can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from copy import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from alicia_scheduler.adapters.store import MemoryStore
from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.state import ServiceMark
from alicia_scheduler.errors import StoreUnavailable
from alicia_scheduler.ports import Retention, Store, Transaction
from tests.simulation.machine import Process

if TYPE_CHECKING:
    from tests.simulation.ledger import Ledger

Point = Callable[[Process, str], Awaitable[None]]
"""Called wherever a process waits for the disk: the adversary may kill it there."""


class LostCommit(Exception):
    """A planted fault: the disk says that it has written, and has not."""


class Disk:
    """What survives a process. The store belongs to the process that opened it last."""

    def __init__(self, ledger: Ledger, point: Point) -> None:
        self.store = MemoryStore()
        self.ledger = ledger
        self.point = point
        self.owner: Process | None = None
        self.full = False
        self.commit_time = timedelta(0)
        self.lies = 0
        self.locks = True
        self.takes_turns = True
        self.broken: Exception | None = None
        self.tamper: Callable[[Process, Changes], None] = lambda process, changes: None
        self.tamper_snapshot: Callable[[Snapshot], Snapshot] = lambda snapshot: snapshot
        self.loses: Callable[[Process, list[Changes]], bool] = lambda process, changes: False

    async def slow_commit(self) -> None:
        """Takes the time that a commit takes."""
        if self.commit_time:
            await asyncio.sleep(self.commit_time.total_seconds())

    def handle(self, process: Process) -> DiskHandle:
        return DiskHandle(self, process)


class WatchedTransaction:
    """Notes what is written."""

    def __init__(self, inner: Transaction, disk: Disk, process: Process, written: list[Changes]) -> None:
        self._inner = inner
        self._disk = disk
        self._process = process
        self.written = written

    async def load(self, needs: Needs) -> Snapshot:
        await self._disk.point(self._process, "load")
        snapshot = await self._inner.load(needs)
        try:
            return self._disk.tamper_snapshot(snapshot)
        except Exception as error:
            self._disk.broken = error
            raise

    async def apply(self, changes: Changes) -> None:
        await self._disk.point(self._process, "apply")
        kept = copy(changes)
        try:
            self._disk.tamper(self._process, kept)
        except Exception as error:
            self._disk.broken = error
            raise
        await self._inner.apply(kept)
        self.written.append(kept)

    async def mark(self) -> ServiceMark:
        return await self._inner.mark()

    async def next_wake_time(self, now: datetime) -> datetime | None:
        return await self._inner.next_wake_time(now)

    @property
    def only_late_reports(self) -> bool:
        """Whether it holds nothing but outcomes of attempts that another process has taken over meanwhile."""
        ledger = self._disk.ledger
        for changes in self.written:
            others = changes.records or changes.new_executions or changes.sent or changes.requests
            if others or not changes.executions:
                return False
            for id_, execution in changes.executions.items():
                stands = ledger.executions.get(id_)
                overtaken = stands is not None and stands.status == "running"
                if execution.status == "running" or not overtaken or ledger.claimed_by[id_] is self._process:
                    return False
        return True


class DiskHandle:
    """The store as one process holds it; everything that is not written here goes to the store itself."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self._disk = disk
        self._process = process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk.store, name)

    def as_store(self) -> Store:
        """The handle, for those who need a store."""
        return cast(Store, self)

    async def open(self) -> ServiceMark:
        self._disk.owner = self._process
        return await self._disk.store.open()

    async def close(self) -> None:
        """The rows stay, and so does the store: the next process may have it already."""

    async def remove_expired(self, retention: Retention) -> int:
        if self._process.dead or self._disk.owner is not self._process or self._disk.full:
            raise StoreUnavailable("nothing can be removed now")
        return await self._disk.store.remove_expired(retention)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[WatchedTransaction]:
        disk, process = self._disk, self._process
        await process.gate()
        if disk.takes_turns:  # as every store does that is not in memory
            await asyncio.sleep(0)
        written: list[Changes] = []
        with suppress(LostCommit):
            async with disk.store.transaction() as inner:
                transaction = WatchedTransaction(inner, disk, process, written)
                yield transaction
                await disk.slow_commit()
                await disk.point(process, "commit")
                self._refuse(transaction)
                disk.ledger.commit(process, written)
                if disk.loses(process, written):
                    raise LostCommit
        await disk.point(process, "committed")
        if disk.lies and written:
            disk.lies -= 1
            raise StoreUnavailable("the connection went while the store committed")

    def _refuse(self, transaction: WatchedTransaction) -> None:
        if self._process.dead:
            raise StoreUnavailable("the process is gone")
        if self._disk.full and transaction.written:
            raise StoreUnavailable("the disk is full")
        former = self._disk.locks and self._disk.owner is not self._process
        if former and transaction.written and not transaction.only_late_reports:
            raise StoreUnavailable("the file is locked by another process")
