"""Initial and final actions of destinations."""

from __future__ import annotations

import pytest

from alicia_scheduler.core.state import ExecutionStatus
from alicia_scheduler.engine.destinations import DestinationBlocks
from tests.engine.blocks import effects, publish
from tests.engine.world import MINUTE, SECOND, Options, restarted, world

pytestmark = pytest.mark.timeout(20)

HALL = {"hall": DestinationBlocks([publish("hello")], [publish("goodbye")])}


async def test_initial_actions_run_once_at_every_start_and_final_ones_once_at_an_orderly_stop() -> None:
    async with world(Options(blocks=HALL)) as one:
        await one.until(lambda: effects(one))
        await one.wait(MINUTE)
        assert effects(one) == ["hello"]
        await one.stop()
        assert effects(one) == ["hello", "goodbye"]
    async with restarted(one) as two:
        await two.until(lambda: len(effects(two)) == 3)
        assert effects(two) == ["hello", "goodbye", "hello"]


async def test_a_crash_runs_no_final_actions_and_the_next_start_runs_the_initial_ones_again() -> None:
    async with world(Options(blocks=HALL)) as one:
        await one.until(lambda: effects(one))
        await one.wait(SECOND)
        await one.crash()
        async with restarted(one) as two:
            await two.until(lambda: len(effects(two)) == 2)
            assert effects(two) == ["hello", "hello"]


async def test_final_actions_that_a_crash_interrupted_do_not_go_on_at_the_next_start() -> None:
    blocks = {"hall": DestinationBlocks(final=[{"action": "wait", "duration": "1h"}, publish("late")])}
    async with world(Options(blocks=blocks)) as one:
        await one.stop()
        async with restarted(one) as two:
            await two.wait(120 * MINUTE)
            (execution,) = await two.executions("hall.final-actions")
            assert (execution.status, execution.reason) == (ExecutionStatus.CANCELLED, "service_restarted")
            assert effects(two) == []


async def test_a_destination_without_actions_any_more_loses_their_events() -> None:
    async with world(Options(blocks=HALL)) as one:
        await one.until(lambda: effects(one))
        await one.stop()
    async with restarted(one, Options()) as two:
        listed = await two.command("list_events")
        assert listed["events"] == []


async def test_their_instructions_see_the_variables_of_the_destination() -> None:
    started = {"action": "set_var", "var_name": "starts", "value": "{{ vars.starts | default(0) + 1 }}"}
    blocks = {"hall": DestinationBlocks([started, publish("{{ vars.starts }}")])}
    async with world(Options(blocks=blocks)) as one:
        await one.until(lambda: effects(one))
        await one.stop()
    async with restarted(one) as two:
        await two.until(lambda: len(effects(two)) == 2)
        assert effects(two) == [1, 2]
