from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alicia_scheduler._version import VERSION
from alicia_scheduler.cli import output
from alicia_scheduler.wire.commands import COMMANDS
from tests.mosquitto_process import free_port
from tests.unit.cli.calling import call
from tests.unit.cli.command_tree import commands

Capture = pytest.CaptureFixture[str]

HEAVY = ("aiomqtt", "aiosqlite", "amqtt", "jinja2", "pydantic", "ruamel", "starlette", "structlog", "uvicorn")
"""What `--help` must not wait for."""


def test_the_version_is_printed(capsys: Capture) -> None:
    assert call(capsys, "version").out == f"{VERSION}\n"


def test_schemas_are_printed_as_json(capsys: Capture) -> None:
    assert call(capsys, "schema").data["properties"]["event_id"]
    assert set(call(capsys, "schema", "commands").data) == {info.name for info in COMMANDS}
    document = call(capsys, "schema", "asyncapi", "--prefix", "home/scheduler").data
    assert any(channel["address"].startswith("home/scheduler/") for channel in document["channels"].values())


@pytest.mark.parametrize("path", commands())
def test_every_command_explains_itself(capsys: Capture, path: str) -> None:
    outcome = call(capsys, *path.split()[1:], "--help")
    assert outcome.code == 0
    assert commands()[path].help.split()[0] in outcome.out


def test_a_wrong_name_gets_the_nearest_and_exit_code_2(capsys: Capture) -> None:
    outcome = call(capsys, "evnts")
    assert outcome.code == 2
    assert "events" in outcome.err


def test_help_loads_nothing_that_only_the_service_needs() -> None:
    script = f"import sys, alicia_scheduler.cli.program; print([n for n in {HEAVY!r} if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [("events", "list"), ("tail",), ("preview", "--stored", "x")])
def test_without_a_broker_a_command_fails_at_once_and_says_what_to_do(arguments: tuple[str, ...]) -> None:
    began = time.monotonic()
    answer = process(*arguments, "--port", str(free_port()))
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "cannot connect to the broker: 127.0.0.1:" in answer.stderr
    assert "--host" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert time.monotonic() - began < 8


def test_settings_that_are_wrong_are_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("mqtt:\n  prot: 1883\n")
    for arguments in (("run",), ("events", "list"), ("tail",), ("backup", "x.db")):
        answer = process(*arguments, "--config", str(tmp_path / "s.yaml"))
        assert answer.returncode == 1
        assert "s.yaml:2:3" in answer.stderr
        assert "did you mean" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_a_password_file_that_is_missing_is_a_clear_message(tmp_path: Path) -> None:
    answer = process("events", "list", "--username", "me", "--password-file", str(tmp_path / "nothing"))
    assert answer.returncode == 1
    assert "mqtt.password_file" in answer.stderr


def test_a_backup_without_a_store_says_where_it_looked(tmp_path: Path) -> None:
    answer = process("backup", "copy.db", cwd=tmp_path)
    assert answer.returncode == 1
    assert str(tmp_path / "data" / "scheduler.db") in answer.stderr
    assert not (tmp_path / "copy.db").exists()


def test_the_doctor_reports_every_check_as_json_and_fails_without_a_broker(tmp_path: Path) -> None:
    answer = process("doctor", "--json", "--port", str(free_port()), cwd=tmp_path)
    assert answer.returncode == 1
    checks = {check["check"]: check for check in json.loads(answer.stdout)["checks"]}
    assert {"python", "sqlite", "clock", "settings", "events", "broker", "store", "disk"} <= set(checks)
    assert checks["broker"]["status"] == "fail"
    assert checks["broker"]["advice"]


def test_the_doctor_finds_a_damaged_store_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    store = tmp_path / "data" / "scheduler.db"
    store.parent.mkdir()
    store.write_bytes(b"not a database" * 100)
    answer = process("doctor", "--json", "--port", str(free_port()), cwd=tmp_path)
    checks = {check["check"]: check for check in json.loads(answer.stdout)["checks"]}
    assert checks["store"]["status"] == "fail"
    assert store.read_bytes() == b"not a database" * 100


def test_text_from_outside_cannot_steer_the_terminal(capsys: Capture) -> None:
    output.print_table(("name",), [("\x1b[2J[red]x\r\n",)])
    output.error("\x1b]0;title\x07 [bold]no")
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "[red]x" in captured.out
    assert "[bold]no" in captured.err


def process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "alicia_scheduler", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=50,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )
