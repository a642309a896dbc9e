"""Failed attempts, timeouts and cancelling, with the real writer, planner and dispatcher."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from alicia_scheduler.core.state import Execution
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import Attempt
from tests.engine.virtual_time import NOON
from tests.engine.world import (
    HOUR,
    MINUTE,
    SECOND,
    Options,
    ScriptedRunner,
    World,
    bodies,
    manual,
    restarted,
    world,
)


async def fails(attempt: Attempt) -> Any:
    raise ActionFailed("no answer", "no_answer")


async def hangs(attempt: Attempt) -> Any:
    await asyncio.Event().wait()


async def takes_ten_seconds(attempt: Attempt) -> Any:
    await asyncio.sleep(10)


def seconds_after_noon(runner: ScriptedRunner) -> list[int]:
    return [round((attempt.now - NOON).total_seconds()) for attempt in runner.attempts]


async def triggered(w: World, event_id: str = "lamp", **fields: Any) -> str:
    """An execution of an event that only runs by hand."""
    await w.command("create_event", event=manual(event_id, **fields), on_conflict="skip")
    execution_id = (await w.command("trigger_event", event_id=event_id))["execution_id"]
    assert isinstance(execution_id, str)
    return execution_id


async def seen(w: World, execution_id: str) -> Execution:
    await w.writer.barrier()
    execution = await w.store.execution(execution_id)
    assert execution is not None
    return execution


async def test_retries_come_after_one_two_and_four_minutes_and_end_in_one_failure() -> None:
    runner = ScriptedRunner(fails)
    async with world(Options(runner=runner)) as w:
        execution_id = await triggered(w)
        await w.wait(HOUR)
        assert seconds_after_noon(runner) == [0, 60, 180, 420]
        assert {a.execution.execution_id for a in runner.attempts} == {execution_id}
        assert [a.execution.attempt for a in runner.attempts] == [1, 2, 3, 4]
        [failure] = bodies(w.failures)
        assert (failure["status"], failure["attempt"], failure["error_code"]) == ("failed", 4, "no_answer")
        assert (await seen(w, execution_id)).reason == "retries_used_up"


async def test_the_time_and_the_count_of_a_retry_survive_a_crash() -> None:
    runner = ScriptedRunner(fails)
    options = Options(runner=runner)
    async with world(options) as w:
        execution_id = await triggered(w)
        await w.wait(2 * MINUTE)
        await w.crash()
        await w.clock.sleep(30 * SECOND)
        async with restarted(w) as again:
            await again.wait(HOUR)
            assert seconds_after_noon(runner) == [0, 60, 180, 420]
            assert (await seen(again, execution_id)).attempt == 4
            assert len(again.failures) == 1


async def test_a_retry_that_became_due_while_the_service_was_down_runs_at_once() -> None:
    runner = ScriptedRunner(fails)
    async with world(Options(runner=runner)) as w:
        await triggered(w)
        await w.wait(SECOND)
        await w.crash()
        await w.clock.sleep(10 * MINUTE)
        async with restarted(w) as again:
            await again.wait(SECOND)
            assert len(runner.attempts) == 2


async def test_a_permanent_error_is_not_tried_again() -> None:
    async def refused(attempt: Attempt) -> Any:
        raise ActionFailed("never", "topic_refused", permanent=True)

    runner = ScriptedRunner(refused)
    async with world(Options(runner=runner)) as w:
        execution_id = await triggered(w)
        await w.wait(HOUR)
        assert len(runner.attempts) == 1
        assert (await seen(w, execution_id)).reason == "permanent_error"


async def test_an_attempt_that_passes_its_timeout_is_stopped_and_counts() -> None:
    runner = ScriptedRunner(hangs)
    async with world(Options(runner=runner)) as w:
        execution_id = await triggered(w, timeout=5, max_retries=1, retry_delay=10)
        await w.wait(HOUR)
        assert seconds_after_noon(runner) == [0, 15]
        assert runner.cancelled == [execution_id] * 2
        assert [b["status"] for b in bodies(w.failures)] == ["timed_out"]


async def test_a_retry_without_delay_is_reported_and_ends() -> None:
    runner = ScriptedRunner(fails)
    async with world(Options(runner=runner)) as w:
        ids = [await triggered(w, f"e{n}", retry_delay=0, max_retries=20) for n in range(5)]
        await w.wait(MINUTE)
        assert {(await seen(w, i)).status for i in ids} == {"failed"}
        assert {(await seen(w, i)).attempt for i in ids} == {21}
        assert w.dispatcher.running == 0


async def test_cancel_execution_stops_the_action_and_frees_its_place() -> None:
    runner = ScriptedRunner(hangs)
    async with world(Options(runner=runner, places=1)) as w:
        execution_id = await triggered(w)
        await w.until(lambda: runner.running == 1)
        await w.command("cancel_execution", execution_id=execution_id)
        await w.wait(SECOND)
        assert runner.cancelled == [execution_id]
        assert (await seen(w, execution_id)).status == "cancelled"
        assert w.dispatcher.running == 0
        await triggered(w, "other")
        await w.until(lambda: runner.running == 1)


async def test_a_waiting_retry_can_be_cancelled() -> None:
    runner = ScriptedRunner(fails)
    async with world(Options(runner=runner)) as w:
        execution_id = await triggered(w)
        await w.wait(SECOND)
        await w.command("cancel_execution", execution_id=execution_id)
        await w.wait(HOUR)
        assert len(runner.attempts) == 1
        assert (await seen(w, execution_id)).status == "cancelled"


async def test_the_next_fire_takes_the_place_of_a_retry() -> None:
    runner = ScriptedRunner(fails)
    async with world(Options(runner=runner)) as w:
        await w.create(schedule_config={"cron_expression": "*/5 * * * *"}, max_retries=10, retry_delay=120)
        await w.wait(11 * MINUTE)
        assert seconds_after_noon(runner) == [300, 420, 600]
        assert [b["reason"] for b in bodies(w.failures)] == ["next_fire_is_the_retry"]


async def test_no_more_executions_run_than_there_are_places_and_none_is_lost() -> None:
    runner = ScriptedRunner(takes_ten_seconds)
    async with world(Options(runner=runner, places=3)) as w:
        for n in range(10):
            await triggered(w, f"e{n}")
        await w.wait(MINUTE)
        assert runner.most_running == 3
        assert len(runner.ended) == 10


async def test_places_go_by_priority_then_due_time() -> None:
    runner = ScriptedRunner(takes_ten_seconds)
    async with world(Options(runner=runner, places=1)) as w:
        await triggered(w, "first")
        for event_id, priority in (("b", 0), ("c", 0), ("urgent", 9), ("late", -9)):
            await triggered(w, event_id, priority=priority)
            await w.wait(timedelta(milliseconds=10))
        await w.wait(2 * MINUTE)
        assert [a.execution.event_id for a in runner.attempts] == ["first", "urgent", "b", "c", "late"]


async def test_a_due_retry_that_finds_no_free_place_waits_without_keeping_the_service_busy() -> None:
    async def script(attempt: Attempt) -> Any:
        await (fails if attempt.execution.event_id == "failing" else takes_ten_seconds)(attempt)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner, places=1)) as w:
        await triggered(w, "failing", retry_delay=2, max_retries=1)
        await w.wait(SECOND)
        await triggered(w, "long")
        commits = w.writer.commits
        await w.wait(8 * SECOND)
        assert w.writer.commits - commits < 20
        await w.wait(MINUTE)
        assert [a.execution.event_id for a in runner.attempts] == ["failing", "long", "failing"]


@pytest.mark.parametrize(
    ("policy", "starts"),
    [
        ("skip", [60, 180]),
        ("queue_one", [60, 150, 240]),
        ("queue_all", [60, 150, 240]),
        ("cancel_running", [60, 120, 180, 240]),
        ("allow", [60, 120, 180, 240]),
    ],
)
async def test_an_action_of_ninety_seconds_on_a_minutely_event(policy: str, starts: list[int]) -> None:
    async def ninety_seconds(attempt: Attempt) -> Any:
        await asyncio.sleep(90)

    runner = ScriptedRunner(ninety_seconds)
    async with world(Options(runner=runner)) as w:
        await w.create(overlap_policy=policy)
        await w.wait(4 * MINUTE + SECOND)
        assert seconds_after_noon(runner) == starts
        every = await w.executions()
        assert len(every) == 4
        state = (await w.event())[1]
        unfinished = [e for e in every if e.status in ("pending", "running", "retrying")]
        assert state.unfinished == len(unfinished)
