"""Single fires, local times at clock changes, and the names of zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.model.schedule import DstOverride
from alicia_scheduler.core.timing import InvalidSchedule, checked_timezone, local_iso, resolve_local
from alicia_scheduler.core.timing.zones import elapsed_clock
from tests.unit.timing.timings import CREATED, at, cron, timing


def test_a_once_schedule_fires_once() -> None:
    rule = timing("once", {"run_at": "2026-05-01T12:00:00+02:00"}, "Europe/Berlin")
    moment = at("2026-05-01T10:00")
    assert rule.next_time(CREATED) == moment
    assert rule.next_time(moment) is None
    assert rule.previous_time(moment) == moment
    assert rule.previous_time(CREATED) is None
    assert rule.count(CREATED, moment) == 1


def test_a_delay_counts_from_the_creation() -> None:
    assert timing("once", {"delay": "90s"}).next_time(CREATED) == at("2026-01-01T00:01:30")


@pytest.mark.parametrize(
    ("local", "zone", "overlap", "expected", "note"),
    [
        ("2026-07-01T07:00", "Europe/Berlin", None, "2026-07-01T05:00", ""),
        (
            "2026-03-29T02:30", "Europe/Berlin", None, "2026-03-29T01:00",
            "shifted out of a DST gap (02:30 does not exist on 2026-03-29)",
        ),
        ("2026-10-25T02:30", "Europe/Berlin", None, "2026-10-25T00:30", "first of two 02:30"),
        ("2026-10-25T02:30", "Europe/Berlin", "second", "2026-10-25T01:30", "second of two 02:30"),
        (
            "2011-12-30T12:00", "Pacific/Apia", None, "2011-12-30T10:00",
            "shifted out of a DST gap (12:00 does not exist on 2011-12-30)",
        ),
        ("9999-12-31T23:59", "America/New_York", None, "9999-12-30T05:00", ""),
    ],
)  # fmt: skip
def test_a_local_time_is_read_in_its_zone(local: str, zone: str, overlap: str | None, expected: str, note: str) -> None:
    dst = DstOverride.model_validate({"overlap": overlap})
    assert resolve_local(datetime.fromisoformat(local), zone, dst) == (at(expected), note)


def test_a_local_once_keeps_its_microseconds_and_its_note() -> None:
    rule = timing("once", {"run_at": "2026-10-25T02:30:00.5"}, "Europe/Berlin")
    moment = rule.next_time(CREATED)
    assert moment == at("2026-10-25T00:30:00.5")
    assert rule.note(moment) == "first of two 02:30"


def test_a_local_once_in_a_gap_is_refused_when_gaps_are_to_be_skipped() -> None:
    with pytest.raises(InvalidSchedule, match="does not exist in Europe/Berlin"):
        timing("once", {"run_at": "2026-03-29T02:30"}, "Europe/Berlin", dst={"gap": "skip"})


def test_overrides_change_the_table() -> None:
    def count(expression: str, day: str, **dst: str) -> int:
        return cron(expression, "Europe/Berlin", dst=dst).count(at(f"{day}T00:00+01:00"), at(f"{day}T12:00+01:00"))

    assert count("30 2 * * *", "2026-03-29") == 1
    assert count("30 2 * * *", "2026-03-29", gap="skip") == 0
    assert count("*/30 2 * * *", "2026-03-29") == 0
    assert count("*/30 2 * * *", "2026-03-29", gap="shift") == 1
    assert count("30 2 * * *", "2026-10-25") == 1
    assert count("30 2 * * *", "2026-10-25", overlap="both") == 2
    assert count("*/30 2 * * *", "2026-10-25") == 4
    assert count("*/30 2 * * *", "2026-10-25", overlap="first") == 2
    second = cron("30 2 * * *", "Europe/Berlin", dst={"overlap": "second"})
    assert second.next_time(at("2026-10-24T12:00")) == at("2026-10-25T01:30")


def test_notes_tell_what_a_clock_change_did() -> None:
    rule = cron("30 2 * * *", "Europe/Berlin")
    assert rule.note(at("2026-03-29T01:00")) == "shifted out of a DST gap (02:30 does not exist on 2026-03-29)"
    assert rule.note(at("2026-10-25T00:30")) == "first of two 02:30"
    assert rule.note(at("2026-06-01T00:30")) == ""
    flowing = cron("*/30 * * * *", "Europe/Berlin")
    assert flowing.note(at("2026-10-25T01:30")) == "second of two 02:30"
    assert flowing.note(at("2026-03-29T01:00")) == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "'Europe/Berlin'"),
        ("europe/berlin", "'Europe/Berlin'"),
        ("utc", "'UTC'"),
        ("Berlin", "'Europe/Berlin'"),
        ("posixrules", ""),
        ("localtime", ""),
        ("Europe", ""),
        ("../../etc/passwd", ""),
        ("/etc/passwd", ""),
        ("Europe/", ""),
        ("", ""),
        ("Europe/Berlin\0", ""),
        ("A" * 5000, ""),
    ],
)
def test_only_names_of_iana_zones_are_taken(name: str, hint: str) -> None:
    with pytest.raises(InvalidSchedule, match="is not the name of an IANA time zone") as refused:
        checked_timezone(name)
    assert hint in refused.value.message
    assert len(refused.value.message) < 200
    with pytest.raises(InvalidSchedule):
        cron("0 0 * * *", name)


def test_local_text_carries_the_offset_of_the_zone() -> None:
    assert local_iso(at("2026-07-01T05:00"), "Europe/Berlin") == "2026-07-01T07:00:00+02:00"
    assert local_iso(at("9999-12-31T23:00"), "Asia/Tokyo") == "9999-12-31T23:00:00+00:00"


def test_manual_and_event_schedules_never_fire_by_themselves() -> None:
    for kind in ("manual", "event"):
        rule = timing(kind, {})
        assert rule.next_time(CREATED) is None
        assert rule.previous_time(CREATED) is None
        assert rule.count(CREATED, at("2030-01-01")) == 0
        assert rule.note(CREATED) == ""
        assert rule.due_time(CREATED) == CREATED


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})), st.integers(-(10**9), 8 * 10**9))
def test_the_wall_clock_of_every_zone_shows_what_zoneinfo_shows(name: str, second: int) -> None:
    shown = (at("1970-01-01") + timedelta(seconds=second)).astimezone(ZoneInfo(name)).replace(tzinfo=UTC)
    assert elapsed_clock(name).local_second(second) == (shown - at("1970-01-01")).total_seconds()
