from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.state import Counters, EventStatus, ExecutionStatus, ServiceMark
from alicia_scheduler.core.thrown.model import (
    REMOVED,
    Destination,
    Entry,
    EntryStatus,
    QueueNeed,
    StepRecord,
    Thrown,
    ThrownChanges,
    ThrownNeeds,
    ThrownQuery,
    ThrownSnapshot,
    TriggerKey,
    Variable,
)
from alicia_scheduler.ports import Retention, Store
from tests.conformance.store.examples import (
    SECOND,
    T0,
    commit,
    creation,
    execution,
    load,
    planned,
    record,
    state,
)

RAIN = TriggerKey("event", "default", "rain")
ON_RAIN = {"type": "event", "value": "rain"}


def thrown(offset: int, key: str = "rain", **fields: Any) -> Thrown:
    made = {"created_at": T0, "active_from": T0, "expires_at": T0 + 60 * SECOND, **fields}
    return Thrown(offset, f"u{offset}", made.pop("namespace", "default"), key, made.pop("scope", "dest"), **made)


def entry(event: Thrown, dest_id: str = "d", place: int = 0, **fields: Any) -> Entry:
    made = Entry(event.offset, dest_id, place, event.namespace, event.key, event.active_from, event.expires_at)
    return made._replace(**fields)


def throwing(*events: Thrown, dest_ids: tuple[str, ...] = ("d",), **fields: Any) -> Changes:
    entries = [entry(event, dest_id, place, **fields) for event in events for place, dest_id in enumerate(dest_ids)]
    changes = ThrownChanges(
        thrown={event.offset: event for event in events},
        entries={e.entry_key: e for e in entries},
        new_entries={e.entry_key for e in entries},
    )
    return Changes(thrown=changes)


def of(**changes: Any) -> Changes:
    return Changes(thrown=ThrownChanges(**changes))


async def seen(store: Store, **needs: Any) -> tuple[Snapshot, ThrownSnapshot]:
    snapshot = await load(store, Needs(thrown=ThrownNeeds(**needs)))
    assert snapshot.thrown is not None
    return snapshot, snapshot.thrown


async def add(store: Store, name: str, key: int, *triggers: dict[str, Any], **fields: Any) -> None:
    made = record(name, key, triggers=list(triggers), **fields)
    await commit(store, creation((made, state(name, key))))


async def test_a_thrown_event_and_its_entries_come_back_as_they_were(store: Store) -> None:
    event = thrown(
        7, single_consumer=True, group_id="g", display_name="Ü", value=[1, None], payload={"x": "{{ y }}\x00"},
        sender="s", chain=("a/b", "c done"), event_id="e", execution_id="x", scope="group",
    )  # fmt: skip
    made = entry(event, "d", 1, status=EntryStatus.CONSUMED, matched=True, reason="trigger", consumed_by="lamp",
                 consumed_at=T0 + SECOND)  # fmt: skip
    changes = ThrownChanges(thrown={7: event}, entries={made.entry_key: made}, new_entries={made.entry_key})
    await commit(store, Changes(thrown=changes))
    assert list(await store.thrown(ThrownQuery())) == [(event, made)]


@pytest.mark.parametrize("payload", [None, 0, "", False, {}, [], 1.5, 2**70])
async def test_any_payload_comes_back(store: Store, payload: Any) -> None:
    await commit(store, throwing(thrown(1, payload=payload, value=payload)))
    ((found, _),) = await store.thrown(ThrownQuery())
    assert (found.payload, found.value, type(found.payload)) == (payload, payload, type(payload))


async def test_only_scheduled_events_that_wait_under_a_key_are_loaded_with_it(store: Store) -> None:
    await add(store, "a", 1, ON_RAIN)
    await add(store, "b", 2, {"type": "all_of", "value": ["snow", "rain"]})
    await add(store, "c", 3, {"type": "event", "value": "snow"})
    await add(store, "d", 4, ON_RAIN, namespace="other")
    snapshot, found = await seen(store, keys=frozenset({RAIN}))
    assert sorted(found.triggered[RAIN]) == ["a", "b"] == sorted(snapshot.records)


