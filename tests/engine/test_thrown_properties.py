"""Every property of a thrown event, of an event context and of a listener's world: one test that names it.

The tables are those of the first scheduler's event system, of its context handling, and of the notification events.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from alicia_scheduler.adapters.actions.mqtt_publish import template_context
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.state import ExecutionStatus
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.ports import Attempt
from tests.engine.virtual_time import NOON
from tests.engine.world import MINUTE, PREFIX, SECOND, Options, ScriptedRunner, World, definition, world

RULES = ThrowRules(groups={"upstairs": ("bedroom", "bath")}, timezone="Europe/Berlin")


def options(**changes: Any) -> Options:
    return Options(rules=CommandRules(thrown=RULES), **changes)


def on_key(event_id: str, key: str = "rain", *, trigger: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A scheduled event that publishes what it saw when the key is thrown."""
    made = {
        "schedule_type": "event",
        "schedule_config": {},
        "triggers": [{"type": "event", "value": key, **(trigger or {})}],
        "action": {"topic": f"home/{event_id}", "message": {"seen": "{{ _event }}"}},
        "overlap_policy": "queue_all",
    }
    return definition(event_id, **{**made, **fields})


async def waiting_for(here: World, event_id: str, key: str = "rain", **fields: Any) -> None:
    await here.command("create_event", event=on_key(event_id, key, **fields))


def seen_by(here: World, event_id: str) -> list[Any]:
    """The ``_event`` of every run, in order."""
    return [published.body["seen"] for published in here.bus.on(f"home/{event_id}")]


async def queue(here: World, **query: Any) -> list[Any]:
    found: list[Any] = (await here.command("list_thrown", **query))["queue"]
    return found


async def history(here: World, **query: Any) -> list[Any]:
    found: list[Any] = (await here.command("list_thrown", **query))["history"]
    return found


# --- the properties of a thrown event ---


async def test_key_names_what_happened_and_finds_the_triggers_that_wait_for_it() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella", "rain")
        await waiting_for(here, "hat", "sun")
        await here.command("throw_event", key="rain")
        await here.wait(SECOND)
        assert [event["key"] for event in seen_by(here, "umbrella")] == ["rain"]
        assert seen_by(here, "hat") == []


@pytest.mark.parametrize("key", ["", "a b", "a/b", "+", "#", "x" * 129, None, 7, "ü"])
async def test_key_that_could_not_stand_in_a_topic_is_refused(key: Any) -> None:
    async with world() as here:
        answer = await here.ask("throw_event", key=key)
        assert answer["error"]["code"] == "invalid_request"
        assert [detail["field"] for detail in answer["error"]["details"]] == ["key"]


async def test_display_name_is_for_people_and_reaches_the_execution_and_the_history() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        await here.command("throw_event", key="rain", display_name="It rains")
        await here.wait(SECOND)
        assert seen_by(here, "umbrella")[0]["display_name"] == "It rains"
        assert (await queue(here))[0]["display_name"] == "It rains"


async def test_scope_dest_reaches_one_destination() -> None:
    async with world() as here:
        await waiting_for(here, "bedroom-lamp", dest_id="bedroom")
        await waiting_for(here, "bath-lamp", dest_id="bath")
        data = await here.command("throw_event", key="rain", scope="dest", dest_id="bedroom")
        await here.wait(SECOND)
        assert [entry["dest_id"] for entry in data["entries"]] == ["bedroom"]
        assert len(seen_by(here, "bedroom-lamp")) == 1
        assert seen_by(here, "bath-lamp") == []


async def test_scope_group_fans_out_to_every_member_and_to_nobody_else() -> None:
    async with world(options()) as here:
        for dest_id in ("bedroom", "bath", "cellar"):
            await waiting_for(here, f"{dest_id}-lamp", dest_id=dest_id)
        data = await here.command("throw_event", key="rain", scope="group", group_id="upstairs")
        await here.wait(SECOND)
        assert [entry["dest_id"] for entry in data["entries"]] == ["bedroom", "bath"]
        assert [len(seen_by(here, f"{name}-lamp")) for name in ("bedroom", "bath", "cellar")] == [1, 1, 0]
        assert len({entry["unique_id"] for entry in await queue(here)}) == 1


async def test_scope_global_reaches_every_destination_in_which_something_lives() -> None:
    async with world(options()) as here:
        await waiting_for(here, "cellar-lamp", dest_id="cellar")
        data = await here.command("throw_event", key="rain", scope="global")
        assert sorted(entry["dest_id"] for entry in data["entries"]) == ["bath", "bedroom", "cellar", "default"]


