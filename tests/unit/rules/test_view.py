"""What later decisions of a transaction see of the earlier ones, and what is written in the end."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.core.commands import Change, CreateEvent, DeleteEvent, UpdateEvent
from alicia_scheduler.core.decision import Decision, Needs, Snapshot, merged_needs
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.state import Counters, RequestRecord, ServiceMark
from alicia_scheduler.core.view import View
from tests.unit.rules.rows import HOUR, NOON, S, event, execution, rows, timings


def viewed(*, stored: bool = False) -> View:
    view = View(ServiceMark(Counters(key=2)))
    record, state = rows(event())
    view.load(Snapshot({"lamp": record}, {"lamp": state}, total_events=1) if stored else Snapshot())
    return view


def decide(view: View, *commands: Change) -> None:
    for number, command in enumerate(commands):
        view.absorb(on_command(view, NOON, timings, command, CommandRules(), str(number)))


def test_an_event_that_comes_and_goes_in_one_transaction_leaves_no_row() -> None:
    view = viewed()
    decide(view, CreateEvent(event()), DeleteEvent("lamp"))
    assert (view.changes.records, view.changes.states, view.changes.deleted) == ({}, {}, {})
    assert view.event("lamp") is None


def test_an_event_that_goes_and_comes_again_is_removed_under_its_old_key() -> None:
    view = viewed(stored=True)
    decide(view, DeleteEvent("lamp"), CreateEvent(event()))
    assert (view.changes.deleted, view.changes.records["lamp"].key) == ({"lamp": 1}, 2)


def test_the_row_in_the_store_is_removed_whatever_happened_to_its_id_in_between() -> None:
    view = viewed(stored=True)
    decide(
        view, DeleteEvent("lamp"), CreateEvent(event()), UpdateEvent("lamp", {"priority": 1}), DeleteEvent("lamp")
    )  # fmt: skip
    assert (view.changes.deleted, view.changes.records) == ({"lamp": 1}, {})


def test_loading_again_never_brings_back_what_was_decided() -> None:
    view = viewed(stored=True)
    record, state = rows(event())
    decide(view, UpdateEvent("lamp", {"priority": 1}))
    view.load(Snapshot({"lamp": record}, {"lamp": state}))
    found = view.record("lamp")
    assert found is not None
    assert found.definition.priority == 1


def test_an_execution_is_new_once() -> None:
    view = viewed(stored=True)
    view.absorb(Decision(None, executions=(execution("x"),)))
    assert view.changes.new_executions == {"x"}
    view.written()
    view.absorb(Decision(None, executions=(execution("x", status=S.RUNNING),)))
    assert view.changes.new_executions == set()
    assert view.unfinished("lamp") == [execution("x", status=S.RUNNING)]
    view.absorb(Decision(None, executions=(execution("x", status=S.COMPLETED),)))
    assert view.unfinished("lamp") == []


def test_counters_and_requests_are_carried_on() -> None:
    view = viewed()
    request = RequestRecord("r", "f", "{}", NOON)
    view.absorb(Decision(None, requests=(request,), counters=Counters(key=9)))
    assert (view.request("r"), view.counters.key) == (request, 9)
    view.absorb(Decision(None, mark=view.mark._replace(clean=True), counters=Counters(key=10)))
    assert view.changes.mark == ServiceMark(Counters(key=10), clean=True)


def test_needs_of_several_decisions_are_one() -> None:
    merged = merged_needs(
        [
            Needs(event_ids=frozenset("a"), due_at=NOON, due_limit=5),
            Needs(event_ids=frozenset("b"), due_at=NOON + HOUR, due_limit=3, interrupted=True),
        ]
    )
    expected: dict[str, Any] = {"event_ids": frozenset("ab"), "due_at": NOON + HOUR, "due_limit": 5}
    assert merged == Needs(**expected, interrupted=True)
    assert merged_needs([]) == Needs()
