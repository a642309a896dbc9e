"""What the store does with files that are damaged, foreign, newer, or on a full disk; and with its own schema."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.adapters.store.many_rows import PLACE
from alicia_scheduler.adapters.store.schema import APPLICATION_ID
from alicia_scheduler.adapters.store.statements import migrations, statements
from alicia_scheduler.core.decision import Changes, Needs
from alicia_scheduler.core.state import EventStatus, ExecutionStatus, ServiceMark
from alicia_scheduler.errors import StoreDamaged, StoreError, StoreUnavailable
from alicia_scheduler.ports import Retention
from tests.conformance.store.examples import T0, add_events, commit, execution, ids, load, message, planned

S = ExecutionStatus
PAGE = 4096


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of the file and of its log; an empty log and the readers' index of it are no content."""
    found = {file.name: file.read_bytes() for file in path.parent.glob(path.name + "*")}
    return {name: data for name, data in found.items() if data and not name.endswith((".lock", "-shm"))}


def overwrite(path: Path, start: int, end: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(end - start))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def size_bytes(path: Path) -> int:
    return path.stat().st_size


async def filled(path: Path, *, clean: bool = True) -> None:
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    await add_events(store, *(f"event-{n}" for n in range(200)))
    await commit(store, planned(*(execution(f"x{n}", f"event-{n}", n + 1) for n in range(200))))
    await commit(store, Changes(mark=ServiceMark(clean=clean, serial=1)))
    await store.close()


async def refused(path: Path, error: type[StoreError], match: str) -> None:
    before = contents(path)
    with pytest.raises(error, match=match):
        await SqliteStore(path, ballast_bytes=0).open()
    assert contents(path) == before


@pytest.mark.parametrize("content", [b"not a database, " * 999, b"SQLite format 3\0" + b"\xff" * 5000, b"x"])
async def test_a_file_that_is_no_database_is_refused_and_left_untouched(path: Path, content: bytes) -> None:
    write(path, content)
    await refused(path, StoreDamaged, "alicia-scheduler backup")


async def test_damage_is_found_at_the_start_after_an_unclean_stop(path: Path) -> None:
    await filled(path, clean=False)
    middle = size_bytes(path) // 2 // PAGE * PAGE
    overwrite(path, middle, middle + 3 * PAGE)
    await refused(path, StoreDamaged, "damaged.*nothing was overwritten.*alicia-scheduler backup")


async def test_damage_met_later_is_told_apart_from_a_passing_trouble(path: Path) -> None:
    await filled(path)
    last_pages = size_bytes(path) // PAGE // 2 * PAGE
    overwrite(path, last_pages, size_bytes(path))
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    with pytest.raises(StoreDamaged, match="alicia-scheduler backup"):
        await load(store, ids(*(f"event-{n}" for n in range(200))))
    await store.close()


async def test_a_file_of_a_newer_version_is_refused_and_left_untouched(path: Path) -> None:
    await filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    await refused(path, StoreDamaged, "newer version .schema 999")


async def test_a_file_of_another_program_is_refused_and_left_untouched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    await refused(path, StoreDamaged, "another program")


async def test_a_refused_file_is_not_held(path: Path) -> None:
    write(path, b"nonsense" * 1000)
    for _ in range(2):
        await refused(path, StoreDamaged, "damaged")
    os.unlink(path)
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    await store.close()


