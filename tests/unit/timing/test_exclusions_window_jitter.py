"""What is put around a rule: exclusions, start and end, jitter."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.timing import InvalidSchedule
from tests.unit.timing.timings import CREATED, at, between, between_backwards, cron, fires, timing


def test_dates_and_ranges_are_left_out() -> None:
    rule = cron("0 8 * * *", exclude=["2026-01-02", {"from": "2026-01-04", "to": "2026-01-06"}])
    assert [text[:10] for text in fires(rule, "2026-01-01T00:00", 3)] == ["2026-01-01", "2026-01-03", "2026-01-07"]


def test_a_time_range_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    rule = cron("0 */6 * * *", exclude=[{"time": ["22:00", "06:00"], "days_of_week": ["sat"]}])
    found = fires(rule, "2026-01-03T17:00", 4)  # 2026-01-03 is a Saturday
    assert found == ["2026-01-03T18:00", "2026-01-04T06:00", "2026-01-04T12:00", "2026-01-04T18:00"]
    assert fires(rule, "2026-01-02T20:00", 1) == ["2026-01-03T00:00"]


def test_the_start_of_a_time_range_is_excluded_and_its_end_is_not() -> None:
    rule = cron("0 * * * *", exclude=[{"time": ["10:00", "12:00"]}])
    assert fires(rule, "2026-01-01T09:30", 1) == ["2026-01-01T12:00"]


def test_public_holidays_of_a_region_are_left_out() -> None:
    bavaria = {"holidays": {"country": "DE", "subdivision": "BY"}}
    assert fires(cron("0 8 6 1 *", exclude=[{"holidays": {"country": "DE"}}]), "2026-01-01", 1) == ["2026-01-06T08:00"]
    weekdays = cron("0 8 * * mon-fri", "Europe/Berlin", exclude=[bavaria])
    assert fires(weekdays, "2026-01-05T12:00", 1, "Europe/Berlin") == ["2026-01-07T08:00"]
    assert fires(weekdays, "2026-12-24T12:00", 1, "Europe/Berlin") == ["2026-12-28T08:00"]
    with pytest.raises(InvalidSchedule, match="no holiday calendar for XX"):
        cron("0 8 * * *", exclude=[{"holidays": {"country": "XX"}}])
    with pytest.raises(InvalidSchedule, match="no holiday calendar for DE, part ZZ"):
        cron("0 8 * * *", exclude=[{"holidays": {"country": "DE", "subdivision": "ZZ"}}])


def test_an_event_that_is_always_excluded_is_refused_in_bounded_time() -> None:
    began = time.perf_counter()
    for expression in ("0 23 * * *", "* * * * * *"):
        with pytest.raises(InvalidSchedule, match="every time it names is excluded"):
            cron(expression, exclude=[{"time": ["22:00", "06:00"]}, {"time": ["06:00", "22:00"]}])
    with pytest.raises(InvalidSchedule) as refused:
        timing("once", {"run_at": "2026-05-01T12:00Z"}, exclude=["2026-05-01"])
    assert refused.value.field == "exclude"
    assert time.perf_counter() - began < 5


def test_counting_an_excluded_every_second_rule_stays_quick() -> None:
    rule = cron("* * * * * *", "Europe/Berlin", exclude=[{"time": ["22:00", "06:00"]}])
    began = time.perf_counter()
    assert rule.count(at("2026-01-01T00:00+01:00"), at("2036-01-01T00:00+01:00")) > 3650 * 16 * 3600
    assert time.perf_counter() - began < 2


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("cron", {"cron": "*/30 * * * *"}),
    ("cron", {"cron": "15 1,2,3,23 * * *"}),
    ("interval", {"every": "47m"}),
    ("recurring", {"frequency": "daily", "times": ["02:15", "22:30"]}),
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(
        [("Australia/Lord_Howe", 2017, 9, 29), ("Europe/Dublin", 2021, 10, 29), ("America/Sao_Paulo", 2018, 11, 2)]
    ),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.booleans(),
)
def test_exclusions_remove_exactly_what_lies_in_them(
    kind: tuple[str, dict[str, Any]], where: tuple[str, int, int, int], start: int, length: int, one_day: bool
) -> None:
    zone, year, month, day = where
    end = (start + length) % 1440
    clock = [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]
    exclude: list[Any] = [{"time": clock}]
    gone = date(year, month, day) + timedelta(days=2)
    if one_day:
        exclude.append(gone.isoformat())
    after = datetime(year, month, day, tzinfo=UTC)
    until = after + timedelta(days=5)

    def excluded(nominal: datetime) -> bool:
        local = nominal.astimezone(ZoneInfo(zone))
        minute = local.hour * 60 + local.minute
        inside = start <= minute < end if start < end else minute >= start or minute < end
        return inside or (one_day and local.date() == gone)

    plain = timing(*kind, zone, created_at="2017-01-01")
    expected = [nominal for nominal in between(plain, after, until) if not excluded(nominal)]
    try:
        rule = timing(*kind, zone, created_at="2017-01-01", exclude=exclude)
    except InvalidSchedule:
        assert not expected
        return
    assert between(rule, after, until) == expected
    assert between_backwards(rule, after, until) == expected
    assert rule.count(after, until) == len(expected)


def test_start_and_end_are_inclusive() -> None:
    rule = cron("0 8 * * *", start_at="2026-03-01T08:00", end_at="2026-03-03T08:00")
    assert [text[8:10] for text in fires(rule, "2026-01-01", 9)] == ["01", "02", "03"]
    assert rule.previous_time(at("2027-01-01")) == at("2026-03-03T08:00")
    assert rule.previous_time(at("2026-03-01T07:59")) is None
    assert rule.count(at("2020-01-01"), at("2030-01-01")) == 3


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(InvalidSchedule) as refused:
        cron("0 8 * * *", start_at="2026-03-02", end_at="2026-03-01")
    assert refused.value.field == "end_at"


def test_a_schedule_whose_end_has_passed_is_not_an_error() -> None:
    assert cron("0 8 * * *", end_at="2020-01-01").next_time(CREATED) is None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 30, 59, 60, 600, 86_400]), st.text(max_size=10))
def test_jitter_is_stable_bounded_and_keeps_the_order(minute: int, jitter: int, event_id: str) -> None:
    nominal = CREATED + timedelta(minutes=minute)
    rules = [cron("* * * * *", event_id=event_id, jitter=timedelta(seconds=jitter)) for _ in range(2)]
    due = rules[0].due_time(nominal)
    assert due == rules[1].due_time(nominal)
    assert nominal <= due <= nominal + timedelta(seconds=jitter)
    assert due < nominal + timedelta(minutes=1)


def test_jitter_spreads_events_over_its_whole_width() -> None:
    nominal = at("2026-01-02T08:00")
    delays = [
        (
            cron("0 8 * * *", event_id=f"event-{n}", jitter=timedelta(minutes=10)).due_time(nominal) - nominal
        ).total_seconds()
        for n in range(400)
    ]
    assert min(delays) < 20
    assert max(delays) > 580
    assert 250 < sum(delays) / 400 < 350


def test_searches_far_outside_the_calendar_end() -> None:
    rule = cron("0 0 29 2 *", "Europe/Berlin")
    assert rule.next_time(datetime.max.replace(tzinfo=UTC)) is None
    assert rule.previous_time(datetime.min.replace(tzinfo=UTC)) is None
    assert cron("* * * * *").previous_time(at("0500-01-01")) is None
    assert timing("interval", {"months": 1}).next_time(at("9999-01-01")) is None
    assert timing("interval", {"every": "1d"}).next_time(datetime.max.replace(tzinfo=UTC)) is None
