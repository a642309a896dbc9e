from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.calling import call

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[3]

GOOD = """\
events:
  - event_id: lights
    schedule_type: cron
    schedule_config: {cron_expression: "0 7 * * mon-fri"}
    timezone: Europe/Berlin
    action: {topic: a/b, message: 1}
  - event_id: resting
    enabled: false
    schedule_type: manual
    action: {message: 1}
"""


def write(name: str, text: str) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def test_events_that_are_right_are_listed_with_their_next_fire(capsys: Capture) -> None:
    write("config/scheduler.yaml", "mqtt: {port: 1884}\n")
    write("config/events/home.yaml", GOOD)
    outcome = call(capsys, "check")
    assert outcome.code == 0
    assert "all is well: 2 events" in outcome.err
    lights, resting = outcome.out.splitlines()[1:]
    assert lights.startswith("lights")
    assert " 07:00:00+0" in lights
    assert "disabled" in resting


def test_the_events_of_this_repository_are_right(capsys: Capture) -> None:
    outcome = call(capsys, "check", "--config", str(ROOT / "config" / "scheduler.yaml"))
    assert outcome.code == 0, outcome.err


def test_problems_are_told_by_file_line_and_column(capsys: Capture) -> None:
    write("config/events/home.yaml", GOOD.replace("schedule_type: cron", "shedule_type: cron"))
    outcome = call(capsys, "check", "config/events", "--json")
    assert outcome.code == 1
    assert outcome.data["ok"] is False
    first = next(problem for problem in outcome.data["problems"] if "shedule_type" in problem)
    assert first.startswith("config/events/home.yaml:3:5: ")
    assert "did you mean 'schedule_type'?" in first


def test_settings_and_events_are_checked_at_once(capsys: Capture) -> None:
    write("config/scheduler.yaml", "mqtt: {prot: 1884}\n")
    write("config/events/home.yaml", "events: 3\n")
    outcome = call(capsys, "check", "config/events", "--json")
    assert outcome.code == 1
    assert any("scheduler.yaml:1" in problem and "did you mean" in problem for problem in outcome.data["problems"])
    assert any("home.yaml:1" in problem for problem in outcome.data["problems"])


def test_a_settings_file_may_be_a_path(capsys: Capture) -> None:
    good, bad = write("good.yaml", "mqtt: {port: 1884}\n"), write("bad.yaml", "mqtt: {port: 0}\n")
    assert call(capsys, "check", good).code == 0
    outcome = call(capsys, "check", bad)
    assert outcome.code == 1
    assert "bad.yaml:1" in outcome.err


def test_one_file_is_checked_without_the_problems_of_its_neighbours(capsys: Capture) -> None:
    good = write("events/good.yaml", GOOD)
    write("events/bad.yaml", "events: 3\n")
    assert call(capsys, "check", good).code == 0
    assert call(capsys, "check", "events").code == 1


def test_a_schedule_that_never_fires_has_its_place(capsys: Capture) -> None:
    write("events/a.yaml", GOOD.replace("0 7 * * mon-fri", "0 0 31 2 *"))
    outcome = call(capsys, "check", "events")
    assert outcome.code == 1
    assert "events/a.yaml:4:" in outcome.err


@pytest.mark.parametrize("path", ["nowhere", "event.txt"])
def test_a_path_that_cannot_hold_events_is_a_problem(capsys: Capture, path: str) -> None:
    write("event.txt", GOOD)
    outcome = call(capsys, "check", path)
    assert outcome.code == 1
    assert path in outcome.err
