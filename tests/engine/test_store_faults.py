"""A store that takes nothing for a while, a service that dies, a service that stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from alicia_scheduler.adapters.store import MemoryStore
from alicia_scheduler.adapters.store.memory_transaction import MemoryTransaction
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.engine.housekeeping import HistoryLimits
from alicia_scheduler.errors import StoreError, StoreUnavailable
from alicia_scheduler.ports import Attempt
from tests.engine.world import (
    HOUR,
    MINUTE,
    PREFIX,
    SECOND,
    Options,
    ScriptedRunner,
    World,
    bodies,
    definition,
    manual,
    restarted,
    world,
)


class FaultyStore(MemoryStore):
    """Refuses commits while ``full``, and takes ``commit_time`` for each."""

    def __init__(self, commit_time: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.full = False
        self.refuses: type[StoreError] = StoreUnavailable
        self._commit_s = commit_time.total_seconds()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with super().transaction() as transaction:
            yield transaction
            await asyncio.sleep(self._commit_s)
            if self.full:
                raise self.refuses("the disk is full")


async def succeeds(attempt: Attempt) -> Any:
    return None


async def never_ends(attempt: Attempt) -> Any:
    await asyncio.Event().wait()


def problem(w: World) -> str | None:
    return w.writer.problem


async def test_a_full_disk_stops_every_fire_and_loses_none() -> None:
    store = FaultyStore()
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner), store=store) as w:
        await w.create(catch_up="all", overlap_policy="queue_all")
        await w.wait(2 * MINUTE + SECOND)
        store.full = True
        await w.wait(5 * MINUTE)
        assert len(runner.attempts) == 2
        assert problem(w) == "the disk is full"
        store.full = False
        await w.wait(10 * SECOND)
        assert problem(w) is None
        assert len(runner.attempts) == 7
        assert len(w.results) == 7


async def test_a_command_that_meets_a_full_disk_is_answered_when_it_is_durable_and_done_once() -> None:
    store = FaultyStore()
    async with world(Options(runner=ScriptedRunner(succeeds)), store=store) as w:
        await w.command("create_event", event=manual("lamp"))
        store.full = True
        w.bus.deliver(f"{PREFIX}/command/trigger_event", {"event_id": "lamp"}, response_topic="test/a")
        await w.wait(MINUTE)
        assert not w.bus.on("test/a")
        acknowledged = len(w.bus.acknowledged)
        store.full = False
        await w.wait(10 * SECOND)
        assert len(w.bus.on("test/a")) == 1
        assert len(w.bus.acknowledged) == acknowledged + 1
        assert [e.status for e in await w.executions()] == ["completed"]


async def test_an_outcome_that_cannot_be_stored_is_stored_later() -> None:
    store = FaultyStore()

    async def fills_the_disk(attempt: Attempt) -> Any:
        store.full = True

    async with world(Options(runner=ScriptedRunner(fills_the_disk)), store=store) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10})
        await w.wait(MINUTE)
        store.full = False
        await w.wait(10 * SECOND)
        assert [e.status for e in await w.executions()] == ["completed"]
        assert len(w.results) == 1


async def test_a_refusal_on_a_full_disk_is_complained_of_once() -> None:
    store = FaultyStore()
    async with world(store=store) as w:
        await w.wait(2 * SECOND)
        store.full = True
        w.bus.deliver(f"{PREFIX}/command/trigger_event", {"event_id": "none"})
        await w.wait(MINUTE)
        store.full = False
        await w.wait(10 * SECOND)
        assert len(w.errors) == 1
        assert w.service.refused == 1


async def test_decisions_that_arrive_during_a_commit_share_the_next_one() -> None:
    store = FaultyStore(timedelta(milliseconds=10))
    async with world(store=store) as w:
        await w.wait(SECOND)
        before = w.writer.commits
        for n in range(500):
            w.bus.deliver(f"{PREFIX}/command/create_event", {"event": manual(f"e{n}")}, response_topic="test/a")
        await w.until(lambda: len(w.bus.on("test/a")) == 500)
        assert w.writer.commits - before < 10


async def test_a_decision_that_the_store_refuses_fails_alone() -> None:
    async with world() as w:

        def breaks(view: Any, now: Any) -> Decision[None]:
            raise ValueError("a defect")

        good = w.writer.submit(Needs(), lambda view, now: Decision(1))
        bad = w.writer.submit(Needs(), breaks)
        also_good = w.writer.submit(Needs(), lambda view, now: Decision(2))
        assert (await good, await also_good) == (1, 2)
        with pytest.raises(ValueError, match="a defect"):
            await bad


async def test_an_execution_that_a_crash_interrupted_runs_again_under_the_same_id() -> None:
    hanging = ScriptedRunner(never_ends)
    async with world(Options(runner=hanging)) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10})
        await w.wait(MINUTE)
        await w.crash()
        after = ScriptedRunner(succeeds)
        async with restarted(w, Options(runner=after)) as again:
            await again.wait(SECOND)
            [execution] = await again.executions()
            assert execution.status == "completed"
            assert [a.status for a in execution.attempts] == ["failed", "completed"]
            assert hanging.attempts[0].execution.execution_id == after.attempts[0].execution.execution_id
            assert after.attempts[0].execution.fence > hanging.attempts[0].execution.fence
            [told] = bodies(again.recoveries)
            assert (told["cause"], told["clean"], told["resumed"]) == ("start", False, 1)


async def test_the_third_crash_in_a_row_quarantines_the_execution() -> None:
    runner = ScriptedRunner(never_ends)
    async with world(Options(runner=runner)) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10})
        await w.wait(MINUTE)
        await w.crash()
        for _ in range(2):
            async with restarted(w) as again:
                await again.wait(SECOND)
        async with restarted(w) as last:
            await last.wait(SECOND)
            [execution] = await last.executions()
            assert (execution.status, execution.reason) == ("failed", "quarantined")
            assert len(runner.attempts) == 3
            assert len(last.failures) == 1


async def test_what_must_not_repeat_has_an_unknown_outcome_after_a_crash() -> None:
    runner = ScriptedRunner(never_ends)
    async with world(Options(runner=runner)) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10}, delivery="at_most_once")
        await w.wait(MINUTE)
        await w.crash()
        async with restarted(w) as again:
            await again.wait(MINUTE)
            [execution] = await again.executions()
            assert (execution.status, execution.reason) == ("failed", "unknown_outcome")
            assert len(runner.attempts) == 1


async def test_an_hour_of_being_down_is_one_record_and_one_fire() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await w.create()
        await w.wait(5 * MINUTE + SECOND)
        await w.crash()
        await w.clock.sleep(HOUR)
        async with restarted(w) as again:
            await again.wait(SECOND)
            every = await again.executions()
            caught_up = [e for e in every if e.triggered_by == "catch_up"]
            [missed] = [e for e in every if e.status == "missed"]
            assert len(caught_up) == 1
            of_the_gap = len(every) - 5 - 1 + missed.missed_count
            assert of_the_gap == 60
            told = bodies(again.bus.on(f"{PREFIX}/execution_missed"))
            assert [b["event_data"]["missed_count"] for b in told] == [missed.missed_count]


async def test_an_orderly_stop_lets_what_runs_finish_and_is_clean() -> None:
    async def three_seconds(attempt: Attempt) -> Any:
        await asyncio.sleep(3)

    async with world(Options(runner=ScriptedRunner(three_seconds))) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10})
        await w.wait(11 * SECOND)
        await w.stop()
        async with restarted(w) as again:
            [execution] = await again.executions()
            assert execution.status == "completed"
            await again.wait(SECOND)
            assert not again.recoveries


async def test_a_stop_hands_back_what_has_not_begun_to_act_with_its_attempt() -> None:
    class Waits:
        async def __call__(self, attempt: Attempt) -> Any:
            await asyncio.Event().wait()

    async with world(Options(runner=Waits())) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10})
        await w.wait(11 * SECOND)
        await w.stop()
        runner = ScriptedRunner(succeeds)
        async with restarted(w, Options(runner=runner)) as again:
            await again.wait(SECOND)
            [execution] = await again.executions()
            assert (execution.status, execution.attempt, len(execution.attempts)) == ("completed", 1, 1)
            assert (await again.event())[1].run_count == 1


async def test_a_stop_does_not_wait_longer_than_its_grace_for_what_runs() -> None:
    async with world(Options(runner=ScriptedRunner(never_ends), grace=5 * SECOND)) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 10})
        await w.wait(11 * SECOND)
        began = w.clock.steady()
        await w.stop()
        assert w.clock.steady() - began < 6 * SECOND
        runner = ScriptedRunner(succeeds)
        async with restarted(w, Options(runner=runner)) as again:
            await again.wait(SECOND)
            [execution] = await again.executions()
            assert (execution.status, execution.crash_count) == ("completed", 0)


async def test_a_store_that_is_slow_makes_nothing_early_and_nothing_twice() -> None:
    runner = ScriptedRunner(succeeds)
    store = FaultyStore(timedelta(milliseconds=700))
    async with world(Options(runner=runner), store=store) as w:
        for n in range(5):
            await w.command("create_event", event=definition(f"e{n}"))
        await w.wait(10 * MINUTE)
        assert all(a.now >= a.execution.due_time for a in runner.attempts)
        assert len({a.execution.execution_id for a in runner.attempts}) == len(runner.attempts) >= 49


async def test_old_history_goes_and_the_counters_stay() -> None:
    runner = ScriptedRunner(succeeds)
    history = HistoryLimits(per_event=50, interval=HOUR)
    async with world(Options(runner=runner, history=history, lifecycle=False, longest_sleep=MINUTE)) as w:
        await w.create(schedule_type="interval", schedule_config={"every": 60})
        await w.wait(3 * HOUR)
        assert len(await w.executions()) <= 110
        assert (await w.event())[1].success_count == len(runner.attempts)


async def test_a_stop_ends_in_time_though_the_store_takes_nothing() -> None:
    store = FaultyStore()

    async def fills_the_disk(attempt: Attempt) -> Any:
        store.full = True

    runner = ScriptedRunner(fills_the_disk)
    async with world(Options(runner=runner, grace=5 * SECOND), store=store) as w:
        await w.create()
        await w.wait(MINUTE + SECOND)
        w.bus.deliver(f"{PREFIX}/command/trigger_event", {"event_id": "lamp"}, response_topic="test/a")
        await w.wait(MINUTE)
        began, acknowledged = w.clock.steady(), len(w.bus.acknowledged)
        await w.stop()
        assert w.clock.steady() - began < 15 * SECOND
        assert not w.bus.on("test/a")
        assert len(w.bus.acknowledged) == acknowledged
        store.full = False
        after = ScriptedRunner(succeeds)
        async with restarted(w, Options(runner=after)) as again:
            await again.wait(10 * SECOND)
            [interrupted] = [e for e in await again.executions() if len(e.attempts) == 2]
            assert interrupted.status == "completed"