async def test_the_index_follows_the_definition(store: Store) -> None:
    await add(store, "a", 1, ON_RAIN)
    changed = record("a", 1, triggers=[{"type": "event", "value": "snow"}], revision=2)
    await commit(store, Changes(records={"a": changed}))
    _, found = await seen(store, keys=frozenset({RAIN, RAIN._replace(key="snow")}))
    assert {key.key: ids for key, ids in found.triggered.items() if ids} == {"snow": ("a",)}
    await commit(store, Changes(deleted={"a": 1}))
    _, found = await seen(store, keys=frozenset({RAIN._replace(key="snow")}))
    assert not any(found.triggered.values())


async def test_watchers_of_executions_are_loaded_with_the_watched_over_any_number_of_steps(store: Store) -> None:
    await add(store, "a", 1)
    await add(store, "b", 2, {"type": "execution", "value": "a"})
    await add(store, "c", 3, {"type": "execution", "value": "b"})
    await add(store, "other", 4)
    snapshot = await load(store, Needs(event_ids=frozenset({"a"})))
    assert sorted(snapshot.records) == ["a", "b", "c"]
    assert snapshot.thrown is not None
    assert snapshot.thrown.triggered[TriggerKey("execution", "", "b")] == ("c",)


async def test_watchers_in_a_circle_end(store: Store) -> None:
    await add(store, "a", 1, {"type": "execution", "value": "b"})
    await add(store, "b", 2, {"type": "execution", "value": "a"})
    snapshot = await load(store, Needs(event_ids=frozenset({"a"})))
    assert sorted(snapshot.records) == ["a", "b"]


async def test_due_and_expired_entries_are_found_in_order_and_bounded(store: Store) -> None:
    later = [thrown(n, active_from=T0 + (10 - n) * SECOND) for n in range(1, 6)]
    await commit(store, throwing(*later))
    _, found = await seen(store, due_at=T0 + 8 * SECOND, due_limit=3)
    assert found.due == ((5, "d"), (4, "d"), (3, "d"))
    assert not found.expired
    _, found = await seen(store, due_at=T0 + 70 * SECOND, due_limit=2)
    assert len(found.due) == len(found.expired) == 2
    assert all(key in found.entries and key[0] in found.thrown for key in (*found.due, *found.expired))


async def test_a_matched_entry_is_not_due_again(store: Store) -> None:
    await commit(store, throwing(thrown(1)))
    matched = entry(thrown(1), matched=True)
    await commit(store, of(entries={matched.entry_key: matched}))
    _, found = await seen(store, due_at=T0 + SECOND, due_limit=10)
    assert not found.due


async def test_due_entries_bring_the_scheduled_events_that_wait_for_them(store: Store) -> None:
    await add(store, "a", 1, ON_RAIN)
    await commit(store, throwing(thrown(1)))
    snapshot, found = await seen(store, due_at=T0 + SECOND, due_limit=10)
    assert found.triggered[RAIN] == ("a",)
    assert "a" in snapshot.states


async def test_all_entries_of_an_event_for_a_single_consumer_come_together(store: Store) -> None:
    await commit(store, throwing(thrown(1, single_consumer=True), thrown(2), dest_ids=("d", "e")))
    _, found = await seen(store, queues=frozenset({QueueNeed("d", None, (), 0, 10)}))
    assert sorted(found.entries) == [(1, "d"), (1, "e"), (2, "d")]


async def test_queues_are_read_by_destination_namespace_key_and_offset(store: Store) -> None:
    await commit(store, throwing(thrown(1), thrown(2, "snow"), thrown(3, namespace="n"), thrown(4)))
    await commit(store, throwing(thrown(5), dest_ids=("e",)))

    async def offsets(*need: Any) -> list[int]:
        _, found = await seen(store, queues=frozenset({QueueNeed(*need)}))
        return sorted(offset for offset, _ in found.entries)

    assert await offsets("d", None, (), 0, 10) == [1, 2, 3, 4]
    assert await offsets("d", "default", ("rain",), 1, 10) == [4]
    assert await offsets(None, None, ("rain", "snow"), 1, 2) == [2, 3]


