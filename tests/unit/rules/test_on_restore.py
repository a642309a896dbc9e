"""What a restored backup runs of its unfinished work: what is late within its grace, and what catch-up would run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alicia_scheduler.core.decision import Decision, Snapshot
from alicia_scheduler.core.model.event import EventDefaults, compiled_timing, parse_event
from alicia_scheduler.core.on_restore import RESTORED, Settled, drop_due, on_restored, restored_mark
from alicia_scheduler.core.state import (
    AttemptRecord,
    Counters,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    ServiceMark,
    TriggeredBy,
)
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View

S = ExecutionStatus
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAILY = {"schedule_type": "cron", "schedule_config": {"cron_expression": "0 12 * * *"}}
EVERY_MINUTE = {"schedule_type": "cron", "schedule_config": {"cron_expression": "* * * * *"}}


def timings(record: EventRecord, state: EventState) -> Timing:
    return compiled_timing(record.definition, state.anchor_time)


def waiting(minute: float = 0, execution_id: str = "x", **fields: Any) -> Execution:
    at = T0 + minute * MINUTE
    made = Execution(execution_id, 1, "a", "a", S.PENDING, TriggeredBy.SCHEDULER, at, at, at)
    return made._replace(**fields)


def running(minute: float = 0) -> Execution:
    at = T0 + minute * MINUTE
    return waiting(minute, status=S.RUNNING, attempt=1, fence=7, start_time=at, attempts=(AttemptRecord(1, at),))


def retrying(minute: float, retry_after: timedelta) -> Execution:
    at = T0 + minute * MINUTE
    attempts = (AttemptRecord(1, at, at, S.FAILED, "refused"),)
    return running(minute)._replace(status=S.RETRYING, retry_time=at + retry_after, attempts=attempts)


def settled(
    later: timedelta, *executions: Execution, gone: bool = False, **fields: Any
) -> tuple[Decision[Settled], dict[str, Execution]]:
    """The decision so long after T0, and what each execution has become."""
    raw = {"event_id": "a", "action": {"topic": "x"}, **(DAILY | fields)}
    record = EventRecord(1, "a", 1, parse_event(raw, EventDefaults()), "bus", T0, T0)
    state = EventState(1, "a", EventStatus.ACTIVE, T0, T0, unfinished=len(executions))
    events = {} if gone else {"a": record}
    view = View(ServiceMark())
    view.load(Snapshot(events, {"a": state}, {e.execution_id: e for e in executions}))
    decision = on_restored(view, T0 + later, timings, [execution.execution_id for execution in executions])
    after = {e.execution_id: e for e in (*executions, *decision.executions)}
    return decision, after


def outcome(later: timedelta, execution: Execution, **fields: Any) -> tuple[ExecutionStatus, str | None]:
    _, after = settled(later, execution, **fields)
    return after[execution.execution_id].status, after[execution.execution_id].reason


@pytest.mark.parametrize("execution", [waiting(), running(), retrying(0, MINUTE)])
def test_within_its_grace_everything_goes_on_as_after_any_stop(execution: Execution) -> None:
    assert outcome(MINUTE, execution) == (execution.status, None)


def test_a_retry_whose_time_is_still_to_come_waits_for_it() -> None:
    assert outcome(50 * MINUTE, retrying(0, 55 * MINUTE), catch_up="none") == (S.RETRYING, None)


@pytest.mark.parametrize(
    ("execution", "status"), [(waiting(), S.MISSED), (running(), S.FAILED), (retrying(0, MINUTE), S.FAILED)]
)
@pytest.mark.parametrize("later", [timedelta(hours=2), timedelta(days=30)])
def test_what_is_older_than_the_window_is_closed(
    execution: Execution, status: ExecutionStatus, later: timedelta
) -> None:
    assert outcome(later, execution) == (status, RESTORED)


@pytest.mark.parametrize("policy", ["none", "last", "first", "all"])
@pytest.mark.parametrize("execution", [waiting(), running(), retrying(0, MINUTE)])
def test_within_the_window_the_catch_up_policy_decides(execution: Execution, policy: str) -> None:
    status, _ = outcome(30 * MINUTE, execution, catch_up=policy)
    assert (status is execution.status) == (policy != "none")


def test_the_last_time_is_the_last_one_that_has_passed_not_the_last_in_the_copy() -> None:
    assert outcome(30 * MINUTE, waiting(), catch_up="last", **EVERY_MINUTE) == (S.MISSED, RESTORED)


def test_of_several_the_first_or_the_last_or_all_run() -> None:
    three = [waiting(n, f"x{n}", held=n > 0) for n in range(3)]
    kept = {}
    for policy in ("first", "last", "all"):
        _, after = settled(40 * MINUTE, *three, catch_up=policy)
        kept[policy] = [name for name, execution in after.items() if execution.status is S.PENDING]
    assert kept == {"first": ["x0"], "last": ["x2"], "all": ["x0", "x1", "x2"]}


def test_what_waited_for_one_that_is_closed_is_let_go() -> None:
    held = waiting(39.5, "held", held=True)
    decision, after = settled(40 * MINUTE, waiting(), held, catch_up="none")
    assert after["x"].status is S.MISSED
    assert (after["held"].status, after["held"].held) == (S.PENDING, False)
    assert decision.answer == Settled(closed=1, resumed=1, missed=1)


def test_a_manual_execution_has_no_time_to_be_caught_up() -> None:
    by_hand = waiting(triggered_by=TriggeredBy.MANUAL)
    assert outcome(30 * MINUTE, by_hand, catch_up="all") == (S.MISSED, RESTORED)


@pytest.mark.parametrize("execution", [waiting(), running(), retrying(0, MINUTE)])
def test_what_must_not_run_twice_never_runs_again(execution: Execution) -> None:
    status, reason = outcome(timedelta(0), execution, delivery="at_most_once")
    assert (status in (S.MISSED, S.FAILED), reason) == (True, RESTORED)


def test_executions_of_a_deleted_event_are_closed() -> None:
    assert outcome(timedelta(0), waiting(), gone=True) == (S.MISSED, RESTORED)


def test_what_is_closed_is_whole_counted_and_announced() -> None:
    decision, after = settled(timedelta(days=1, hours=3), running())
    closed = after["x"]
    assert closed.end_time == T0 + timedelta(days=1, hours=3)
    assert closed.attempts[0].end_time == closed.end_time
    assert closed.error_code == RESTORED
    assert (decision.states[0].unfinished, decision.states[0].failure_count) == (0, 1)
    assert len(decision.announcements) == 1


# --- events that never run anything twice ----------------------------------------------------------------------------


def dropped(later: timedelta, **fields: Any) -> Decision[Settled]:
    raw = {"event_id": "a", "action": {"topic": "x"}, "delivery": "at_most_once", **(EVERY_MINUTE | fields)}
    record = EventRecord(1, "a", 1, parse_event(raw, EventDefaults()), "bus", T0, T0)
    first = timings(record, EventState(1, "a", EventStatus.ACTIVE, T0, T0)).next_time(T0)
    state = EventState(1, "a", EventStatus.ACTIVE, T0, T0, next_time=first, wake_time=first)
    view = View(ServiceMark())
    view.load(Snapshot({"a": record}, {"a": state}))
    return drop_due(view, T0 + later, timings, ["a"])


def test_what_came_due_since_is_one_missed_record_and_the_timer_goes_on() -> None:
    decision = dropped(10.5 * MINUTE)
    (record,) = decision.executions
    assert (record.status, record.reason, record.missed_count) == (S.MISSED, RESTORED, 10)
    (state,) = decision.states
    assert (state.mark_time, state.next_time) == (T0 + 10 * MINUTE, T0 + 11 * MINUTE)
    assert decision.answer == Settled(missed=10)


def test_a_single_time_that_may_have_run_ends_its_event() -> None:
    once = {"schedule_type": "once", "schedule_config": {"run_at": "2026-03-01T12:05:00Z"}}
    (state,) = dropped(timedelta(hours=1), **once).states
    assert state.status is EventStatus.EXPIRED
    assert state.missed_count == 1


@pytest.mark.parametrize("fields", [EVERY_MINUTE, {"schedule_type": "interval", "schedule_config": {"every": "1m"}}])
def test_before_anything_came_due_nothing_is_dropped(fields: dict[str, Any]) -> None:
    assert dropped(MINUTE / 2, **fields).executions == ()


def test_numbers_given_out_after_a_restore_are_above_those_given_out_after_the_backup() -> None:
    mark = restored_mark(ServiceMark(Counters(3, 5, 8), T0, clean=False, starts=2))
    assert mark.clean
    assert mark.starts == 2
    assert all(number > 10**12 for number in mark.counters)
    assert max(restored_mark(mark).counters) < 2**53, "still a number that every program reads exactly"
