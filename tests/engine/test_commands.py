"""Commands over the bus: idempotent, answered once durable, refused without a trace."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.ports import Attempt
from tests.engine.world import MINUTE, PREFIX, SECOND, Options, ScriptedRunner, definition, manual, restarted, world

TRIGGER = f"{PREFIX}/command/trigger_event"


async def succeeds(attempt: Attempt) -> Any:
    return None


async def test_the_same_request_id_gets_the_same_answer_and_has_one_effect() -> None:
    async with world() as w:
        await w.command("create_event", event=manual("lamp"))
        first = await w.ask("trigger_event", event_id="lamp", request_id="r1")
        await w.wait(MINUTE)
        assert await w.ask("trigger_event", event_id="lamp", request_id="r1") == first
        assert len(await w.executions()) == 1


async def test_the_same_request_id_gets_the_same_answer_after_a_crash() -> None:
    async with world() as w:
        await w.command("create_event", event=manual("lamp"))
        first = await w.ask("trigger_event", event_id="lamp", request_id="r1")
        await w.crash()
        async with restarted(w) as again:
            assert await again.ask("trigger_event", event_id="lamp", request_id="r1") == first
            assert len(await again.executions()) == 1


async def test_a_refusal_is_remembered_like_any_other_answer() -> None:
    async with world() as w:
        first = await w.ask("trigger_event", event_id="lamp", request_id="r1")
        assert first["error"]["code"] == "not_found"
        await w.command("create_event", event=manual("lamp"))
        assert await w.ask("trigger_event", event_id="lamp", request_id="r1") == first
        assert not await w.executions()


async def test_a_request_id_with_other_content_is_a_conflict() -> None:
    async with world() as w:
        await w.command("create_event", event=manual("lamp"))
        await w.ask("trigger_event", event_id="lamp", request_id="r1")
        answer = await w.ask("trigger_event", event_id="lamp", request_id="r1", payload=1)
        assert answer["error"]["code"] == "conflict"
        assert len(await w.executions()) == 1


async def test_a_redelivery_without_a_request_id_is_recognised() -> None:
    async with world() as w:
        await w.command("create_event", event=manual("lamp"))
        w.bus.deliver(TRIGGER, {"event_id": "lamp"})
        await w.wait(SECOND)
        w.bus.deliver(TRIGGER, {"event_id": "lamp"}, duplicate=True)
        await w.wait(SECOND)
        assert len(await w.executions()) == 1


async def test_two_equal_messages_that_are_no_redelivery_are_two_commands() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        await w.command("create_event", event=manual("lamp", overlap_policy="queue_all"))
        for _ in range(3):
            w.bus.deliver(TRIGGER, {"event_id": "lamp"})
        await w.wait(MINUTE)
        assert [e.status for e in await w.executions()] == ["completed"] * 3
        assert (await w.event())[1].unfinished == 0


async def test_of_two_equal_messages_at_once_the_second_is_skipped_by_the_overlap_policy() -> None:
    async with world(Options(runner=ScriptedRunner(succeeds))) as w:
        await w.command("create_event", event=manual("lamp"))
        for _ in range(2):
            w.bus.deliver(TRIGGER, {"event_id": "lamp"})
        await w.wait(MINUTE)
        assert sorted(e.status for e in await w.executions()) == ["completed", "skipped"]
        assert (await w.event())[1].unfinished == 0


async def test_a_retained_command_is_refused() -> None:
    async with world() as w:
        answer = await w.ask("create_event", event=manual("lamp"), way={"retain": True})
        assert answer["error"]["code"] == "not_allowed"
        assert await w.store.event("lamp") is None


async def test_a_message_is_acknowledged_after_its_command_is_durable() -> None:
    async with world() as w:
        w.bus.deliver(f"{PREFIX}/command/create_event", {"event": manual("lamp")})
        await w.until(lambda: w.bus.acknowledged)
        assert await w.store.event("lamp") is not None


async def test_the_service_never_takes_its_own_messages_for_commands() -> None:
    async with world() as w:
        w.bus.deliver(f"{PREFIX}/execution_results", {"command": "ping"})
        w.bus.deliver(f"{PREFIX}/events", {"command": "ping"})
        w.bus.deliver(f"{PREFIX}/response/ping", {"command": "ping"})
        await w.wait(SECOND)
        assert w.service.requests == 0
        assert len(w.bus.acknowledged) == 3


async def test_alicias_old_habit_of_commands_on_any_topic_is_heard() -> None:
    async with world() as w:
        w.bus.deliver(f"{PREFIX}/whatever", {"command": "create_event", "event": definition("lamp")})
        await w.wait(SECOND)
        assert await w.store.event("lamp") is not None


async def test_what_cannot_be_read_is_answered_and_told_on_the_errors_topic() -> None:
    async with world() as w:
        w.bus.deliver(f"{PREFIX}/command/create_event", b"{not json", response_topic="test/a")
        await w.until(lambda: w.bus.on("test/a"))
        assert w.bus.on("test/a")[0].body["error"]["code"] == "invalid_json"
        await w.until(lambda: w.errors)


async def test_a_flood_of_bad_commands_does_not_become_a_flood_of_complaints() -> None:
    async with world() as w:
        for n in range(2000):
            w.bus.deliver(f"{PREFIX}/command/nonsense", {"n": n}, qos=0)
        await w.wait(SECOND)
        assert w.service.refused == 2000
        assert len(w.errors) <= 150


async def test_a_caller_reads_what_it_has_just_written() -> None:
    async with world() as w:
        for n in range(20):
            w.bus.deliver(f"{PREFIX}/command/create_event", {"event": manual(f"e{n}")})
        listed = await w.command("list_events")
        assert len(listed["events"]) == 20


async def test_the_limit_of_events_holds_for_commands_that_share_a_commit() -> None:
    async with world(Options(rules=CommandRules(max_events=10))) as w:
        for n in range(50):
            w.bus.deliver(f"{PREFIX}/command/create_event", {"event": manual(f"e{n}")}, response_topic="test/a")
        await w.until(lambda: len(w.bus.on("test/a")) == 50)
        assert (await w.store.counts(w.clock.now())).events == 10


async def test_an_update_and_its_reader_in_one_commit_agree() -> None:
    async with world() as w:
        await w.create()
        w.bus.deliver(f"{PREFIX}/command/update_event", {"event_id": "lamp", "changes": {"priority": 3}})
        read = await w.command("get_event", event_id="lamp")
        assert (read["event"]["priority"], read["event"]["revision"]) == (3, 2)


async def test_a_preview_stores_nothing_and_stats_count_what_is_stored() -> None:
    async with world() as w:
        told = await w.command("preview", event=definition("lamp"), count=3)
        assert len(told["fires"]) == 3
        assert (await w.command("get_stats"))["events"] == 0


async def test_a_command_without_an_event_id_gets_the_same_made_up_one_when_it_is_repeated() -> None:
    async with world() as w:
        nameless = {k: v for k, v in manual("x").items() if k != "event_id"}
        first = await w.ask("create_event", event=nameless, request_id="r1")
        assert await w.ask("create_event", event=nameless, request_id="r1") == first
        assert (await w.store.counts(w.clock.now())).events == 1
