"""Every command's way, and every way to be refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alicia_scheduler.core.commands import (
    CancelEvent,
    CancelExecution,
    Change,
    CreateEvent,
    DeleteEvent,
    PauseEvent,
    ResumeEvent,
    TriggerEvent,
    UpdateEvent,
)
from alicia_scheduler.core.editing import CommandRules, merge_patch
from alicia_scheduler.core.model.event import EventDefaults
from alicia_scheduler.core.state import EventStatus
from alicia_scheduler.errors import CommandRejected
from tests.unit.rules.rows import HOUR, MINUTE, NOON, SECOND, Book, S, after_noon, event, execution, manual, rows

ONCE = {"schedule_type": "once"}


def made(**fields: Any) -> Book:
    book = Book()
    book.create(event(**fields))
    return book


def refused(book: Book, command: Change, rules: CommandRules | None = None) -> CommandRejected:
    before = (dict(book.records), dict(book.states), dict(book.executions), list(book.said))
    with pytest.raises(CommandRejected) as caught:
        book.command(command, rules)
    assert (book.records, book.states, book.executions, book.said) == before
    return caught.value


def fields_of(error: CommandRejected) -> list[str]:
    return [problem.field for problem in error.details]


# create


def test_create_stores_the_event_and_answers_with_its_next_five_fires() -> None:
    book = Book()
    answer = book.create(event())
    assert answer.created
    assert [fire.due for fire in answer.next_fires] == [after_noon(n) for n in range(1, 6)]
    assert (answer.record.revision, answer.record.key, answer.state.status) == (1, 1, "active")
    assert book.changes() == ["event_created"]


def test_a_fixed_delay_promises_its_first_fire_rightly() -> None:
    answer = Book().create(event(schedule_type="interval", schedule_config={"every": "5m", "mode": "fixed_delay"}))
    assert answer.next_fires[0].due == after_noon(5)


def test_create_of_a_taken_id_is_refused_skipped_or_replaces() -> None:
    book = made()
    again = event(priority=5)
    assert refused(book, CreateEvent(again)).code == "already_exists"
    skipped = book.create(again, on_conflict="skip")
    assert (skipped.record.revision, skipped.record.definition.priority, skipped.created) == (1, 0, False)
    replaced = book.create(again, on_conflict="replace")
    assert (replaced.record.revision, replaced.record.definition.priority, replaced.created) == (2, 5, False)


def test_create_disabled_keeps_the_timer_off() -> None:
    state = made(enabled=False).state()
    assert (state.status, state.next_time, state.wake_time) == ("disabled", None, None)


def test_create_beyond_the_limit_is_refused() -> None:
    assert refused(made(), CreateEvent(event("other")), CommandRules(max_events=1)).code == "limit_exceeded"


@pytest.mark.parametrize(
    ("rules", "fields", "code", "field"),
    [
        (CommandRules(), {"action": {"topic": "alicia/scheduler/command/ping"}}, "not_allowed", "event.action.topic"),
        (CommandRules(), {"action": {"topic": "alicia/scheduler/command"}}, "not_allowed", "event.action.topic"),
        (CommandRules(allow_topics=("home/",)), {"action": {"topic": "work/x"}}, "not_allowed", "event.action.topic"),
        (
            CommandRules(EventDefaults(min_interval=MINUTE)),
            {"schedule_type": "interval", "schedule_config": {"every": 30}},
            "invalid_request",
            "event.schedule_config.every",
        ),
        (CommandRules(), {"end_at": "2026-03-02T11:00:00Z"}, "past_time", "event.end_at"),
        (CommandRules(), {**ONCE, "schedule_config": {"run_at": "2026-03-02T11:00:00Z"}}, "past_time",
         "event.schedule_config.run_at"),
    ],
)  # fmt: skip
def test_create_names_the_field_it_refuses(rules: CommandRules, fields: dict[str, Any], code: str, field: str) -> None:
    error = refused(Book(), CreateEvent(event(**fields)), rules)
    assert (error.code, fields_of(error)) == (code, [field])


def test_a_rule_that_never_fires_is_refused() -> None:
    error = refused(Book(), CreateEvent(event(schedule_config={"cron_expression": "0 0 31 2 *"})))
    assert error.code == "invalid_request"


@pytest.mark.parametrize("where", ["event", "schedule", "settings"])
def test_a_past_time_that_is_allowed_runs_by_the_misfire_rules(where: str) -> None:
    config = {"run_at": "2026-03-02T11:30:00Z", **({"allow_past": True} if where == "schedule" else {})}
    book = Book()
    rules = CommandRules(allow_past=where == "settings")
    book.command(CreateEvent(event(**ONCE, schedule_config=config, allow_past=where == "event")), rules)
    assert book.state().next_time == after_noon(-30)
    book.tick()
    assert [e.triggered_by for e in book.of("pending")] == ["catch_up"]
    assert book.state().status == "completed"


def test_a_past_time_that_is_allowed_but_older_than_the_window_expires() -> None:
    book = made(**ONCE, schedule_config={"run_at": "2026-03-02T10:00:00Z"}, allow_past=True)
    book.tick()
    assert (book.state().status, len(book.of("missed"))) == ("expired", 1)


# update


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_the_rfc_shows(target: Any, patch: Any, merged: Any) -> None:
    """RFC 7396, appendix A."""
    assert merge_patch(target, patch) == merged


def test_an_update_without_a_change_of_time_leaves_the_timer_alone() -> None:
    book = made()
    before = book.state()
    book.now += 30 * SECOND
    answer = book.command(UpdateEvent("lamp", {"priority": 3, "action": {"message": {"x": 1}}}))
    assert (answer.record.revision, answer.record.definition.priority) == (2, 3)
    assert answer.record.definition.action.topic == "home/lamp"
    assert book.state() == before
    assert book.changes() == ["event_created", "event_updated"]


def test_an_update_of_the_time_answers_with_the_old_and_the_new_fires() -> None:
    book = made()
    answer = book.command(UpdateEvent("lamp", {"schedule_config": {"cron_expression": "*/10 * * * *"}}))
    assert answer.previous_fires[0].due == after_noon(1)
    assert answer.next_fires[0].due == after_noon(10) == book.state().wake_time


def test_an_update_may_change_the_kind_and_the_spelling() -> None:
    book = made()
    book.command(UpdateEvent("lamp", {"schedule_type": "interval", "schedule_config": {"every": "2m"}}))
    assert book.state().next_time == after_noon(2)
    book.command(UpdateEvent("lamp", {"schedule_config": {"months": 1}}))
    assert book.records["lamp"].definition.schedule_config.model_dump()["months"] == 1


def test_an_update_of_another_revision_is_a_conflict() -> None:
    book = made()
    error = refused(book, UpdateEvent("lamp", {"priority": 1}, revision=7))
    assert (error.code, fields_of(error)) == ("conflict", ["revision"])
    book.command(UpdateEvent("lamp", {"priority": 1}, revision=1))


def test_an_update_names_every_bad_field_and_never_the_id() -> None:
    book = made()
    error = refused(book, UpdateEvent("lamp", {"priority": "x", "max_retries": -1}))
    assert (error.code, sorted(fields_of(error))) == ("invalid_request", ["changes.max_retries", "changes.priority"])
    assert fields_of(refused(book, UpdateEvent("lamp", {"event_id": "other"}))) == ["changes.event_id"]


def test_an_update_to_disabled_stops_the_timer_and_waiting_retries_and_back_starts_anew() -> None:
    book = made()
    book.executions["t"] = execution("t", status=S.RETRYING, attempt=1, retry_time=after_noon(1))
    book.command(UpdateEvent("lamp", {"enabled": False}))
    assert (book.state().status, book.executions["t"].status) == ("disabled", "cancelled")
    book.now = after_noon(30)
    book.command(UpdateEvent("lamp", {"enabled": True}))
    assert (book.state().status, book.state().next_time) == ("active", after_noon(31))


def test_an_update_of_a_paused_event_leaves_it_paused_with_its_end() -> None:
    book = made()
    book.command(PauseEvent("lamp", "why", after_noon(60)))
    book.command(UpdateEvent("lamp", {"schedule_config": {"cron_expression": "*/10 * * * *"}}))
    state = book.state()
    assert (state.status, state.wake_time, state.pause_note, state.next_time) == ("paused", after_noon(60), "why", None)


def test_a_one_time_event_that_has_run_is_revived_by_another_time_only() -> None:
    book = made(**ONCE, schedule_config={"delay": "1m"}, allow_past=True)
    book.tick(after_noon(1))
    book.succeed(book.claim()[0])
    assert book.state().status == "completed"
    book.now = after_noon(5)
    book.command(UpdateEvent("lamp", {"priority": 4}))
    assert book.state().status == "completed"
    assert refused(book, UpdateEvent("lamp", {"max_executions": 5})).code == "past_time"
    book.command(UpdateEvent("lamp", {"schedule_config": {"delay": "2m"}}))
    assert (book.state().status, book.state().next_time) == ("active", after_noon(7))


def test_a_one_time_event_that_has_run_does_not_run_again_when_it_is_enabled_again() -> None:
    book = made(**ONCE, schedule_config={"delay": "1m"}, allow_past=True)
    book.tick(after_noon(1))
    book.succeed(book.claim()[0])
    book.command(UpdateEvent("lamp", {"enabled": False}))
    book.command(ResumeEvent("lamp"))
    book.tick()
    assert (book.state().status, len(book.executions)) == ("completed", 1)


def test_more_executions_revive_an_event_that_had_its_fill() -> None:
    book = made(max_executions=1)
    book.tick(after_noon(1))
    assert book.state().status == "completed"
    book.command(UpdateEvent("lamp", {"max_executions": 2}))
    assert (book.state().status, book.state().next_time) == ("active", after_noon(2))


# pause and resume


def test_a_pause_stops_the_timer_and_a_resume_drops_what_passed() -> None:
    book = made()
    book.command(PauseEvent("lamp", "holidays"))
    state = book.state()
    assert (state.status, state.pause_note, state.pause_cause, state.paused_at) == ("paused", "holidays", "user", NOON)
    assert book.tick(after_noon(10)).events == 0
    book.command(ResumeEvent("lamp"))
    assert (book.state().next_time, book.state().paused_at, len(book.executions)) == (after_noon(11), None, 0)
    assert book.changes() == ["event_created", "event_paused", "event_resumed"]


def test_a_resume_may_run_the_last_time_that_passed() -> None:
    book = made(on_resume="last")
    book.command(PauseEvent("lamp"))
    book.now = after_noon(10.5)
    book.command(ResumeEvent("lamp"))
    [caught] = book.of("pending")
    assert (caught.scheduled_time, caught.triggered_by) == (after_noon(10), "catch_up")
    assert book.claim()


def test_a_resume_runs_a_jittered_last_time_at_once() -> None:
    book = made(on_resume="last", jitter=59)
    book.command(PauseEvent("lamp"))
    book.now = after_noon(10) + timedelta(microseconds=1)
    book.command(ResumeEvent("lamp"))
    assert len(book.claim()) == 1


def test_a_resume_that_uses_up_the_last_execution_ends_the_event() -> None:
    book = made(on_resume="last", max_executions=1)
    book.command(PauseEvent("lamp"))
    book.now = after_noon(10)
    book.command(ResumeEvent("lamp"))
    assert (book.state().status, book.state().next_time) == ("completed", None)


def test_a_pause_until_an_instant_ends_by_itself() -> None:
    book = made()
    book.command(PauseEvent("lamp", until=after_noon(5)))
    book.tick(after_noon(4))
    assert book.state().status == "paused"
    book.tick(after_noon(5))
    assert (book.state().status, book.state().next_time) == ("active", after_noon(6))


def test_times_after_the_end_of_a_pause_are_late_or_missed_and_not_forgotten() -> None:
    """The service was down when the pause ended."""
    book = made()
    book.command(PauseEvent("lamp", until=after_noon(5)))
    book.tick(after_noon(20))
    fired = [e.scheduled_time for e in book.executions.values() if e.status != "missed"]
    [missed] = book.of("missed")
    assert (missed.scheduled_time, len(fired) + missed.missed_count) == (after_noon(6), 15)
    assert (book.state().status, book.state().next_time) == ("active", after_noon(21))


def test_a_one_time_event_that_was_paused_over_its_time_expires_or_runs_as_it_says() -> None:
    for on_resume, status, ran in (("skip", "expired", 0), ("last", "completed", 1)):
        book = made(**ONCE, schedule_config={"delay": "1m"}, on_resume=on_resume)
        book.command(PauseEvent("lamp"))
        book.now = after_noon(5)
        book.command(ResumeEvent("lamp"))
        assert (book.state().status, len(book.of("pending"))) == (status, ran)


def test_a_pause_until_the_past_is_refused() -> None:
    error = refused(made(), PauseEvent("lamp", until=NOON))
    assert (error.code, fields_of(error)) == ("past_time", ["until"])


@pytest.mark.parametrize("status", ["disabled", "completed", "expired", "cancelled"])
def test_a_timer_that_is_off_cannot_be_paused(status: str) -> None:
    book = Book(rows(event(), status=EventStatus(status)))
    assert refused(book, PauseEvent("lamp")).code == "conflict"


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
def test_what_has_ended_cannot_be_resumed(status: str) -> None:
    book = Book(rows(event(), status=EventStatus(status)))
    assert refused(book, ResumeEvent("lamp")).code == "conflict"


def test_a_resume_enables_a_disabled_event() -> None:
    book = made(enabled=False)
    answer = book.command(ResumeEvent("lamp"))
    assert (answer.state.status, answer.record.definition.enabled, answer.record.revision) == ("active", True, 2)
    assert answer.next_fires[0].due == after_noon(1)


def test_a_resume_of_what_runs_changes_nothing() -> None:
    book = made()
    before = book.state()
    book.command(ResumeEvent("lamp"))
    assert (book.state(), book.changes()) == (before, ["event_created"])


# delete and cancel


def test_delete_removes_the_event_and_cancels_what_waits_of_it() -> None:
    book = made()
    book.tick(after_noon(1))
    [claim] = book.claim()
    answer = book.command(DeleteEvent("lamp"))
    assert (answer.event_id, book.records, book.states) == ("lamp", {}, {})
    assert [e.reason for e in book.of("cancelled")] == ["event_deleted"]
    assert book.stopped == [claim.execution.execution_id]
    assert book.changes()[-1] == "event_deleted"


def test_an_event_that_is_deleted_and_made_again_is_another_one() -> None:
    book = made()
    book.tick(after_noon(1))
    book.command(DeleteEvent("lamp"))
    book.now = NOON
    answer = book.create(event())
    assert answer.record.key == 2
    book.tick(after_noon(1))
    assert len(book.executions) == 2


def test_cancel_ends_the_event_and_keeps_it() -> None:
    book = made(overlap_policy="queue_all")
    for minute in (1, 2, 3):
        book.tick(after_noon(minute))
    answer = book.command(CancelEvent("lamp"))
    assert (answer.state.status, answer.next_fires, len(book.of("cancelled"))) == ("cancelled", (), 3)
    assert book.state().unfinished == 0
    said = len(book.said)
    assert book.command(CancelEvent("lamp")).state.status == "cancelled"
    assert len(book.said) == said


# executions


def test_trigger_runs_now_and_leaves_the_timer_alone() -> None:
    book = made()
    before = book.state()
    answer = book.command(TriggerEvent("lamp", {"level": 3}))
    made_now = answer.execution
    assert (made_now.status, made_now.triggered_by, made_now.payload) == ("pending", "manual", {"level": 3})
    assert (book.state().next_time, book.state().mark_time) == (before.next_time, before.mark_time)
    assert book.state().fired_count == 0


@pytest.mark.parametrize("status", ["paused", "disabled", "completed", "expired"])
def test_trigger_runs_whatever_the_timer_says(status: str) -> None:
    book = Book(rows(event(), status=EventStatus(status)))
    assert book.command(TriggerEvent("lamp")).execution.status == "pending"


def test_trigger_of_a_cancelled_event_is_refused() -> None:
    assert refused(Book(rows(event(), status=EventStatus.CANCELLED)), TriggerEvent("lamp")).code == "conflict"


def test_trigger_heeds_the_overlap_policy() -> None:
    book = made()
    book.command(TriggerEvent("lamp"), request="1")
    skipped = book.command(TriggerEvent("lamp"), request="2").execution
    assert (skipped.status, skipped.reason) == ("skipped", "overlap")


def test_two_requests_are_two_executions_and_one_request_is_one() -> None:
    book = Book(rows(manual(overlap_policy="allow")))
    ids = {book.command(TriggerEvent("lamp"), request=r).execution.execution_id for r in ("1", "2")}
    assert len(ids) == 2


@pytest.mark.parametrize("status", ["pending", "running", "retrying"])
def test_cancel_execution_ends_what_waits_and_stops_what_runs(status: str) -> None:
    book = Book(rows(manual(), unfinished=1))
    book.executions["x"] = execution("x", status=S(status), attempt=1)
    answer = book.command(CancelExecution("x"))
    assert (answer.execution.status, answer.execution.reason) == ("cancelled", "cancelled_by_command")
    assert book.stopped == (["x"] if status == "running" else [])
    assert book.state().unfinished == 0


@pytest.mark.parametrize("status", ["completed", "failed", "timed_out", "cancelled", "skipped", "missed"])
def test_cancel_execution_of_what_has_ended_is_a_conflict(status: str) -> None:
    book = Book(rows(manual()))
    book.executions["x"] = execution("x", status=S(status))
    assert refused(book, CancelExecution("x")).code == "conflict"


def test_a_cancelled_fixed_delay_goes_on() -> None:
    book = made(schedule_type="interval", schedule_config={"every": 60, "mode": "fixed_delay"})
    book.tick(after_noon(1))
    [claim] = book.claim()
    book.now = after_noon(2)
    book.command(CancelExecution(claim.execution.execution_id))
    assert book.state().next_time == after_noon(3)


@pytest.mark.parametrize(
    "command",
    [
        UpdateEvent("none", {}), DeleteEvent("none"), CancelEvent("none"), PauseEvent("none"), ResumeEvent("none"),
        TriggerEvent("none"), CancelExecution("none"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(command: Change) -> None:
    assert refused(Book(), command).code == "not_found"


def test_the_span_between_start_and_end_holds_the_fires() -> None:
    book = made(start_at=(NOON + HOUR).isoformat(), end_at=(NOON + HOUR + MINUTE).isoformat())
    assert book.state().next_time == NOON + HOUR
