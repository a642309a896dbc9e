from __future__ import annotations

from typing import Any

import pytest

from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import EventStatus, ExecutionStatus, TriggeredBy
from alicia_scheduler.errors import CommandRejected
from alicia_scheduler.ports import Store, StoreCounts
from tests.conformance.store.examples import (
    SECOND,
    T0,
    add_events,
    commit,
    creation,
    execution,
    message,
    planned,
    record,
    state,
)

S = ExecutionStatus


async def event_ids(store: Store, **filters: Any) -> str:
    """The ids of every page, a page of two at a time."""
    found, cursor = await store.events(EventQuery(limit=2, **filters))
    every = [state.event_id for _, state in found]
    while cursor is not None:
        assert len(found) == 2
        found, cursor = await store.events(EventQuery(limit=2, cursor=cursor, **filters))
        every += [state.event_id for _, state in found]
    return "".join(every)


async def execution_ids(store: Store, **filters: Any) -> str:
    found, cursor = await store.executions(ExecutionQuery(limit=2, **filters))
    every = [execution.execution_id for execution in found]
    while cursor is not None:
        assert len(found) == 2
        found, cursor = await store.executions(ExecutionQuery(limit=2, cursor=cursor, **filters))
        every += [execution.execution_id for execution in found]
    return "".join(every)


async def add_a_house(store: Store) -> None:
    cron: dict[str, Any] = {"schedule_type": "cron", "schedule_config": {"cron_expression": "0 7 * * *"}}
    paused = EventStatus.PAUSED
    await commit(
        store,
        creation(
            (record("e", 1, tags=["light", "night"], name="Außenlicht"), state("e", 1)),
            (record("d", 2, tags=["light"], namespace="home", name="100% ON_off"), state("d", 2, status=paused)),
            (record("c", 3, tags=["night", "light"], module_id="m", origin="file:x.yaml"), state("c", 3)),
            (record("b", 4, module_id="m", namespace="home", **cron), state("b", 4, status=paused)),
            (record("a", 5, origin="file:y.yaml", **cron), state("a", 5, status=EventStatus.ERROR)),
        ),
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "abcde"),
        ({"tags": ("light",)}, "cde"),
        ({"tags": ("night", "light")}, "ce"),
        ({"tags": ("light", "light")}, "cde"),
        ({"tags": ("none",)}, ""),
        ({"tags": ("light",), "state": "paused", "namespace": "home"}, "d"),
        ({"namespace": "home"}, "bd"),
        ({"module_id": "m"}, "bc"),
        ({"module_id": "m", "origin": "file:x.yaml"}, "c"),
        ({"state": "active"}, "ce"),
        ({"state": "paused"}, "bd"),
        ({"state": "paused", "module_id": "m"}, "b"),
        ({"schedule_type": "cron"}, "ab"),
        ({"schedule_type": "cron", "origin": "bus"}, "b"),
        ({"origin": "file:y.yaml"}, "a"),
        ({"name": "AUSSEN"}, "e"),
        ({"name": "% on_"}, "d"),
        ({"name": "' OR 1=1 --"}, ""),
    ],
)
async def test_events_are_listed_by_id_and_filtered(store: Store, filters: dict[str, Any], expected: str) -> None:
    await add_a_house(store)
    assert await event_ids(store, **filters) == expected


async def test_a_page_of_events_holds_both_rows(store: Store) -> None:
    await add_a_house(store)
    found, cursor = await store.events(EventQuery(limit=5))
    assert cursor is None
    assert [await store.event(event_id) for event_id in "abcde"] == list(found)


async def test_tags_follow_the_definition(store: Store) -> None:
    await add_a_house(store)
    await commit(store, Changes(records={"e": record("e", 1, tags=["new"])}, deleted={"d": 2}))
    assert await event_ids(store, tags=("light",)) == "c"
    assert await event_ids(store, tags=("new",)) == "e"


async def test_an_event_made_between_two_pages_shifts_nothing(store: Store) -> None:
    await add_events(store, "b", "d", "f")
    _, cursor = await store.events(EventQuery(limit=2))
    await commit(store, creation((record("a", 8), state("a", 8)), (record("e", 9), state("e", 9))))
    found, _ = await store.events(EventQuery(limit=2, cursor=cursor))
    assert [state.event_id for _, state in found] == ["e", "f"]


async def add_history(store: Store) -> None:
    await commit(
        store,
        planned(
            execution("f", at=T0, status=S.COMPLETED),
            execution("e", at=T0 + 3 * SECOND, status=S.FAILED),
            execution("d", "b", 2, at=T0 + SECOND, status=S.COMPLETED, triggered_by=TriggeredBy.MANUAL),
            execution("c", at=T0 + SECOND, status=S.RUNNING),
            execution("b", "b", 2, at=T0 + 2 * SECOND, status=S.FAILED, triggered_by=TriggeredBy.MANUAL),
            execution("a", at=T0 + SECOND, status=S.PENDING),
        ),
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "ebdcaf"),
        ({"event_id": "a"}, "ecaf"),
        ({"event_id": "a", "status": "failed"}, "e"),
        ({"status": "failed"}, "eb"),
        ({"status": "completed"}, "df"),
        ({"status": "running"}, "c"),
        ({"status": "missed"}, ""),
        ({"triggered_by": "manual"}, "bd"),
        ({"triggered_by": "scheduler"}, "ecaf"),
        ({"triggered_by": "manual", "status": "completed"}, "d"),
        ({"since": T0 + SECOND}, "ebdca"),
        ({"until": T0 + SECOND}, "dcaf"),
        ({"since": T0 + SECOND, "until": T0 + 2 * SECOND, "event_id": "b"}, "bd"),
    ],
)
async def test_executions_are_listed_newest_first(store: Store, filters: dict[str, Any], expected: str) -> None:
    await add_history(store)
    assert await execution_ids(store, **filters) == expected


@pytest.mark.parametrize("cursor", ["", "x", "bm9wZQ==", "WzFd", "WyJhIiwgImEiXQ==", "€", "W" * 9999])
async def test_a_cursor_that_no_store_gave_out_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(CommandRejected, match="cursor"):
        await store.events(EventQuery(cursor=cursor))
    with pytest.raises(CommandRejected, match="cursor"):
        await store.executions(ExecutionQuery(cursor=cursor))


async def test_counts_follow_every_change(store: Store) -> None:
    assert await store.counts(T0) == StoreCounts(0, 0, 0, 0, 0, 0, 0)
    await add_events(store, "a", "b", "c", wake_time=T0)
    await add_history(store)
    retry = execution("r", status=S.RETRYING, retry_time=T0)
    await commit(store, planned(retry), Changes(outbox=[message(1), message(2)]))
    assert await store.counts(T0) == StoreCounts(3, 7, 1, 1, 1, 2, 3)
    assert (await store.counts(T0 - SECOND)).due == 0
    done = Changes(executions={"r": retry._replace(status=S.FAILED, retry_time=None)}, sent=[1], deleted={"a": 1})
    await commit(store, done)
    assert await store.counts(T0) == StoreCounts(2, 7, 1, 1, 0, 1, 2)


async def test_declared_events_are_those_of_files(store: Store) -> None:
    await add_a_house(store)
    assert await store.declared() == {"a": "file:y.yaml", "c": "file:x.yaml"}
