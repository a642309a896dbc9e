"""``alicia-scheduler restore``: the right file ends up in place, the old one is kept, and nothing half-way is left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.adapters.store import restore as restore_module
from alicia_scheduler.adapters.store.backup import back_up
from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.state import Counters, Execution, ServiceMark
from tests.conformance.store.examples import S, commit, creation, execution, message, planned, record, state
from tests.unit.cli.calling import Outcome, call

Capture = pytest.CaptureFixture[str]
Result = TypeVar("Result")

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LEFT = ServiceMark(Counters(3, 5, 2), NOW - 3 * HOUR, clean=False, starts=4, serial=1)


def store_at(path: Path, *changes: Changes) -> None:
    """A store as a service that ran until three hours ago left it."""

    async def write(store: SqliteStore) -> None:
        await commit(store, *changes, Changes(mark=LEFT))

    in_store(path, write)


def in_store(path: Path, work: Callable[[SqliteStore], Awaitable[Result]]) -> Result:
    async def opened() -> Result:
        store = SqliteStore(path, ballast_bytes=0)
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def events(*names: str, **fields: Any) -> Changes:
    made = [record(name, key, **fields) for key, name in enumerate(names, 1)]
    return creation(*((each, state(each.event_id, each.key)._replace(unfinished=1)) for each in made))


def late(execution_id: str, event_id: str, key: int, **fields: Any) -> Execution:
    return execution(execution_id, event_id, key, at=NOW - 3 * HOUR, **fields)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of the settings, with an event named new."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    path = tmp_path / "data" / "scheduler.db"
    path.parent.mkdir()
    store_at(path, events("new"))
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A copy with an event named old, on a directory of its own."""
    path = tmp_path / "backups" / "copy.db"
    path.parent.mkdir()
    store_at(path.with_name("origin.db"), events("old"), Changes(outbox=[message(1)]))
    asyncio.run(back_up(path.with_name("origin.db"), path, lambda left, total: None))
    for other in path.parent.glob("origin.db*"):
        other.unlink()
    return path


def restore(capsys: Capture, *arguments: str) -> Outcome:
    return call(capsys, "restore", "--json", *arguments)


