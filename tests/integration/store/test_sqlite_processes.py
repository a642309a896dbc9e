"""What happens to a file when processes die, meet, or lock it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.adapters.store.connection import BUSY_TIMEOUT_S
from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.queries import ExecutionQuery
from alicia_scheduler.core.state import ServiceMark
from alicia_scheduler.errors import StoreInUse, StoreUnavailable
from tests.conformance.store.examples import T0, add_events, commit, execution, planned


@pytest.mark.parametrize("commits", [1, 7, 40, 41])
async def test_a_killed_process_loses_nothing_it_has_committed(
    path: Path, child: Callable[[str], Popen[str]], commits: int
) -> None:
    process = child("write")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(commits)]
    process.kill()
    acknowledged = [int(line) for line in lines + process.stdout.readlines() if line.endswith("\n")]
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    try:
        last = acknowledged[-1]
        for number in acknowledged:
            assert await store.event(f"e{number}") is not None
        found, _ = await store.executions(ExecutionQuery(limit=100_000))
        sent = await store.outbox(0, 100_000)
        whole = len(sent)
        assert whole in (last, last + 1), "at most the commit whose number was not printed any more"
        assert len(found) == 3 * whole
        counts = await store.counts(T0)
        assert (counts.events, counts.executions, counts.outbox) == (whole, 3 * whole, whole)
    finally:
        await store.close()


async def test_a_second_process_is_refused_and_told_who_has_the_file(
    path: Path, child: Callable[[str], Popen[str]]
) -> None:
    process = child("hold")
    store = SqliteStore(path, ballast_bytes=0)
    with pytest.raises(StoreInUse, match=rf"process {process.pid} on .* since \d{{4}}-"):
        await store.open()
    process.kill()
    process.wait()
    await store.open()
    await store.close()


async def test_a_store_of_the_same_process_is_refused_too(store: SqliteStore, path: Path) -> None:
    with pytest.raises(StoreInUse):
        await SqliteStore(path, ballast_bytes=0).open()
    await commit(store, planned(execution("e")))


async def test_a_file_locked_by_another_program_is_unavailable_until_it_is_let_go(
    store: SqliteStore, path: Path
) -> None:
    await add_events(store, "a")
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN EXCLUSIVE")
    started = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="locked"):
        await commit(store, planned(execution("e")))
    assert asyncio.get_running_loop().time() - started < BUSY_TIMEOUT_S + 3
    assert await store.event("a") is not None, "readers go on"
    stranger.execute("ROLLBACK")
    stranger.close()
    await commit(store, planned(execution("e")))
    assert await store.execution("e") is not None


async def test_a_commit_that_is_cancelled_ends_and_the_next_transaction_works(store: SqliteStore) -> None:
    """Cancels at many different moments of a transaction; each one is either whole or not there."""
    for number in range(60):
        task = asyncio.create_task(commit(store, planned(execution(f"{number}-a")), planned(execution(f"{number}-b"))))
        for _ in range(number):
            await asyncio.sleep(0)
        if number % 3 == 0:
            await asyncio.sleep(number / 20_000)
        task.cancel()
        await asyncio.wait({task})
        found = [await store.execution(f"{number}-{half}") for half in "ab"]
        assert (found[0] is None) == (found[1] is None)
    await commit(store, planned(execution("last")))
    assert await store.execution("last") is not None


async def test_a_closed_store_says_so_and_ends_its_threads(store: SqliteStore, path: Path) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.execution("e")
    with pytest.raises(StoreUnavailable, match="not open"):
        await commit(store, Changes(mark=ServiceMark(serial=1)))
    assert not path.with_name("s.db-wal").exists()
    await store.close()
