from __future__ import annotations

from datetime import timedelta

from alicia_scheduler.core.decision import Changes, Needs
from alicia_scheduler.core.queries import ExecutionQuery
from alicia_scheduler.core.state import ExecutionStatus
from alicia_scheduler.ports import Retention, Store
from tests.conformance.store.examples import SECOND, T0, add_events, commit, execution, load, planned, request

S = ExecutionStatus
NEVER = T0 - timedelta(days=9999)


async def left(store: Store) -> set[str]:
    found, _ = await store.executions(ExecutionQuery(limit=1000))
    return {execution.execution_id for execution in found}


async def test_ended_executions_older_than_the_limit_go_oldest_first_in_batches(store: Store) -> None:
    await commit(store, planned(*(execution(f"e{n}", status=S.COMPLETED, end_time=T0 + n * SECOND) for n in range(5))))
    retention = Retention(T0 + 3 * SECOND, 1000, NEVER, batch=2)
    assert await store.remove_expired(retention) == 2
    assert await left(store) == {"e2", "e3", "e4"}
    assert await store.remove_expired(retention) == 1
    assert await store.remove_expired(retention) == 0
    assert await left(store) == {"e3", "e4"}
    assert (await store.counts(T0)).executions == 2


async def test_the_age_of_an_execution_counts_from_its_end_or_else_from_its_making(store: Store) -> None:
    long_ago = T0 - timedelta(days=100)
    await commit(
        store,
        planned(
            execution("backfilled", at=long_ago, created_at=T0, status=S.COMPLETED, end_time=T0),
            execution("skipped", at=T0, created_at=long_ago, status=S.SKIPPED),
            execution("long", at=long_ago, status=S.FAILED, end_time=T0),
        ),
    )
    assert await store.remove_expired(Retention(T0, 1000, NEVER)) == 1
    assert await left(store) == {"backfilled", "long"}


async def test_unfinished_executions_are_never_removed(store: Store) -> None:
    unfinished = (S.PENDING, S.RUNNING, S.RETRYING)
    await commit(store, planned(*(execution(str(s), status=s, retry_time=T0, end_time=NEVER) for s in unfinished)))
    assert await store.remove_expired(Retention(T0 + SECOND, 0 + 1, T0)) == 0
    assert len(await left(store)) == 3


async def test_only_the_newest_executions_of_each_event_stay(store: Store) -> None:
    await add_events(store, "a", "b")
    for event_id, key in (("a", 1), ("b", 2)):
        many = (execution(f"{event_id}{n}", event_id, key, at=T0 + n * SECOND, status=S.COMPLETED) for n in range(6))
        await commit(store, planned(*many))
    await commit(store, planned(execution("a-waits", at=T0 - SECOND)))
    retention = Retention(NEVER, 4, NEVER, batch=3)
    removed = 0
    while step := await store.remove_expired(retention):
        assert step <= 3
        removed += step
    assert removed == 4
    assert await left(store) == {f"{e}{n}" for e in "ab" for n in (2, 3, 4, 5)} | {"a-waits"}


async def test_old_answers_go(store: Store) -> None:
    many = [request(f"r{n}", answered_at=T0 + n * SECOND) for n in range(4)]
    await commit(store, Changes(requests={r.request_id: r for r in many}))
    assert await store.remove_expired(Retention(NEVER, 1000, T0 + 2 * SECOND)) == 2
    needs = Needs(request_ids=frozenset(r.request_id for r in many))
    assert set((await load(store, needs)).requests) == {"r2", "r3"}
    assert await store.remove_expired(Retention(NEVER, 1000, T0 + 2 * SECOND)) == 0
