"""The models of `schedule_config`: every spelling, the canonical form, every refusal."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from alicia_scheduler.core.model.durations import MAX_DURATION, duration_seconds, parse_duration
from alicia_scheduler.core.model.instants import parse_instant
from alicia_scheduler.core.model.schedule import DstOverride, Exclusion, parse_schedule

CRON = {"cron_expression": "0 7 * * mon-fri", "day_logic": "auto"}
RATE = {"align": False, "mode": "fixed_rate"}
DAILY = {"days_of_week": [], "days_of_month": [], "months": [], "interval": 1, "missing_day": "skip"}


@pytest.mark.parametrize(
    ("kind", "config", "canonical"),
    [
        ("once", {"run_at": "2026-03-29T02:30:00+02:00"}, {"run_at": "2026-03-29T00:30:00Z", "allow_past": False}),
        ("once", {"timestamp": 1767225600}, {"run_at": "2026-01-01T00:00:00Z", "allow_past": False}),
        ("once", {"run_at": 0.5}, {"run_at": "1970-01-01T00:00:00.500000Z", "allow_past": False}),
        ("once", {"run_at": "2026-03-29 02:30"}, {"run_at": "2026-03-29T02:30:00", "allow_past": False}),
        ("once", {"type": "once", "delay": "5m", "allow_past": True}, {"delay": 300, "allow_past": True}),
        ("interval", {"type": "seconds", "value": 30}, {"every": 30, **RATE}),
        ("interval", {"type": "minutes", "value": 5}, {"every": 300, **RATE}),
        ("interval", {"type": "hours", "value": 1.5}, {"every": 5400, **RATE}),
        ("interval", {"type": "days", "value": 1}, {"every": 86400, **RATE}),
        ("interval", {"type": "weeks", "value": 2}, {"every": 1209600, **RATE}),
        ("interval", {"type": "months", "value": 3}, {"months": 3, **RATE}),
        ("interval", {"interval": 60}, {"every": 60, **RATE}),
        ("interval", {"every": "5m", "align": True}, {"every": 300, "align": True, "mode": "fixed_rate"}),
        ("interval", {"every": "90s", "mode": "fixed_delay"}, {"every": 90, "align": False, "mode": "fixed_delay"}),
        (
            "interval",
            {"type": "interval", "interval_seconds": 300, "interval_type": "minutes", "interval_value": 5},
            {"every": 300, **RATE},
        ),
        ("cron", {"cron_expression": "0 7 * * mon-fri"}, CRON),
        ("cron", {"cron": "  0 7  * * mon-fri "}, CRON),
        ("cron", {"type": "cron", "cron": "0 7 * * mon-fri"}, CRON),
        (
            "recurring",
            {"frequency": "daily", "time_of_day": "7:30"},
            {"frequency": "daily", "time_of_day": "07:30", **DAILY},
        ),
        (
            "recurring",
            {"frequency": "daily", "times": ["7:30"]},
            {"frequency": "daily", "time_of_day": "07:30", **DAILY},
        ),
        (
            "recurring",
            {"frequency": "daily", "times": ["19:00", "07:30:05", "19:00:00"]},
            {"frequency": "daily", "times": ["07:30:05", "19:00"], **DAILY},
        ),
        (
            "recurring",
            {"frequency": "weekly", "days_of_week": [0, "Friday", 7, 1]},
            {"frequency": "weekly", "time_of_day": "00:00", **DAILY, "days_of_week": ["mon", "fri", "sun"]},
        ),
        ("manual", {}, {}),
        ("event", {"type": "event"}, {}),
    ],
)
def test_every_spelling_is_read_and_one_form_is_written(
    kind: str, config: dict[str, Any], canonical: dict[str, Any]
) -> None:
    schedule = parse_schedule(kind, config)
    written = schedule.model_dump(mode="json")
    assert written == canonical
    assert json.loads(json.dumps(written)) == canonical
    assert parse_schedule(kind, written) == schedule


@pytest.mark.parametrize(
    ("kind", "config", "field", "message"),
    [
        ("once", {}, "", "run_at"),
        ("once", {"run_at": 0, "delay": 5}, "", "either run_at"),
        ("once", {"run_at": 0, "timestamp": 0}, "", "mean the same"),
        ("once", {"runat": 0}, "runat", "did you mean 'run_at'"),
        ("once", {"run_at": -1}, "run_at", "1970"),
        ("once", {"run_at": 1e18}, "run_at", "9999"),
        ("once", {"run_at": float("nan")}, "run_at", "finite"),
        ("once", {"run_at": True}, "run_at", "expected an instant"),
        ("once", {"run_at": "10000-01-01T00:00:00Z"}, "run_at", "expected an instant"),
        ("once", {"run_at": "2026-02-30T00:00:00Z"}, "run_at", "day is out of range"),
        ("once", {"run_at": "tomorrow"}, "run_at", "expected an instant"),
        ("once", {"delay": "5 parsecs"}, "delay", "expected a number of seconds"),
        ("interval", {}, "", "give every"),
        ("interval", {"every": 0}, "every", "at least 1 second"),
        ("interval", {"every": 0.5}, "every", "at least 1 second"),
        ("interval", {"every": -5}, "every", "negative"),
        ("interval", {"every": 1e-9}, "every", "at least 1 second"),
        ("interval", {"every": "NaN"}, "every", "expected a number"),
        ("interval", {"every": float("inf")}, "every", "finite"),
        ("interval", {"every": 1e18}, "every", "ten years"),
        ("interval", {"every": 2**63}, "every", "ten years"),
        ("interval", {"every": [5]}, "every", "expected a number"),
        ("interval", {"every": True}, "every", "expected a number"),
        ("interval", {"every": "5m", "interval": 5}, "", "mean the same"),
        ("interval", {"type": "minutes", "value": True}, "", "expected a number of minutes"),
        ("interval", {"type": "minutes"}, "", "expected a number of minutes"),
        ("interval", {"type": "fortnights", "value": 1}, "", "expected one of seconds"),
        ("interval", {"type": "months", "value": 0}, "months", "greater than or equal to 1"),
        ("interval", {"type": "months", "value": 1.5}, "months", "valid integer"),
        ("interval", {"months": 1, "mode": "fixed_delay"}, "", "fixed_delay counts from the end"),
        ("interval", {"every": 5, "months": 1}, "", "give every"),
        ("interval", {"interval_seconds": 5, "interval_type": "minutes", "interval_value": 5}, "", "does not agree"),
        ("cron", {}, "cron_expression", "Field required"),
        ("cron", {"cron": 5}, "cron_expression", "valid string"),
        ("cron", {"cron": "0 25 * * *"}, "cron_expression", "hour field '25': 25 is not in 0-23"),
        ("cron", {"cron": "* * * * *", "day_logic": "xor"}, "day_logic", "'auto', 'and' or 'or'"),
        ("cron", {"type": "interval", "cron": "* * * * *"}, "type", "unknown field"),
        ("recurring", {"frequency": "weekly"}, "", "needs days_of_week"),
        ("recurring", {"frequency": "weekly", "days_of_week": []}, "", "needs days_of_week"),
        ("recurring", {"frequency": "weekly", "days_of_week": [8]}, "days_of_week", "mon to sun, or 0 to 7"),
        ("recurring", {"frequency": "weekly", "days_of_week": ["noday"]}, "days_of_week", "mon to sun"),
        ("recurring", {"frequency": "weekly", "days_of_week": "mon"}, "days_of_week", "expected a list"),
        ("recurring", {"frequency": "monthly"}, "", "needs days_of_month"),
        ("recurring", {"frequency": "yearly", "days_of_month": [1]}, "", "needs months"),
        ("recurring", {"frequency": "monthly", "days_of_month": [0]}, "days_of_month", "1 to 31, or -1"),
        ("recurring", {"frequency": "monthly", "days_of_month": [32]}, "days_of_month", "1 to 31, or -1"),
        ("recurring", {"frequency": "daily", "time_of_day": "25:00"}, "time_of_day", "from 00:00 to 23:59:59"),
        ("recurring", {"frequency": "daily", "time_of_day": "24:00"}, "time_of_day", "from 00:00 to 23:59:59"),
        ("recurring", {"frequency": "daily", "time_of_day": "7:5:3:1"}, "time_of_day", "expected a time of day"),
        (
            "recurring",
            {"frequency": "daily", "time_of_day": "\u0661\u0662:\u0660\u0660"},
            "time_of_day",
            "expected a time",
        ),
        ("recurring", {"frequency": "daily", "time_of_day": 1170}, "time_of_day", "put it in quotes"),
        ("recurring", {"frequency": "daily", "times": []}, "", "at least one time"),
        (
            "recurring",
            {"frequency": "daily", "times": ["07:00"], "time_of_day": "08:00"},
            "",
            "either time_of_day or times",
        ),
        ("recurring", {"frequency": "daily", "interval": 0}, "interval", "greater than or equal to 1"),
        ("recurring", {"frequency": "daily", "interval": True}, "interval", "valid integer"),
        ("recurring", {"frequency": "fortnightly"}, "frequency", "'hourly', 'daily'"),
        ("recurring", {"frequency": "daily", "hour": 25}, "time_of_day", "from 00:00 to 23:59:59"),
        ("manual", {"cron": "* * * * *"}, "cron", "unknown field"),
        ("sometimes", {}, "schedule_type", "expected one of once, interval"),
    ],
)
def test_a_bad_config_is_refused_by_field(kind: str, config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_schedule(kind, config)
    found = [(".".join(map(str, item["loc"])), item["msg"]) for item in refused.value.errors()]
    assert any(where == field and message in text for where, text in found), found


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        parse_schedule("recurring", {"frequency": "dayly", "time_of_day": "25:00", "intervall": 2})
    assert {item["loc"][0] for item in refused.value.errors()} == {"frequency", "time_of_day", "intervall"}


EXCLUSIONS: TypeAdapter[tuple[Exclusion, ...]] = TypeAdapter(tuple[Exclusion, ...])


@pytest.mark.parametrize(
    ("given_as", "canonical"),
    [
        ("2026-12-24", "2026-12-24"),
        ({"date": "2026-12-24"}, "2026-12-24"),
        (date(2026, 12, 24), "2026-12-24"),
        ({"from": "2026-12-24", "to": "2026-12-26"}, {"from": "2026-12-24", "to": "2026-12-26"}),
        ({"time": ["22:00", "6:00"]}, {"time": ["22:00", "06:00"]}),
        (
            {"time": ["22:00", "24:00"], "days_of_week": ["sun", "sat"]},
            {"time": ["22:00", "24:00"], "days_of_week": ["sat", "sun"]},
        ),
        ({"holidays": "DE"}, {"holidays": {"country": "DE"}}),
        ({"holidays": {"country": "DE", "subdivision": "BY"}}, {"holidays": {"country": "DE", "subdivision": "BY"}}),
    ],
)
def test_exclusions_are_read_and_written(given_as: Any, canonical: Any) -> None:
    entries = EXCLUSIONS.validate_python([given_as])
    written = EXCLUSIONS.dump_python(entries, mode="json")
    assert written == [canonical]
    assert EXCLUSIONS.validate_python(written) == entries
    assert EXCLUSIONS.validate_python(entries) == entries


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        "2026-02-30",
        "24.12.2026",
        {},
        {"from": "2026-12-26", "to": "2026-12-24"},
        {"from": "2026-12-26"},
        {"time": ["22:00"]},
        {"time": ["22:00", "22:00"]},
        {"time": ["25:00", "06:00"]},
        {"time": ["22:00", "06:00"], "days_of_week": []},
        {"holidays": {"country": "germany"}},
        {"holidays": {}},
        {"holidays": {"country": "DE"}, "time": ["22:00", "06:00"]},
    ],
)
def test_a_bad_exclusion_is_refused(entry: Any) -> None:
    with pytest.raises(ValidationError):
        EXCLUSIONS.validate_python([entry])


def test_the_override_refuses_what_it_does_not_know() -> None:
    assert DstOverride().model_dump() == {}
    assert DstOverride.model_validate({"gap": "skip", "overlap": "both"}).model_dump() == {
        "gap": "skip",
        "overlap": "both",
    }
    for bad in ({"gap": "jump"}, {"overlap": "third"}, {"gaps": "skip"}):
        with pytest.raises(ValidationError):
            DstOverride.model_validate(bad)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("2w", 1209600),
        (" 5 m ", 300),
        ("90", 90),
        (90, 90),
        (0.25, 0.25),
        (0, 0),
    ],
)
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert duration_seconds(parse_duration(text)) == seconds


@pytest.mark.parametrize(
    "bad",
    [
        True,
        None,
        [],
        "",
        "5 parsecs",
        "-5s",
        -1,
        float("nan"),
        float("inf"),
        "1e9d",
        "11000d",
        1e308,
        2**70,
        "\u0665m",
        "5m!",
        "m",
        "1" * 100,
    ],
)
def test_a_bad_duration_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"duration|expected"):
        parse_duration(bad)


@given(st.timedeltas(timedelta(0), MAX_DURATION))
def test_a_duration_survives_being_written_and_read(duration: timedelta) -> None:
    assert abs(parse_duration(duration_seconds(duration)) - duration) <= timedelta(microseconds=1)


@given(st.integers(0, 253_402_300_799 * 10**6))
def test_an_instant_survives_being_written_and_read(micros: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    written = parse_schedule("once", {"run_at": moment.isoformat()}).model_dump(mode="json")
    assert parse_instant(written["run_at"]) == moment
