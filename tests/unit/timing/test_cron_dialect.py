"""The cron dialect: what is read, what is refused, and what the special day rules mean."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alicia_scheduler.core.model.cron_text import parse_cron
from alicia_scheduler.core.timing import InvalidSchedule
from tests.unit.timing.timings import CREATED, at, cron, fires


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 0 L * *", "2026-01-15", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("0 0 L * *", "2024-02-01", ["2024-02-29", "2024-03-31"]),
        ("0 0 L-3 * *", "2026-01-15", ["2026-01-28", "2026-02-25", "2026-03-28"]),
        ("0 0 LW * *", "2026-01-01", ["2026-01-30", "2026-02-27", "2026-03-31", "2026-04-30", "2026-05-29"]),
        ("0 0 15W * *", "2026-01-01", ["2026-01-15", "2026-02-16", "2026-03-16", "2026-04-15", "2026-05-15"]),
        ("0 0 1W * *", "2026-07-15", ["2026-08-03", "2026-09-01", "2026-10-01", "2026-11-02"]),
        ("0 0 31W * *", "2026-01-01", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("0 0 * * fri#2", "2026-01-01", ["2026-01-09", "2026-02-13", "2026-03-13"]),
        ("0 0 * * 1#5", "2026-01-01", ["2026-03-30", "2026-06-29", "2026-08-31"]),
        ("0 0 * * 5L", "2026-01-01", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 0 * * L5", "2026-01-01", ["2026-01-30", "2026-02-27"]),
        ("0 0 * * friL", "2026-01-01", ["2026-01-30", "2026-02-27"]),
        ("0 0 1,15,L * *", "2026-02-01", ["2026-02-15", "2026-02-28", "2026-03-01"]),
        ("0 0 29 2 *", "2096-01-01", ["2096-02-29", "2104-02-29"]),
        ("0 0 29 2 */1", "2026-01-01", ["2028-02-29", "2032-02-29"]),
        ("0 0 * * FRI-MON", "2026-01-05", ["2026-01-09", "2026-01-10", "2026-01-11", "2026-01-12", "2026-01-16"]),
        ("0 0 * * 5-7", "2026-01-05", ["2026-01-09", "2026-01-10", "2026-01-11", "2026-01-16"]),
        ("0 0 * * 7", "2026-01-05", ["2026-01-11", "2026-01-18"]),
        ("0 0 * * 0", "2026-01-05", ["2026-01-11", "2026-01-18"]),
        ("0 0 28-2 * *", "2026-02-01", ["2026-02-02", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-28"]),
        ("0 0 1 Nov-FEB ?", "2026-01-05", ["2026-02-01", "2026-11-01", "2026-12-01", "2027-01-01"]),
        ("0 0 0 1 1 ? 2030,2032", "2026-01-01", ["2030-01-01", "2032-01-01"]),
        ("@yearly", "2026-01-05", ["2027-01-01"]),
        ("@Monthly", "2026-01-05", ["2026-02-01"]),
        ("@weekly", "2026-01-05", ["2026-01-11"]),
    ],
)
def test_an_expression_fires_on_the_expected_days(expression: str, after: str, expected: list[str]) -> None:
    rule = cron(expression, created_at="2000-01-01")
    assert [text[:10] for text in fires(rule, f"{after}T12:00", len(expected))] == expected


@pytest.mark.parametrize(
    ("expression", "logic", "expected"),
    [
        ("0 0 13 * 5", "auto", ["2026-02-13", "2026-02-20", "2026-02-27"]),
        ("0 0 13 * 5", "and", ["2026-02-13", "2026-03-13", "2026-11-13"]),
        ("0 0 */2 * 1", "auto", ["2026-02-09", "2026-02-23", "2026-03-09"]),
        ("0 0 */2 * 1", "or", ["2026-02-09", "2026-02-11", "2026-02-13"]),
        ("0 0 13 * */5", "auto", ["2026-02-13", "2026-03-13", "2026-09-13"]),
        ("0 0 ? * 5", "auto", ["2026-02-13", "2026-02-20", "2026-02-27"]),
    ],
)
def test_day_logic_decides_how_the_two_day_fields_combine(expression: str, logic: str, expected: list[str]) -> None:
    rule = cron(expression, day_logic=logic)
    assert [text[:10] for text in fires(rule, "2026-02-08T00:00", 3)] == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 22-2 * * *", ["2026-01-01T22:00", "2026-01-01T23:00", "2026-01-02T00:00", "2026-01-02T01:00"]),
        ("0 22-3/2 * * *", ["2026-01-01T22:00", "2026-01-02T00:00", "2026-01-02T02:00", "2026-01-02T22:00"]),
        ("50/5 12 * * *", ["2026-01-01T12:50", "2026-01-01T12:55", "2026-01-02T12:50"]),
        ("0 0 12 * * *", ["2026-01-02T12:00"]),
        ("\t0   13 * * *  ", ["2026-01-01T13:00"]),
        ("*/30 9,17 * * *", ["2026-01-01T17:00", "2026-01-01T17:30", "2026-01-02T09:00"]),
    ],
)
def test_an_expression_fires_at_the_expected_minutes(expression: str, expected: list[str]) -> None:
    assert fires(cron(expression), "2026-01-01T12:00", len(expected)) == expected


def test_six_fields_put_the_seconds_first() -> None:
    rule = cron("*/20 * * * * *")
    found = at("2026-01-01T00:00:05")
    seconds = []
    for _ in range(4):
        following = rule.next_time(found)
        assert following is not None
        found = following
        seconds.append(found.second)
    assert seconds == [20, 40, 0, 20]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 25 * * *", "hour field '25': 25 is not in 0-23"),
        ("60 * * * *", "minute field '60': 60 is not in 0-59"),
        ("0 38-38 * * *", "hour field '38-38': 38 is not in 0-23"),
        ("*/0 * * * *", "minute field '*/0': step 0 is not in 1-60"),
        ("*/61 * * * *", "step 61 is not in 1-60"),
        ("0 0 0 * *", "day-of-month field '0': 0 is not in 1-31"),
        ("0 0 32 * *", "32 is not in 1-31"),
        ("0 0 * 13 *", "month field '13': 13 is not in 1-12"),
        ("0 0 * * 8", "day-of-week field '8': 8 is not in 0-7"),
        ("0 0 * * fri#6", "expected a day, # and 1 to 5"),
        ("0 0 L-31 * *", "31 is not in 0-30"),
        ("0 0 32W * *", "32 is not in 1-31"),
        ("0 0 * * foo", "'foo' is not a number from 0 to 7 or a name"),
        ("0 0 * * L", "day-of-week field 'L'"),
        ("? * * * *", "minute field '?'"),
        ("0 L * * *", "hour field 'L'"),
        ("H(10-5) * * * *", "10 is larger than 5"),
        ("H(0-99) * * * *", "99 is not in 0-59"),
        ("1,,2 * * * *", "minute field '1,,2'"),
        ("1- * * * *", "minute field '1-'"),
        ("-1 * * * *", "minute field '-1'"),
        ("1/2/3 * * * *", "minute field '1/2/3'"),
        ("* * * *", "not 4"),
        ("* * * * * * * *", "not 8"),
        ("", "not 0"),
        ("@reboot; rm -rf /", "not 4"),
        ("@reboot", "is not one of @yearly"),
        ("\uff11 * * * *", "plain ASCII"),
        ("\u0661 * * * *", "plain ASCII"),
        ("0-59/1," * 2000 + " * * * *", "at most 512 characters"),
        ("0 0 0 1 1 * 2200", "year field '2200'"),
        ("0 0 0 1 1 * 2030-2020", "2020 comes before 2030"),
    ],
)
def test_a_bad_expression_is_refused_with_the_field_and_the_range(expression: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        cron(expression)
    assert message in refused.value.errors()[0]["msg"]
    assert len(refused.value.errors()[0]["msg"]) < 200


@pytest.mark.parametrize(
    "expression",
    ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 1 1 * 2020", "0 0 ? 2 1#5"],
)
def test_a_rule_that_never_fires_is_refused_quickly_unless_the_calendar_has_such_a_day(expression: str) -> None:
    began = time.perf_counter()
    if "#5" in expression:
        assert fires(cron(expression), "2026-01-01", 1) == ["2044-02-29T00:00"]
    else:
        with pytest.raises(InvalidSchedule, match="never fires") as refused:
            cron(expression, "Europe/Berlin")
        assert refused.value.field == "schedule_config.cron_expression"
    assert time.perf_counter() - began < 1


def test_hash_fields_are_stable_spread_and_inside_their_range() -> None:
    placed = {parse_cron("H H(1-4) * * *", f"event-{number}") for number in range(200)}
    minutes = {fields.minutes[0] for fields in placed}
    assert len(minutes) > 40
    assert {fields.hours[0] for fields in placed} == {1, 2, 3, 4}
    assert parse_cron("H * * * *", "a").minutes == parse_cron("H * * * *", "a").minutes
    every = parse_cron("H/15 * * * *", "a").minutes
    assert len(every) == 4
    assert {later - earlier for earlier, later in pairwise(every)} == {15}
    assert all(parse_cron("0 0 H * *", f"event-{number}").days[0] <= 28 for number in range(100))


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser_in_any_other_way_than_a_value_error(text: str) -> None:
    try:
        fields = parse_cron(text, "e")
    except ValueError:
        return
    assert fields.minutes


def test_ten_years_of_every_second_are_counted_without_walking_them() -> None:
    rule = cron("* * * * * *", "Europe/Berlin")
    rule.count(CREATED, CREATED + timedelta(days=3653))
    began = time.perf_counter()
    assert rule.count(CREATED, CREATED + timedelta(days=3653)) == 3653 * 86_400
    assert time.perf_counter() - began < 0.1