@pytest.mark.parametrize(
    ("fields", "scope"),
    [({"dest_id": "bath"}, "dest"), ({"group_id": "upstairs"}, "group"), ({}, "global"),
     ({"scope": "dest:bath"}, "dest"), ({"scope": "group:upstairs"}, "group")],
)  # fmt: skip
async def test_scope_left_out_or_in_the_old_spelling_is_understood(fields: dict[str, Any], scope: str) -> None:
    async with world(options()) as here:
        await here.command("throw_event", key="rain", **fields)
        assert {entry["scope"] for entry in await queue(here)} == {scope}


async def test_the_old_name_event_is_read_for_key() -> None:
    async with world() as here:
        await here.command("throw_event", event="rain")
        assert {entry["key"] for entry in await queue(here)} == {"rain"}


@pytest.mark.parametrize(
    "fields",
    [{"scope": "dest"}, {"scope": "group"}, {"scope": "nowhere"}, {"scope": "global", "dest_id": "bath"},
     {"dest_id": "bath", "group_id": "upstairs"}, {"dest_id": "a/b"}],
)  # fmt: skip
async def test_dest_id_and_group_id_must_fit_the_scope(fields: dict[str, Any]) -> None:
    async with world(options()) as here:
        answer = await here.ask("throw_event", key="rain", **fields)
        assert answer["error"]["code"] == "invalid_request"
        assert await queue(here) == []


async def test_group_id_that_nobody_defined_is_refused_with_the_nearest() -> None:
    async with world(options()) as here:
        answer = await here.ask("throw_event", key="rain", group_id="upstair")
        assert answer["error"]["code"] == "not_found"
        assert "did you mean 'upstairs'" in answer["error"]["details"][0]["message"]


@pytest.mark.parametrize(("ttl", "seconds"), [(30, 30), ("30s", 30), ("5m", 300), ("2h", 7200), (None, 60)])
async def test_ttl_counts_from_the_activation_and_then_the_entry_expires(ttl: Any, seconds: int) -> None:
    async with world() as here:
        data = await here.command("throw_event", key="rain", dest_id="bath", ttl=ttl, delay=10)
        entry = data["entries"][0]
        assert entry["expires"] - entry["active_from"] == seconds
        await here.wait(timedelta(seconds=seconds + 9))
        assert len(await queue(here)) == 1
        await here.wait(3 * SECOND)
        assert await queue(here) == []
        assert [(e["status"], e["reason"], e["consumed_by"]) for e in await history(here)] == [("expired", "ttl", None)]


@pytest.mark.parametrize("ttl", [0, -5, "-5s", "1e9d", "", "5 parsecs", float("1e12"), True])
async def test_ttl_that_is_no_time_is_refused(ttl: Any) -> None:
    async with world() as here:
        answer = await here.ask("throw_event", key="rain", ttl=ttl)
        assert [detail["field"] for detail in answer["error"]["details"]] == ["ttl"]


async def test_delay_keeps_the_event_from_the_triggers_until_it_is_over() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        await here.command("throw_event", key="rain", delay="90s", ttl="10s")
        await here.wait(89 * SECOND)
        assert seen_by(here, "umbrella") == []
        await here.wait(2 * SECOND)
        assert len(seen_by(here, "umbrella")) == 1
        (execution,) = await here.executions("umbrella")
        assert execution.created_at >= NOON + 90 * SECOND


@pytest.mark.parametrize(
    "future_time",
    ["2026-01-01T12:01:00Z", "2026-01-01T13:01:00+01:00", "2026-01-01T07:01:00-05:00", "2026-01-01T13:01:00"],
)
async def test_future_time_is_an_instant_in_any_zone_or_local_in_the_services(future_time: str) -> None:
    async with world(options()) as here:
        moved = future_time.replace("2026-01-01", NOON.date().isoformat())
        if moved.endswith(":00") and "+" not in moved and moved[19:] == "":
            local = (NOON + MINUTE).astimezone(__import__("zoneinfo").ZoneInfo("Europe/Berlin"))
            moved = local.replace(tzinfo=None).isoformat()
        await waiting_for(here, "umbrella")
        data = await here.command("throw_event", key="rain", future_time=moved)
        assert datetime.fromtimestamp(data["entries"][0]["active_from"], NOON.tzinfo) == NOON + MINUTE
        await here.wait(59 * SECOND)
        assert seen_by(here, "umbrella") == []
        await here.wait(2 * SECOND)
        assert len(seen_by(here, "umbrella")) == 1


