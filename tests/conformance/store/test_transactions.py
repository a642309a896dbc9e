from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from alicia_scheduler.adapters.store import DuplicateExecution
from alicia_scheduler.core.decision import Changes, Needs, Snapshot
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.core.state import Counters, ExecutionStatus, ServiceMark
from alicia_scheduler.ports import Store
from tests.conformance.store.examples import (
    SECOND,
    T0,
    add_events,
    commit,
    creation,
    execution,
    full_execution,
    full_state,
    ids,
    load,
    message,
    planned,
    record,
    request,
    state,
)

S = ExecutionStatus


async def test_every_field_of_an_event_comes_back(store: Store) -> None:
    made = record("a", 1, origin="file:lights.yaml", tags=["x", "ü"], module_id="m", namespace="home", name="Ä")
    await commit(store, creation((made, full_state("a", 1))), planned(full_execution("e")))
    await store.close()
    await store.open()
    assert await store.event("a") == (made, full_state("a", 1))
    snapshot = await load(store, ids("a"))
    assert snapshot.records == {"a": made}
    assert snapshot.states == {"a": full_state("a", 1)}
    assert snapshot.total_events == 1


@pytest.mark.parametrize("example", [full_execution("e"), execution("e")])
async def test_every_field_of_an_execution_comes_back(store: Store, example: object) -> None:
    await commit(store, planned(example))  # type: ignore[arg-type]
    assert await store.execution("e") == example
    assert (await load(store, Needs(execution_ids=frozenset({"e"})))).executions == {"e": example}


@pytest.mark.parametrize("value", [0, False, "", [], {}, 1.0, 2**80, "x\x00y", "\ud800", {"k": [None]}, None])
async def test_a_result_keeps_its_value_and_its_type(store: Store, value: object) -> None:
    await commit(store, planned(execution("e", result=value, payload=value)))
    found = await store.execution("e")
    assert found is not None
    assert (found.result, type(found.result)) == (value, type(value))
    assert (found.payload, type(found.payload)) == (value, type(value))


async def test_an_execution_is_replaced_as_a_whole(store: Store) -> None:
    await commit(store, planned(full_execution("e")))
    after = full_execution("e")._replace(
        status=S.COMPLETED, held=False, retry_time=None, end_time=T0, result=None, attempts=(),
        error_message=None, reason=None, priority=3, due_time=T0 + 9 * SECOND,
    )  # fmt: skip
    await commit(store, Changes(executions={"e": after}))
    assert await store.execution("e") == after


async def test_messages_come_back_in_order_with_every_field(store: Store) -> None:
    full = OutgoingMessage(
        topic="t/ü", payload=b"\xff\x00\x01", qos=2, retain=True, expiry_s=60, response_topic="r",
        correlation_data=b"\x00\xff", user_properties=(("a", "1"), ("a", "2")),
    )  # fmt: skip
    rows = [message(7, "é\u2028".encode()), OutboxRow(3, full, T0), message(5, b""), message(6, b"a\x00b")]
    await commit(store, Changes(outbox=rows))
    assert await store.outbox(0, 10) == sorted(rows, key=lambda row: row.sequence)
    assert [row.sequence for row in await store.outbox(3, 2)] == [5, 6]


async def test_messages_that_were_sent_are_gone(store: Store) -> None:
    await commit(store, Changes(outbox=[message(n) for n in range(1, 6)]))
    await commit(store, Changes(sent=[1, 3, 99]))
    assert [row.sequence for row in await store.outbox(0, 10)] == [2, 4, 5]


async def test_answers_are_found_by_request_id(store: Store) -> None:
    await commit(store, Changes(requests={n: request(n) for n in ("r1", "r ü", "r3")}))
    found = (await load(store, Needs(request_ids=frozenset({"r1", "r ü", "none"})))).requests
    assert found == {"r1": request("r1"), "r ü": request("r ü")}


async def test_the_service_mark_is_there_for_the_next_process(store: Store) -> None:
    mark = ServiceMark(Counters(5, 6, 7), alive_at=T0, clean=False, starts=2, serial=1)
    await commit(store, Changes(mark=mark))
    await store.close()
    assert await store.open() == mark


async def test_a_new_store_has_no_past(store: Store) -> None:
    await store.close()
    assert await store.open() == ServiceMark()


