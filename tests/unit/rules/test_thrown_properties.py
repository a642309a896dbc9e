"""Whatever is thrown, consumed, cleared and made in whatever order: nothing twice, nothing early, nothing lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.commands import ClearThrown, ConsumeThrown, ThrowEvent
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.model.event import EventDefaults, compiled_timing, parse_event
from alicia_scheduler.core.model.trigger import trigger_id
from alicia_scheduler.core.state import EventRecord, EventState, EventStatus, ServiceMark
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, ThrownSnapshot
from alicia_scheduler.core.thrown.on_due import on_due
from alicia_scheduler.core.thrown.on_thrown import carried_out
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View

RULES = ThrowRules(groups={"g": ("d", "e")}, queue_limit=10_000)
T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEYS = ("a", "b", "c")


def timings(record: EventRecord, state: EventState) -> Timing:
    return compiled_timing(record.definition, state.anchor_time)


class Here:
    """One service whose store is the view itself."""

    def __init__(self) -> None:
        self.view = View(ServiceMark())
        self.now = T0
        self.taken: Counter[str] = Counter()

    def add(self, number: int, key: str, dest_id: str) -> None:
        raw = {
            "event_id": f"s{number}", "schedule_type": "event", "dest_id": dest_id, "overlap_policy": "allow",
            "max_concurrent": 1000, "triggers": [{"type": "event", "value": key}], "action": {"topic": "x"},
        }  # fmt: skip
        record = EventRecord(number, raw["event_id"], 1, parse_event(raw, EventDefaults()), "bus", self.now, self.now)  # type: ignore[arg-type]
        state = EventState(number, record.event_id, EventStatus.ACTIVE, self.now, self.now)
        self.view.absorb(Decision(None, records=(record,), states=(state,)))
        self.look(record.event_id)

    def look(self, event_id: str) -> None:
        self.view.thrown.load(ThrownSnapshot(looks=(event_id,)))
        self.view.absorb(on_due(self.view, self.now, timings, RULES))

    def tick(self, step: timedelta) -> None:
        self.now += step
        entries = self.entries()
        active = [e for e in entries if e.status is EntryStatus.ACTIVE]
        due = tuple(e.entry_key for e in active if not e.matched and e.active_from <= self.now)
        expired = tuple(e.entry_key for e in active if e.expires_at <= self.now)
        self.view.thrown.load(ThrownSnapshot(due=due, expired=expired))
        self.view.absorb(on_due(self.view, self.now, timings, RULES))

    def do(self, command: Any) -> Any:
        draft = Draft(self.view, self.now, timings)
        answer = carried_out(draft, command, RULES, f"r{self.view.counters.offset}|{self.now}|{command}")
        self.view.absorb(draft.decision(answer))
        return answer

    def entries(self) -> list[Entry]:
        return list(self.view.changes.thrown.entries.values())


throws = st.builds(
    ThrowEvent,
    key=st.sampled_from(KEYS),
    single_consumer=st.booleans(),
    delay=st.sampled_from([None, 2 * SECOND, 9 * SECOND]),
    ttl=st.sampled_from([None, SECOND, 5 * SECOND]),
    payload=st.sampled_from([None, {"x": "{{ 1 }}"}]),
).flatmap(
    lambda command: st.sampled_from(
        [replace(command, scope="dest", dest_id="d"), replace(command, scope="group", group_id="g")]
    )
)
steps = st.lists(
    st.one_of(
        throws,
        st.builds(timedelta, seconds=st.integers(1, 12)),
        st.tuples(st.sampled_from(KEYS), st.sampled_from(["d", "e"])),
        st.builds(ConsumeThrown, dest_id=st.sampled_from(["d", "e"]), limit=st.integers(1, 3)),
        st.builds(ClearThrown, keys=st.sampled_from([(), ("a",)])),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_each_event_reaches_each_taker_at_most_once_and_only_while_it_is_active(plan: list[Any]) -> None:
    here = played(plan)
    changes = here.view.changes
    by_id = {thrown.unique_id: thrown for thrown in changes.thrown.thrown.values()}
    runs = [(e.trigger_event["unique_id"], e.event_id, e.created_at) for e in changes.executions.values()]
    assert len({(unique_id, event_id) for unique_id, event_id, _ in runs}) == len(runs)
    for unique_id, _, at in runs:
        assert by_id[unique_id].active_from <= at < by_id[unique_id].expires_at
    for thrown in by_id.values():
        takers = here.taken[thrown.unique_id] + sum(unique_id == thrown.unique_id for unique_id, _, _ in runs)
        entries = [e for e in here.entries() if e.offset == thrown.offset]
        if thrown.single_consumer:
            assert takers <= 1
            assert takers == any(e.status is EntryStatus.CONSUMED for e in entries)
        else:
            assert all(e.status is not EntryStatus.CONSUMED for e in entries)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_everything_that_was_active_and_waited_for_is_taken_and_in_the_end_every_queue_is_empty(
    plan: list[Any],
) -> None:
    here = played(plan)
    here.tick(timedelta(hours=1))
    assert all(e.status is not EntryStatus.ACTIVE and e.reason and e.consumed_at for e in here.entries())
    assert all(found.queued == 0 for found in here.view.thrown.destinations.values())
    offsets = list(here.view.changes.thrown.thrown)
    assert offsets == sorted(set(offsets))


@given(st.sampled_from(KEYS), st.booleans(), st.integers(1, 5))
def test_a_waiting_trigger_never_misses_an_event_that_becomes_active(key: str, single: bool, count: int) -> None:
    here = Here()
    for number in range(1, count + 1):
        here.add(number, key, "d")
    here.do(ThrowEvent(key, scope="dest", dest_id="d", single_consumer=single, delay=3 * SECOND))
    here.tick(2 * SECOND)
    assert not here.view.changes.executions
    here.tick(2 * SECOND)
    here.tick(2 * SECOND)
    assert len(here.view.changes.executions) == (1 if single else count)


def played(plan: list[Any]) -> Here:
    here = Here()
    made = 0
    for step in plan:
        match step:
            case timedelta():
                here.tick(step)
            case (key, dest_id):
                made += 1
                here.add(made, key, dest_id)
            case ConsumeThrown():
                for thrown, _ in here.do(step).entries:
                    here.taken[thrown.unique_id] += 1
            case _:
                here.do(step)
    return here


@pytest.mark.parametrize(
    "change",
    [{"value": "b"}, {"condition": "true"}, {"do": "stop"}, {"namespace": "n"}, {"type": "any_of", "value": ["a"]}],
)
def test_a_trigger_keeps_its_name_as_long_as_its_definition(change: dict[str, Any]) -> None:
    def name(trigger: dict[str, Any]) -> str:
        raw = {"event_id": "x", "schedule_type": "event", "triggers": [trigger], "action": {"topic": "x"}}
        return trigger_id(parse_event(raw, EventDefaults()).triggers[0])

    plain = {"type": "event", "value": "a"}
    assert name(plain) == name(dict(plain))
    assert name({**plain, **change}) != name(plain)
