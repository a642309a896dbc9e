"""Intervals: elapsed time from an anchor, calendar months, fixed delays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.timing.timings import CREATED, TICK, at, between, between_backwards, fires, timing


def test_an_interval_counts_from_the_creation_or_the_start() -> None:
    assert fires(timing("interval", {"every": "5m"}, created_at="2026-01-01T00:02"), "2026-01-01T00:02", 2) == [
        "2026-01-01T00:07",
        "2026-01-01T00:12",
    ]
    started = timing("interval", {"every": "5m"}, start_at="2026-02-01T00:01")
    assert fires(started, "2026-01-01", 2) == ["2026-02-01T00:01", "2026-02-01T00:06"]


def test_an_aligned_interval_counts_from_the_epoch() -> None:
    aligned = timing("interval", {"every": "15m", "align": True}, created_at="2026-01-01T00:07:13")
    assert fires(aligned, "2026-01-01T00:07:13", 2) == ["2026-01-01T00:15", "2026-01-01T00:30"]


def test_a_day_is_elapsed_time_over_a_clock_change() -> None:
    daily = timing("interval", {"type": "days", "value": 1}, "Europe/Berlin", created_at="2026-03-28T06:00")
    assert fires(daily, "2026-03-28T06:00", 2, "Europe/Berlin") == ["2026-03-29T08:00", "2026-03-30T08:00"]


def test_months_keep_the_original_day() -> None:
    monthly = timing("interval", {"type": "months", "value": 1}, created_at="2026-01-31T10:00")
    assert fires(monthly, "2026-01-31T10:00", 4) == [
        "2026-02-28T10:00",
        "2026-03-31T10:00",
        "2026-04-30T10:00",
        "2026-05-31T10:00",
    ]


def test_months_keep_the_wall_clock_time_and_shift_out_of_a_gap() -> None:
    monthly = timing("interval", {"months": 1}, "Europe/Berlin", created_at="2026-01-29T01:30:00.25")
    assert fires(monthly, "2026-02-28T12:00", 2, "Europe/Berlin") == ["2026-03-29T03:00", "2026-04-29T02:30"]
    shifted = monthly.next_time(at("2026-02-28T12:00"))
    assert shifted is not None
    assert monthly.note(shifted) == "shifted out of a DST gap (02:30 does not exist on 2026-03-29)"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(946_684_800, 1_893_456_000),
    st.integers(1, 30),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]),
)
def test_months_never_drift(anchor: int, months: int, zone: str) -> None:
    created = datetime.fromtimestamp(anchor, UTC)
    rule = timing("interval", {"months": months}, zone, created_at=created)
    until = created + timedelta(days=31 * months * 20)
    found = between(rule, created, until)
    assert found == between_backwards(rule, created, until)
    assert rule.count(created, until) == len(found)
    original = created.astimezone(ZoneInfo(zone)).day
    for nominal in found:
        local = nominal.astimezone(ZoneInfo(zone))
        last = (local.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        assert local.day == min(original, last.day)


@settings(max_examples=100, deadline=None)
@given(st.integers(1_000_000, 10**12), st.integers(-(10**14), 10**14))
def test_elapsed_intervals_agree_in_all_questions(every: int, shift: int) -> None:
    rule = timing("interval", {"every": every / 10**6})
    after = CREATED + timedelta(microseconds=shift)
    following, previous = rule.next_time(after), rule.previous_time(after)
    assert following is not None
    assert previous is not None
    assert previous <= after < following
    assert rule.count(after, following) == 1
    assert rule.count(previous - TICK, following) == 2
    assert rule.next_time(previous) == following


def test_a_fixed_delay_counts_from_the_end_of_the_last_execution() -> None:
    rule = timing("interval", {"every": "10m", "mode": "fixed_delay"}, start_at="2026-01-01T06:00")
    assert rule.next_time(at("2026-01-01T00:00")) == at("2026-01-01T06:00")
    assert rule.next_time(at("2026-01-01T06:03:20")) == at("2026-01-01T06:13:20")
    assert rule.count(at("2026-01-01T06:03:20"), at("2026-01-02T00:00")) == 1
    assert rule.count(at("2026-01-01T06:03:20"), at("2026-01-01T06:13:00")) == 0
    assert rule.previous_time(at("2026-01-02T00:00")) is None


def test_a_fixed_delay_passes_over_exclusions() -> None:
    rule = timing("interval", {"every": "10m", "mode": "fixed_delay"}, exclude=[{"time": ["22:00", "06:00"]}])
    assert rule.next_time(at("2026-01-01T21:55")) == at("2026-01-02T06:05")
