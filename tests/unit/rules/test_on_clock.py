"""A clock that was set back by hours, and how a step is told from time that has passed."""

from __future__ import annotations

from datetime import timedelta

from alicia_scheduler.core.clock_step import CORRECTION, Reading, clock_step
from alicia_scheduler.core.commands import PauseEvent
from alicia_scheduler.core.on_clock import on_clock_set_back
from tests.unit.rules.rows import HOUR, MINUTE, NOON, SECOND, Book, after_noon, event, rows, timings


def set_back(book: Book, by: timedelta) -> int:
    book.now -= by
    view = book.view(ahead=tuple(s.event_id for s in book.states.values() if s.mark_time > book.now))
    return book.keep(view, on_clock_set_back(view, book.now, timings))


def test_an_event_that_was_planned_into_the_future_starts_again_from_now_under_other_ids() -> None:
    book = Book(rows(event()))
    book.tick(after_noon(1))
    [first] = book.of("pending")
    book.succeed(book.claim()[0])
    assert set_back(book, 5 * HOUR) == 1
    state = book.state()
    assert (state.mark_time, state.next_time, state.generation) == (book.now, book.now + MINUTE, 1)
    for _ in range(5 * 60):
        book.tick(book.now + MINUTE)
        for claim in book.claim():
            book.succeed(claim)
    again = [e for e in book.executions.values() if e.scheduled_time == first.scheduled_time]
    assert len(again) == 2


def test_an_event_whose_mark_lies_behind_is_left_alone() -> None:
    book = Book(rows(event()))
    before = book.state()
    assert set_back(book, timedelta(0)) == 0
    assert book.state() == before


def test_a_paused_event_stays_paused() -> None:
    book = Book(rows(event()))
    book.command(PauseEvent("lamp", until=after_noon(60)))
    set_back(book, 5 * HOUR)
    state = book.state()
    assert (state.status, state.wake_time, state.next_time) == ("paused", after_noon(60), None)
    assert state.mark_time == book.now


def test_a_one_time_event_keeps_its_time() -> None:
    book = Book(rows(event(schedule_type="once", schedule_config={"delay": "10m"})))
    set_back(book, 5 * HOUR)
    assert book.state().next_time == after_noon(10)


def test_a_fixed_delay_that_runs_stays_without_a_next_time() -> None:
    book = Book(rows(event(schedule_type="interval", schedule_config={"every": 60, "mode": "fixed_delay"})))
    book.tick(after_noon(1))
    [claim] = book.claim()
    set_back(book, 5 * HOUR)
    assert book.state().next_time is None
    book.succeed(claim)
    assert book.state().next_time == book.now + MINUTE


def test_a_step_is_what_the_wall_clock_moved_beyond_the_steady_one() -> None:
    before = Reading(NOON, timedelta(0))
    assert clock_step(before, Reading(NOON + HOUR, HOUR)) == timedelta(0)
    assert clock_step(before, Reading(NOON - HOUR, SECOND)) == -HOUR - SECOND
    assert CORRECTION == 3 * HOUR
