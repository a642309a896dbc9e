"""What becomes of a fire that meets another one, and of an attempt that failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alicia_scheduler.core.overlap import Hold, Replace, Skip, Start, next_held, overlap_verdict
from alicia_scheduler.core.retry import Failure, retry_delay, retry_verdict
from alicia_scheduler.core.state import EventStatus, TriggeredBy
from tests.unit.rules.rows import HOUR, MINUTE, NOON, SECOND, Book, S, after_noon, event, execution, manual, rows

RUNNING = execution("r", status=S.RUNNING, attempt=1)
HELD = execution("h", held=True)
RETRYING = execution("t", status=S.RETRYING, attempt=1)


@pytest.mark.parametrize(
    ("fields", "unfinished", "verdict"),
    [
        ({"overlap_policy": "skip"}, [], Start()),
        ({"overlap_policy": "skip"}, [RUNNING], Skip("overlap")),
        ({"overlap_policy": "skip"}, [RETRYING], Skip("overlap")),
        ({"overlap_policy": "queue_one"}, [RUNNING], Hold()),
        ({"overlap_policy": "queue_one"}, [RUNNING, HELD], Skip("overlap_queue_full")),
        ({"overlap_policy": "queue_all", "queue_limit": 2}, [RUNNING, HELD], Hold()),
        ({"overlap_policy": "queue_all", "queue_limit": 1}, [RUNNING, HELD], Skip("overlap_queue_full")),
        ({"overlap_policy": "cancel_running"}, [RUNNING], Replace()),
        ({"overlap_policy": "allow", "max_concurrent": 2}, [RUNNING], Start()),
        ({"overlap_policy": "allow", "max_concurrent": 1}, [RUNNING], Skip("max_concurrent")),
    ],
)
def test_the_overlap_table(fields: dict[str, Any], unfinished: list[Any], verdict: Any) -> None:
    assert overlap_verdict(event(**fields), unfinished, TriggeredBy.SCHEDULER) == verdict


def test_caught_up_fires_wait_for_each_other_whatever_the_policy() -> None:
    caught = execution("c", triggered_by=TriggeredBy.CATCH_UP)
    assert overlap_verdict(event(), [caught], TriggeredBy.CATCH_UP) == Hold()
    assert overlap_verdict(event(), [caught, RUNNING], TriggeredBy.CATCH_UP) == Skip("overlap")


def test_the_next_held_execution_is_the_oldest_and_only_when_nothing_is_under_way() -> None:
    younger = execution("a", held=True, at=after_noon(1))
    assert next_held([RUNNING, HELD]) is None
    assert next_held([younger, HELD]) == HELD
    assert next_held([]) is None


def test_held_executions_are_let_go_one_by_one_in_order() -> None:
    book = Book(rows(event(overlap_policy="queue_all")))
    for minute in range(1, 5):
        book.tick(after_noon(minute))
    assert [e.held for e in book.of("pending")] == [False, True, True, True]
    order = []
    while claims := book.claim():
        assert len(claims) == 1
        order.append(claims[0].execution.scheduled_time)
        book.succeed(claims[0])
    assert order == [after_noon(n) for n in range(1, 5)]
    assert book.state().unfinished == 0


def test_a_failed_execution_lets_the_held_one_go_and_a_waiting_retry_does_not() -> None:
    book = Book(rows(event(overlap_policy="queue_one", max_retries=1, until_next_fire=False)))
    book.tick(after_noon(1))
    [claim] = book.claim()
    book.tick(after_noon(2))
    book.fail(claim)
    assert [e.held for e in book.of("pending")] == [True]
    book.now += MINUTE
    [claim] = book.claim()
    book.fail(claim)
    assert [e.held for e in book.of("pending")] == [False]


def test_cancel_running_stops_what_runs_and_what_waits_and_runs_the_new_one() -> None:
    book = Book(rows(event(overlap_policy="cancel_running")))
    book.tick(after_noon(1))
    [claim] = book.claim()
    book.tick(after_noon(2))
    assert book.stopped == [claim.execution.execution_id]
    [cancelled] = book.of("cancelled")
    assert cancelled.reason == "replaced_by_next_fire"
    assert not book.succeed(claim)
    [claim] = book.claim()
    assert claim.execution.scheduled_time == after_noon(2)
    assert book.state().unfinished == 1


def test_a_policy_that_was_changed_to_cancel_running_clears_a_whole_queue() -> None:
    book = Book(rows(event(overlap_policy="queue_all")))
    for minute in range(1, 4):
        book.tick(after_noon(minute))
    book.records["lamp"] = rows(event(overlap_policy="cancel_running"))[0]
    book.tick(after_noon(4))
    assert len(book.of("cancelled")) == 3
    [left] = book.unfinished()
    assert (left.scheduled_time, left.held, book.state().unfinished) == (after_noon(4), False, 1)


def verdict(failure: Failure | None = None, status: EventStatus = EventStatus.ACTIVE, **fields: Any) -> Any:
    attempt, next_fire = fields.pop("attempt", 1), fields.pop("next_fire", None)
    tried = execution(status=S.RUNNING, attempt=attempt)
    return retry_verdict(manual(**fields), status, tried, failure or Failure("f", "c"), NOON, next_fire)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (999, 3600)])
def test_the_wait_doubles_up_to_an_hour(attempt: int, seconds: int) -> None:
    assert verdict(attempt=attempt, max_retries=1000).retry_time == NOON + seconds * SECOND


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"failure": Failure("f", "c", permanent=True)}, "permanent_error"),
        ({"status": EventStatus.DISABLED}, "event_disabled"),
        ({"status": EventStatus.CANCELLED}, "event_cancelled"),
        ({"attempt": 4}, "retries_used_up"),
        ({"max_retries": 0}, "no_retries"),
        ({"next_fire": NOON + 30 * SECOND}, "next_fire_is_the_retry"),
        ({"next_fire": NOON + 60 * SECOND}, "next_fire_is_the_retry"),
    ],
)
def test_there_is_no_further_attempt(fields: dict[str, Any], reason: str) -> None:
    assert (verdict(**fields).retry_time, verdict(**fields).reason) == (None, reason)


@pytest.mark.parametrize(
    ("fields", "wait"),
    [
        ({}, 60),
        ({"status": EventStatus.PAUSED}, 60),
        ({"status": EventStatus.COMPLETED}, 60),
        ({"next_fire": NOON + 61 * SECOND}, 60),
        ({"next_fire": NOON + 30 * SECOND, "until_next_fire": False}, 60),
        ({"failure": Failure("f", "c", retry_after=HOUR)}, 3600),
        ({"failure": Failure("f", "c", retry_after=SECOND)}, 60),
        ({"failure": Failure("f", "c", timed_out=True)}, 60),
        ({"attempt": 3}, 240),
        ({"retry_delay": 0}, 0),
        ({"retry_backoff": 1, "attempt": 3}, 60),
        ({"retry_max_delay": "10s"}, 10),
    ],
)
def test_there_is_another_attempt(fields: dict[str, Any], wait: int) -> None:
    assert verdict(**fields).retry_time == NOON + wait * SECOND


def test_retry_jitter_is_the_same_at_every_computation_and_differs_between_executions() -> None:
    jittered = manual(retry_jitter=30)
    delays = [retry_delay(jittered, execution(f"x{n}", attempt=1)) for n in range(50)]
    assert delays == [retry_delay(jittered, execution(f"x{n}", attempt=1)) for n in range(50)]
    assert all(timedelta(seconds=60) <= delay < timedelta(seconds=90) for delay in delays)
    assert len(set(delays)) == 50


def test_an_event_that_is_deleted_under_a_running_attempt_gets_no_retry() -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x")
    [claim] = book.claim()
    del book.records["lamp"], book.states["lamp"]
    assert book.fail(claim)
    assert (book.executions["x"].status, book.executions["x"].reason) == ("failed", "event_deleted")