def names(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        found = {row[0] for row in connection.execute("SELECT event_id FROM events")}
    connection.close()
    return found


def beside(store: Path) -> set[str]:
    return {path.name for path in store.parent.iterdir()} - {"scheduler.db.lock"}


# --- the right file in place -----------------------------------------------------------------------------------------


def test_the_backup_becomes_the_store_and_the_old_one_is_kept(capsys: Capture, store: Path, backup: Path) -> None:
    before = backup.read_bytes()
    outcome = restore(capsys, str(backup), "--replace")
    assert outcome.code == 0, outcome.err
    assert names(store) == {"old"}
    kept = Path(outcome.data["kept"])
    assert kept.name.startswith("scheduler.db.replaced-20")
    assert names(kept) == {"new"}
    assert beside(store) == {"scheduler.db", kept.name}
    assert (backup.read_bytes(), [path.name for path in backup.parent.iterdir()]) == (before, ["copy.db"])
    assert store.stat().st_mode & 0o777 == 0o600
    again = restore(capsys, str(backup), "--replace")
    assert Path(again.data["kept"]) != kept
    assert names(kept) == {"new"}


def test_without_replace_a_store_that_is_there_stays(capsys: Capture, store: Path, backup: Path) -> None:
    before = store.read_bytes()
    outcome = restore(capsys, str(backup))
    assert outcome.code == 1
    assert "--replace" in outcome.err
    assert (store.read_bytes(), beside(store)) == (before, {"scheduler.db"})


def test_where_no_store_is_none_is_kept_and_a_log_left_behind_goes(capsys: Capture, store: Path, backup: Path) -> None:
    store.unlink()
    store.with_name("scheduler.db-wal").write_bytes(b"of another file")
    outcome = call(capsys, "restore", str(backup))
    assert outcome.code == 0, outcome.err
    assert "caught up, or recorded as missed" in outcome.err
    assert beside(store) == {"scheduler.db"}
    assert names(store) == {"old"}


def test_a_store_that_was_killed_is_kept_with_its_log(capsys: Capture, store: Path, backup: Path) -> None:
    writer = sqlite3.connect(store, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE events SET event_id = 'in-the-log'")
    outcome = restore(capsys, str(backup), "--replace")
    writer.close()
    assert names(Path(outcome.data["kept"])) == {"in-the-log"}
    assert names(store) == {"old"}


def test_a_damaged_store_is_kept_as_it_is(capsys: Capture, store: Path, backup: Path) -> None:
    store.write_bytes(b"nonsense" * 999)
    outcome = restore(capsys, str(backup), "--replace")
    assert Path(outcome.data["kept"]).read_bytes() == b"nonsense" * 999
    assert names(store) == {"old"}


def test_a_backup_on_a_read_only_disk_will_do(capsys: Capture, store: Path, backup: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(backup.parent)], check=True)
    try:
        shutil.copy(store, backup)
        subprocess.run(["mount", "-o", "remount,ro", str(backup.parent)], check=True)
        assert restore(capsys, str(backup), "--replace").code == 0
    finally:
        subprocess.run(["umount", "--lazy", str(backup.parent)], check=True)


def test_the_store_of_a_service_that_was_killed_is_a_source_too(capsys: Capture, store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    store_at(other, events("first"))
    writer = sqlite3.connect(other, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE events SET event_id = 'in-the-log'")
    assert restore(capsys, str(other), "--replace").code == 0
    writer.close()
    assert names(store) == {"in-the-log"}


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(capsys: Capture, store: Path, source: Path, match: str) -> None:
    before = {path.name: path.read_bytes() for path in store.parent.iterdir() if path.name != "scheduler.db.lock"}
    outcome = restore(capsys, str(source), "--replace")
    assert outcome.code == 1
    assert match in outcome.err
    after = {path.name: path.read_bytes() for path in store.parent.iterdir() if path.name != "scheduler.db.lock"}
    assert after == before, "the store was touched, or something was left behind"


def test_while_a_service_runs_nothing_is_restored(capsys: Capture, store: Path, backup: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.store.child_writer", str(store), "hold"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "open\n"
        outcome = restore(capsys, str(backup), "--replace")
        service.kill()
    assert outcome.code == 1
    assert f"in use by process {service.pid}" in outcome.err
    assert names(store) == {"new"}


def test_a_damaged_backup_is_refused(capsys: Capture, store: Path, backup: Path) -> None:
    with backup.open("r+b") as file:
        file.seek(backup.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(3 * 4096))
    refused(capsys, store, backup, "damaged")
    backup.write_bytes(b"hello" * 1000)
    refused(capsys, store, backup, "damaged")
    backup.write_bytes(b"")
    refused(capsys, store, backup, "too short")


def test_an_index_that_disagrees_with_its_table_is_damage_too(capsys: Capture, store: Path, backup: Path) -> None:
    connection = sqlite3.connect(backup, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    wrong = "replace(sql, 'events (event_id)', 'events (origin)')"
    connection.execute(f"UPDATE sqlite_schema SET sql = {wrong} WHERE name = 'events_by_id'")
    connection.close()
    backup.with_name("copy.db-wal").unlink(missing_ok=True)
    backup.with_name("copy.db-shm").unlink(missing_ok=True)
    refused(capsys, store, backup, "damaged")


def test_what_is_no_store_of_this_version_is_refused(capsys: Capture, store: Path, backup: Path) -> None:
    set_in(backup, "PRAGMA user_version = 999")
    refused(capsys, store, backup, "newer version")
    set_in(backup, "PRAGMA application_id = 7")
    refused(capsys, store, backup, "another program")
    refused(capsys, store, backup.with_name("nowhere.db"), "no file")
    refused(capsys, store, store, "the store itself")


def set_in(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


@pytest.mark.parametrize("step", ["back_up", "check_whole", "_belongs_like", "_second_name", "_to_disk"])
def test_whatever_fails_half_way_a_whole_store_is_in_place_and_the_next_try_succeeds(
    capsys: Capture, store: Path, backup: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "the disk broke")

    with monkeypatch.context() as patched:
        patched.setattr(restore_module, step, broken)
        with pytest.raises((AssertionError, OSError)):
            assert restore(capsys, str(backup), "--replace").code == 0
    assert names(store) in ({"new"}, {"old"})
    assert not {name for name in beside(store) if "restoring" in name}
    assert restore(capsys, str(backup), "--replace").code == 0
    assert names(store) == {"old"}


def test_a_restore_that_was_killed_leaves_the_store_and_the_next_one_cleans_up(
    capsys: Capture, store: Path, backup: Path
) -> None:
    for suffix in ("", "-wal", "-shm", ".lock", ".part"):
        store.with_name(f"scheduler.db.restoring{suffix}").write_bytes(b"half")
    assert restore(capsys, str(backup), "--replace").code == 0
    assert not {name for name in beside(store) if "restoring" in name}


# --- what is unfinished in the copy ----------------------------------------------------------------------------------


def test_unfinished_work_of_long_ago_is_closed_told_and_does_not_run(
    capsys: Capture, store: Path, backup: Path
) -> None:
    changes = planned(
        late("waits", "old", 1),
        late("runs", "old", 1, status=S.RUNNING, attempt=1),
        late("retries", "old", 1, status=S.RETRYING, attempt=1, retry_time=NOW - 2 * HOUR),
        late("later", "old", 1, status=S.RETRYING, attempt=1, retry_time=NOW + HOUR),
        late("orphan", "gone", 9),
    )
    in_store(backup, lambda store: commit(store, changes))
    outcome = restore(capsys, str(backup), "--replace")
    assert {name: outcome.data[name] for name in ("closed", "resumed", "missed")} == {
        "closed": 4, "resumed": 1, "missed": 2,
    }  # fmt: skip

    async def look(opened: SqliteStore) -> dict[str, Any]:
        found = {name: await opened.execution(name) for name in ("waits", "runs", "retries", "later", "orphan")}
        rows = await opened.outbox(0, 100)
        return {
            "statuses": {name: (e.status, e.reason) for name, e in found.items() if e},
            "topics": [row.message.topic.rpartition("/")[2] for row in rows],
            "sequences": [row.sequence for row in rows],
            "recovery": json.loads(rows[-1].message.payload),
            "missed": found["waits"],
        }

    seen = in_store(store, look)
    assert seen["statuses"] == {
        "waits": (S.MISSED, "restored"),
        "runs": (S.FAILED, "restored"),
        "retries": (S.FAILED, "restored"),
        "later": (S.RETRYING, None),
        "orphan": (S.MISSED, "restored"),
    }
    assert seen["topics"] == ["1", "execution_failures", "execution_failures", "recovery"]
    assert seen["sequences"][0] == 1, "what waited in the copy is sent, before what is new"
    assert seen["sequences"][1] > 10**12
    assert seen["recovery"]["cause"] == "restore"
    assert seen["recovery"]["since"] == pytest.approx((NOW - 3 * HOUR).timestamp())


def test_the_next_start_finds_an_orderly_stop_and_numbers_that_nobody_has_had(
    capsys: Capture, store: Path, backup: Path
) -> None:
    restore(capsys, str(backup), "--replace")

    async def opened() -> ServiceMark:
        found = SqliteStore(store, ballast_bytes=0)
        mark = await found.open()
        await found.close()
        return mark

    mark = asyncio.run(opened())
    assert mark.clean
    assert min(mark.counters) > 10**12


def test_many_unfinished_executions_are_closed_in_turns(capsys: Capture, store: Path, backup: Path) -> None:
    many = [late(f"x{n}", f"e{n % 50}", n % 50 + 10) for n in range(1, 1001)]
    made = [(record(f"e{n}", n + 10), state(f"e{n}", n + 10)._replace(unfinished=20)) for n in range(50)]
    in_store(backup, lambda opened: commit(opened, creation(*made), planned(*many)))
    assert restore(capsys, str(backup), "--replace").data["closed"] == 1000
    assert in_store(store, lambda opened: opened.counts(NOW)).pending == 0