async def test_destinations_count_scheduled_events_and_active_entries(store: Store) -> None:
    await add(store, "a", 1, dest_id="d")
    await commit(store, throwing(thrown(1), thrown(2), dest_ids=("d", "e")))
    ended = entry(thrown(1), "d", status=EntryStatus.EXPIRED, matched=True)
    await commit(store, of(entries={ended.entry_key: ended}))
    _, found = await seen(store, queues_of=frozenset({"d", "e", "f"}))
    assert dict(found.destinations) == {"d": Destination(1, 1), "e": Destination(0, 2), "f": Destination(0, 0)}
    _, found = await seen(store, destinations=True)
    assert set(found.destinations) == {"d"}
    await commit(store, Changes(records={"a": record("a", 1, revision=2, dest_id="z")}))
    _, found = await seen(store, destinations=True)
    assert set(found.destinations) == {"z"}
    await commit(store, Changes(deleted={"a": 1}))
    _, found = await seen(store, destinations=True)
    assert not found.destinations


async def test_the_oldest_entries_come_only_from_full_queues(store: Store) -> None:
    await commit(store, throwing(thrown(1), thrown(2), thrown(3)), throwing(thrown(4), dest_ids=("e",)))
    _, found = await seen(store, queues_of=frozenset({"d", "e"}), full_at=3)
    assert sorted(found.entries) == [(1, "d"), (2, "d"), (3, "d")]


async def test_looks_bring_the_entries_that_wait_already_and_who_has_seen_them(store: Store) -> None:
    await commit(store, throwing(thrown(1), thrown(2, "snow"), thrown(3, namespace="n")))
    await add(store, "a", 1, ON_RAIN, dest_id="d")
    await add(store, "b", 2, ON_RAIN, dest_id="elsewhere")
    await commit(store, of(looks={1: True, 2: True, 99: True}, seen={(1, "x"): None}))
    snapshot, found = await seen(store, looks=10)
    assert found.looks == ("a", "b")
    assert sorted(found.entries) == [(1, "d")]
    assert found.seen == {(1, "x")}
    assert set(snapshot.records) == {"a", "b"}
    await commit(store, of(looks={1: False, 2: False}))
    _, found = await seen(store, looks=10)
    assert not found.looks


async def test_progress_is_kept_forgotten_and_goes_with_its_event(store: Store) -> None:
    await add(store, "a", 1, ON_RAIN)
    await commit(store, of(progress={(1, "t"): {"b": {"at": 1.5}}, (1, "u"): [1], (99, "t"): [1]}))
    await commit(store, of(progress={(1, "u"): None}))
    _, found = await seen(store, keys=frozenset({RAIN}))
    assert dict(found.progress) == {(1, "t"): {"b": {"at": 1.5}}}
    await commit(store, Changes(deleted={"a": 1}), creation((record("a", 2, triggers=[ON_RAIN]), state("a", 2))))
    _, found = await seen(store, keys=frozenset({RAIN}))
    assert not found.progress


async def test_variables_are_kept_changed_and_removed(store: Store) -> None:
    def variable(name: str, value: Any) -> dict[tuple[str, str], Variable]:
        return {("d", name): Variable("d", name, value, T0)}

    await commit(store, of(variables=variable("x", [1, None]) | variable("y", None)), of(variables=variable("x", "2")))
    assert await store.variables("d") == {"x": "2", "y": None}
    await commit(store, of(variables=variable("x", REMOVED)))
    _, found = await seen(store, variables_of=frozenset({"d", "e"}))
    assert found.variables == {"d": {"y": None}, "e": {}}


async def test_steps_are_kept_in_order_and_go_with_their_execution(store: Store) -> None:
    await commit(store, planned(execution("x", status=ExecutionStatus.COMPLETED, end_time=T0)))
    for path in ("[0]", "[10]", "[2]"):
        await commit(store, of(steps={("x", path): StepRecord("x", path, {"at": path})}))
    assert await store.steps("x") == [(path, {"at": path}) for path in ("[0]", "[10]", "[2]")]
    _, found = await seen(store, steps_of=frozenset({"x", "y"}))
    assert list(found.steps["x"]) == ["[0]", "[10]", "[2]"]
    assert found.steps["y"] == {}
    await store.remove_expired(Retention(T0 + SECOND, 1000, T0))
    assert await store.steps("x") == []


