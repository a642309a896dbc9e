"""A wall clock that is set forward or back under a running service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from alicia_scheduler.ports import Attempt
from tests.engine.virtual_time import NOON
from tests.engine.world import HOUR, MINUTE, SECOND, Options, ScriptedRunner, World, bodies, restarted, world


async def succeeds(attempt: Attempt) -> Any:
    return None


def at_noon_and(runner: ScriptedRunner) -> list[int]:
    """Nominal times of what ran, in minutes after noon."""
    return [round((a.execution.scheduled_time - NOON) / MINUTE) for a in runner.attempts]


async def stepped(w: World, by: timedelta, after: timedelta = 10 * MINUTE + SECOND) -> None:
    await w.create()
    await w.wait(after)
    w.clock.step(by)


async def test_five_hours_forward_replay_nothing_and_are_told() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, 5 * HOUR)
        await w.wait(5 * MINUTE)
        assert at_noon_and(runner) == [*range(1, 11), *range(311, 316)]
        [told] = bodies(w.recoveries)
        assert (told["cause"], told["missed"]) == ("clock", 300)
        [missed] = await w.executions(status="missed")
        assert (missed.missed_count, missed.reason) == (300, "clock_correction")


async def test_five_hours_back_start_from_the_right_time_and_fire_with_other_ids() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, -5 * HOUR)
        await w.wait(5 * MINUTE)
        assert at_noon_and(runner) == [*range(1, 11), *range(-289, -284)]
        assert [b["cause"] for b in bodies(w.recoveries)] == ["clock"]
        await w.wait(5 * HOUR)
        assert len(runner.attempts) == 10 + 305
        assert len({a.execution.execution_id for a in runner.attempts}) == len(runner.attempts)


async def test_ten_minutes_forward_are_lateness_and_are_caught_up() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, 10 * MINUTE)
        await w.wait(3 * MINUTE)
        minutes = at_noon_and(runner)
        assert minutes[:10] == [*range(1, 11)]
        assert minutes[-3:] == [21, 22, 23]
        [missed] = await w.executions(status="missed")
        ran = [m for m in minutes if 11 <= m <= 20]
        skipped = await w.executions(status="skipped")
        assert len(ran) == 1
        assert len(ran) + len(skipped) + missed.missed_count == 10
        assert not w.recoveries


async def test_ten_minutes_back_fire_nothing_again() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, -10 * MINUTE)
        await w.wait(10 * MINUTE)
        assert at_noon_and(runner) == [*range(1, 11)]
        await w.wait(3 * MINUTE)
        assert at_noon_and(runner) == [*range(1, 14)]


@pytest.mark.parametrize("by", [-5 * HOUR, -10 * MINUTE, 10 * MINUTE, 5 * HOUR])
async def test_no_step_makes_a_fire_early_or_twice(by: timedelta) -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, by)
        await w.wait(30 * MINUTE)
        assert all(a.now >= a.execution.due_time for a in runner.attempts)
        assert len({a.execution.execution_id for a in runner.attempts}) == len(runner.attempts)


async def test_a_clock_that_was_set_back_while_the_service_was_down_is_noticed_at_the_start() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, timedelta(0))
        await w.crash()
        w.clock.step(-5 * HOUR)
        async with restarted(w) as again:
            await again.wait(3 * MINUTE)
            assert at_noon_and(runner) == [*range(1, 11), -289, -288, -287]
            assert "clock" in [b["cause"] for b in bodies(again.recoveries)]


async def test_an_event_that_is_paused_and_resumed_after_a_step_back_goes_on_firing() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, -10 * MINUTE)
        await w.command("pause_event", event_id="lamp")
        await w.command("resume_event", event_id="lamp")
        await w.wait(15 * MINUTE)
        assert len({a.execution.execution_id for a in runner.attempts}) == len(runner.attempts)
        assert at_noon_and(runner)[-1] == 15


async def test_an_event_that_is_changed_after_a_step_back_goes_on_firing() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner)) as w:
        await stepped(w, -10 * MINUTE)
        await w.command(
            "update_event", event_id="lamp", changes={"schedule_config": {"cron_expression": "*/1 * * * *"}}
        )
        await w.wait(15 * MINUTE)
        assert len({a.execution.execution_id for a in runner.attempts}) == len(runner.attempts)
        assert at_noon_and(runner)[-1] == 15


async def test_the_time_of_a_machine_that_slept_is_no_step() -> None:
    runner = ScriptedRunner(succeeds)
    async with world(Options(runner=runner, longest_sleep=HOUR)) as w:
        await w.create()
        await w.wait(5 * MINUTE + SECOND)
        assert not w.recoveries
        assert all((b - a) == 1 for a, b in pairwise(at_noon_and(runner)))


async def test_a_fire_that_waited_while_the_clock_was_set_back_runs_when_it_is_due_again() -> None:
    async def script(attempt: Attempt) -> Any:
        if attempt.execution.event_id == "long":
            await asyncio.sleep(90)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner, places=1)) as w:
        await w.create("long", schedule_type="once", schedule_config={"delay": 30})
        await w.create(schedule_type="once", schedule_config={"delay": 60})
        await w.wait(MINUTE + SECOND)
        w.clock.step(-10 * MINUTE)
        await w.wait(9 * MINUTE)
        assert [a.execution.event_id for a in runner.attempts] == ["long"]
        await w.wait(2 * MINUTE)
        assert [a.execution.event_id for a in runner.attempts] == ["long", "lamp"]
        assert runner.attempts[-1].now >= runner.attempts[-1].execution.due_time
