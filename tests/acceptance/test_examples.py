"""What stands in examples/ and in the README does what it says, against a real broker and the installed service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bus_probe import BusProbe
from tests.service_process import ServiceProcess

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def output(*command: str, port: int) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_example(name: str, port: int) -> str:
    return output(sys.executable, str(EXAMPLES / name), f"mqtt://127.0.0.1:{port}", port=port)


def test_the_greeting_is_created_run_refused_and_removed(service: ServiceProcess, broker_port: int) -> None:
    said = python_example("greeting.py", broker_port)
    assert said.count("18:30:00") == 5
    assert "completed by manual" in said
    assert "Good evening, Ada!" in said
    assert "did you mean 'Europe/Berlin'?" in said
    assert "\nremoved\n" in said


def test_failures_are_listed_with_their_reason(service: ServiceProcess, probe: BusProbe, broker_port: int) -> None:
    probe.ask(
        "create_event",
        event={
            "event_id": "example-that-fails",
            "schedule_type": "manual",
            "action": {"topic": "demo/fails", "message": "{{ payload.level }}"},
        },
    )
    probe.ask("trigger_event", event_id="example-that-fails")
    probe.wait_for(lambda m: m.topic.endswith("/execution_failures") and b"example-that-fails" in m.payload)
    said = python_example("failures.py", broker_port)
    assert re.search(r"example-that-fails permanent_error .*level", said)


def test_the_session_with_mosquitto_clients_goes_through(service: ServiceProcess, broker_port: int) -> None:
    said = output(str(EXAMPLES / "session.sh"), port=broker_port)
    assert said.count('"status":"ok"') == 4
    assert said.count("demo/session {") == 2
    assert "seen enough" in said


def commands_of(page: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if block.startswith("mosquitto_pub")]


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_every_command_on_the_page_is_answered(
    page: str, service: ServiceProcess, probe: BusProbe, broker_port: int
) -> None:
    assert shutil.which("mosquitto_pub"), "the package mosquitto-clients is missing"
    commands = commands_of(page)
    assert commands
    for block in commands:
        command = block.partition("\nmosquitto_sub")[0].replace("mosquitto_pub ", f"mosquitto_pub -p {broker_port} ")
        name = re.findall(r"/command/(\w+)", command)[0]
        since = len(probe.messages)
        output("sh", "-c", command, port=broker_port)
        answered = probe.on(f"response/{name}")
        probe.wait_for(answered, since=since, what=f"an answer to {command}")
