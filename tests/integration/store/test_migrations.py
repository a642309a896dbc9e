"""Files that earlier versions wrote: each becomes a store of today with all that was in it, or stays as it was."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alicia_scheduler.adapters.store import SqliteStore, schema
from alicia_scheduler.adapters.store.statements import migrations
from alicia_scheduler.core.state import Counters, EventStatus, ServiceMark
from alicia_scheduler.errors import StoreError
from tests.conformance.store.examples import SECOND, T0, S, full_state
from tests.unit.cli.calling import call

DUMPS = sorted((Path(__file__).parents[2] / "data" / "schemas").glob("*.sql"))
NEWEST = max(migrations())
ROOT = Path(__file__).parents[3]


def loaded(dump: Path, path: Path) -> Path:
    """The file that the dump was made from."""
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.close()
    return path


def dumped(path: Path) -> list[str]:
    """Every row and every definition in the file, and its version."""
    connection = sqlite3.connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    lines = [f"version {version}", *connection.iterdump()]
    connection.close()
    return lines


def definitions(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    return [(name, re.sub(r"\s+", " ", sql)) for name, sql in rows]


async def opened_and_closed(path: Path) -> ServiceMark:
    store = SqliteStore(path, ballast_bytes=0)
    mark = await store.open()
    await store.close()
    return mark


def test_there_is_a_file_of_every_schema_that_a_version_ever_wrote() -> None:
    assert [int(dump.stem) for dump in DUMPS] == list(migrations())


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
async def test_a_file_of_an_earlier_version_keeps_everything_that_was_in_it(dump: Path, path: Path) -> None:
    store = SqliteStore(loaded(dump, path), ballast_bytes=0)
    mark = await store.open()
    assert mark == ServiceMark(Counters(3, 100, 3), T0, clean=True, starts=5)
    plain, cron = await store.event("plain"), await store.event("cron")
    assert plain is not None
    assert cron is not None
    assert plain[0].definition.tags == ("light", "küche")
    assert (plain[1].status, plain[1].wake_time) == (EventStatus.ACTIVE, T0 + SECOND)
    assert (cron[0].revision, cron[0].origin, cron[0].definition.timezone) == (4, "file:home.yaml", "Europe/Berlin")
    expected = full_state("cron", 2)
    assert cron[1] == expected._replace(last_error=cron[1].last_error)
    full, done, gone = [await store.execution(name) for name in ("full", "done", "gone")]
    assert full is not None
    assert done is not None
    assert gone is not None
    assert (full.status, full.name, len(full.attempts), full.fence) == (S.RETRYING, "Ü", 2, 99)
    assert done.result == {"a": 1}
    assert (gone.missed_count, gone.last_missed_time) == (7, T0 + SECOND)
    rows = await store.outbox(0, 10)
    assert [(row.sequence, row.message.payload) for row in rows] == [(1, b'{"a": 1}'), (2, b"\x00\xff")]
    counts = await store.counts(T0)
    assert (counts.events, counts.executions, counts.pending, counts.outbox) == (2, 4, 1, 2)
    await store.close()


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
async def test_it_gets_the_schema_of_a_new_file_once_and_for_all(dump: Path, path: Path) -> None:
    new = path.with_name("new.db")
    await opened_and_closed(new)
    await opened_and_closed(loaded(dump, path))
    assert definitions(path) == definitions(new)
    first = dumped(path)
    assert first[0] == f"version {NEWEST}"
    await opened_and_closed(path)
    assert dumped(path) == first


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_backup_of_an_earlier_version_can_be_restored(
    dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = loaded(dump, tmp_path / "copy.db")
    before = source.read_bytes()
    outcome = call(capsys, "restore", "--json", str(source))
    assert outcome.code == 0, outcome.err
    assert source.read_bytes() == before
    restored = tmp_path / "data" / "scheduler.db"
    assert dumped(restored)[0] == f"version {NEWEST}"
    assert asyncio.run(opened_and_closed(restored)).starts == 5


NEXT = "ALTER TABLE meta ADD COLUMN later TEXT; UPDATE events SET origin = 'moved';"


@pytest.mark.parametrize("dump", DUMPS[-1:], ids=lambda dump: dump.stem)
async def test_a_migration_that_fails_half_way_leaves_the_file_as_it_was(
    dump: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened_and_closed(loaded(dump, path))
    before = dumped(path)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "migrations", lambda: migrations() | {NEWEST + 1: f"{NEXT} SELECT nonsense;"})
        with pytest.raises(StoreError, match="nonsense"):
            await SqliteStore(path, ballast_bytes=0).open()
    assert dumped(path) == before
    monkeypatch.setattr(schema, "migrations", lambda: migrations() | {NEWEST + 1: NEXT})
    await opened_and_closed(path)
    assert dumped(path)[0] == f"version {NEWEST + 1}"


KILLED = f"""
import asyncio, sys
from pathlib import Path
from alicia_scheduler.adapters.store import SqliteStore, schema
from alicia_scheduler.adapters.store.statements import migrations
numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 1e9"
schema.migrations = lambda: migrations() | {{{NEWEST + 1}: "{NEXT} CREATE TABLE big AS " + numbers + ";"}}
asyncio.run(SqliteStore(Path(sys.argv[1]), ballast_bytes=0).open())
"""


@pytest.mark.parametrize("dump", DUMPS[-1:], ids=lambda dump: dump.stem)
def test_a_migration_whose_process_is_killed_leaves_the_file_as_it_was(dump: Path, path: Path) -> None:
    asyncio.run(opened_and_closed(loaded(dump, path)))
    before = dumped(path)
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, env={**os.environ})
    try:
        deadline = time.monotonic() + 30
        while not _is_being_written(path):
            assert child.poll() is None
            assert time.monotonic() < deadline
    finally:
        child.kill()
        child.wait()
    asyncio.run(opened_and_closed(path))
    assert dumped(path) == before


def _is_being_written(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 1 << 20
