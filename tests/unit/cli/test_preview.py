from __future__ import annotations

import io
import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.cli.calling import call

Capture = pytest.CaptureFixture[str]


def test_a_cron_expression_is_shown_in_local_time_and_utc_with_the_note_of_a_clock_change(capsys: Capture) -> None:
    outcome = call(
        capsys, "preview", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2026-03-28", "-n", "2"
    )
    assert outcome.code == 0
    note = "shifted out of a DST gap (02:30 does not exist on 2026-03-29)"
    assert outcome.out.splitlines()[1:] == [
        "2026-03-28 02:30:00+01:00  2026-03-28 01:30:00Z",
        f"2026-03-29 03:00:00+02:00  2026-03-29 01:00:00Z  {note}",
    ]


def test_json_has_the_shape_of_the_command_over_the_bus(capsys: Capture) -> None:
    outcome = call(capsys, "preview", "--cron", "0 7 * * *", "--from", "2026-07-01T00:00Z", "--count", "1", "--json")
    assert outcome.data == {
        "fires": [
            {
                "time": 1782889200.0,
                "time_iso": "2026-07-01T07:00:00+00:00",
                "utc_iso": "2026-07-01T07:00:00+00:00",
                "note": None,
            }
        ],
        "warnings": [],
    }


def test_the_time_zone_of_the_settings_is_the_default(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("scheduler: {timezone: Asia/Tokyo}\n")
    outcome = call(capsys, "preview", "--cron", "0 7 * * *", "-n", "1", "--config", "s.yaml", "--json")
    assert outcome.data["fires"][0]["time_iso"].endswith("T07:00:00+09:00")


def test_a_definition_is_read_from_a_file_and_from_stdin(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"schedule_type": "interval", "schedule_config": {"every": "90m"}, "action": {"message": 1}})
    Path("event.json").write_text(text)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    from_file = call(capsys, "preview", "--event", "event.json", "--json").data["fires"]
    from_stdin = call(capsys, "preview", "--event", "-", "--json").data["fires"]
    assert [round(b["time"] - a["time"]) for a, b in pairwise(from_file)] == [5400] * 4
    assert len(from_stdin) == 5


def test_a_declared_event_is_found_by_its_id_and_a_wrong_id_gets_the_nearest(capsys: Capture) -> None:
    Path("events.yaml").write_text(
        "events:\n- {event_id: lights, schedule_type: cron, schedule_config: {cron_expression: '0 7 * * *'},"
        " action: {message: 1}}\n"
    )
    assert call(capsys, "preview", "--file", "events.yaml", "--id", "lights", "-n", "1").code == 0
    outcome = call(capsys, "preview", "--file", "events.yaml", "--id", "light")
    assert outcome.code == 1
    assert "did you mean 'lights'?" in outcome.err
    assert outcome.out == ""


def test_every_bad_field_is_named(capsys: Capture) -> None:
    outcome = call(capsys, "preview", "--cron", "0 0 * *", "--timezone", "Europe/Brlin")
    assert outcome.code == 1
    assert "schedule_config.cron_expression" in outcome.err
    assert "did you mean 'Europe/Berlin'?" in outcome.err


def test_a_schedule_that_never_fires_is_an_error(capsys: Capture) -> None:
    outcome = call(capsys, "preview", "--cron", "0 0 31 2 *")
    assert outcome.code == 1
    assert "never fires" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--cron", "0 7 * * *", "--stored", "x"),
        ("--file", "events.yaml"),
        ("--cron", "0 7 * * *", "--from", "tomorrow"),
        ("--event", "missing.json"),
        ("--cron", "0 7 * * *", "--count", "0"),
    ],
)
def test_wrong_usage_ends_with_2_and_prints_no_data(capsys: Capture, arguments: tuple[str, ...]) -> None:
    outcome = call(capsys, "preview", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": NaN}', "[" * 100_000, "\x00", '"\\ud800"'])
def test_what_is_no_json_object_is_refused(capsys: Capture, text: str) -> None:
    Path("event.json").write_text(text)
    outcome = call(capsys, "preview", "--event", "event.json")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
