"""Removing a large history never holds a fire up for longer than one small batch."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alicia_scheduler.adapters.clock import SystemClock
from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.engine.housekeeping import HistoryLimits, Housekeeping
from alicia_scheduler.engine.writer import Writer
from tests.conformance.store.examples import add_events, commit, execution, planned

OLD = 120_000
LONGEST_WAIT_S = 0.5
"""A batch takes about 15 ms; the rest is for a test machine that has something else to do."""

FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO executions (
    execution_id, event_key, event_id, status, triggered_by, scheduled_time, due_time, created_time, priority, held,
    end_time, detail
)
SELECT printf('%032x', i), i % 100, 'event-' || (i % 100), 'completed', 'scheduler', i * 1000000, i * 1000000,
    i * 1000000, 0, 0, i * 1000000, json_object('name', 'x', 'result', printf('%500s', i))
FROM n
"""


@pytest.fixture
async def full(path: Path) -> SqliteStore:
    """A store with many executions of 1970."""
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    await add_events(store, "a")
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(FILL, {"count": OLD})
    connection.close()
    await store.open()
    return store


async def fire_all_the_time(store: SqliteStore, done: asyncio.Event) -> list[float]:
    """Commits a fire every few milliseconds; how long each took, in seconds."""
    loop, took = asyncio.get_running_loop(), list[float]()
    while not done.is_set():
        began = loop.time()
        await commit(store, planned(execution(f"x{len(took)}", at=datetime.now(UTC))))
        took.append(loop.time() - began)
        await asyncio.sleep(0.005)
    return took


async def test_while_a_large_history_is_removed_no_fire_waits_for_more_than_a_batch(full: SqliteStore) -> None:
    clock = SystemClock()
    writer = Writer(full, clock, lambda announcements, now: ([], []))
    housekeeping = Housekeeping(full, writer, clock, HistoryLimits(age=timedelta(days=1)))
    done = asyncio.Event()
    firing = asyncio.create_task(fire_all_the_time(full, done))
    removed = await housekeeping.clean_up()
    done.set()
    took = sorted(await firing)
    print(f"{len(took)} fires; half within {took[len(took) // 2] * 1000:.1f} ms, all within {took[-1] * 1000:.1f} ms")
    assert removed >= OLD
    assert (await full.counts(clock.now())).executions == len(took)
    assert len(took) > 100
    assert took[-1] < LONGEST_WAIT_S
    await full.close()
