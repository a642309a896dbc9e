"""Recurring schedules: frequencies, lists of days, every k-th period, missing days."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.timing import InvalidSchedule
from tests.unit.timing.timings import at, between, between_backwards, fires, timing


def _days(config: dict[str, Any], after: str, count: int, **other: Any) -> list[str]:
    return [text[:10] for text in fires(timing("recurring", config, **other), after, count)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"frequency": "daily", "time_of_day": "07:30"}, ["2026-01-01T07:30", "2026-01-02T07:30"]),
        ({"frequency": "daily"}, ["2026-01-02T00:00", "2026-01-03T00:00"]),
        ({"frequency": "daily", "times": ["19:00", "07:15"]}, ["2026-01-01T07:15", "2026-01-01T19:00"]),
        (
            {"frequency": "weekly", "days_of_week": ["mon", 5], "time_of_day": "06:00"},
            ["2026-01-02T06:00", "2026-01-05T06:00"],
        ),
        ({"frequency": "monthly", "days_of_month": [15, -1]}, ["2026-01-15T00:00", "2026-01-31T00:00"]),
        ({"frequency": "monthly", "days_of_month": [31]}, ["2026-01-31T00:00", "2026-03-31T00:00"]),
        (
            {"frequency": "monthly", "days_of_month": [31], "missing_day": "last"},
            ["2026-01-31T00:00", "2026-02-28T00:00"],
        ),
        (
            {"frequency": "monthly", "days_of_month": [13], "days_of_week": ["fri"]},
            ["2026-02-13T00:00", "2026-03-13T00:00"],
        ),
        ({"frequency": "yearly", "months": ["dec"], "days_of_month": [24]}, ["2026-12-24T00:00", "2027-12-24T00:00"]),
        ({"frequency": "hourly", "time_of_day": "00:20"}, ["2026-01-01T00:20", "2026-01-01T01:20"]),
        ({"frequency": "hourly", "times": ["00:20", "00:50"]}, ["2026-01-01T00:20", "2026-01-01T00:50"]),
        ({"type": "recurring", "frequency": "daily", "hour": 9, "minute": 5}, ["2026-01-01T09:05", "2026-01-02T09:05"]),
    ],
)
def test_a_recurring_rule_fires_as_written(config: dict[str, Any], expected: list[str]) -> None:
    assert fires(timing("recurring", config), "2026-01-01T00:00", 2) == expected


def test_every_kth_period_is_counted_from_the_anchor() -> None:
    thursday = "2026-01-01T08:00"
    assert _days({"frequency": "daily", "interval": 3}, thursday, 3, created_at=thursday) == [
        "2026-01-04",
        "2026-01-07",
        "2026-01-10",
    ]
    weekly = {"frequency": "weekly", "days_of_week": ["mon", "fri"], "interval": 2}
    assert _days(weekly, thursday, 4, created_at=thursday) == ["2026-01-02", "2026-01-12", "2026-01-16", "2026-01-26"]
    monthly = {"frequency": "monthly", "days_of_month": [10], "interval": 5}
    assert _days(monthly, thursday, 3, created_at=thursday) == ["2026-01-10", "2026-06-10", "2026-11-10"]
    yearly = {"frequency": "yearly", "months": [2], "days_of_month": [29], "interval": 4}
    assert _days(yearly, thursday, 2, start_at="2024-01-01") == ["2028-02-29", "2032-02-29"]


def test_every_fifth_hour_is_counted_over_midnight() -> None:
    rule = timing(
        "recurring", {"frequency": "hourly", "interval": 5, "time_of_day": "00:10"}, created_at="2026-01-01T01:30"
    )
    assert fires(rule, "2026-01-01T01:30", 6) == [
        "2026-01-01T06:10",
        "2026-01-01T11:10",
        "2026-01-01T16:10",
        "2026-01-01T21:10",
        "2026-01-02T02:10",
        "2026-01-02T07:10",
    ]


def test_daily_rules_are_fixed_and_hourly_ones_flow() -> None:
    daily = timing("recurring", {"frequency": "daily", "time_of_day": "02:30"}, "Europe/Berlin")
    assert fires(daily, "2026-03-28T12:00", 2, "Europe/Berlin") == ["2026-03-29T03:00", "2026-03-30T02:30"]
    assert daily.count(at("2026-10-24T12:00"), at("2026-10-25T12:00")) == 1
    hourly = timing("recurring", {"frequency": "hourly", "time_of_day": "00:30"}, "Europe/Berlin")
    assert hourly.count(at("2026-10-25T00:00"), at("2026-10-25T02:00")) == 2
    assert hourly.count(at("2026-03-29T00:00"), at("2026-03-29T02:00")) == 2


def test_a_rule_whose_months_have_no_such_day_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match="never fires"):
        timing("recurring", {"frequency": "monthly", "days_of_month": [31], "months": [2]})
    with pytest.raises(InvalidSchedule, match="never fires"):
        timing("recurring", {"frequency": "monthly", "days_of_month": [1], "months": [2], "interval": 12})


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["hourly", "daily", "weekly", "monthly"]),
    st.integers(1, 40),
    st.integers(0, 400 * 86_400),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"]),
)
def test_forwards_backwards_and_count_agree(frequency: str, interval: int, seconds: int, zone: str) -> None:
    config = {
        "frequency": frequency,
        "interval": interval,
        "times": ["01:30", "23:59:59"],
        "days_of_week": ["mon", "sat"],
    }
    if frequency == "monthly":
        config["days_of_month"] = [*range(1, 32)]
    try:
        rule = timing("recurring", config, zone, created_at="2017-01-15T10:00")
    except InvalidSchedule:
        assert (frequency, interval % 7) == ("daily", 0)  # every seventh day from a Sunday never meets a Monday
        return
    after = at("2017-03-01") + (at("2017-03-02") - at("2017-03-01")) * (seconds / 86_400)
    until = after + (at("2017-09-01") - at("2017-03-01"))
    found = between(rule, after, until)
    assert found == between_backwards(rule, after, until)
    assert rule.count(after, until) == len(found)
