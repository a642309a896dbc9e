"""The transitions that are allowed, and the counters that follow from them."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.commands import CancelExecution, TriggerEvent
from alicia_scheduler.core.lifecycle import (
    BEGINNINGS,
    EVENT_TRANSITIONS,
    TRANSITIONS,
    IllegalTransition,
    is_finished,
    moved,
)
from alicia_scheduler.core.on_claim import Claim
from alicia_scheduler.core.on_outcome import HandedBack
from alicia_scheduler.core.on_start import on_interrupted
from alicia_scheduler.core.state import UNFINISHED, EventStatus, ExecutionStatus
from alicia_scheduler.errors import CommandRejected
from tests.unit.rules.rows import MINUTE, SECOND, Book, S, event, execution, rows, timings

LISTED = {(before, after) for before, following in TRANSITIONS.items() for after in following}
UNLISTED = sorted(set(product(ExecutionStatus, repeat=2)) - LISTED)
EVENTS_LISTED = {(before, after) for before, following in EVENT_TRANSITIONS.items() for after in following}
EVENTS_UNLISTED = sorted({(a, b) for a, b in product(EventStatus, repeat=2) if a != b} - EVENTS_LISTED)


@pytest.mark.parametrize(("before", "after"), sorted(LISTED))
def test_a_listed_transition_changes_the_status(before: ExecutionStatus, after: ExecutionStatus) -> None:
    assert moved(execution(status=before), after, reason="r") == execution(status=after, reason="r")


@pytest.mark.parametrize(("before", "after"), UNLISTED)
def test_an_unlisted_transition_raises(before: ExecutionStatus, after: ExecutionStatus) -> None:
    with pytest.raises(IllegalTransition):
        moved(execution(status=before), after)


def test_every_status_has_a_row_and_the_finished_ones_lead_nowhere() -> None:
    assert set(TRANSITIONS) == set(ExecutionStatus)
    assert {status for status, following in TRANSITIONS.items() if following} == UNFINISHED
    assert all(is_finished(execution(status=status)) is (status not in UNFINISHED) for status in ExecutionStatus)


@pytest.mark.parametrize("status", sorted(set(ExecutionStatus) - BEGINNINGS))
def test_an_execution_cannot_begin_its_life_half_way(status: ExecutionStatus) -> None:
    book = Book(rows(event()))
    with pytest.raises(IllegalTransition):
        book.draft(lambda draft: draft.create(execution(status=status)))


@pytest.mark.parametrize(("before", "after"), EVENTS_UNLISTED)
def test_an_unlisted_transition_of_an_event_raises(before: EventStatus, after: EventStatus) -> None:
    book = Book(rows(event(), status=before))
    with pytest.raises(IllegalTransition):
        book.draft(lambda draft: draft.put_state(book.state()._replace(status=after)))


@pytest.mark.parametrize(("before", "after"), sorted(EVENTS_LISTED))
def test_a_listed_transition_of_an_event_is_stored(before: EventStatus, after: EventStatus) -> None:
    book = Book(rows(event(), status=before))
    book.draft(lambda draft: draft.put_state(book.state()._replace(status=after)))
    assert book.state().status == after


def test_a_mark_that_goes_back_begins_another_generation() -> None:
    book = Book(rows(event()))
    book.draft(lambda draft: draft.put_state(book.state()._replace(mark_time=book.now - MINUTE)))
    assert book.state().generation == 1
    book.draft(lambda draft: draft.put_state(book.state()._replace(mark_time=book.now + MINUTE)))
    assert book.state().generation == 1


def recounted(book: Book) -> dict[str, int]:
    every = list(book.executions.values())
    return {
        "unfinished": sum(e.status in UNFINISHED for e in every),
        "run_count": sum(e.attempt > 0 for e in every),
        "success_count": sum(e.status == "completed" for e in every),
        "failure_count": sum(e.status in ("failed", "timed_out") for e in every),
        "skipped_count": sum(e.status == "skipped" for e in every),
        "missed_count": sum(e.missed_count for e in every if e.status == "missed"),
    }


MOVES = ["tick", "sleep", "claim", "succeed", "fail", "time_out", "hand_back", "crash", "cancel", "trigger"]


@settings(max_examples=300, deadline=None)
@given(
    moves=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 5)), max_size=40),
    policy=st.sampled_from(["skip", "queue_one", "queue_all", "cancel_running", "allow"]),
    max_retries=st.integers(0, 2),
    catch_up=st.sampled_from(["last", "none", "all"]),
)
def test_the_counters_of_an_event_equal_a_recount_of_its_executions(
    moves: list[tuple[str, int]], policy: str, max_retries: int, catch_up: str
) -> None:
    book = Book(rows(event(
        overlap_policy=policy, max_retries=max_retries, retry_delay=10, until_next_fire=False, catch_up=catch_up,
        max_concurrent=3, queue_limit=3,
    )))  # fmt: skip
    claims: list[Claim] = []
    for number, (move, size) in enumerate(moves):
        book.now += SECOND
        claims += apply(book, move, size, claims, str(number))
        state = book.state()
        assert {name: getattr(state, name) for name in recounted(book)} == recounted(book)
        free = [e for e in book.unfinished() if not e.held]
        assert free or not book.unfinished(), "everything that is left waits for nothing"


def apply(book: Book, move: str, size: int, claims: list[Claim], name: str) -> list[Claim]:
    """Makes one move; returns new claims."""
    running = [e.execution_id for e in book.of("running")]
    current = [c for c in claims if c.execution.execution_id in running]
    match move:
        case "tick":
            book.tick(book.now + size * MINUTE)
        case "sleep":
            book.tick(book.now + size * 20 * MINUTE)
        case "claim":
            return list(book.claim(size))
        case "succeed" | "fail" | "time_out" | "hand_back" if current:
            end(book, move, current[size % len(current)])
        case "crash":
            view = book.view(interrupted=tuple(running))
            book.keep(view, on_interrupted(view, book.now, timings))
        case "cancel" if book.unfinished():
            waiting = book.unfinished()
            book.command(CancelExecution(waiting[size % len(waiting)].execution_id))
        case "trigger":
            book.command(TriggerEvent("lamp"), request=name)
        case _:
            pass
    return []


def end(book: Book, move: str, claim: Claim) -> None:
    match move:
        case "succeed":
            book.succeed(claim)
        case "hand_back":
            book.end(claim, HandedBack())
        case _:
            book.fail(claim, timed_out=move == "time_out")


def test_a_finished_execution_cannot_be_cancelled() -> None:
    book = Book(rows(event()))
    book.executions["x"] = execution("x", status=S.COMPLETED)
    with pytest.raises(CommandRejected):
        book.command(CancelExecution("x"))