async def test_due_events_come_earliest_first_and_no_more_than_asked(store: Store) -> None:
    wakes = {"a": 5, "b": 1, "c": 5, "d": 9, "e": 0}
    rows = [(record(n, k), state(n, k, wake_time=T0 + w * SECOND)) for k, (n, w) in enumerate(wakes.items(), 1)]
    await commit(store, creation(*rows, (record("f", 9), state("f", 9))))
    assert (await load(store, Needs(due_at=T0 + 5 * SECOND, due_limit=9))).due == ("e", "b", "a", "c")
    snapshot = await load(store, Needs(due_at=T0 + 5 * SECOND, due_limit=3))
    assert snapshot.due == ("e", "b", "a")
    assert set(snapshot.records) == set(snapshot.states) == {"a", "b", "e"}


async def test_events_whose_mark_lies_ahead_are_found(store: Store) -> None:
    rows = [(record(n, k), state(n, k)._replace(mark_time=T0 + k * SECOND)) for k, n in enumerate("abcd", 1)]
    await commit(store, creation(*rows))
    assert (await load(store, Needs(ahead_of=T0 + 2 * SECOND, ahead_limit=9))).ahead == ("c", "d")
    snapshot = await load(store, Needs(ahead_of=T0, ahead_limit=1))
    assert snapshot.ahead == tuple(snapshot.records) == ("a",)


async def test_ready_executions_come_by_priority_due_time_and_id(store: Store) -> None:
    later = T0 + SECOND
    await add_events(store, "a")
    await commit(
        store,
        planned(
            execution("p-late", due_time=later),
            execution("p-b", due_time=T0),
            execution("p-a", due_time=T0),
            execution("high", due_time=later, priority=5),
            execution("low", priority=-5),
            execution("held", held=True, priority=9),
            execution("running", status=S.RUNNING, priority=9),
            execution("done", status=S.SKIPPED, priority=9),
            execution("retry-now", status=S.RETRYING, retry_time=later, priority=5, due_time=T0),
            execution("retry-later", status=S.RETRYING, retry_time=later + timedelta(microseconds=1), priority=9),
        ),
    )
    every = ("retry-now", "high", "p-a", "p-b", "p-late", "low")
    assert (await load(store, Needs(ready_at=later, ready_limit=50))).ready == every
    snapshot = await load(store, Needs(ready_at=later, ready_limit=3))
    assert snapshot.ready == every[:3]
    assert set(snapshot.records) == {"a"}


async def test_executions_found_running_come_with_their_events(store: Store) -> None:
    await add_events(store, "a", "b")
    await commit(store, planned(*(execution(f"r{n}", "b", 2, status=S.RUNNING) for n in range(4)), execution("p")))
    snapshot = await load(store, Needs(interrupted=True, interrupted_limit=3))
    assert len(snapshot.interrupted) == 3
    assert set(snapshot.interrupted) <= {"r0", "r1", "r2", "r3"}
    assert set(snapshot.states) == {"b"}


async def test_an_event_brings_its_unfinished_executions(store: Store) -> None:
    await commit(store, creation((record("a", 1), state("a", 1, unfinished=3)), (record("b", 2), state("b", 2))))
    await commit(
        store,
        planned(
            execution("p"),
            execution("r", status=S.RUNNING),
            execution("t", status=S.RETRYING, retry_time=T0),
            execution("over", status=S.SKIPPED),
            execution("other", "b", 2, status=S.SKIPPED),
        ),
    )
    assert set((await load(store, ids("a", "b"))).executions) == {"p", "r", "t"}
    assert set((await load(store, Needs(execution_ids=frozenset({"over"})))).executions) == {"over", "p", "r", "t"}


async def test_no_more_than_a_thousand_unfinished_executions_of_one_event_are_loaded(store: Store) -> None:
    await commit(store, creation((record("a", 1), state("a", 1, unfinished=1005))))
    await commit(store, planned(*(execution(f"e{n:04}") for n in range(1005))))
    found = (await load(store, ids("a"))).executions
    assert sorted(found) == [f"e{n:04}" for n in range(1000)]


async def test_an_execution_of_a_removed_event_stays_and_brings_no_event(store: Store) -> None:
    await add_events(store, "a")
    await commit(store, planned(execution("e")))
    again = creation((record("a", 7), state("a", 7)))
    again.deleted["a"] = 1
    await commit(store, again)
    snapshot = await load(store, Needs(execution_ids=frozenset({"e"})))
    assert set(snapshot.executions) == {"e"}
    assert (snapshot.records, snapshot.states) == ({}, {})


async def test_an_event_is_removed_and_made_again_in_one_transaction(store: Store) -> None:
    await commit(store, creation((record("a", 1, tags=["old"]), full_state("a", 1))))
    again = creation((record("a", 2, tags=["new"]), state("a", 2)))
    again.deleted["a"] = 1
    await commit(store, again)
    assert await store.event("a") == (record("a", 2, tags=["new"]), state("a", 2))
    assert (await store.counts(T0)).events == 1


