"""``doctor --history`` on a store file and a recording: what is in them is found, and what is missing in them too."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.core.state import EventStatus, Execution, RequestRecord
from tests.conformance.store.examples import commit, creation, planned, record, state
from tests.unit.cli.calling import Outcome, call
from tests.unit.history.histories import T0, S, event, fire, missed, state_after

Capture = pytest.CaptureFixture[str]

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
SHIFT = START - T0
MINUTES = 60


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def moved(execution: Execution) -> Execution:
    """The execution at today's time instead of the examples'."""
    times = ("scheduled_time", "due_time", "created_at", "start_time", "end_time", "last_missed_time")
    changes: dict[str, Any] = {name: time + SHIFT for name in times if (time := getattr(execution, name))}
    attempts = tuple(
        a._replace(start_time=a.start_time + SHIFT, end_time=a.end_time and a.end_time + SHIFT)
        for a in execution.attempts
    )
    return execution._replace(**changes, attempts=attempts)


FIRES = [moved(fire(n)) for n in range(1, MINUTES + 1)]


async def write(path: Path, executions: list[Execution], *others: Changes) -> None:
    store = SqliteStore(path, ballast_bytes=0)
    await store.open()
    made = event()._replace(created_at=START, updated_at=START)
    stands = state_after(0)._replace(mark_time=at(MINUTES), anchor_time=START)
    await commit(store, creation((made, stands)), planned(*executions), *others)
    await store.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "scheduler.db"


def store_with(path: Path, executions: list[Execution], *others: Changes) -> None:
    asyncio.run(write(path, executions, *others))


def lines(executions: list[Execution]) -> Iterator[dict[str, Any]]:
    """What ``tail --json`` writes of the executions, from a minute before to a minute after."""
    yield heard(at(-1), "availability", "online")
    for execution in executions:
        assert execution.end_time is not None
        body = {"execution_id": execution.execution_id, "event_id": execution.event_id, "status": execution.status}
        yield heard(execution.end_time, "execution_results", body)
    yield heard(at(MINUTES + 1), "recovery", {})


def heard(time: datetime, topic: str, message: Any) -> dict[str, Any]:
    return {"time": time.timestamp(), "topic": topic, "qos": 1, "retain": False, "message": message}


def record_to(path: Path, found: Iterator[dict[str, Any]]) -> str:
    recording = path.parent / "recording.jsonl"
    recording.write_text("".join(json.dumps(line) + "\n" for line in found))
    return str(recording)


def examine(capsys: Capture, *arguments: str) -> Outcome:
    return call(capsys, "doctor", "--history", "--json", *arguments)


def rules(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {rule["rule"]: rule for rule in outcome.data["rules"]}


def broken(outcome: Outcome) -> list[tuple[str, str]]:
    return [(finding["rule"], finding["event_id"]) for finding in outcome.data["findings"]]


def test_a_clean_store_passes_and_says_what_was_checked(capsys: Capture, path: Path) -> None:
    store_with(path, FIRES)
    outcome = examine(capsys, "--recording", record_to(path, lines(FIRES)))
    assert (outcome.code, outcome.data["ok"], outcome.data["findings"]) == (0, True, [])
    assert rules(outcome)["conservation"]["checked"] == MINUTES
    assert rules(outcome)["results_announced"]["checked"] == MINUTES
    table = call(capsys, "doctor", "--history")
    assert table.code == 0
    assert f"{MINUTES} ends, for want of a recording" in table.out


def test_checking_changes_nothing_and_leaves_nothing_behind(capsys: Capture, path: Path) -> None:
    store_with(path, FIRES)
    before = path.read_bytes()
    examine(capsys)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) in (
        ["scheduler.db", "scheduler.db.lock"],
        ["scheduler.db", "scheduler.db-shm", "scheduler.db-wal", "scheduler.db.lock"],
    )


def with_fault(fault: str) -> list[Execution]:
    faulty = list(FIRES)
    match fault:
        case "conservation":
            del faulty[30]
        case "planned_once":
            again = faulty[30]._replace(execution_id="again", status=S.SKIPPED, start_time=None, attempts=())
            faulty.append(again)
        case "never_early":
            faulty[30] = faulty[30]._replace(due_time=faulty[30].due_time + timedelta(seconds=1))
        case "order":
            faulty[30] = faulty[30]._replace(fence=999)
        case "overlap":
            faulty[30] = faulty[30]._replace(end_time=at(32.5))
        case "retry_times":
            (attempt,) = faulty[30].attempts
            assert attempt.end_time is not None
            early = attempt._replace(attempt=2, start_time=attempt.end_time, status=S.COMPLETED)
            faulty[30] = faulty[30]._replace(attempts=(attempt._replace(status=S.FAILED), early), attempt=2)
    return faulty


@pytest.mark.parametrize("fault", ["conservation", "planned_once", "never_early", "order", "overlap", "retry_times"])
def test_a_fault_in_the_store_is_found_by_its_rule(capsys: Capture, path: Path, fault: str) -> None:
    store_with(path, with_fault(fault))
    outcome = examine(capsys)
    assert outcome.code == 1
    assert set(broken(outcome)) == {(fault, "a")}
    table = call(capsys, "doctor", "--history")
    assert table.code == 1
    assert outcome.data["findings"][0]["sentence"] in table.out


def test_a_missing_announcement_is_found(capsys: Capture, path: Path) -> None:
    store_with(path, FIRES)
    outcome = examine(capsys, "--recording", record_to(path, lines([*FIRES[:30], *FIRES[31:]])))
    assert outcome.code == 1
    assert broken(outcome) == [("results_announced", "a")]
    assert outcome.data["findings"][0]["execution_id"] == FIRES[30].execution_id


def test_an_announcement_that_still_stands_in_the_outbox_is_not_missing(capsys: Capture, path: Path) -> None:
    waiting = json.dumps({"execution_id": FIRES[30].execution_id}).encode()
    row = OutboxRow(1, OutgoingMessage("alicia/scheduler/execution_results", waiting), at(31))
    store_with(path, FIRES, Changes(outbox=[row]))
    outcome = examine(capsys, "--recording", record_to(path, lines([*FIRES[:30], *FIRES[31:]])))
    assert outcome.code == 0
    assert rules(outcome)["results_announced"]["checked"] == MINUTES - 1


def test_while_the_recording_was_cut_off_nothing_is_missed(capsys: Capture, path: Path) -> None:
    store_with(path, FIRES)
    gap = [heard(at(29.5), "connection", {"connected": False}), heard(at(31.5), "connection", {"connected": True})]
    told = [*lines([*FIRES[:29], *FIRES[31:]])]
    told[30:30] = gap
    outcome = examine(capsys, "--recording", record_to(path, iter(told)))
    assert outcome.code == 0, outcome.data["findings"]
    assert rules(outcome)["results_announced"]["not_checked"] == {"ends outside of the recording": 2}


def test_a_pause_that_is_answered_or_recorded_explains_a_hole(capsys: Capture, path: Path) -> None:
    left = [*FIRES[:29], *FIRES[31:]]
    paused = {"event_id": "a", "paused_at": at(29.5).timestamp(), "paused_until": None}
    answers = [
        {"command": "pause_event", "data": {"event": paused}},
        {"command": "resume_event", "data": {"event": {"event_id": "a"}}},
    ]
    requests = {
        str(n): RequestRecord(str(n), "f", json.dumps(answer), at(29.5 + 2 * n)) for n, answer in enumerate(answers)
    }
    store_with(path, left, Changes(requests=requests))
    assert examine(capsys).code == 0
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM requests")
    connection.close()
    assert broken(examine(capsys)) == [("conservation", "a")]
    story = [heard(at(-1), "availability", "online")]
    for kind, minute in (("event_paused", 29.5), ("event_resumed", 31.5)):
        story.append(heard(at(minute), "events", {"event_type": kind, "event_data": paused, "timestamp": 0}))
    story[2]["message"]["timestamp"] = at(31.5).timestamp()
    told = sorted([*story, *lines(left)], key=lambda line: line["time"])
    assert examine(capsys, "--recording", record_to(path, iter(told))).code == 0


def test_many_events_are_checked_page_by_page_and_one_can_be_asked_for(capsys: Capture, path: Path) -> None:
    names = [f"event-{n:03}" for n in range(130)]
    mark = at(5)
    events = [
        (
            record(name, key, schedule_config={"every": "1m"})._replace(created_at=START, updated_at=START),
            state(name, key)._replace(mark_time=mark, anchor_time=START),
        )
        for key, name in enumerate(names, 10)
    ]
    executions = [
        moved(fire(n))._replace(execution_id=f"{name}-{n}", event_id=name, event_key=key)
        for key, name in enumerate(names, 10)
        for n in range(1, 6)
        if (name, n) != ("event-077", 3)
    ]
    gone = [moved(fire(1))._replace(execution_id="x", event_id="event-050-gone", event_key=5)]
    early = moved(fire(1))._replace(execution_id="y", event_id="zzz", event_key=6, start_time=at(0))
    range_of_a = [moved(missed(1, MINUTES, MINUTES))]
    store_with(path, range_of_a, creation(*events), planned(*executions, *gone, early))
    outcome = examine(capsys)
    assert broken(outcome) == [("conservation", "event-077"), ("never_early", "zzz")]
    assert rules(outcome)["conservation"]["checked"] == len(executions) + MINUTES
    assert broken(examine(capsys, "--event-id", "event-077")) == [("conservation", "event-077")]
    assert examine(capsys, "--event-id", "event-078").code == 0


def test_an_event_that_is_paused_now_is_not_asked_for_what_passes_meanwhile(capsys: Capture, path: Path) -> None:
    paused = state_after(0, status=EventStatus.PAUSED)
    paused = paused._replace(mark_time=at(30), anchor_time=START, paused_at=at(30.5))
    store_with(path, FIRES[:30], Changes(states={"a": paused}))
    assert examine(capsys).code == 0


@contextmanager
def as_text(path: Path, text: str) -> Iterator[str]:
    recording = path.parent / "broken.jsonl"
    recording.write_text(text)
    yield str(recording)


def test_a_recording_that_is_none_is_refused_by_line_and_a_cut_off_last_line_is_not(
    capsys: Capture, path: Path
) -> None:
    store_with(path, FIRES)
    line = json.dumps(heard(at(1), "errors", {}))
    with as_text(path, f"{line}\nhello\n{line}\n") as recording:
        outcome = examine(capsys, "--recording", recording)
        assert outcome.code == 1
        assert "line 2" in outcome.err
    with as_text(path, f"{line}\n{line[:-9]}") as recording:
        assert examine(capsys, "--recording", recording).code == 0
    assert examine(capsys, "--recording", "nowhere.jsonl").code == 1


def test_without_a_store_it_says_where_it_looked_and_the_options_need_history(capsys: Capture, path: Path) -> None:
    outcome = examine(capsys)
    assert outcome.code == 1
    assert str(path) in outcome.err
    assert call(capsys, "doctor", "--recording", "x").code == 2


def test_a_damaged_store_is_told_and_the_way_back_too(capsys: Capture, path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    outcome = examine(capsys)
    assert outcome.code == 1
    assert "alicia-scheduler restore" in outcome.err
