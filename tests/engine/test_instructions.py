"""Every instruction, in the real engine: one test that names what it does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from alicia_scheduler.core.state import ExecutionStatus
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import Attempt
from tests.engine.blocks import (
    begun,
    carried_out,
    effects,
    ended,
    ending,
    flow,
    publish,
    set_var,
    steps,
    variables,
)
from tests.engine.world import HOUR, MINUTE, PREFIX, SECOND, Options, ScriptedRunner, World, restarted, world

pytestmark = pytest.mark.timeout(20)


# --- set_var, log, the variables ---


async def test_set_var_sets_a_variable_in_both_spellings() -> None:
    async with world() as one:
        await carried_out(one, [
            {"action": "set_var", "var": "user_logged_in", "input": {"value": True}},
            {"action": "set_var", "var_name": "count", "value": "{{ 40 + 2 }}"},
        ])  # fmt: skip
        assert await variables(one) == {"user_logged_in": True, "count": 42}


async def test_set_var_keeps_the_type_of_a_single_expression_and_takes_null() -> None:
    async with world() as one:
        await carried_out(one, [set_var("a", [1, 2]), set_var("b", "{{ vars.a }}"), set_var("c", None)])
        assert await variables(one) == {"a": [1, 2], "b": [1, 2], "c": None}


async def test_variables_belong_to_the_destination_and_outlive_the_execution_and_the_service() -> None:
    async with world() as one:
        await carried_out(one, [set_var("level", 7)], dest_id="kitchen")
        await carried_out(one, [publish("{{ vars.level | default('none') }}")], event_id="other", dest_id="hall")
        await one.stop()
    async with restarted(one) as two:
        await carried_out(two, [publish("{{ vars.level }}")], event_id="third", dest_id="kitchen")
        assert effects(two) == ["none", 7]


async def test_a_value_that_looks_like_a_template_is_data_and_is_not_rendered_again() -> None:
    async with world() as one:
        event = flow([set_var("a", "{{ payload.text }}"), publish("{{ vars.a }}")])
        await one.command("create_event", event=event)
        payload = {"text": "{{ 1 + 1 }}"}
        await ending(one, (await one.command("trigger_event", event_id="flow", payload=payload))["execution_id"])
        assert effects(one) == ["{{ 1 + 1 }}"]


async def test_variables_are_bounded_in_number_and_size() -> None:
    async with world() as one:
        failed = await carried_out(one, [set_var("big", "x" * 20_000)])
        assert (failed.error_code, failed.status) == ("limit_exceeded", ExecutionStatus.FAILED)
        assert "16384" in (failed.error_message or "")
        many = [{"action": "set_var", "var_name": f"v{n}", "value": n} for n in range(100)]
        more = [{"action": "set_var", "var_name": f"w{n}", "value": n} for n in range(100)]
        await carried_out(one, many, event_id="a")
        await carried_out(one, more, event_id="b")
        failed = await carried_out(one, [set_var("one_more", 1)], event_id="c")
        assert "200 variables" in (failed.error_message or "")


async def test_a_plain_action_sees_the_variables_of_its_destination() -> None:
    async with world() as one:
        await carried_out(one, [set_var("level", 3)], dest_id="kitchen")
        action = {"topic": "home/plain", "message": {"level": "{{ vars.level }}"}}
        await one.create("plain", schedule_type="manual", schedule_config={}, action=action, dest_id="kitchen")
        await ending(one, (await one.command("trigger_event", event_id="plain"))["execution_id"])
        assert one.bus.on("home/plain")[0].body["level"] == 3


async def test_log_writes_its_rendered_message_into_the_trace() -> None:
    async with world() as one:
        done = await carried_out(one, [set_var("a", 1), {"action": "log", "message": "a is {{ vars.a }}"}])
        assert (await steps(one, done.execution_id))["[1]"]["output"] == "a is 1"


# --- actions ---


async def test_every_action_type_is_an_instruction_and_carries_the_idempotency_id_of_its_step() -> None:
    async with world() as one:
        done = await carried_out(one, [publish(1), publish(2, metadata="merge")])
        first, second = one.bus.on("home/effect")
        properties = dict(first.message.user_properties)
        assert (properties["execution_id"], properties["step"]) == (done.execution_id, "[0]")
        assert (second.body["execution_id"], second.body["step"]) == (done.execution_id, "[1]")
        assert done.result == {"action_type": "instructions", "status": "success", "steps": 2, "result": None}


async def test_an_instruction_sees_the_output_of_one_that_has_an_id() -> None:
    async with world() as one:
        await carried_out(one, [publish(5, id="first"), publish("{{ steps.first.output.message.value + 1 }}")])
        assert effects(one) == [5, 6]


async def test_a_failing_instruction_fails_the_block_and_says_where() -> None:
    async with world() as one:
        one.bus.refuses = lambda topic: topic == "home/refused"
        failed = await carried_out(one, [publish(1), publish(2, topic="home/refused"), publish(3)])
        assert failed.status is ExecutionStatus.FAILED
        assert failed.error_message == "instruction [1]: not authorized"
        assert effects(one) == [1]


async def test_on_error_continue_goes_on_behind_a_failing_instruction() -> None:
    async with world() as one:
        one.bus.refuses = lambda topic: topic == "home/refused"
        block = [publish(2, topic="home/refused", on_error="continue", id="tried"), publish("{{ steps.tried.status }}")]
        done = await carried_out(one, block)
        assert (done.status, effects(one)) == (ExecutionStatus.COMPLETED, ["failed"])


async def test_a_retry_goes_on_at_the_instruction_that_failed() -> None:
    tried: list[str] = []

    async def script(attempt: Attempt) -> Any:
        tried.append(attempt.step or "")
        if attempt.step == "[1]" and attempt.execution.attempt == 1:
            raise ActionFailed("not yet", "busy")
        return None

    async with world(Options(runner=ScriptedRunner(script))) as one:
        done = await carried_out(one, [publish(1), publish(2), publish(3)], max_retries=1, retry_delay=1)
        assert (tried, done.attempt) == (["[0]", "[1]", "[1]", "[2]"], 2)


async def test_a_template_that_fails_is_permanent_and_nothing_half_rendered_leaves() -> None:
    async with world() as one:
        failed = await carried_out(one, [publish("{{ vars.nothing }}")], max_retries=5)
        assert (failed.attempt, failed.error_code, effects(one)) == (1, "bad_template", [])


# --- ways ---


async def test_if_takes_then_or_else() -> None:
    async with world() as one:
        block = [
            set_var("a", 3),
            {"action": "if", "condition": "vars.a > 2", "then": [publish("then")], "else": [publish("else")]},
            {"action": "if", "condition": "{{ vars.a > 5 }}", "then": [publish("then")], "else": [publish("else")]},
            {"action": "if", "condition": False, "then": [publish("never")]},
        ]
        await carried_out(one, block)
        assert effects(one) == ["then", "else"]


async def test_a_condition_that_is_neither_true_nor_false_fails() -> None:
    async with world() as one:
        failed = await carried_out(one, [{"action": "if", "condition": "3", "then": []}])
        assert "neither true nor false" in (failed.error_message or "")


async def test_choose_takes_the_first_option_that_is_true_else_the_default() -> None:
    def chosen(value: int) -> list[Any]:
        options = [
            {"condition": f"{value} > 5", "then": [publish("large")]},
            {"condition": f"{value} > 2", "then": [publish("middle")]},
        ]
        return [{"action": "choose", "options": options, "default": [publish("small")]}]

    async with world() as one:
        for value in (9, 3, 1):
            await carried_out(one, chosen(value), event_id=f"of-{value}")
        assert effects(one) == ["large", "middle", "small"]


async def test_random_choice_takes_one_way_or_sets_a_variable_and_follows_the_weights() -> None:
    async with world() as one:
        ways = [{"weight": w, "instructions_block": [publish(w)]} for w in (1, 9)]
        pick = {"action": "random_choice", "var": "prompt", "choices": ["a", "b", "c"]}
        block = [{"action": "repeat", "count": 100, "do": [{"action": "random_choice", "options": ways}]}, pick]
        await carried_out(one, block)
        assert 75 <= effects(one).count(9) <= 98
        assert (await variables(one))["prompt"] in ("a", "b", "c")


# --- repeats ---


async def test_repeat_carries_out_its_block_so_many_times() -> None:
    async with world() as one:
        await carried_out(one, [{"action": "repeat", "count": "{{ 1 + 2 }}", "do": [publish("{{ repeat.index }}")]}])
        assert effects(one) == [1, 2, 3]


async def test_repeat_for_each_gives_every_item() -> None:
    async with world() as one:
        body = [publish("{{ repeat.item.name ~ (' last' if repeat.last else '') }}")]
        await carried_out(one, [
            set_var("rooms", [{"name": "hall"}, {"name": "bath"}]),
            {"action": "repeat", "for_each": "{{ vars.rooms }}", "instructions_block": body},
        ])  # fmt: skip
        assert effects(one) == ["hall", "bath last"]


async def test_repeat_while_asks_before_and_until_after_each_pass() -> None:
    async with world() as one:
        count = set_var("n", "{{ vars.n + 1 }}")
        await carried_out(one, [
            set_var("n", 0),
            {"action": "repeat", "while": "vars.n < 3", "do": [count, publish("{{ vars.n }}")]},
            {"action": "repeat", "while": "vars.n < 3", "do": [publish("never")]},
            {"action": "repeat", "until": "vars.n >= 3", "do": [count, publish("{{ vars.n }}")]},
        ])  # fmt: skip
        assert effects(one) == [1, 2, 3, 4]


async def test_a_repeat_without_end_stops_at_max_passes_with_an_error() -> None:
    async with world() as one:
        failed = await carried_out(one, [{"action": "repeat", "while": True, "max_passes": 7, "do": [publish(1)]}])
        assert (failed.error_code, len(effects(one))) == ("limit_exceeded", 7)
        assert "no end after 7 passes" in (failed.error_message or "")


async def test_an_execution_stops_at_the_greatest_number_of_instructions_with_an_error() -> None:
    async with world() as one:
        inner = {"action": "repeat", "count": 1000, "do": [{"action": "log", "message": "x"}]}
        failed = await carried_out(one, [{"action": "repeat", "count": 6, "do": [inner]}])
        assert failed.error_code == "limit_exceeded"
        assert "5000 instructions" in (failed.error_message or "")


# --- parallel ---


async def test_parallel_carries_out_its_branches_at_once_and_goes_on_when_all_have_ended() -> None:
    async def script(attempt: Attempt) -> Any:
        await asyncio.sleep(10)
        return None

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner)) as one:
        began = one.clock.steady()
        await carried_out(one, [{"action": "parallel", "branches": [[publish(n)] for n in range(5)]}, publish("then")])
        assert runner.most_running == 5
        assert one.clock.steady() - began < 25 * SECOND
        assert [a.step for a in runner.attempts][-1] == "[1]"


async def test_a_branch_that_fails_fails_the_parallel_and_stops_the_others() -> None:
    async def script(attempt: Attempt) -> Any:
        if attempt.step == "[0].branches[1][0]":
            raise ActionFailed("broken", "broken", permanent=True)
        await asyncio.sleep(60)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner)) as one:
        failed = await carried_out(one, [{"action": "parallel", "branches": [[publish(1)], [publish(2)]]}])
        assert failed.error_message == "instruction [0].branches[1][0]: broken"
        assert len(runner.cancelled) == 1


# --- ends ---


async def test_stop_ends_the_execution_with_a_result_or_as_failed() -> None:
    async with world() as one:
        stop = {"action": "stop", "reason": "enough", "result": {"n": "{{ 1 + 1 }}"}}
        done = await carried_out(one, [stop, publish(1)])
        assert (done.status, done.result["result"], effects(one)) == (ExecutionStatus.COMPLETED, {"n": 2}, [])
        failed = await carried_out(one, [{"action": "stop", "reason": "no water", "error": True}], event_id="b")
        assert (failed.status, failed.error_code) == (ExecutionStatus.FAILED, "stopped")
        assert "no water" in (failed.error_message or "")


async def test_terminate_leaves_the_block_the_loop_or_the_execution() -> None:
    def leaving(scope: str) -> list[Any]:
        inner = {"action": "if", "condition": "repeat.index == 2", "then": [
            {"action": "terminate", "scope": scope}, publish("never")]}  # fmt: skip
        return [{"action": "repeat", "count": 3, "do": [inner, publish("{{ repeat.index }}")]}, publish("end")]

    async with world() as one:
        for scope, seen in (("block", [1, 2, 3, "end"]), ("loop", [1, "end"]), ("execution", [1])):
            before = len(effects(one))
            done = await carried_out(one, leaving(scope), event_id=scope)
            assert (done.status, effects(one)[before:]) == (ExecutionStatus.COMPLETED, seen)


# --- throwing and waiting for events ---


async def test_throw_event_throws_with_every_property_rendered() -> None:
    async with world() as one:
        throw = {
            "action": "throw_event", "key": "image_generated", "scope": "dest", "dest_id": "living-room-display",
            "payload": {"image": "{{ vars.generated_image }}"}, "display_name": "An image", "ttl": "5m",
            "single_consumer": True,
        }  # fmt: skip
        await carried_out(one, [set_var("generated_image", "cat.png"), throw])
        (entry,) = (await one.command("list_thrown", dest_id="living-room-display"))["queue"]
        wanted = {"key": "image_generated", "payload": {"image": "cat.png"}, "display_name": "An image",
                  "single_consumer": True, "sender": "flow"}  # fmt: skip
        assert {name: entry[name] for name in wanted} == wanted
        assert len(one.bus.on(f"{PREFIX}/thrown/default/image_generated")) == 1


async def test_a_thrown_event_of_a_block_fires_the_triggers_of_others_in_the_namespace_of_the_event() -> None:
    async with world() as one:
        listener = {"event_id": "listener", "namespace": "garden", "schedule_type": "event", "triggers": [
            {"type": "event", "value": "rain", "trigger_actions": {"instructions_block": [
                publish("{{ _event.payload.mm }}")]}}]}  # fmt: skip
        await one.command("create_event", event=listener)
        await carried_out(one, [{"action": "throw_event", "key": "rain", "payload": {"mm": 4}}], namespace="garden")
        await one.until(lambda: effects(one))
        assert effects(one) == [4]


async def test_a_throw_that_is_refused_fails_with_the_reason() -> None:
    async with world() as one:
        failed = await carried_out(one, [{"action": "throw_event", "key": "x", "group_id": "{{ 'nobody' }}"}])
        assert failed.error_code == "not_found"
        assert "there is no group 'nobody'" in (failed.error_message or "")
        failed = await carried_out(one, [{"action": "throw_event", "key": "{{ 'a b' }}"}], event_id="b")
        assert (failed.error_code, failed.status) == ("bad_value", ExecutionStatus.FAILED)


async def test_wait_for_event_goes_on_with_the_event_that_the_condition_wants() -> None:
    async with world() as one:
        wait = {"action": "wait_for_event", "key": "door", "condition": "_event.payload.open", "id": "door"}
        execution_id = await begun(one, [wait, publish("{{ steps.door.output.payload.who }}")])
        await one.wait(10 * MINUTE)
        assert one.dispatcher.running == 0
        await one.command("throw_event", key="door", payload={"open": False, "who": "nobody"})
        await one.wait(MINUTE)
        await one.command("throw_event", key="door", payload={"open": True, "who": "cat"})
        done = await ending(one, execution_id)
        assert (effects(one), done.attempt) == (["cat"], 1)


async def test_wait_for_event_takes_an_event_that_becomes_active_later() -> None:
    async with world() as one:
        execution_id = await begun(one, [{"action": "wait_for_event", "key": "door", "timeout": "1h"}, publish(1)])
        await one.wait(MINUTE)
        await one.command("throw_event", key="door", delay="5m")
        await one.wait(4 * MINUTE)
        assert effects(one) == []
        await ending(one, execution_id)
        assert effects(one) == [1]


async def test_wait_for_event_with_since_start_takes_one_that_came_while_it_was_busy_each_only_once() -> None:
    async with world() as one:
        wait = {"action": "wait_for_event", "key": "door", "since": "start", "timeout": 5, "on_timeout": "continue"}
        block = [{"action": "wait", "duration": 3}, {**wait, "id": "d"}, publish("{{ steps.d.output.value }}"),
                 {**wait, "id": "e"}, publish("{{ steps.e.output }}")]  # fmt: skip
        execution_id = await begun(one, block)
        await one.command("throw_event", key="door", value="early")
        await ending(one, execution_id)
        assert effects(one) == ["early", None]


async def test_wait_for_event_consumes_an_event_for_a_single_consumer() -> None:
    async with world() as one:
        first = await begun(one, [{"action": "wait_for_event", "key": "k"}, publish("a")])
        second = await begun(one, [{"action": "wait_for_event", "key": "k", "timeout": 20}, publish("b")], event_id="b")
        await one.wait(SECOND)
        await one.command("throw_event", key="k", single_consumer=True)
        await one.until(lambda: ended(one, first) and ended(one, second))
        assert len(effects(one)) == 1


async def test_wait_for_event_fails_after_its_timeout_or_goes_on() -> None:
    async with world() as one:
        failed = await carried_out(one, [{"action": "wait_for_event", "key": "x", "timeout": "2m"}])
        assert (failed.error_code, failed.status) == ("timeout", ExecutionStatus.FAILED)
        wait = {"action": "wait_for_event", "key": "x", "timeout": "2m", "on_timeout": "continue", "id": "w"}
        await carried_out(one, [wait, publish("{{ steps.w.output is none }}")], event_id="b")
        assert effects(one) == [True]


async def test_a_wait_for_an_event_survives_a_restart_and_an_event_thrown_before_it_watches_again() -> None:
    async with world() as one:
        execution_id = await begun(one, [{"action": "wait_for_event", "key": "k", "timeout": "1h"}, publish("got")])
        await one.wait(MINUTE)
        await one.crash()
        async with restarted(one) as two:
            await two.command("throw_event", key="k")
            await ending(two, execution_id)
            assert effects(two) == ["got"]


# --- wait ---


async def test_wait_goes_on_after_its_time_and_never_early() -> None:
    async with world() as one:
        await carried_out(one, [publish(1), {"action": "wait", "duration": "90s"}, publish(2)])
        first, second = one.bus.on("home/effect")
        assert 90 * SECOND <= second.at - first.at < 91 * SECOND


async def test_a_long_wait_leaves_its_place_to_others_and_is_no_retry() -> None:
    async with world(Options(places=1)) as one:
        execution_id = await begun(one, [{"action": "wait", "duration": "2h"}, publish("late")])
        await one.wait(MINUTE)
        waiting = await one.store.execution(execution_id)
        assert waiting is not None
        assert (waiting.status, waiting.reason) == (ExecutionStatus.RETRYING, "waiting")
        await carried_out(one, [publish("meanwhile")], event_id="other")
        await one.until(lambda: ended(one, execution_id), within=3 * HOUR)
        done = await ending(one, execution_id)
        assert (effects(one), done.attempt, len(done.attempts)) == (["meanwhile", "late"], 1, 1)
        assert one.bus.on(f"{PREFIX}/execution_retry") == []
        assert len(one.bus.on(f"{PREFIX}/execution_started")) == 2


async def test_a_restart_waits_only_for_the_rest() -> None:
    for duration in (4 * SECOND, 10 * MINUTE):
        async with world() as one:
            seconds = duration.total_seconds()
            execution_id = await begun(one, [publish(1), {"action": "wait", "duration": seconds}, publish(2)])
            await one.wait(duration / 2)
            await one.crash()
            async with restarted(one) as two:
                await ending(two, execution_id)
                first, second = two.bus.on("home/effect")
                assert duration <= second.at - first.at < duration + 2 * SECOND


async def test_the_timeout_does_not_count_a_long_wait_but_bounds_what_acts() -> None:
    async def script(attempt: Attempt) -> Any:
        await asyncio.sleep(0 if attempt.step == "[1]" else 100)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner)) as one:
        block = [{"action": "wait", "duration": "1h"}, publish(1), publish(2)]
        execution_id = await begun(one, block, timeout=10)
        await one.until(lambda: ended(one, execution_id), within=2 * HOUR)
        failed = await ending(one, execution_id)
        assert failed.status is ExecutionStatus.TIMED_OUT
        assert [a.step for a in runner.attempts] == ["[1]", "[2]"]
        assert len(runner.cancelled) == 1


# --- being stopped ---


@pytest.mark.parametrize("block", [
    [{"action": "wait", "duration": "2h"}, publish(1)],
    [{"action": "wait", "duration": 4}, publish(1)],
    [{"action": "wait_for_event", "key": "x"}, publish(1)],
])  # fmt: skip
async def test_cancel_execution_ends_a_block_that_waits(block: list[Any]) -> None:
    async with world() as one:
        execution_id = await begun(one, block)
        await one.wait(SECOND)
        await one.command("cancel_execution", execution_id=execution_id)
        await one.command("throw_event", key="x")
        await one.wait(3 * HOUR)
        execution = await one.store.execution(execution_id)
        assert execution is not None
        assert (execution.status, effects(one)) == (ExecutionStatus.CANCELLED, [])


async def test_cancel_execution_stops_the_action_that_is_under_way() -> None:
    async def script(attempt: Attempt) -> Any:
        await asyncio.sleep(100)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner)) as one:
        execution_id = await begun(one, [publish(1), publish(2)])
        await one.until(lambda: runner.attempts)
        await one.command("cancel_execution", execution_id=execution_id)
        await one.wait(MINUTE)
        assert (len(runner.cancelled), len(runner.attempts)) == (1, 1)


async def test_an_orderly_stop_lets_the_instruction_under_way_end_and_the_next_start_goes_on_behind_it() -> None:
    async def script(attempt: Attempt) -> Any:
        await asyncio.sleep(5)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner)) as one:
        execution_id = await begun(one, [publish(1), publish(2), publish(3)])
        await one.until(lambda: len(runner.attempts) == 2)
        await one.stop()
        async with restarted(one) as two:
            done = await ending(two, execution_id)
            assert [a.step for a in runner.attempts] == ["[0]", "[1]", "[2]"]
            assert (done.attempt, done.status) == (1, ExecutionStatus.COMPLETED)


async def test_a_block_that_was_changed_under_way_ends_with_an_error_that_says_so() -> None:
    async with world() as one:
        execution_id = await begun(one, [{"action": "wait", "duration": "10m"}, publish(1)])
        await one.wait(MINUTE)
        block = [{"action": "wait", "duration": "10m"}, publish(2)]
        action = {"type": "instructions", "instructions_block": block}
        await one.command("update_event", event_id="flow", changes={"action": action})
        failed = await ending(one, execution_id)
        assert (failed.error_code, effects(one)) == ("instructions_changed", [])


async def test_another_name_or_tag_does_not_disturb_a_block_under_way() -> None:
    async with world() as one:
        execution_id = await begun(one, [{"action": "wait", "duration": "10m"}, publish(1)])
        await one.command("update_event", event_id="flow", changes={"name": "Another", "tags": ["x"]})
        done = await ending(one, execution_id)
        assert (done.status, effects(one)) == (ExecutionStatus.COMPLETED, [1])


async def test_a_block_that_gets_a_step_further_between_deaths_is_not_taken_for_their_cause() -> None:
    async def script(attempt: Attempt) -> Any:
        await asyncio.sleep(10)

    runner = ScriptedRunner(script)
    async with world(Options(runner=runner)) as one:
        execution_id = await begun(one, [publish(n) for n in range(6)])
        here = one
        for n in range(1, 6):
            await here.until(partial(_further, runner, n))
            await here.crash()
            here = World(one.clock, one.bus, one.store, one.options)
            await here.start()
        done = await ending(here, execution_id)
        assert done.status is ExecutionStatus.COMPLETED
        await here.crash()


def _further(runner: ScriptedRunner, count: int) -> bool:
    """Whether more instructions than so many have begun."""
    return len({attempt.step for attempt in runner.attempts}) > count


async def test_two_executions_at_once_never_lose_an_increment_of_a_variable() -> None:
    async with world(Options(places=50)) as one:
        block = [{"action": "repeat", "count": 20, "do": [
            set_var("n", "{{ vars.n | default(0) + 1 }}"), publish("{{ vars.n }}")]}]  # fmt: skip
        await one.command("create_event", event=flow(block, overlap_policy="allow"))
        ids = [(await one.command("trigger_event", event_id="flow"))["execution_id"] for _ in range(10)]
        await one.until(lambda: all(ended(one, execution_id) for execution_id in ids))
        assert (await variables(one))["n"] == 200


async def test_a_trace_that_is_switched_off_keeps_no_inputs_and_outputs_and_the_block_still_survives() -> None:
    async with world() as one:
        block = [publish("{{ 'secret' }}"), {"action": "wait", "duration": "10m"}, publish(2)]
        execution_id = await begun(one, block, trace_enabled=False)
        await one.wait(MINUTE)
        await one.crash()
        async with restarted(one) as two:
            await ending(two, execution_id)
            kept = await steps(two, execution_id)
            assert effects(two) == ["secret", 2]
            assert all("inputs" not in step and "output" not in step for step in kept.values())


def test_the_durations_of_these_tests_are_on_both_sides_of_the_limit_of_a_long_wait() -> None:
    from alicia_scheduler.engine.stretch import LONG_WAIT

    assert timedelta(seconds=4) < LONG_WAIT < MINUTE


# --- what other programs read ---


async def test_variables_are_read_and_changed_over_the_bus() -> None:
    async with world() as one:
        await one.command("set_variable", dest_id="hall", var_name="level", value={"a": [1, None]})
        data = await one.command("set_variable", dest_id="hall", var_name="other", value=None)
        assert data["variables"] == {"level": {"a": [1, None]}, "other": None}
        data = await one.command("delete_variable", dest_id="hall", var_name="other")
        assert data == await one.command("list_variables", dest_id="hall")
        assert data == {"dest_id": "hall", "variables": {"level": {"a": [1, None]}}}
        refused = await one.ask("delete_variable", dest_id="hall", var_name="other")
        assert refused["error"]["code"] == "not_found"
        refused = await one.ask("set_variable", var_name="big", value="x" * 20_000)
        assert refused["error"]["code"] == "limit_exceeded"


async def test_the_trace_of_an_execution_tells_inputs_output_and_times_of_every_instruction() -> None:
    async with world() as one:
        block = [
            set_var("a", 2),
            {"action": "wait", "duration": 3},
            {"action": "if", "condition": "vars.a == 2", "then": [publish("{{ vars.a }}", id="sent")]},
        ]
        done = await carried_out(one, block)  # fmt: skip
        data = await one.command("get_execution", execution_id=done.execution_id, trace=True)
        trace = {step["path"]: step for step in data["trace"]}
        assert list(trace) == ["[0]", "[1]", "[2]", "[2].then[0]"]
        assert trace["[0]"]["inputs"] == {"var_name": "a", "value": 2}
        assert 3 <= trace["[1]"]["duration"] < 3.1
        assert trace["[2]"]["output"] == {"way": "then"}
        sent = trace["[2].then[0]"]
        assert (sent["action"], sent["id"], sent["status"]) == ("mqtt_publish", "sent", "done")
        assert sent["inputs"]["message"] == {"value": 2}
        assert sent["output"]["message"] == {"value": 2}
        assert sent["start_time"] >= trace["[1]"]["end_time"]
        assert data["trace_left_out"] == 0
        assert "trace" not in await one.command("get_execution", execution_id=done.execution_id)


async def test_a_trace_is_bounded_and_says_what_it_leaves_out() -> None:
    async with world() as one:
        text = "x" * 3000
        repeat = {"action": "repeat", "count": 600, "do": [{"action": "log", "message": text}]}
        done = await carried_out(one, [repeat])
        data = await one.command("get_execution", execution_id=done.execution_id, trace=True)
        assert (len(data["trace"]), data["trace_left_out"]) == (500, 101)
        assert data["trace"][-1]["path"] == "[0].pass[600][0]"
        assert data["trace"][-1]["output"]["truncated"] is True


async def test_several_events_at_once_are_seen_by_their_own_executions_only() -> None:
    async with world(Options(places=50)) as one:
        block = [{"action": "wait", "duration": 1}, publish("{{ [_event.value, steps.first.output.message.value] }}")]
        block = [publish("{{ _event.value }}", id="first", topic="home/first"), *block]
        trigger = {"type": "event", "value": "k", "trigger_actions": {"instructions_block": block}}
        event = {"event_id": "seer", "schedule_type": "event", "overlap_policy": "allow", "max_concurrent": 100,
                 "triggers": [trigger]}  # fmt: skip
        await one.command("create_event", event=event)
        for n in range(50):
            await one.command("throw_event", key="k", value=n)
        await one.until(lambda: len(effects(one)) == 50)
        assert sorted(effects(one)) == [[n, n] for n in range(50)]


async def test_nobody_is_remembered_as_waiting_for_an_event_once_the_wait_is_over() -> None:
    async with world() as one:
        wait = {"action": "wait_for_event", "key": "k", "timeout": 60, "on_timeout": "continue"}
        await carried_out(one, [wait, {**wait, "timeout": 2}])
        assert one.instructions._watching == {}