async def test_a_removed_event_is_gone(store: Store) -> None:
    await add_events(store, "a", "b")
    await load(store, ids("a"))
    await commit(store, Changes(deleted={"a": 1}))
    assert await store.event("a") is None
    assert await load(store, ids("a")) == Snapshot(total_events=1)


async def test_a_changed_definition_is_seen_at_once_and_after_the_commit(store: Store) -> None:
    await add_events(store, "a")
    changed = record("a", 1, revision=2, name="changed")
    async with store.transaction() as transaction:
        assert (await transaction.load(ids("a"))).records["a"].revision == 1
        await transaction.apply(Changes(records={"a": changed}))
        assert (await transaction.load(ids("a"))).records["a"] == changed
        before = await store.event("a")
        assert before is not None
        assert before[0].revision == 1
    assert (await load(store, ids("a"))).records["a"] == changed


async def test_nothing_of_a_transaction_that_fails_remains(store: Store) -> None:
    await add_events(store, "a")
    everything = creation((record("a", 1, revision=2), full_state("a", 1)), (record("b", 2), state("b", 2)))
    everything.executions, everything.new_executions = {"e": execution("e")}, {"e"}
    everything.outbox.append(message(1))
    everything.requests["r"] = request("r")
    everything.mark = ServiceMark(starts=9, serial=1)

    async def fails() -> None:
        async with store.transaction() as transaction:
            await transaction.apply(everything)
            await transaction.load(ids("a", "b"))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fails()
    snapshot = await load(store, Needs(event_ids=frozenset("ab"), request_ids=frozenset("r")))
    assert snapshot == Snapshot({"a": record("a", 1)}, {"a": state("a", 1)}, total_events=1)
    assert await store.execution("e") is None
    assert await store.outbox(0, 9) == []
    await store.close()
    assert await store.open() == ServiceMark()


async def test_a_cancelled_transaction_leaves_nothing_and_the_next_one_works(store: Store) -> None:
    inside = asyncio.Event()

    async def never_ends() -> None:
        async with store.transaction() as transaction:
            await transaction.apply(planned(execution("e")))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await inside.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await store.execution("e") is None
    await commit(store, planned(execution("f")))
    assert await store.execution("f") is not None


async def test_a_second_transaction_waits_for_the_first(store: Store) -> None:
    await add_events(store, "a")

    async def count_up() -> None:
        async with store.transaction() as transaction:
            seen = (await transaction.load(ids("a"))).states["a"]
            await asyncio.sleep(0)
            await transaction.apply(Changes(states={"a": seen._replace(run_count=seen.run_count + 1)}))

    await asyncio.gather(*(count_up() for _ in range(20)))
    found = await store.event("a")
    assert found is not None
    assert found[1].run_count == 20


async def test_planning_the_same_execution_twice_is_refused(store: Store) -> None:
    await add_events(store, "a")
    await commit(store, planned(execution("e")))
    again = planned(execution("e"), execution("f"))
    again.states["a"] = state("a", 1, run_count=1)
    with pytest.raises(DuplicateExecution, match="e"):
        await commit(store, again)
    assert await store.execution("f") is None
    found = await store.event("a")
    assert found is not None
    assert found[1].run_count == 0


async def test_the_next_wake_time_is_the_earliest_of_events_and_retries(store: Store) -> None:
    async def next_wake() -> object:
        async with store.transaction() as transaction:
            return await transaction.next_wake_time(T0)

    assert await next_wake() is None
    await add_events(store, "a", "b", wake_time=T0 + 9 * SECOND)
    assert await next_wake() == T0 + 9 * SECOND
    await commit(store, planned(execution("t", status=S.RETRYING, retry_time=T0 + SECOND), execution("p")))
    assert await next_wake() == T0 + SECOND
    async with store.transaction() as transaction:
        assert await transaction.next_wake_time(T0 + SECOND) == T0 + 9 * SECOND, "a due retry waits for a place"
    done = execution("t", status=S.FAILED, retry_time=None)
    await commit(store, Changes(executions={"t": done}, states={"b": state("b", 2, wake_time=T0 + 3 * SECOND)}))
    assert await next_wake() == T0 + 3 * SECOND


async def test_changes_can_be_written_twice_in_one_transaction(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.apply(creation((record("a", 1), state("a", 1, unfinished=1))))
        await transaction.apply(planned(execution("e")))
        snapshot = await transaction.load(ids("a"))
        assert set(snapshot.executions) == {"e"}
        await transaction.apply(Changes(executions={"e": execution("e", status=S.CANCELLED)}))
    found = await store.execution("e")
    assert found is not None
    assert found.status is S.CANCELLED
