"""Claims, outcomes, crashes: who may write what about an attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alicia_scheduler.core.announcement import Recovered
from alicia_scheduler.core.identity import fire_id, fraction, missed_id, request_execution_id
from alicia_scheduler.core.matching import contains
from alicia_scheduler.core.on_claim import on_claim
from alicia_scheduler.core.on_outcome import Attempted, Failed, HandedBack, Succeeded, on_outcomes
from alicia_scheduler.core.on_start import MAX_CRASHES, Interrupted, on_interrupted, opened, recovery
from alicia_scheduler.core.retry import Failure
from alicia_scheduler.core.state import Counters, EventStatus, Execution, ServiceMark
from tests.unit.rules.rows import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    Book,
    S,
    after_noon,
    event,
    execution,
    manual,
    rows,
    timings,
)


def one(book: Book) -> Execution:
    [execution] = book.executions.values()
    return execution


def test_a_claim_counts_an_attempt_and_draws_a_fence_of_its_own() -> None:
    book = Book(rows(event("a", priority=1), at=NOON), ((rows(event("b"))[0])._replace(key=2), rows(event("b"))[1]))
    book.executions = {e: execution(e, event_id=e, event_key=k) for e, k in (("a", 1), ("b", 2))}
    claims = book.claim()
    assert [c.execution.attempt for c in claims] == [1, 1]
    assert len({c.execution.fence for c in claims}) == 2
    assert book.mark.counters.fence == 3
    assert book.claim() == ()


def test_claims_go_by_priority_then_due_time_then_id_up_to_the_limit() -> None:
    book = Book(rows(manual()))
    for execution_id, priority, minute in (("d", 0, 0), ("c", 0, 0), ("b", 0, -1), ("a", 9, 0)):
        book.executions[execution_id] = execution(execution_id, priority=priority, at=after_noon(minute))
    assert [c.execution.execution_id for c in book.claim(3)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "fields",
    [
        {"held": True},
        {"due_time": NOON + SECOND},
        {"status": S.RETRYING, "retry_time": NOON + SECOND},
        {"status": S.RUNNING},
        {"status": S.COMPLETED},
    ],
)
def test_what_may_not_run_is_not_claimed(fields: dict[str, Any]) -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x", **fields)
    view = book.view(ready=("x",))
    assert on_claim(view, NOON, timings, 10).answer == ()


def test_an_execution_whose_event_has_gone_ends_instead_of_running() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x", event_key=99)
    assert book.claim() == ()
    assert (one(book).status, one(book).reason) == ("cancelled", "event_deleted")


def test_an_outcome_with_an_old_fence_changes_nothing() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    [claim] = book.claim()
    before = one(book)
    view = book.view()
    late = Attempted("x", claim.execution.fence - 1, Succeeded(), NOON)
    decision = on_outcomes(view, NOON, timings, [late])
    assert (decision.answer, decision.executions, decision.announcements) == ((False,), (), ())
    assert one(book) == before
    assert book.succeed(claim)
    assert not book.succeed(claim)


def test_an_outcome_of_an_unknown_execution_changes_nothing() -> None:
    book = Book(rows(manual()))
    view = book.view()
    assert on_outcomes(view, NOON, timings, [Attempted("none", 1, Succeeded(), NOON)]).answer == (False,)


def test_success_closes_the_attempt_and_forgets_the_error_before() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    book.fail(book.claim()[0])
    assert (one(book).status, one(book).error_message, book.state().last_error) == ("retrying", "it broke", "it broke")
    book.now += MINUTE
    book.succeed(book.claim()[0])
    done = one(book)
    assert (done.status, done.result, done.error_message) == ("completed", {"ok": True}, None)
    assert [(a.attempt, a.status) for a in done.attempts] == [(1, "failed"), (2, "completed")]
    assert book.state().last_error is None
    assert book.changes() == [
        "execution_started", "execution_retry", "execution_started", "execution_completed",
    ]  # fmt: skip


def test_with_retries_off_the_first_failure_is_the_end() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    book.end(book.claim()[0], Failed(Failure("f", "c")), retries=False)
    assert (one(book).status, one(book).reason) == ("failed", "retries_off")


def test_an_attempt_that_passes_its_timeout_ends_as_timed_out() -> None:
    book = Book(rows(manual(max_retries=0)))
    book.executions["x"] = execution("x")
    book.fail(book.claim()[0], timed_out=True)
    assert (one(book).status, one(book).attempts[0].status, book.state().failure_count) == ("timed_out", "timed_out", 1)


def test_an_attempt_that_is_handed_back_does_not_count() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    book.end(book.claim()[0], HandedBack())
    assert (one(book).status, one(book).attempt, one(book).attempts, one(book).start_time) == ("pending", 0, (), None)
    assert book.state().run_count == 0


def test_a_second_attempt_that_is_handed_back_keeps_the_first() -> None:
    book = Book(rows(manual(retry_delay=0)))
    book.executions["x"] = execution("x")
    book.fail(book.claim()[0])
    book.end(book.claim()[0], HandedBack())
    assert (one(book).attempt, len(one(book).attempts), one(book).start_time) == (1, 1, NOON)
    assert book.state().run_count == 1


def crashed(book: Book, *, suspicious: bool = True) -> Interrupted:
    running = tuple(e.execution_id for e in book.of("running"))
    view = book.view(interrupted=running)
    return book.keep(view, on_interrupted(view, book.now, timings, crashed=suspicious))


def test_a_crash_counts_the_attempt_and_puts_the_execution_back_in_line() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    book.claim()
    assert crashed(book) == Interrupted(1, 1)
    back = one(book)
    assert (back.status, back.attempt, back.crash_count, back.held) == ("pending", 1, 1, False)
    assert back.attempts[0].status == "failed"
    assert book.claim()[0].execution.attempt == 2


def test_three_crashes_in_a_row_are_quarantined_and_announced() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    found = []
    for _ in range(MAX_CRASHES):
        book.claim()
        found.append(crashed(book))
    assert found == [Interrupted(1, 1), Interrupted(1, 1), Interrupted(1, 0)]
    assert (one(book).status, one(book).reason) == ("failed", "quarantined")
    assert book.changes()[-1] == "execution_failed"
    assert book.state().unfinished == 0


def test_crashes_that_are_not_in_a_row_are_no_reason_for_quarantine() -> None:
    book = Book(rows(manual(max_retries=100, retry_delay=0)))
    book.executions["x"] = execution("x")
    for _ in range(10):
        book.claim()
        crashed(book)
        book.fail(book.claim()[0])
    assert one(book).status == "retrying"


def test_an_orderly_stop_is_no_crash() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    for _ in range(MAX_CRASHES + 2):
        book.claim()
        crashed(book, suspicious=False)
    assert (one(book).status, one(book).crash_count) == ("pending", 0)


def test_what_must_not_repeat_fails_with_an_unknown_outcome() -> None:
    book = Book(rows(manual(delivery="at_most_once")))
    book.executions["x"] = execution("x")
    book.claim()
    crashed(book)
    assert (one(book).status, one(book).reason) == ("failed", "unknown_outcome")


def test_a_quarantined_execution_lets_the_held_one_go() -> None:
    book = Book(rows(event(overlap_policy="queue_one")))
    book.tick(after_noon(1))
    book.claim()
    book.tick(after_noon(2))
    for _ in range(MAX_CRASHES):
        crashed(book)
        book.claim()
    assert [e.held for e in book.unfinished()] == [False]


def test_a_fixed_delay_goes_on_after_its_execution_was_given_up() -> None:
    book = Book(rows(event(schedule_type="interval", schedule_config={"every": 60, "mode": "fixed_delay"},
                           delivery="at_most_once")))  # fmt: skip
    book.tick(after_noon(1))
    book.claim()
    assert book.state().next_time is None
    book.now = after_noon(5)
    crashed(book)
    assert book.state().next_time == after_noon(6)


@pytest.mark.parametrize("ending", ["succeed", "fail"])
def test_a_fixed_delay_counts_from_the_end_of_the_last_attempt(ending: str) -> None:
    book = Book(rows(event(schedule_type="interval", schedule_config={"every": 60, "mode": "fixed_delay"},
                           max_retries=0)))  # fmt: skip
    book.tick(after_noon(1))
    [claim] = book.claim()
    book.now = after_noon(4.5)
    getattr(book, ending)(claim)
    assert (book.state().next_time, book.state().mark_time) == (after_noon(5.5), after_noon(4.5))


def test_a_fixed_delay_waits_for_the_retries_too() -> None:
    book = Book(rows(event(schedule_type="interval", schedule_config={"every": 60, "mode": "fixed_delay"})))
    book.tick(after_noon(1))
    book.fail(book.claim()[0])
    assert (book.state().next_time, book.state().wake_time) == (None, None)


def test_what_a_start_announces() -> None:
    mark = ServiceMark(Counters(), NOON, clean=False, starts=3)
    assert opened(mark, after_noon(5)) == ServiceMark(Counters(), after_noon(5), clean=False, starts=4)
    assert recovery(mark, after_noon(5), 2, 1) == Recovered("start", NOON, after_noon(5), False, 2, 1)
    clean = mark._replace(clean=True)
    assert recovery(clean, after_noon(5), 0, 0) is None
    assert recovery(clean, after_noon(5), 3, 0) == Recovered("start", NOON, after_noon(5), True, 3, 0)
    assert recovery(ServiceMark(), NOON, 0, 0) is None


def test_execution_ids_tell_events_generations_and_times_apart_and_are_always_the_same() -> None:
    record, state = rows(event())
    ids = {
        fire_id(record, state, NOON),
        fire_id(record, state, NOON + timedelta(microseconds=1)),
        fire_id(record._replace(key=2), state, NOON),
        fire_id(record, state._replace(generation=1), NOON),
        missed_id(record, state, NOON),
        request_execution_id(record, "r"),
        request_execution_id(record._replace(key=2), "r"),
    }
    assert len(ids) == 7
    assert fire_id(record, state._replace(status=EventStatus.PAUSED, mark_time=NOON + HOUR), NOON) in ids


def test_a_fraction_lies_between_nought_and_one() -> None:
    assert all(0 <= fraction("x", n) < 1 for n in range(1000))
    assert fraction("x", 1) == fraction("x", 1) != fraction("x", 2)


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {"b": None}}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [1], False),
        ("ON", "ON", True),
        ("ON", {"state": "ON"}, False),
        ({}, {}, True),
    ],
)
def test_whether_a_value_contains_another(value: Any, wanted: Any, found: bool) -> None:
    assert contains(value, wanted) is found
