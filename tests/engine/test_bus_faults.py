"""A broker that goes, refuses, or says things twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from alicia_scheduler.adapters.store import MemoryStore
from alicia_scheduler.core.outbox import OutboxRow
from alicia_scheduler.ports import Attempt
from tests.engine.world import (
    HOUR,
    MINUTE,
    PREFIX,
    SECOND,
    Options,
    ScriptedRunner,
    bodies,
    manual,
    restarted,
    world,
)

RESULTS = f"{PREFIX}/execution_results"


async def succeeds(attempt: Attempt) -> Any:
    return {"done": True}


def times(published: list[Any]) -> list[float]:
    return [b["scheduled_time"] for b in published]


async def test_results_wait_while_the_broker_is_away_and_come_in_order_afterwards() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        await w.create()
        await w.wait(2 * MINUTE + SECOND)
        w.bus.disconnect()
        await w.wait(3 * HOUR)
        assert len(w.results) == 2
        assert len(await w.store.outbox(0, 1000)) >= 180
        w.bus.connect()
        await w.wait(SECOND)
        told = times(bodies(w.results))
        assert len(told) == 182
        assert told == sorted(told)
        await w.wait(2 * SECOND)
        assert not await w.store.outbox(0, 10)


async def test_results_that_were_under_way_when_the_connection_went_are_sent_again_in_order() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        w.bus.holds = lambda topic: topic == RESULTS
        await w.create()
        await w.wait(5 * MINUTE + SECOND)
        assert len(w.results) == 5
        w.bus.disconnect()
        w.bus.holds = lambda topic: False
        w.bus.published.clear()
        await w.wait(MINUTE)
        w.bus.connect(session_present=True)
        await w.wait(SECOND)
        told = times(bodies(w.results))
        assert len(told) == 6
        assert told == sorted(told)


async def test_the_outbox_survives_a_crash_and_goes_out_before_what_is_new() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        await w.create()
        w.bus.disconnect()
        await w.wait(10 * MINUTE + SECOND)
        await w.crash()
        async with restarted(w) as again:
            again.bus.connect()
            await again.wait(MINUTE)
            told = times(bodies(again.results))
            assert len(told) == 11
            assert told == sorted(told)


async def test_a_message_that_the_broker_will_never_take_is_parked_and_announced_and_the_next_go_on() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        w.bus.refuses = lambda topic: topic == RESULTS
        await w.create()
        await w.wait(MINUTE + SECOND)
        assert w.relay.parked == 1
        assert [b["code"] for b in bodies(w.errors)] == ["not_allowed"]
        w.bus.refuses = lambda topic: False
        await w.wait(MINUTE)
        assert len(w.results) == 1
        await w.wait(2 * SECOND)
        assert not await w.store.outbox(0, 10)


async def test_refused_error_messages_are_not_answered_with_more_of_them() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        w.bus.refuses = lambda topic: topic in (RESULTS, f"{PREFIX}/errors")
        await w.create()
        await w.wait(MINUTE + SECOND)
        assert w.relay.parked == 2


async def test_an_answer_reaches_its_caller_after_a_short_cut() -> None:
    async with world() as w:
        w.bus.holds = lambda topic: topic == "test/answer"
        w.bus.deliver(f"{PREFIX}/command/ping", {}, response_topic="test/answer")
        await w.until(lambda: w.bus.on("test/answer"))
        w.bus.disconnect()
        w.bus.holds = lambda topic: False
        w.bus.connect()
        await w.wait(5 * SECOND)
        assert len(w.bus.on("test/answer")) == 2


async def test_the_last_state_of_an_event_reaches_the_broker_though_the_connection_went_with_it() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        await w.create(schedule_type="once", schedule_config={"delay": 60})
        await w.wait(59 * SECOND)
        w.bus.holds = lambda topic: topic.startswith(f"{PREFIX}/state/")
        await w.wait(5 * SECOND)
        w.bus.disconnect()
        w.bus.holds = lambda topic: False
        w.bus.published.clear()
        w.bus.connect(session_present=True)
        await w.wait(10 * SECOND)
        assert w.bus.on(f"{PREFIX}/state/lamp")[-1].body["state"] == "completed"


async def test_a_broker_that_has_forgotten_everything_is_told_every_state_again() -> None:
    async with world() as w:
        for n in range(3):
            await w.command("create_event", event=manual(f"e{n}"))
        await w.wait(10 * SECOND)
        w.bus.disconnect()
        w.bus.published.clear()
        w.bus.connect(session_present=False)
        await w.wait(2 * SECOND)
        assert sorted(p.topic for p in w.bus.below(f"{PREFIX}/state/")) == [f"{PREFIX}/state/e{n}" for n in range(3)]
        assert [p.message.payload for p in w.bus.on(f"{PREFIX}/availability")] == [b"online"]


async def test_a_reconnect_is_told_on_the_recovery_topic() -> None:
    async with world() as w:
        await w.wait(MINUTE)
        w.bus.disconnect()
        await w.wait(MINUTE)
        w.bus.connect()
        await w.wait(SECOND)
        [told] = bodies(w.recoveries)
        assert told["cause"] == "reconnect"
        assert told["until"] - told["since"] == 60


async def test_an_action_waits_for_the_broker_and_is_carried_out_when_it_is_back() -> None:
    async with world() as w:
        await w.create(schedule_type="once", schedule_config={"delay": 60})
        w.bus.disconnect()
        await w.wait(3 * MINUTE)
        assert not w.bus.on("home/lamp")
        w.bus.connect()
        await w.wait(SECOND)
        assert len(w.bus.on("home/lamp")) == 1
        assert len(w.results) == 1


async def test_an_action_on_a_topic_that_the_broker_refuses_fails_for_good() -> None:
    async with world() as w:
        w.bus.refuses = lambda topic: topic == "home/lamp"
        await w.create(schedule_type="once", schedule_config={"delay": 60})
        await w.wait(HOUR)
        [failure] = bodies(w.failures)
        assert (failure["error_code"], failure["attempt"]) == ("publish_refused", 1)


class SlowToRead(MemoryStore):
    """Answers what lies in the outbox half a second after it was asked."""

    async def outbox(self, after: int, limit: int) -> Sequence[OutboxRow]:
        rows = await super().outbox(after, limit)
        await asyncio.sleep(0.5)
        return rows


async def test_results_that_are_committed_while_the_outbox_is_read_are_sent_once_and_in_order() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds)), store=SlowToRead()) as w:
        for n in range(7):
            every = {"schedule_type": "interval", "schedule_config": {"every": 1 + n / 10}}
            await w.create(f"e{n}", **every)
        await w.wait(20 * SECOND)
        w.bus.disconnect()
        await w.wait(20 * SECOND)
        w.bus.connect()
        await w.wait(20 * SECOND)
        for n in range(7):
            await w.command("pause_event", event_id=f"e{n}")
        await w.wait(5 * SECOND)
        for n in range(7):
            told = times([b for b in bodies(w.results) if b["event_id"] == f"e{n}"])
            assert told == sorted(set(told))
            assert len(told) == (await w.event(f"e{n}"))[1].success_count