async def test_listing_by_destination_namespace_key_status_offset_and_one_for_each_event(store: Store) -> None:
    await commit(store, throwing(thrown(1), thrown(2, "snow"), thrown(3, namespace="n"), dest_ids=("d", "e")))
    ended = entry(thrown(1), "d", status=EntryStatus.CONSUMED)
    await commit(store, of(entries={ended.entry_key: ended}))

    async def keys(**query: Any) -> list[tuple[int, str]]:
        return [e.entry_key for _, e in await store.thrown(ThrownQuery(**query))]

    assert await keys() == [(1, "d"), (1, "e"), (2, "d"), (2, "e"), (3, "d"), (3, "e")]
    assert await keys(dest_id="d") == [(1, "d"), (2, "d"), (3, "d")]
    assert await keys(namespace="n", distinct=True) == [(3, "d")]
    assert await keys(keys=("rain", "snow"), distinct=True) == [(1, "d"), (2, "d"), (3, "d")]
    assert await keys(status="active", dest_id="d") == [(2, "d"), (3, "d")]
    assert await keys(status="ended") == [(1, "d")] == await keys(status="consumed")
    assert await keys(distinct=True, limit=2) == [(2, "d"), (3, "d")]
    assert await keys(distinct=True, limit=2, since_offset=0) == [(1, "d"), (2, "d")]


async def test_the_wake_time_counts_entries_and_looks(store: Store) -> None:
    async def wake() -> Any:
        async with store.transaction() as transaction:
            return await transaction.next_wake_time(T0)

    assert await wake() is None
    await commit(store, throwing(thrown(1, active_from=T0 + 5 * SECOND)))
    assert await wake() == T0 + 5 * SECOND
    matched = entry(thrown(1, active_from=T0 + 5 * SECOND), matched=True)
    await commit(store, of(entries={matched.entry_key: matched}))
    expiry = await wake()
    assert timedelta(0) < expiry - matched.expires_at <= SECOND
    await add(store, "a", 1, ON_RAIN)
    await commit(store, of(looks={1: True}))
    assert await wake() < T0


async def test_thrown_events_that_are_over_go_by_age_and_by_number(store: Store) -> None:
    day = timedelta(days=1)
    await commit(
        store, throwing(*(thrown(n, created_at=T0 + n * day) for n in range(1, 6)), status=EntryStatus.EXPIRED)
    )
    await commit(store, throwing(thrown(9, created_at=T0)), of(seen={(1, "x"): None}))
    retention = Retention(T0, 1000, T0, thrown_before=T0 + 3 * day, thrown_kept=1000)
    await commit(store, Changes(mark=ServiceMark(counters=Counters(offset=10), serial=1)))
    assert await store.remove_expired(retention) == 2
    assert [t.offset for t, _ in await store.thrown(ThrownQuery())] == [3, 4, 5, 9]
    retention = Retention(T0, 1000, T0, thrown_before=T0, thrown_kept=5)
    assert await store.remove_expired(retention) == 2
    assert [t.offset for t, _ in await store.thrown(ThrownQuery())] == [5, 9]


async def test_topic_filters_of_active_events(store: Store) -> None:
    await add(store, "a", 1, {"type": "mqtt", "value": "x/+"})
    await add(store, "b", 2, {"type": "mqtt", "value": "y/#", "retained": True})
    await commit(
        store,
        creation((record("c", 3, triggers=[{"type": "mqtt", "value": "z"}]), state("c", 3, status=EventStatus.PAUSED))),
    )
    assert sorted(await store.mqtt_filters(10)) == [("", "x/+"), ("retained", "y/#")]


async def test_the_next_offset_survives(store: Store) -> None:
    await commit(store, Changes(mark=ServiceMark(counters=Counters(3, 4, 5, 6), serial=1)))
    await store.close()
    assert (await store.open()).counters == Counters(3, 4, 5, 6)
