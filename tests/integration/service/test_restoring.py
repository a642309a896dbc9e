"""A backup of a running service, restored later: what lies in between fires only by the catch-up policy."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from tests.bus_probe import BusProbe, Heard
from tests.service_process import ServiceProcess

EVENTS = {
    "never-late": {"misfire_grace": 1, "catch_up": "none"},
    "last-one": {"misfire_grace": 1, "catch_up": "last"},
    "not-twice": {"misfire_grace": 600, "delivery": "at_most_once"},
}


def command(service: ServiceProcess, *arguments: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", "alicia_scheduler", *arguments, "--config", str(service.config_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def fires(messages: list[Heard], event_id: str) -> list[str]:
    """Ids of the executions that sent something, in order."""
    return [m.user_properties["execution_id"] for m in messages if m.topic == f"out/{event_id}"]


def wait_for_fires(probe: BusProbe, count: int) -> None:
    since = len(probe.messages)
    for event_id in EVENTS:
        probe.wait_for_some(partial(_is_fire, event_id), count, 30, since=since)


def _is_fire(event_id: str, heard: Heard) -> bool:
    return heard.topic == f"out/{event_id}"


def test_a_restore_fires_nothing_of_what_lies_in_between_but_by_the_catch_up_policy(
    probe: BusProbe, service: ServiceProcess
) -> None:
    service.start(probe)
    for event_id, fields in EVENTS.items():
        schedule = {"schedule_type": "interval", "schedule_config": {"every": "1s"}}
        action = {"topic": f"out/{event_id}"}
        probe.ask("create_event", event={"event_id": event_id, **schedule, "action": action, **fields})
    wait_for_fires(probe, 2)
    command(service, "backup", str(service.directory / "copy.db"))
    wait_for_fires(probe, 4)
    assert service.terminate() == 0
    before = list(probe.messages)
    command(service, "restore", "--replace", str(service.directory / "copy.db"))
    service.start(probe)
    wait_for_fires(probe, 2)
    after = list(probe.messages)[len(before) :]
    recovery = [m.json for m in after if m.topic == "alicia/scheduler/recovery"]
    assert recovery[0]["cause"] == "restore"
    restored_at = recovery[0]["until"]
    for event_id in EVENTS:
        again = set(fires(before, event_id)) & set(fires(after, event_id))
        assert len(again) <= (event_id == "last-one"), event_id
        old = [m for m in after if m.topic == f"out/{event_id}" and _nominal(m) < restored_at - 1]
        assert len(old) <= (event_id == "last-one"), event_id
    assert service.terminate() == 0
    command(service, "doctor", "--history")


def _nominal(heard: Heard) -> float:
    return float(heard.user_properties["scheduled_time"])
