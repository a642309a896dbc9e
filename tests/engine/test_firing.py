"""Fires on virtual time: on the minute, never early, once, in order."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise

from tests.engine.virtual_time import NOON
from tests.engine.world import HOUR, MINUTE, PREFIX, SECOND, Options, bodies, world


async def test_a_day_of_a_minutely_cron_is_1440_fires_in_seconds() -> None:
    began = time.process_time()
    async with world(Options(longest_sleep=MINUTE, lifecycle=False)) as w:
        await w.create()
        await w.wait(24 * HOUR)
        fires = w.bus.on("home/lamp")
        assert len(fires) == 1440
        nominal = [NOON + n * MINUTE for n in range(1, 1441)]
        assert [f.at.replace(microsecond=0) for f in fires] == nominal
        assert all(f.at >= n and f.at - n < SECOND for f, n in zip(fires, nominal, strict=True))
    assert time.process_time() - began < 3


async def test_every_result_is_announced_once_and_in_order() -> None:
    async with world() as w:
        await w.create("a")
        await w.create("b", schedule_config={"cron_expression": "*/2 * * * *"})
        await w.wait(HOUR)
        for event_id, times in (("a", 60), ("b", 30)):
            told = [b for b in bodies(w.results) if b["event_id"] == event_id]
            assert [b["status"] for b in told] == ["completed"] * times
            assert all(a["scheduled_time"] < b["scheduled_time"] for a, b in pairwise(told))
            assert len({b["execution_id"] for b in told}) == times


async def test_jittered_fires_are_never_early_and_come_at_the_times_that_were_promised() -> None:
    async with world() as w:
        promised = (await w.create(jitter=30))["next_fires"]
        await w.wait(6 * MINUTE)
        fires = [p.at.timestamp() for p in w.bus.on("home/lamp")]
        for fire, told in zip(fires, promised, strict=False):
            assert 0 <= fire - told["time"] < 0.01


async def test_a_one_time_event_fires_once_and_is_completed() -> None:
    async with world() as w:
        await w.create(schedule_type="once", schedule_config={"delay": 90})
        await w.wait(HOUR)
        assert [round((p.at - NOON).total_seconds()) for p in w.bus.on("home/lamp")] == [90]
        assert (await w.event())[1].status == "completed"


async def test_a_fixed_delay_counts_from_the_end_of_the_execution_before() -> None:
    async with world() as w:
        created = await w.create(schedule_type="interval", schedule_config={"every": 60, "mode": "fixed_delay"})
        await w.wait(10 * MINUTE)
        assert len(w.bus.on("home/lamp")) in (9, 10)
        first = w.bus.on("home/lamp")[0].at.timestamp()
        assert abs(created["next_fires"][0]["time"] - first) < 0.01


async def test_two_events_that_are_due_at_once_go_by_priority_then_id() -> None:
    async with world() as w:
        for event_id, priority in (("low", -5), ("high", 5), ("middle", 0)):
            await w.create(event_id, priority=priority)
        await w.wait(MINUTE + SECOND)
        assert [p.topic for p in w.bus.below("home/")] == ["home/high", "home/middle", "home/low"]


async def test_the_state_of_an_event_is_published_at_most_once_a_second_and_ends_up_right() -> None:
    async with world() as w:
        await w.create(schedule_type="interval", schedule_config={"every": 1}, max_executions=20)
        await w.wait(MINUTE)
        states = w.bus.on(f"{PREFIX}/state/lamp")
        gaps = [b.at - a.at for a, b in pairwise(states)]
        assert min(gaps) >= SECOND - timedelta(milliseconds=1)
        assert states[-1].body["state"] == "completed"
        assert states[-1].body["run_count"] == 20


async def test_a_deleted_event_stops_at_once_and_its_retained_state_is_cleared() -> None:
    async with world() as w:
        await w.create()
        await w.wait(5 * MINUTE + SECOND)
        await w.command("delete_event", event_id="lamp")
        await w.wait(5 * MINUTE)
        assert len(w.bus.on("home/lamp")) == 5
        assert w.bus.retained(f"{PREFIX}/state/lamp") == b""
