"""The whole engine against an adversary: crashes, a broker that goes, a full disk, a clock that is set, bad actions.

While the faults last, nothing unsafe may happen; once they are over, everything must settle. A failure names its seed.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from alicia_scheduler.core.model.event import compiled_timing
from alicia_scheduler.core.state import UNFINISHED, Execution
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import Attempt
from tests.engine.test_store_faults import FaultyStore
from tests.engine.virtual_time import NOON
from tests.engine.world import (
    HOUR,
    MINUTE,
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

PLACES = 3
EVENTS = [
    definition("minutely", catch_up="all", overlap_policy="queue_all"),
    definition("skipping", schedule_config={"cron_expression": "*/2 * * * *"}, jitter=50),
    definition("often", schedule_type="interval", schedule_config={"every": 20}, overlap_policy="queue_one"),
    definition("replacing", schedule_config={"cron_expression": "*/3 * * * *"}, overlap_policy="cancel_running"),
    definition("many", overlap_policy="allow", max_concurrent=2, max_retries=1, retry_delay=5, timeout=20),
    definition("once", schedule_type="once", schedule_config={"delay": 600}, until_next_fire=False),
    definition("resting", schedule_type="interval", schedule_config={"every": 45, "mode": "fixed_delay"}),
    manual("by-hand", overlap_policy="queue_all", delivery="at_most_once"),
]


class Adversary:
    """Draws what happens next from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.faulty = True
        self.requests = 0

    async def act(self, attempt: Attempt) -> Any:
        """What an action does: mostly well, sometimes slow, sometimes not at all."""
        assert attempt.now >= attempt.execution.due_time
        chance = self.random.random() if self.faulty else 0.0
        await asyncio.sleep(self.random.choice([0, 0, 0.01, 1, 30]) if self.faulty else 0)
        if chance > 0.95:
            raise ActionFailed("never", "never", permanent=True)
        if chance > 0.8:
            raise ActionFailed("not now", "not_now")
        return {"chance": chance}

    def strike(self, w: World, store: FaultyStore) -> None:
        """One fault, or the end of one."""
        match self.random.randrange(6):
            case 0:
                w.bus.disconnect()
            case 1 | 2 if not w.bus.connection.connected:
                w.bus.connect(session_present=self.random.random() < 0.5)
            case 3:
                store.full = self.random.random() < 0.5
            case 4:
                w.clock.step(self.random.choice([-10, -1, 1, 10]) * MINUTE)
            case _:
                self.requests += 1
                fields = {"event_id": "by-hand", "request_id": f"r{self.requests}"}
                w.bus.deliver("alicia/scheduler/command/trigger_event", fields)


@pytest.mark.parametrize("seed", [0, 1, 2, 136])
async def test_whatever_happens_nothing_is_lost_twice_or_early_and_it_settles(seed: int) -> None:
    adversary, store = Adversary(seed), FaultyStore(timedelta(milliseconds=5))
    runner = ScriptedRunner(adversary.act)
    options = Options(runner=runner, places=PLACES, lifecycle=False)
    async with AsyncExitStack() as processes:
        w = await processes.enter_async_context(world(options, store=store))
        for event in EVENTS:
            await w.command("create_event", event=event)
        for _ in range(12):
            for _ in range(adversary.random.randrange(1, 6)):
                await w.wait(adversary.random.choice([1, 10, 100, 400]) * SECOND)
                adversary.strike(w, store)
            store.full = False
            if adversary.random.random() < 0.5:
                await w.crash()
                await w.clock.sleep(adversary.random.choice([1, 100, 1000]) * SECOND)
                w = await processes.enter_async_context(restarted(w))
        await settle(w, adversary)
        await check(w, runner)


async def settle(w: World, adversary: Adversary) -> None:
    """The faults are over, and the timers rest."""
    adversary.faulty = False
    if not w.bus.connection.connected:
        w.bus.connect()
    for event in EVENTS:
        await w.ask("pause_event", event_id=event["event_id"])
    await w.wait(2 * HOUR)


async def check(w: World, runner: ScriptedRunner) -> None:
    every = await all_executions(w)
    assert not [e for e in every if e.status in UNFINISHED]
    assert not await w.store.outbox(0, 1)
    assert runner.most_running <= PLACES
    for event in EVENTS:
        await check_event(w, event["event_id"], [e for e in every if e.event_id == event["event_id"]])


async def check_event(w: World, event_id: str, mine: list[Execution]) -> None:
    record, state = await w.event(event_id)
    assert state.unfinished == 0
    assert state.success_count == sum(e.status == "completed" for e in mine)
    assert state.failure_count == sum(e.status in ("failed", "timed_out") for e in mine)
    assert state.run_count == sum(e.attempt > 0 for e in mine)
    told = [b for b in bodies([*w.results, *w.failures]) if b["event_id"] == event_id]
    ended = {e.execution_id for e in mine if e.status in ("completed", "failed", "timed_out")}
    assert {b["execution_id"] for b in told} == ended
    if event_id not in ("by-hand", "resting"):
        planned = [e for e in mine if e.status != "missed"]
        missed = sum(e.missed_count for e in mine if e.status == "missed")
        timing = compiled_timing(record.definition, state.anchor_time)
        assert len({e.scheduled_time for e in planned}) == len(planned)
        assert len(planned) + missed == timing.count(state.anchor_time, state.mark_time)


async def all_executions(w: World) -> list[Execution]:
    found: list[Execution] = []
    for event in EVENTS:
        found += await w.executions(event["event_id"])
    assert all(a.created_at >= NOON - HOUR for a in found)
    assert all(a != b for a, b in pairwise(found))
    return found