async def test_future_time_that_has_passed_is_refused() -> None:
    async with world() as here:
        answer = await here.ask("throw_event", key="rain", future_time=NOON.timestamp() - 3600)
        assert answer["error"]["code"] == "past_time"


async def test_delay_and_future_time_exclude_each_other() -> None:
    async with world() as here:
        answer = await here.ask("throw_event", key="rain", delay=5, future_time=NOON.timestamp() + 60)
        assert answer["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("payload", [{"a": [1, {"b": None}]}, "text", 7, [1, 2], None, False, {"__class__": "x"}])
async def test_payload_is_any_json_and_arrives_as_it_was_thrown(payload: Any) -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        await here.command("throw_event", key="rain", payload=payload)
        await here.wait(SECOND)
        assert seen_by(here, "umbrella")[0]["payload"] == payload


@pytest.mark.parametrize("hostile", ["{{ 9**9**9 }}", "{% for x in y %}", "{{ _event.__class__ }}", "{{"])
async def test_payload_with_template_text_is_data_and_never_rendered(hostile: str) -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        await here.command("throw_event", key="rain", payload={"text": hostile}, value=hostile, display_name=hostile)
        await here.wait(SECOND)
        (event,) = seen_by(here, "umbrella")
        assert (event["payload"]["text"], event["value"], event["display_name"]) == (hostile, hostile, hostile)


async def test_payload_that_is_too_large_is_refused() -> None:
    async with world() as here:
        answer = await here.ask("throw_event", key="rain", payload="x" * 40_000)
        assert answer["error"]["code"] == "payload_too_large"
        assert "events.max_payload_bytes" in answer["error"]["message"]


async def test_single_consumer_true_is_gone_with_the_first_trigger() -> None:
    async with world() as here:
        await waiting_for(here, "first")
        await waiting_for(here, "second")
        await here.command("throw_event", key="rain", single_consumer=True)
        await here.wait(SECOND)
        assert (len(seen_by(here, "first")), len(seen_by(here, "second"))) == (1, 0)
        assert [(e["status"], e["consumed_by"]) for e in await history(here)] == [("consumed", "first")]
        assert await queue(here) == []


async def test_single_consumer_true_is_for_one_in_a_whole_group() -> None:
    async with world(options()) as here:
        await waiting_for(here, "bedroom-lamp", dest_id="bedroom")
        await waiting_for(here, "bath-lamp", dest_id="bath")
        await here.command("throw_event", key="rain", group_id="upstairs", single_consumer=True)
        await here.wait(SECOND)
        assert len(seen_by(here, "bedroom-lamp")) + len(seen_by(here, "bath-lamp")) == 1
        assert {(e["dest_id"], e["status"]) for e in await history(here)} == {
            ("bedroom", "consumed"), ("bath", "consumed")
        }  # fmt: skip


async def test_single_consumer_false_reaches_every_trigger_once_until_the_ttl_ends() -> None:
    async with world() as here:
        await waiting_for(here, "first")
        await waiting_for(here, "second")
        await here.command("throw_event", key="rain", ttl=30)
        await here.wait(5 * SECOND)
        await waiting_for(here, "late")
        await here.wait(5 * SECOND)
        assert [len(seen_by(here, name)) for name in ("first", "second", "late")] == [1, 1, 1]
        await here.command("pause_event", event_id="first")
        await here.command("resume_event", event_id="first")
        await here.wait(30 * SECOND)
        await waiting_for(here, "too-late")
        await here.wait(5 * SECOND)
        assert [len(seen_by(here, name)) for name in ("first", "second", "late", "too-late")] == [1, 1, 1, 0]


@pytest.mark.parametrize("value", ["yes", 1, "true"])
async def test_single_consumer_that_is_no_boolean_is_refused(value: Any) -> None:
    async with world() as here:
        answer = await here.ask("throw_event", key="rain", single_consumer=value)
        assert [detail["field"] for detail in answer["error"]["details"]] == ["single_consumer"]


async def test_namespace_keeps_equal_keys_apart() -> None:
    async with world() as here:
        await waiting_for(here, "indoors", namespace="house")
        await waiting_for(here, "outdoors", trigger={"namespace": "garden"})
        await here.command("throw_event", key="rain", namespace="garden")
        await here.wait(SECOND)
        assert (len(seen_by(here, "indoors")), len(seen_by(here, "outdoors"))) == (0, 1)
        assert [p.body["namespace"] for p in here.bus.on(f"{PREFIX}/thrown/garden/rain")] == ["garden"]


async def test_value_and_sender_reach_the_execution() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        await here.command("throw_event", key="rain", value="This is a custom message.", sender="task1")
        await here.wait(SECOND)
        (event,) = seen_by(here, "umbrella")
        assert (event["value"], event["sender"]) == ("This is a custom message.", "task1")


async def test_every_thrown_event_is_published_with_a_rising_offset() -> None:
    async with world() as here:
        for number in range(5):
            await here.command("throw_event", key="rain", value=number)
        heard = [published.body for published in here.bus.on(f"{PREFIX}/thrown/default/rain")]
        assert [body["value"] for body in heard] == [0, 1, 2, 3, 4]
        offsets = [body["offset"] for body in heard]
        assert offsets == sorted(set(offsets))


async def test_a_request_id_seen_before_gets_the_first_answer_and_throws_nothing() -> None:
    async with world() as here:
        first = await here.command("throw_event", key="rain", request_id="r-1")
        second = await here.command("throw_event", key="rain", request_id="r-1")
        assert first == second
        assert len(here.bus.on(f"{PREFIX}/thrown/default/rain")) == 1
        conflict = await here.ask("throw_event", key="snow", request_id="r-1")
        assert conflict["error"]["code"] == "conflict"


# --- what an execution sees of the event that triggered it ---


async def test_event_holds_key_payload_value_sender_unique_id_display_name_and_created_at() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        thrown = await here.command(
            "throw_event", key="rain", payload={"mm": 3}, value="wet", sender="roof", display_name="Rain"
        )
        await here.wait(SECOND)
        (event,) = seen_by(here, "umbrella")
        expected = {"key": "rain", "payload": {"mm": 3}, "value": "wet", "sender": "roof", "display_name": "Rain",
                    "unique_id": thrown["unique_id"]}  # fmt: skip
        assert {name: event[name] for name in expected} == expected
        assert event["created_at"] >= NOON.timestamp()


async def test_event_stands_also_under_the_first_six_characters_of_its_id() -> None:
    contexts: list[dict[str, Any]] = []

    async def script(attempt: Attempt) -> Any:
        contexts.append(template_context(attempt))

    async with world(Options(runner=ScriptedRunner(script))) as here:
        await waiting_for(here, "umbrella")
        thrown = await here.command("throw_event", key="rain", value=3)
        await here.wait(SECOND)
        (context,) = contexts
        names = {name for name in context if name.startswith("_event")}
        assert names == {"_event", f"_event_{thrown['unique_id'][:6]}"}
        assert context[f"_event_{thrown['unique_id'][:6]}"] == context["_event"]


async def test_fifty_events_at_once_each_see_their_own_data() -> None:
    async with world(Options(places=50)) as here:
        await waiting_for(here, "umbrella", overlap_policy="allow", max_concurrent=100)
        throws = [here.command("throw_event", key="rain", payload={"n": n}) for n in range(50)]
        answers = await asyncio.gather(*throws)
        await here.wait(5 * SECOND)
        seen = seen_by(here, "umbrella")
        assert sorted(event["payload"]["n"] for event in seen) == list(range(50))
        ids = {answer["unique_id"]: n for n, answer in enumerate(answers)}
        assert all(ids[event["unique_id"]] == event["payload"]["n"] for event in seen)


async def test_nothing_of_an_event_is_left_for_the_next_execution() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella", schedule_type="interval", schedule_config={"every": "1m"}, max_retries=0)
        await here.command("throw_event", key="rain", payload={"secret": 1})
        await here.wait(MINUTE + SECOND)
        by_timer = [e for e in await here.executions("umbrella") if e.triggered_by == "scheduler"]
        assert by_timer
        assert all(e.status is ExecutionStatus.FAILED and "_event" in (e.error_message or "") for e in by_timer)


async def test_payload_keys_named_like_ours_do_not_overwrite_the_context() -> None:
    async with world() as here:
        await waiting_for(here, "umbrella")
        await here.command("throw_event", key="rain", payload={"_event": "mine", "key": "other", "now": 0})
        await here.wait(SECOND)
        assert seen_by(here, "umbrella")[0]["key"] == "rain"


async def test_context_survives_retries() -> None:
    seen: list[Any] = []

    async def script(attempt: Attempt) -> Any:
        seen.append(attempt.execution.trigger_event["payload"])
        if len(seen) < 3:
            raise RuntimeError("again")

    async with world(Options(runner=ScriptedRunner(script))) as here:
        await waiting_for(here, "umbrella", retry_delay=1, max_retries=3)
        await here.command("throw_event", key="rain", payload="drop")
        await here.wait(10 * SECOND)
        assert seen == ["drop"] * 3
