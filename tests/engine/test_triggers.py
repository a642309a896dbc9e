"""Triggers of all six kinds, with condition, within and do; guards against loops and storms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.engine.housekeeping import HistoryLimits
from alicia_scheduler.ports import Attempt
from tests.engine.world import MINUTE, SECOND, Options, ScriptedRunner, World, definition, manual, restarted, world


async def hangs(attempt: Attempt) -> Any:
    await asyncio.Event().wait()


def triggered(event_id: str, *triggers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = {
        "schedule_type": "event",
        "schedule_config": {},
        "triggers": list(triggers),
        "action": {"topic": f"home/{event_id}", "message": {"seen": "{{ _event }}"}},
        "overlap_policy": "queue_all",
    }
    return definition(event_id, **{**made, **fields})


async def add(here: World, event_id: str, *triggers: dict[str, Any], **fields: Any) -> None:
    await here.command("create_event", event=triggered(event_id, *triggers, **fields))


async def throw(here: World, *keys: str, **fields: Any) -> None:
    for key in keys:
        await here.command("throw_event", key=key, **fields)


async def runs(here: World, event_id: str) -> int:
    await here.wait(SECOND)
    return len([e for e in await here.executions(event_id) if e.triggered_by == "event"])


# --- kinds ---


async def test_trigger_event_fires_on_each() -> None:
    async with world() as here:
        await add(here, "a", {"type": "event", "value": "rain"})
        await throw(here, "rain", "sun", "rain")
        assert await runs(here, "a") == 2


async def test_trigger_any_of_fires_on_each_of_several_keys() -> None:
    async with world() as here:
        await add(here, "a", {"type": "any_of", "value": ["rain", "snow"]})
        await throw(here, "rain", "sun", "snow")
        assert await runs(here, "a") == 2


async def test_trigger_all_of_fires_when_every_key_was_there_and_begins_anew() -> None:
    async with world() as here:
        await add(here, "a", {"type": "all_of", "value": ["b", "c"]})
        await throw(here, "b", "b")
        assert await runs(here, "a") == 0
        await throw(here, "c")
        assert await runs(here, "a") == 1
        await throw(here, "c")
        assert await runs(here, "a") == 1
        await throw(here, "b")
        assert await runs(here, "a") == 2


async def test_trigger_all_of_shows_all_its_events() -> None:
    async with world() as here:
        await add(here, "a", {"type": "all_of", "value": ["b", "c"]})
        await throw(here, "c", value=1)
        await throw(here, "b", value=2)
        await here.wait(SECOND)
        (published,) = here.bus.on("home/a")
        assert [(e["key"], e["value"]) for e in published.body["seen"]["events"]] == [("b", 2), ("c", 1)]


async def test_trigger_all_of_within_forgets_what_is_too_old() -> None:
    async with world() as here:
        await add(here, "a", {"type": "all_of", "value": ["b", "c"], "within": "30s"})
        await throw(here, "b")
        await here.wait(40 * SECOND)
        await throw(here, "c")
        assert await runs(here, "a") == 0
        await throw(here, "b")
        assert await runs(here, "a") == 1


async def test_trigger_all_of_keeps_what_it_has_over_a_restart() -> None:
    async with world() as first:
        await add(first, "a", {"type": "all_of", "value": ["b", "c"]})
        await throw(first, "b")
    async with restarted(first) as second:
        await throw(second, "c")
        assert await runs(second, "a") == 1


async def test_trigger_count_fires_on_every_so_many() -> None:
    async with world() as here:
        await add(here, "a", {"type": "count", "value": "knock", "count": 3})
        await throw(here, *["knock"] * 7)
        assert await runs(here, "a") == 2


async def test_trigger_count_within_counts_only_what_is_recent() -> None:
    async with world() as here:
        await add(here, "a", {"type": "count", "value": "knock", "count": 2, "within": 10})
        await throw(here, "knock")
        await here.wait(20 * SECOND)
        await throw(here, "knock")
        assert await runs(here, "a") == 0
        await throw(here, "knock")
        assert await runs(here, "a") == 1


@pytest.mark.parametrize(("status", "expected"), [("completed", 1), ("started", 1), ("failed", 0)])
async def test_trigger_execution_fires_when_another_events_execution_comes_to_it(status: str, expected: int) -> None:
    async with world() as here:
        await here.command("create_event", event=manual("source"))
        await add(here, "a", {"type": "execution", "value": "source", "status": status})
        await here.command("trigger_event", event_id="source")
        assert await runs(here, "a") == expected


async def test_trigger_execution_shows_result_and_error() -> None:
    async def fails(attempt: Attempt) -> Any:
        if attempt.execution.event_id == "source":
            raise RuntimeError("broken")

    async with world(Options(runner=ScriptedRunner(fails))) as here:
        await here.command("create_event", event=manual("source", max_retries=0))
        await add(here, "a", {"type": "execution", "value": "source", "status": ["failed"]})
        await here.command("trigger_event", event_id="source")
        assert await runs(here, "a") == 1
        (execution,) = await here.executions("a")
        assert "broken" in execution.trigger_event["payload"]["error_message"]
        assert execution.trigger_event["value"] == "source"


async def test_trigger_execution_sees_what_a_trigger_skipped() -> None:
    async with world(Options(runner=ScriptedRunner(hangs))) as here:
        await add(here, "busy", {"type": "event", "value": "go"}, overlap_policy="skip")
        await add(here, "a", {"type": "execution", "value": "busy", "status": "skipped"})
        await throw(here, "go", "go")
        assert await runs(here, "a") == 1


async def test_trigger_mqtt_fires_on_a_message() -> None:
    async with world() as here:
        await add(here, "a", {"type": "mqtt", "value": "zigbee2mqtt/+/door"})
        await here.until(lambda: here.bus.listened_to)
        here.bus.say("zigbee2mqtt/hall/door", {"contact": False, "text": "{{ 1 + 1 }}"})
        here.bus.say("zigbee2mqtt/hall/lamp", {})
        assert await runs(here, "a") == 1
        seen = here.bus.on("home/a")[0].body["seen"]
        assert (seen["key"], seen["payload"]) == ("zigbee2mqtt/hall/door", {"contact": False, "text": "{{ 1 + 1 }}"})


async def test_trigger_mqtt_stops_listening_when_its_event_is_gone_and_goes_on_after_a_reconnect() -> None:
    async with world() as here:
        await add(here, "a", {"type": "mqtt", "value": "x/y"})
        await here.until(lambda: here.bus.listened_to == ["x/y"])
        await here.command("delete_event", event_id="a")
        await here.until(lambda: here.bus.listened_to == [])


# --- condition ---


async def test_condition_true_false_and_error() -> None:
    async with world() as here:
        await add(here, "a", {"type": "event", "value": "t", "condition": "_event.payload.level > 3"})
        await throw(here, "t", payload={"level": 2})
        await throw(here, "t", payload={"level": 4})
        await throw(here, "t", payload={})
        assert await runs(here, "a") == 1
        (problem,) = [p.body for p in here.errors]
        assert (problem["code"], problem["event_id"]) == ("condition_failed", "a")


@pytest.mark.parametrize("condition", ["", "{{", "a b", "_event | attr('x')", "range(10**9)"])
async def test_condition_that_cannot_work_is_refused(condition: str) -> None:
    async with world() as here:
        trigger = {"type": "event", "value": "t", "condition": condition}
        answer = await here.ask("create_event", event=triggered("a", trigger))
        assert answer["status"] == "error"


async def test_condition_text_in_a_payload_is_not_evaluated() -> None:
    async with world() as here:
        await add(here, "a", {"type": "event", "value": "t", "condition": "_event.payload == 'true'"})
        await throw(here, "t", payload="{{ true }}")
        assert await runs(here, "a") == 0


async def test_condition_false_leaves_a_single_consumer_event_for_others() -> None:
    async with world() as here:
        await add(here, "a", {"type": "event", "value": "t", "condition": "false"})
        await add(here, "b", {"type": "event", "value": "t"})
        await throw(here, "t", single_consumer=True)
        assert (await runs(here, "a"), await runs(here, "b")) == (0, 1)


# --- do ---


async def test_do_start_follows_the_overlap_policy_while_running() -> None:
    async with world(Options(runner=ScriptedRunner(hangs))) as here:
        await add(here, "a", {"type": "event", "value": "go"}, overlap_policy="skip")
        await throw(here, "go")
        await here.wait(SECOND)
        await throw(here, "go")
        await here.wait(SECOND)
        assert [str(e.status) for e in await here.executions("a")] == ["running", "skipped"]


async def test_do_stop_cancels_what_runs() -> None:
    runner = ScriptedRunner(hangs)
    async with world(Options(runner=runner)) as here:
        await add(here, "a", {"type": "event", "value": "go"}, {"type": "event", "value": "halt", "do": "stop"})
        await throw(here, "go")
        await here.wait(SECOND)
        await throw(here, "halt")
        await here.wait(SECOND)
        (execution,) = await here.executions("a")
        assert (str(execution.status), execution.reason) == ("cancelled", "stopped_by_trigger")
        assert runner.cancelled == [execution.execution_id]


async def test_do_restart_cancels_what_runs_and_starts_anew() -> None:
    async with world(Options(runner=ScriptedRunner(hangs))) as here:
        await add(here, "a", {"type": "event", "value": "go"}, {"type": "event", "value": "again", "do": "restart"})
        await throw(here, "go")
        await here.wait(SECOND)
        await throw(here, "again")
        await here.wait(SECOND)
        assert sorted(str(e.status) for e in await here.executions("a")) == ["cancelled", "running"]


# --- when a scheduled event may not fire ---


async def test_a_paused_event_does_not_fire_and_takes_what_is_still_active_when_it_resumes() -> None:
    async with world() as here:
        await add(here, "a", {"type": "event", "value": "go"})
        await here.command("pause_event", event_id="a")
        await throw(here, "go", ttl=30)
        assert await runs(here, "a") == 0
        await here.command("resume_event", event_id="a")
        assert await runs(here, "a") == 1


async def test_an_event_that_also_has_a_timer_fires_on_both() -> None:
    async with world() as here:
        timer = {"schedule_type": "cron", "schedule_config": {"cron_expression": "* * * * *"}}
        await add(here, "a", {"type": "event", "value": "go"}, **timer, action={"topic": "x", "message": {}})
        await throw(here, "go")
        await here.wait(MINUTE)
        assert sorted({str(e.triggered_by) for e in await here.executions("a")}) == ["event", "scheduler"]


async def test_trigger_of_an_unknown_kind_and_an_event_without_triggers_are_refused() -> None:
    async with world() as here:
        unknown = await here.ask("create_event", event=triggered("a", {"type": "moon", "value": "full"}))
        without = await here.ask("create_event", event=triggered("a"))
        assert [answer["error"]["code"] for answer in (unknown, without)] == ["invalid_request"] * 2
        assert without["error"]["details"][0]["field"] == "event.triggers"


async def test_an_execution_waits_its_turn_and_is_never_lost_between_matching_and_running() -> None:
    async with world(Options(places=1)) as here:
        for name in "abcde":
            await add(here, name, {"type": "event", "value": "go"})
        await throw(here, "go")
        await here.wait(5 * SECOND)
        assert [len(await here.executions(name, status="completed")) for name in "abcde"] == [1] * 5


# --- guards ---


async def test_events_whose_executions_trigger_each_other_are_stopped_and_the_chain_is_shown() -> None:
    async with world() as here:
        await add(here, "a", {"type": "execution", "value": "b"})
        await add(here, "b", {"type": "execution", "value": "a"}, {"type": "event", "value": "go"})
        await throw(here, "go")
        await here.wait(MINUTE)
        found = [*await here.executions("a"), *await here.executions("b")]
        assert len(found) == 17
        (problem,) = [p.body for p in here.errors if p.body["code"] == "limit_exceeded"]
        assert "default/go → b completed → a completed → b completed" in problem["error"]


async def test_a_sender_that_throws_too_fast_is_refused_and_others_are_not() -> None:
    rules = CommandRules(thrown=ThrowRules(rate_per_sender=5))
    async with world(Options(rules=rules)) as here:
        answers = [await here.ask("throw_event", key=f"k{n}", sender="noisy") for n in range(20)]
        codes = [answer.get("error", {}).get("code") for answer in answers]
        assert codes.count("limit_exceeded") >= 5
        assert "events.rate_per_sender" in next(a for a in answers if "error" in a)["error"]["message"]
        await throw(here, "k", sender="calm")


async def test_a_key_that_is_thrown_too_fast_is_refused() -> None:
    rules = CommandRules(thrown=ThrowRules(rate_per_key=5))
    async with world(Options(rules=rules)) as here:
        codes = [(await here.ask("throw_event", key="k")).get("error", {}).get("code") for _ in range(20)]
        assert codes.count("limit_exceeded") >= 5


async def test_a_full_queue_refuses_one_more() -> None:
    async with world(Options(rules=CommandRules(thrown=ThrowRules(queue_limit=3)))) as here:
        await throw(here, *"abc", dest_id="d")
        answer = await here.ask("throw_event", key="d", dest_id="d")
        assert (answer["error"]["code"], "queue_limit" in answer["error"]["message"]) == ("limit_exceeded", True)
        await throw(here, "d", dest_id="other")


async def test_a_full_queue_drops_the_oldest_if_that_is_the_policy_and_says_so() -> None:
    rules = ThrowRules(queue_limit=3, queue_policy="drop_oldest")
    async with world(Options(rules=CommandRules(thrown=rules))) as here:
        await throw(here, *"abcde", dest_id="d")
        data = await here.command("list_thrown")
        assert [entry["key"] for entry in data["queue"]] == ["c", "d", "e"]
        assert [(entry["key"], entry["reason"]) for entry in data["history"]] == [
            ("a", "queue_full"),
            ("b", "queue_full"),
        ]
        assert [p.body["code"] for p in here.errors] == ["limit_exceeded"] * 2


# --- queues ---


async def test_consume_thrown_gives_a_single_consumer_event_to_one_program() -> None:
    async with world() as here:
        await throw(here, "a", "b", dest_id="d", single_consumer=True)
        first = await here.command("consume_thrown", dest_id="d", consumer="one")
        second = await here.command("consume_thrown", dest_id="d", consumer="two", limit=10)
        assert [[e["key"] for e in answer["entries"]] for answer in (first, second)] == [["a"], ["b"]]
        data = await here.command("list_thrown")
        assert [(e["consumed_by"], e["reason"]) for e in data["history"]] == [("one", "consumer"), ("two", "consumer")]


async def test_consume_thrown_gives_any_other_event_to_each_program_once() -> None:
    async with world() as here:
        await throw(here, "a", dest_id="d")
        taken = [
            len((await here.command("consume_thrown", dest_id="d", consumer=consumer, limit=5))["entries"])
            for consumer in ("one", "one", "two")
        ]
        assert taken == [1, 0, 1]


async def test_clear_thrown_ends_what_is_active_and_keeps_the_history() -> None:
    async with world() as here:
        await throw(here, "a", "b", dest_id="d")
        assert (await here.command("clear_thrown", key="a"))["cleared"] == 1
        data = await here.command("list_thrown")
        assert [e["key"] for e in data["queue"]] == ["b"]
        assert [(e["key"], e["status"], e["reason"]) for e in data["history"]] == [("a", "expired", "cleared")]


async def test_list_thrown_pages_by_offset() -> None:
    async with world() as here:
        await throw(here, *"abcde", dest_id="d")
        page = await here.command("list_thrown", since_offset=1, limit=2)
        assert [e["key"] for e in page["queue"]] == ["b", "c"]
        rest = await here.command("list_thrown", since_offset=page["next_offset"], limit=10)
        assert ([e["key"] for e in rest["queue"]], rest["next_offset"]) == (["d", "e"], None)


async def test_history_goes_after_its_time() -> None:
    limits = HistoryLimits(thrown_age=5 * MINUTE, interval=MINUTE)
    async with world(Options(history=limits)) as here:
        await throw(here, "a", dest_id="d", ttl=1)
        await here.wait(7 * MINUTE)
        assert (await here.command("list_thrown")) == {"queue": [], "history": [], "next_offset": None}


async def test_what_was_delayed_over_a_crash_is_matched_once_afterwards() -> None:
    async with world() as first:
        await add(first, "a", {"type": "event", "value": "go"})
        await throw(first, "go", delay=30, ttl=300)
    async with restarted(first) as second:
        await second.wait(MINUTE)
        assert await runs(second, "a") == 1