def schema(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
        version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return [(name, " ".join(sql.split())) for name, sql in rows] + [("version", str(version[0]))]


@pytest.mark.parametrize("version", [0, *migrations()])
async def test_a_file_of_every_older_version_gets_the_schema_of_a_new_one(tmp_path: Path, version: int) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    with sqlite3.connect(old) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for number, script in migrations().items():
            if number <= version:
                connection.executescript(f"{script}; PRAGMA user_version = {number};")
    connection.close()
    for path in (new, old):
        store = SqliteStore(path, ballast_bytes=0)
        await store.open()
        await store.close()
    assert schema(new) == schema(old)
    assert list(migrations()) == list(range(1, len(migrations()) + 1))


async def test_the_settings_that_durability_rests_on_are_in_force(store: SqliteStore) -> None:
    expected = {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "auto_vacuum": 2,
        "busy_timeout": 5000,
    }  # fmt: skip
    writer = store._writer
    assert writer is not None
    assert {name: (await writer.row(f"PRAGMA {name}") or [None])[0] for name in expected} == expected
    reader = store._lists
    assert reader is not None
    with pytest.raises(StoreUnavailable, match="readonly"):
        await reader.run("DELETE FROM outbox")


async def test_the_way_past_aiosqlite_runs_several_statements_in_one_trip(store: SqliteStore) -> None:
    """``Connection.steps`` uses the inside of aiosqlite; this fails when that inside changes."""
    writer = store._writer
    assert writer is not None
    steps = [("BEGIN", ()), ("CREATE TEMP TABLE few (n)", ()), ("INSERT INTO few VALUES (?), (?)", (1, 2))]
    assert await writer.steps(steps, ("SELECT count(*) FROM few WHERE n < :most", {"most": 9})) == (2,)
    assert writer.raw.in_transaction
    assert await writer.steps([], commit=True) is None
    assert not writer.raw.in_transaction


async def test_no_statement_walks_a_whole_table(store: SqliteStore) -> None:
    """Only ``ahead`` does, which is asked after a clock correction."""
    writer = store._writer
    assert writer is not None
    walking = set()
    files = ("transaction", "thrown", "reading", "housekeeping")
    for name, text in {name: sql for file in files for name, sql in statements(file).items()}.items():
        columns = text[text.find("(") : text.find(")")].count(",") + 1
        sql = text.replace(PLACE, f"SELECT * FROM (VALUES ({', '.join(['NULL'] * columns)})) WHERE true")
        values = dict.fromkeys(_parameters(sql), "[]")
        plan = [step[3] for step in await writer.raw.execute_fetchall("EXPLAIN QUERY PLAN " + sql, values)]
        if any(_walks_a_table(step, plan) for step in plan):
            walking.add(name)
    few_rows = {
        "all_destinations",
        "looks",
        "watchers",
    }  # small tables, a constant, what was just found
    assert walking == {"ahead", *few_rows}


def _walks_a_table(step: str, plan: list[str]) -> bool:
    """Whether a step reads a table from end to end: not an index, not the one row of meta, not a subquery's rows."""
    words = step.split()
    if words[0] != "SCAN" or words[1] in ("meta", "CONSTANT") or "USING" in words or "VIRTUAL" in words:
        return False
    return not any(f"{way} {words[1]}" in plan for way in ("CO-ROUTINE", "MATERIALIZE"))


def _parameters(sql: str) -> list[str]:
    return [word.strip(":,()") for word in sql.replace("(", " ").replace(")", " ").split() if word.startswith(":")]


async def test_a_backup_is_a_store_of_its_own_and_overwrites_nothing(store: SqliteStore, tmp_path: Path) -> None:
    await add_events(store, *(f"e{n}" for n in range(3000)))
    target, seen = tmp_path / "copy.db", list[tuple[int, int]]()
    await store.backup(str(target), lambda left, total: seen.append((left, total)))
    await commit(store, planned(execution("after")))
    assert seen
    assert seen[-1][0] == 0
    assert sorted(name for name in os.listdir(tmp_path) if name.startswith("copy")) == ["copy.db"]
    before = target.read_bytes()
    with pytest.raises(StoreError, match="exists"):
        await store.backup(str(target), lambda left, total: None)
    assert target.read_bytes() == before
    copy = SqliteStore(target, ballast_bytes=0)
    await copy.open()
    assert (await copy.counts(T0)).events == 3000
    assert await copy.event("e2999") == await store.event("e2999")
    await copy.close()


async def test_a_backup_ends_while_commits_go_on(store: SqliteStore, tmp_path: Path) -> None:
    await add_events(store, *(f"e{n}" for n in range(3000)))
    done = asyncio.Event()

    async def write() -> int:
        number = 0
        while not done.is_set():
            number += 1
            await commit(store, planned(execution(f"x{number}")))
        return number

    writing = asyncio.create_task(write())
    async with asyncio.timeout(20):
        await store.backup(str(tmp_path / "copy.db"), lambda left, total: None)
    done.set()
    assert await writing > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def fill(store: SqliteStore) -> int:
    """Commits until the disk is full; returns how many commits were acknowledged."""
    for number in range(10_000):
        old = [execution(f"{number}-{n}", status=S.COMPLETED, end_time=T0, result="x" * 900) for n in range(20)]
        try:
            await commit(store, planned(*old))
        except StoreUnavailable:
            return number
    raise AssertionError("the disk never got full")


async def test_on_a_full_disk_the_store_refuses_keeps_all_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    (small_disk / "other").write_bytes(os.urandom(9 << 20))
    store = SqliteStore(small_disk / "s.db", ballast_bytes=4 << 20)
    await store.open()
    commits = await fill(store)
    assert not (small_disk / "s.db.ballast").exists()
    with pytest.raises(StoreUnavailable, match="full"):
        await commit(store, Changes(outbox=[message(1)]))
    assert (await store.counts(T0)).executions == 20 * commits
    (small_disk / "other").unlink()
    await commit(store, Changes(outbox=[message(1)]))
    assert size_bytes(small_disk / "s.db.ballast") == 4 << 20
    assert len(await store.outbox(0, 9)) == 1
    await store.close()
    again = SqliteStore(small_disk / "s.db", ballast_bytes=4 << 20)
    await again.open()
    assert (await again.counts(T0)).executions == 20 * commits
    await again.close()


async def test_on_a_full_disk_housekeeping_makes_room_by_itself(small_disk: Path) -> None:
    store = SqliteStore(small_disk / "s.db")
    await store.open()
    commits = await fill(store)
    assert commits > 10
    retention = Retention(T0 + timedelta(days=1), 1000, T0, batch=50)
    for _ in range(200):
        if not await store.remove_expired(retention):
            break
    await commit(store, Changes(outbox=[message(1)]))
    assert (await store.counts(T0)).outbox == 1
    assert (small_disk / "s.db.ballast").exists()
    await store.close()


async def test_a_path_that_cannot_be_reached_is_unavailable(path: Path) -> None:
    await filled(path)
    shutil.copy(path, path.with_name("copy.db"))
    unreachable = path.with_name("copy.db") / "s.db"
    with pytest.raises(StoreUnavailable):
        await SqliteStore(unreachable, ballast_bytes=0).open()


async def test_an_execution_written_again_keeps_its_place(store: SqliteStore) -> None:
    await commit(store, planned(execution("e")))
    await commit(store, Changes(executions={"e": execution("e")._replace(status=S.RUNNING)}))
    counts = await store.counts(T0)
    assert (counts.executions, counts.pending, counts.running) == (1, 0, 1)


async def test_an_event_that_an_upgrade_cannot_read_stops_with_an_error_and_keeps_its_definition(path: Path) -> None:
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    await add_events(store, "a", "b", wake_time=T0)
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET definition = json_remove(definition, '$.action') WHERE event_id = 'a'")
    connection.close()
    await store.open()
    snapshot = await load(store, Needs(due_at=T0, due_limit=9))
    assert snapshot.due == ("b",)
    assert (await load(store, Needs(due_at=T0, due_limit=9))).due == ("b",)
    found = await store.event("a")
    assert found is not None
    assert found[1].status is EventStatus.ERROR
    assert "action" in (found[1].last_error or "")
    await store.close()
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute("SELECT definition FROM events WHERE event_id = 'a'").fetchone()
    connection.close()
    assert "interval" in text
