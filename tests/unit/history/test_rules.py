"""Every rule of the history checker: a history that keeps it passes, and one that breaks it is found out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicia_scheduler.core.history import Coverage, EventCheck, Known, Rest, Rule, Subject, Tally
from alicia_scheduler.core.history.findings import MOST_KEPT
from alicia_scheduler.core.on_start import INTERRUPTED
from alicia_scheduler.core.state import AttemptRecord, EventStatus, Execution, TriggeredBy
from tests.unit.history.histories import (
    ALL_KNOWN,
    HOUR,
    LONG_AGO,
    MINUTE,
    SECOND,
    T0,
    S,
    checked,
    event,
    fire,
    found,
    missed,
    only,
    retried,
    state_after,
    told,
)

CLEAN = [fire(n) for n in range(1, 6)]


def test_a_history_that_keeps_every_promise_has_no_findings_and_counts_what_was_checked() -> None:
    manual = fire(4, execution_id="by-hand", triggered_by=TriggeredBy.MANUAL, scheduled_time=T0 + 4.5 * MINUTE)
    manual = manual._replace(due_time=manual.scheduled_time, start_time=manual.scheduled_time, attempts=())
    manual = manual._replace(end_time=manual.scheduled_time + SECOND, created_at=manual.scheduled_time, fence=4)
    later = [missed(6, 25, 20), *(fire(n)._replace(fence=n) for n in range(26, 29)), retried(29, 10, 20)]
    tally = checked([*CLEAN, manual, *later])
    assert tally.findings == []
    assert tally.clean
    assert tally.checked[Rule.CONSERVATION] == 29
    assert tally.checked[Rule.PLANNED_ONCE] == 10
    assert tally.checked[Rule.NEVER_EARLY] == 10
    assert tally.checked[Rule.RETRY_TIMES] == 1
    assert tally.checked[Rule.RESULTS_ANNOUNCED] == 10


# --- conservation ----------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 60), min_size=1))
def test_every_fire_that_is_lost_is_found_and_nothing_else(lost: set[int]) -> None:
    tally = checked([fire(n) for n in range(1, 61) if n not in lost], state=state_after(60))
    assert {finding.rule for finding in tally.findings} == {Rule.CONSERVATION}
    holes = {n for n in lost if n - 1 not in lost}
    assert [finding.time for finding in tally.findings] == [T0 + n * MINUTE for n in sorted(holes)]


def test_a_lost_fire_is_told_with_its_time() -> None:
    finding = only(checked([*CLEAN[:2], *CLEAN[3:]]), Rule.CONSERVATION)
    assert finding.event_id == "a"
    assert finding.sentence == "there is no record of 2026-03-01 12:03:00Z"


def test_a_mark_that_moved_without_a_record_is_found_also_where_there_is_no_record_at_all() -> None:
    assert found(checked(CLEAN, state=state_after(6))) == [(Rule.CONSERVATION, T0 + 6 * MINUTE)]
    assert "3 times from" in only(checked([], state=state_after(3)), Rule.CONSERVATION).sentence


@pytest.mark.parametrize(("count", "right"), [(20, True), (19, False), (21, False)])
def test_the_count_of_a_missed_range_is_compared_with_the_schedule(count: int, right: bool) -> None:
    assert checked([*CLEAN, missed(6, 25, count), fire(26)]).clean is right


def test_a_missed_range_round_the_fires_that_were_caught_up_counts_without_them() -> None:
    inside = [fire(n, triggered_by=TriggeredBy.CATCH_UP) for n in (20, 21)]
    assert checked([*CLEAN, missed(6, 25, 18), *inside, fire(26)]).clean
    assert not checked([*CLEAN, missed(6, 25, 20), *inside, fire(26)]).clean


def test_a_time_that_is_not_in_the_schedule_is_found() -> None:
    odd = fire(3)._replace(scheduled_time=T0 + 3 * MINUTE + SECOND, due_time=T0 + 3 * MINUTE + SECOND)
    odd = odd._replace(start_time=odd.due_time, attempts=(), end_time=odd.due_time)
    finding = checked([*CLEAN, odd._replace(execution_id="odd", fence=3)]).findings[0]
    assert finding.rule is Rule.CONSERVATION
    assert "no time of the event's schedule" in finding.sentence


def test_a_pause_explains_a_hole_and_only_its_own() -> None:
    with_hole = [*CLEAN[:2], *CLEAN[3:]]
    pause = Rest(T0 + 2.5 * MINUTE, T0 + 3.5 * MINUTE)
    assert checked(with_hole, rests=(pause,)).clean
    assert not checked(with_hole, rests=(Rest(T0 + 3.5 * MINUTE, T0 + 4 * MINUTE),)).clean
    open_ended = (Rest(T0 + 2.5 * MINUTE, None),)
    assert checked(with_hole, rests=open_ended).clean
    assert not checked([*CLEAN[:2], CLEAN[3], fire(6)], rests=open_ended).clean, "the fire of 12:04 shows it had ended"


def test_of_a_hole_in_which_a_pause_would_have_left_no_trace_nothing_is_said_but_that() -> None:
    with_hole = [*CLEAN[:2], *CLEAN[3:]]
    tally = checked(with_hole, known=Known(LONG_AGO, T0 + 3 * MINUTE))
    assert tally.clean
    assert sum(tally.unchecked[Rule.CONSERVATION].values()) == 1
    assert not checked(with_hole, known=Known(LONG_AGO, T0 + 2.5 * MINUTE)).clean


def test_what_retention_may_have_removed_is_not_called_lost() -> None:
    left = [fire(n) for n in range(10, 15)]
    assert not checked(left).clean
    tally = checked(left, known=Known(T0 + 9.5 * MINUTE, LONG_AGO))
    assert tally.clean
    assert "events whose older records may have been removed by retention" in tally.unchecked[Rule.CONSERVATION]
    assert checked(left, counted_since=T0 + 10 * MINUTE).clean


def test_an_event_that_was_changed_is_judged_from_then_on() -> None:
    changed = event()._replace(revision=2, updated_at=T0 + 2.5 * MINUTE)
    before = [fire(1), fire(2)]
    tally = checked([*before, fire(3), fire(4)], record=changed)
    assert tally.clean
    assert tally.unchecked[Rule.CONSERVATION]["records made before the event was last changed"] == 2
    assert found(checked([*before, fire(4)], record=changed)) == [(Rule.CONSERVATION, T0 + 3 * MINUTE)]


@pytest.mark.parametrize("status", [EventStatus.PAUSED, EventStatus.DISABLED, EventStatus.COMPLETED])
def test_after_the_last_record_only_an_active_event_is_asked(status: EventStatus) -> None:
    assert checked(CLEAN, state=state_after(9, status=status)).clean


def test_what_cannot_be_judged_is_said() -> None:
    fixed_delay = event(schedule_config={"every": "1m", "mode": "fixed_delay"})
    tallies = [checked([fire(1), fire(4)], record=fixed_delay), checked(CLEAN, state=state_after(5, generation=1))]
    for tally in tallies:
        assert tally.clean
        assert tally.checked[Rule.CONSERVATION] == 0
        assert tally.unchecked[Rule.CONSERVATION].total() == 1
    manual = event(schedule_type="manual", schedule_config={})
    assert checked([], record=manual, state=state_after(0)).unchecked[Rule.CONSERVATION].total() == 0


def test_of_a_deleted_event_only_what_needs_no_definition_is_checked() -> None:
    tally = Tally()
    check = EventCheck(Subject("a"), ALL_KNOWN, None, tally)
    for execution in (fire(1), fire(2)._replace(start_time=T0)):
        check.see(execution)
    check.end()
    assert only(tally, Rule.NEVER_EARLY).time == T0
    assert tally.unchecked[Rule.CONSERVATION] == {"events that were deleted": 1}
    assert tally.unchecked[Rule.RESULTS_ANNOUNCED].total() == 2


# --- planned once, never early ---------------------------------------------------------------------------------------


def test_a_double_plan_is_found() -> None:
    twice = checked([*CLEAN, fire(3)._replace(execution_id="again", start_time=None, attempts=(), status=S.SKIPPED)])
    assert only(twice, Rule.PLANNED_ONCE).time == T0 + 3 * MINUTE


def test_a_clock_that_was_set_back_may_plan_a_time_once_more() -> None:
    again = fire(3)._replace(execution_id="again", start_time=None, attempts=(), status=S.SKIPPED)
    assert checked([*CLEAN, again], state=state_after(5, generation=1)).clean


def test_an_early_attempt_is_found() -> None:
    early = fire(3)._replace(due_time=T0 + 3 * MINUTE + SECOND / 2)
    finding = only(checked([*CLEAN[:2], early, *CLEAN[3:]]), Rule.NEVER_EARLY)
    assert finding.execution_id == early.execution_id
    assert "0:00:00.400000 before the due time" in finding.sentence


def test_a_due_time_before_the_nominal_time_is_found() -> None:
    early = fire(3)._replace(due_time=T0 + 3 * MINUTE - SECOND)
    assert only(checked([*CLEAN[:2], early, *CLEAN[3:]]), Rule.NEVER_EARLY).time == T0 + 3 * MINUTE - SECOND


# --- order and overlap -----------------------------------------------------------------------------------------------


def test_executions_out_of_order_are_found() -> None:
    turned = [fire(1), fire(2)._replace(fence=3), fire(3)._replace(fence=2)]
    assert only(checked(turned), Rule.ORDER).execution_id == fire(3).execution_id


def running(minute: int, minutes: float) -> Execution:
    return fire(minute)._replace(end_time=T0 + minute * MINUTE + timedelta(minutes=minutes))


def test_an_overlap_is_found() -> None:
    finding = only(checked([fire(1), running(2, 1.5), fire(3), fire(4)]), Rule.OVERLAP)
    assert finding.execution_id == fire(3).execution_id
    unfinished = fire(2)._replace(status=S.RUNNING, end_time=None)
    assert only(checked([fire(1), unfinished, fire(3)]), Rule.OVERLAP).execution_id == fire(3).execution_id


def test_side_by_side_is_allowed_up_to_max_concurrent() -> None:
    allowing = event(overlap_policy="allow", max_concurrent=2)
    assert checked([running(n, 1.9) for n in range(1, 9)], record=allowing).clean
    assert {f.rule for f in checked([running(n, 2.9) for n in range(1, 9)], record=allowing).findings} == {Rule.OVERLAP}


# --- retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("waits", "right"), [((10, 20), True), ((12, 30), True), ((9, 20), False), ((10, 19), False)])
def test_a_retry_before_its_time_is_found(waits: tuple[float, ...], right: bool) -> None:
    tally = checked([retried(1, *waits)])
    assert tally.clean is right
    assert found(tally) == ([] if right else [(Rule.RETRY_TIMES, tally.findings[0].time)])


@pytest.mark.parametrize(("seconds", "right"), [(10, True), (7, False)])
def test_a_waiting_retry_with_a_wrong_time_is_found(seconds: int, right: bool) -> None:
    failed = retried(1)
    waiting = failed._replace(status=S.RETRYING, end_time=None, retry_time=failed.attempts[0].start_time)
    assert waiting.retry_time is not None
    waiting = waiting._replace(retry_time=waiting.retry_time + timedelta(seconds=seconds))
    assert checked([waiting]).clean is right


def test_more_attempts_than_allowed_are_found() -> None:
    assert "allow 3" in only(checked([retried(1, 10, 20, 40)]), Rule.RETRY_TIMES).sentence


def test_an_attempt_that_a_crash_interrupted_runs_again_at_once_and_does_not_count() -> None:
    many = retried(1, 0, 10, 20)
    first, *others = many.attempts
    interrupted = AttemptRecord(1, first.start_time, first.start_time, S.FAILED, INTERRUPTED)
    others = [other._replace(start_time=other.start_time + MINUTE, end_time=None) for other in others]
    assert checked([many._replace(attempts=(interrupted, *others))]).clean


# --- announcements ---------------------------------------------------------------------------------------------------


def test_a_missing_announcement_is_found() -> None:
    heard = told(CLEAN)
    del heard[CLEAN[2].execution_id]
    finding = only(checked(CLEAN, announced=heard), Rule.RESULTS_ANNOUNCED)
    assert finding.execution_id == CLEAN[2].execution_id
    assert "execution_results" in finding.sentence


def test_a_failure_must_be_told_too() -> None:
    finding = only(checked([retried(1, 10, 20)], announced={}), Rule.RESULTS_ANNOUNCED)
    assert "execution_failures" in finding.sentence


def test_what_still_waits_for_the_broker_or_ended_outside_of_the_recording_is_not_missed() -> None:
    ids = frozenset(execution.execution_id for execution in CLEAN)
    tally = checked(CLEAN, announced={}, waiting=ids)
    assert tally.clean
    assert tally.unchecked[Rule.RESULTS_ANNOUNCED] == {"ends whose message still waits for the broker": 5}
    assert not Coverage(((T0, T0 + HOUR),)).holds(T0 + 2 * SECOND), "it may have been told before"
    assert Coverage(((T0, T0 + HOUR),)).holds(T0 + MINUTE)


@pytest.mark.parametrize("status", [S.RUNNING, S.FAILED, S.PENDING])
def test_an_announcement_that_the_store_contradicts_is_found(status: S) -> None:
    heard = told(CLEAN)
    contradicted = CLEAN[4]._replace(status=status)
    finding = only(checked([*CLEAN[:4], contradicted], announced=heard), Rule.RESULTS_ANNOUNCED)
    assert status.value in finding.sentence


def test_announcements_out_of_order_are_found() -> None:
    heard = told(CLEAN)
    first, second = CLEAN[1].execution_id, CLEAN[2].execution_id
    heard[first], heard[second] = heard[second], heard[first]
    assert only(checked(CLEAN, announced=heard), Rule.ORDER).execution_id == second


def test_a_history_full_of_faults_needs_no_more_room_than_the_first_of_them() -> None:
    tally = checked([fire(n) for n in range(1, 1000, 2)])
    assert len(tally.findings) == MOST_KEPT
    assert tally.broken[Rule.CONSERVATION] == 499
