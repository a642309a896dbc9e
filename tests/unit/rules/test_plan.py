"""Which nominal times of a span run, and what becomes of the rest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.plan import PUNCTUAL_MAX, Plan, planned, replay_nothing
from alicia_scheduler.core.state import TriggeredBy
from tests.unit.rules.rows import HOUR, MINUTE, NOON, SECOND, Book, after_noon, event, rows, timings


def plan_at(now: datetime, definition: ScheduledEvent) -> Plan:
    record, state = rows(definition)
    return planned(definition, timings(record, state), state, now)


def minutes(plan: Plan) -> list[float]:
    return [(fire.nominal - NOON) / MINUTE for fire in plan.fires]


def missed(plan: Plan) -> tuple[int, float, float] | None:
    range_ = plan.missed
    return (range_.count, (range_.first - NOON) / MINUTE, (range_.last - NOON) / MINUTE) if range_ else None


def test_nothing_is_planned_before_its_time_and_a_fire_at_its_time() -> None:
    assert plan_at(after_noon(1) - timedelta(microseconds=1), event()).fires == ()
    plan = plan_at(after_noon(1), event())
    assert (minutes(plan), plan.mark, plan.next_time) == ([1], after_noon(1), after_noon(2))


def test_a_fire_exactly_as_late_as_the_grace_is_punctual_and_any_later_one_is_missed() -> None:
    hourly = event(schedule_config={"cron_expression": "0 * * * *"})
    at = NOON + HOUR + MINUTE
    assert [f.triggered_by for f in plan_at(at, hourly).fires] == [TriggeredBy.SCHEDULER]
    assert [f.triggered_by for f in plan_at(at + timedelta(microseconds=1), hourly).fires] == [TriggeredBy.CATCH_UP]


@pytest.mark.parametrize(
    ("catch_up", "caught", "lost"),
    [
        ("last", [8], (7, 1, 7)),
        ("none", [], (8, 1, 8)),
        ("first", [1], (7, 2, 8)),
        ("all", [1, 2, 3, 4, 5, 6, 7, 8], None),
    ],
)
def test_catch_up_of_ten_minutes_that_were_slept_through(
    catch_up: str, caught: list[float], lost: tuple[int, float, float] | None
) -> None:
    plan = plan_at(after_noon(10), event(catch_up=catch_up))
    assert minutes(plan) == [*caught, 9, 10]
    assert missed(plan) == lost
    assert all(f.missed_count == 8 for f in plan.fires if f.triggered_by == "catch_up")
    assert plan.next_time == after_noon(11)


@pytest.mark.parametrize(
    ("catch_up", "caught", "lost"),
    [
        ("last", [118], (117, 1, 117)),
        ("first", [60], (117, 1, 118)),
        ("none", [], (118, 1, 118)),
    ],
)
def test_what_is_older_than_the_window_is_missed_for_good(
    catch_up: str, caught: list[float], lost: tuple[int, float, float]
) -> None:
    plan = plan_at(after_noon(120), event(catch_up=catch_up))
    assert (minutes(plan), missed(plan)) == ([*caught, 119, 120], lost)


def test_catch_up_all_stops_at_catch_up_max_and_records_the_rest_as_one() -> None:
    plan = plan_at(after_noon(50), event(catch_up="all", catch_up_max=5, catch_up_window="10h"))
    assert minutes(plan) == [1, 2, 3, 4, 5, 49, 50]
    assert missed(plan) == (43, 6, 48)


def test_catch_up_all_with_a_window_records_what_lies_before_it() -> None:
    plan = plan_at(after_noon(50), event(catch_up="all", catch_up_window="10m"))
    assert minutes(plan) == [*range(40, 51)]
    assert missed(plan) == (39, 1, 39)


@pytest.mark.parametrize(
    ("every", "window"), [("10s", MINUTE), ("5m", 5 * MINUTE), ("1h", HOUR), ("6h", HOUR)]
)  # fmt: skip
def test_the_window_of_an_interval_is_its_length_within_a_minute_and_an_hour(every: str, window: timedelta) -> None:
    assert event(schedule_type="interval", schedule_config={"every": every}).window() == window


def test_the_window_is_an_hour_for_other_kinds_and_what_the_event_says_before_all() -> None:
    assert event().window() == HOUR
    assert event(catch_up_window="2m").window() == 2 * MINUTE


def test_a_six_hour_interval_that_was_missed_by_two_hours_is_not_run() -> None:
    plan = plan_at(NOON + 8 * HOUR, event(schedule_type="interval", schedule_config={"every": "6h"}))
    assert (minutes(plan), missed(plan)) == ([], (1, 360, 360))


def test_one_look_plans_a_bounded_number_of_punctual_fires_and_the_next_the_rest() -> None:
    definition = event(schedule_type="interval", schedule_config={"every": 1}, misfire_grace="1h")
    record, state = rows(definition)
    plan = planned(definition, timings(record, state), state, after_noon(30))
    assert len(plan.fires) == PUNCTUAL_MAX
    assert plan.mark == NOON + PUNCTUAL_MAX * SECOND
    assert plan.next_time == plan.mark + SECOND


def test_jitter_moves_the_due_time_and_never_the_nominal_one() -> None:
    definition = event(jitter=50)
    record, state = rows(definition)
    timing = timings(record, state)
    due = timing.due_time(after_noon(1))
    assert after_noon(1) < due < after_noon(2)
    assert planned(definition, timing, state, due - timedelta(microseconds=1)).fires == ()
    [fire] = planned(definition, timing, state, due).fires
    assert (fire.nominal, fire.due) == (after_noon(1), due)


def test_a_step_back_fires_nothing_again() -> None:
    definition = event()
    record, state = rows(definition, mark_time=after_noon(10))
    plan = planned(definition, timings(record, state), state, after_noon(5))
    assert (plan.fires, plan.missed, plan.mark, plan.next_time) == ((), None, after_noon(10), after_noon(11))


def test_after_a_clock_correction_everything_is_one_missed_range() -> None:
    record, state = rows(event(catch_up="all"))
    plan = replay_nothing(timings(record, state), state, after_noon(300))
    assert (plan.fires, missed(plan)) == ((), (300, 1, 300))
    assert plan.missed
    assert plan.missed.reason == "clock_correction"


def test_a_clock_correction_keeps_a_jittered_fire_whose_due_time_is_still_ahead() -> None:
    record, state = rows(event(jitter=50))
    timing = timings(record, state)
    plan = replay_nothing(timing, state, after_noon(300))
    assert missed(plan) == (299, 1, 299)
    assert plan.next_time == after_noon(300)


def test_a_clock_correction_records_the_next_time_of_a_fixed_delay_as_missed() -> None:
    definition = event(schedule_type="interval", schedule_config={"every": "5m", "mode": "fixed_delay"})
    record, state = rows(definition)
    plan = replay_nothing(timings(record, state), state, NOON + 5 * HOUR)
    assert (missed(plan), plan.next_time) == ((1, 5, 5), NOON + 5 * HOUR + 5 * MINUTE)


def test_a_fixed_delay_has_one_fire_and_waits_for_its_end() -> None:
    definition = event(schedule_type="interval", schedule_config={"every": "5m", "mode": "fixed_delay"})
    plan = plan_at(after_noon(5), definition)
    assert (minutes(plan), plan.next_time, plan.waits_for_end) == ([5], None, True)
    late = plan_at(after_noon(9), definition)
    assert [f.triggered_by for f in late.fires] == ["catch_up"]
    too_late = plan_at(after_noon(60), definition)
    assert (too_late.fires, missed(too_late), too_late.next_time) == ((), (1, 5, 5), after_noon(65))


def test_max_executions_counts_fires_of_the_timer_only() -> None:
    book = Book(rows(event(max_executions=2)))
    book.tick(after_noon(1))
    book.tick(after_noon(2))  # skipped: the first one still waits
    assert [e.status for e in book.executions.values()] == ["pending", "skipped"]
    assert book.state().fired_count == 1
    book.succeed(book.claim()[0])
    book.tick(after_noon(3))
    assert (book.state().fired_count, book.state().status) == (2, "completed")
    assert book.tick(after_noon(9)).fires == 0


def test_max_executions_stops_a_catch_up_half_way() -> None:
    book = Book(rows(event(max_executions=3, catch_up="all")))
    book.tick(after_noon(10))
    assert [e.scheduled_time for e in book.of("pending")] == [after_noon(n) for n in (1, 2, 3)]
    assert book.state().status == "completed"


def test_an_event_past_its_end_is_completed_with_its_last_fire() -> None:
    book = Book(rows(event(end_at=after_noon(2).isoformat())))
    book.tick(after_noon(1))
    book.succeed(book.claim()[0])
    assert book.state().status == "active"
    book.tick(after_noon(2))
    assert (book.state().status, book.state().wake_time) == ("completed", None)
    assert "event_completed" in book.changes()


def test_a_one_time_event_that_was_missed_for_good_is_expired() -> None:
    book = Book(rows(event(schedule_type="once", schedule_config={"delay": "1m"})))
    book.tick(after_noon(120))
    assert (book.state().status, book.state().missed_count) == ("expired", 1)
    assert book.changes() == ["execution_missed", "event_expired"]


def test_a_one_time_event_that_is_late_within_its_window_still_runs() -> None:
    book = Book(rows(event(schedule_type="once", schedule_config={"delay": "1m"})))
    book.tick(after_noon(30))
    [fire] = book.of("pending")
    assert (fire.triggered_by, book.state().status) == ("catch_up", "completed")


def test_a_rule_that_breaks_stops_its_event_alone() -> None:
    broken = rows(event("broken"))
    whole = rows(event("whole"))
    book = Book((broken[0]._replace(key=2), broken[1]), whole)
    object.__setattr__(book.records["broken"].definition, "schedule_config", None)
    book.tick(after_noon(1))
    assert book.state("broken").status == "error"
    assert book.state("whole").unfinished == 1


CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("cron", {"cron_expression": "* * * * *"}),
    ("cron", {"cron_expression": "*/7 * * * *"}),
    ("cron", {"cron_expression": "3,5,50 */2 * * *"}),
    ("interval", {"every": "37s"}),
    ("interval", {"every": "90m"}),
    ("recurring", {"frequency": "hourly", "time_of_day": "00:20"}),
    ("once", {"delay": "2h"}),
]


@settings(max_examples=300, deadline=None)
@given(
    config=st.sampled_from(CONFIGS),
    catch_up=st.sampled_from(["last", "none", "first", "all"]),
    catch_up_max=st.integers(1, 20),
    grace=st.integers(0, 600),
    window=st.none() | st.integers(0, 20_000),
    jitter=st.sampled_from([0, 5, 30, 300]),
    looks=st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
    corrections=st.sets(st.integers(0, 7), max_size=2),
)
def test_every_nominal_time_is_in_exactly_one_record_and_none_fires_early(
    config: tuple[str, dict[str, Any]],
    catch_up: str,
    catch_up_max: int,
    grace: int,
    window: int | None,
    jitter: int,
    looks: list[int],
    corrections: set[int],
) -> None:
    """Promise P3 and P7, over random stalls, policies and clock corrections."""
    kind, schedule = config
    book = Book(
        rows(
            event(
                schedule_type=kind, schedule_config=schedule, catch_up=catch_up, catch_up_max=catch_up_max,
                misfire_grace=grace, catch_up_window=window, jitter=jitter, overlap_policy="queue_all",
                queue_limit=1000,
            )
        )
    )  # fmt: skip
    timing = timings(book.records["lamp"], book.state())
    for number, seconds in enumerate(looks):
        now = book.now + seconds * SECOND
        corrected = number in corrections
        while (book.state().wake_time or now + SECOND) <= now:
            book.tick(now, corrected=corrected)
            corrected = False
        book.now = now
        every = list(book.executions.values())
        assert all(timing.due_time(e.scheduled_time) <= now for e in every)
        fired = [e.scheduled_time for e in every if e.status != "missed"]
        lost = sum(e.missed_count for e in every if e.status == "missed")
        assert len(fired) == len(set(fired))
        mark = book.state().mark_time
        assert len(fired) + lost == timing.count(NOON, mark)
        following = timing.next_time(mark)
        assert following is None or timing.due_time(following) > now
