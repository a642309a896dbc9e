"""The command line against a running service on a real broker."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.client.running_service import RunningService
from tests.mosquitto_process import Mosquitto


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with Mosquitto() as broker, RunningService(tmp_path_factory.mktemp("service"), broker) as running:
        yield running


def definition(event_id: str, **fields: Any) -> str:
    event = {"event_id": event_id, "schedule_type": "manual", "action": {"topic": "demo/x", "message": {"n": 1}}}
    return json.dumps({**event, **fields})


def ended(service: RunningService, execution_id: str) -> dict[str, Any]:
    """The execution, once it has ended."""
    deadline = time.monotonic() + 30
    while True:
        execution: dict[str, Any] = service.data("executions", "get", execution_id)["execution"]
        if execution["end_time"] is not None:
            return execution
        assert time.monotonic() < deadline, execution


def test_an_event_lives_from_its_creation_to_its_end(service: RunningService) -> None:
    every_minute = {"schedule_type": "cron", "schedule_config": {"cron_expression": "0 7 * * *"}}
    created = service.data("events", "create", "-", stdin=definition("life", tags=["a"], **every_minute))
    assert len(created["next_fires"]) == 5
    assert service.data("events", "update", "life", '{"name": "Life"}', "--revision", "1")["event"]["name"] == "Life"
    assert service.data("events", "pause", "life", "--note", "holiday")["event"]["state"] == "paused"
    execution_id = service.data("events", "trigger", "life", "--payload", "[1]")["execution_id"]
    assert ended(service, execution_id)["status"] == "completed"
    assert service.data("events", "resume", "life")["event"]["state"] == "active"
    assert [event["event_id"] for event in service.data("events", "list", "--tag", "a")["events"]] == ["life"]
    assert service.data("events", "list", "--name", "Life", "--state", "paused")["events"] == []
    assert service.data("preview", "--stored", "life", "--count", "2", "--from", "2030-01-01T00:00Z")["fires"]
    assert len(service.data("executions", "list", "--event", "life", "--status", "completed")["executions"]) == 1
    assert service.data("events", "cancel", "life")["event"]["state"] == "cancelled"
    assert service.data("events", "delete", "life")["deleted"] is True


def test_tables_are_printed_for_people(service: RunningService) -> None:
    service.data("events", "create", "-", stdin=definition("seen", name="[red]Lamp"))
    execution_id = service.data("events", "trigger", "seen")["execution_id"]
    ended(service, execution_id)
    assert "seen" in service.call("events", "list").stdout
    assert "[red]Lamp" in service.call("events", "get", "seen").stdout
    assert "completed" in service.call("executions", "list", "--event", "seen").stdout
    assert "attempt" in service.call("executions", "get", execution_id).stdout
    assert service.call("events", "pause", "seen").stdout.startswith("event")
    deleted = service.call("events", "delete", "seen")
    assert (deleted.stdout, deleted.stderr) == ("", "deleted seen\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("events", "get", "nobdy"), "did you mean nobody?"),
        (("preview", "--stored", "nobdy"), "did you mean nobody?"),
        (("events", "update", "nobody", '{"nme": 1, "max_retries": "x"}'), "did you mean 'name'?"),
        (("events", "update", "nobody", '{"name": "x"}', "--revision", "99"), "conflict"),
        (("executions", "get", "no-such-execution"), "not_found"),
        (("executions", "cancel", "no-such-execution"), "not_found"),
        (("executions", "list", "--status", "finished"), "expected one of"),
        (("events", "list", "--cursor", "nonsense"), "cursor"),
    ],
)
def test_a_refusal_names_what_is_wrong(service: RunningService, arguments: tuple[str, ...], expected: str) -> None:
    service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("nobody"))
    answer = service.call(*arguments)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert expected in answer.stderr


def test_an_id_that_is_taken_is_refused_unless_told_otherwise(service: RunningService) -> None:
    service.data("events", "create", "-", "--on-conflict", "skip", stdin=definition("taken"))
    assert "already_exists" in service.call("events", "create", "-", stdin=definition("taken")).stderr
    replaced = service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("taken", name="New"))
    assert replaced["event"]["name"] == "New"


def test_a_wrong_prefix_ends_in_a_message_that_says_what_to_look_at(service: RunningService) -> None:
    answer = service.call("events", "list", "--prefix", "another/prefix")
    assert answer.returncode == 1
    assert "nobody listens to another/prefix/command" in answer.stderr


def test_tail_prints_what_happens_and_ends_after_a_count(service: RunningService) -> None:
    service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("told"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with service.start("tail", "--event", "told", "--json", "--count", "3", **pipes) as tail:
        while tail.poll() is None:
            service.data("events", "trigger", "told")
        out, err = tail.communicate()
    assert (tail.returncode, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 3
    assert {line["topic"] for line in lines} <= {"events", "execution_results"}
    assert all(set(line) == {"time", "topic", "qos", "retain", "message"} for line in lines)
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 30


def test_tail_is_readable_and_ends_with_0_on_ctrl_c(service: RunningService, tmp_path: Path) -> None:
    service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("told"))
    heard = tmp_path / "heard"
    with heard.open("w") as out, service.start("tail", stdout=out, stderr=subprocess.PIPE) as tail:
        deadline = time.monotonic() + 30
        while "execution_results" not in heard.read_text():
            assert time.monotonic() < deadline
            service.data("events", "trigger", "told")
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=20)
    assert (tail.returncode, err) == (0, "")
    line = next(line for line in heard.read_text().splitlines() if "execution_results" in line)
    assert "told" in line
    assert "manual" in line


def test_a_backup_is_made_while_the_service_runs_and_never_over_a_file(service: RunningService) -> None:
    service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("kept"))
    written = service.data("backup", "copy.db")
    copy = service.directory / "copy.db"
    assert written["target"] == str(copy)
    assert written["bytes"] == copy.stat().st_size > 0
    again = service.call("backup", "copy.db")
    assert again.returncode == 1
    assert "never overwrites" in again.stderr
    assert service.data("events", "get", "kept")["event"]["event_id"] == "kept"


def test_a_backup_is_a_store_that_a_service_can_start_with(service: RunningService, tmp_path: Path) -> None:
    service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("kept"))
    (tmp_path / "data").mkdir()
    service.data("backup", str(tmp_path / "data" / "scheduler.db"))
    with Mosquitto() as broker, RunningService(tmp_path, broker) as restored:
        assert restored.data("events", "get", "kept")["event"]["event_id"] == "kept"


def test_a_recording_and_the_store_agree_while_the_service_runs(service: RunningService, tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    with recording.open("w") as out, service.start("tail", "--json", stdout=out, stderr=subprocess.PIPE) as tail:
        service.data("events", "create", "-", "--on-conflict", "replace", stdin=definition("recorded"))
        deadline = time.monotonic() + 30
        while "execution_results" not in recording.read_text():
            assert time.monotonic() < deadline
            service.data("events", "trigger", "recorded")
        tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=20)
    found = service.data("doctor", "--history", "--recording", str(recording))
    assert found["findings"] == []
    checked = {rule["rule"]: rule["checked"] for rule in found["rules"]}
    assert checked["results_announced"] >= 1
    assert checked["never_early"] >= 1


def test_a_running_service_keeps_its_store_from_a_restore(service: RunningService) -> None:
    service.data("backup", "kept.db")
    answer = service.call("restore", "--replace", "kept.db")
    assert answer.returncode == 1
    assert "in use by process" in answer.stderr


def test_the_doctor_finds_everything_well(service: RunningService) -> None:
    report = service.data("doctor")
    assert report["ok"] is True
    statuses = {check["check"]: check["status"] for check in report["checks"]}
    assert {"broker": "ok", "service": "ok", "service clock": "ok", "store": "ok"}.items() <= statuses.items()
    assert "is whole" in service.call("doctor").stdout


def test_a_second_service_on_the_same_store_is_told_so_in_one_line(service: RunningService) -> None:
    answer = service.call("run")
    assert answer.returncode == 1
    assert "is in use by process" in answer.stderr
