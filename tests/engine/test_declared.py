"""Declared events: the store comes to say what the files say, and nothing else is touched."""

from __future__ import annotations

from tests.engine.declared_source import Entry, NothingDeclared
from tests.engine.world import SECOND, Options, World, bodies, definition, manual, restarted, world


async def origins(w: World) -> dict[str, str]:
    events = (await w.command("list_events"))["events"]
    return {e["event_id"]: e["origin"] for e in events}


async def test_declared_events_are_made_replaced_and_removed_as_the_files_say() -> None:
    files = NothingDeclared()
    files.say(Entry(definition("a")), Entry(definition("b"), "file:b.yaml"))
    async with world(Options(declared=files)) as w:
        assert await origins(w) == {"a": "file:a.yaml", "b": "file:b.yaml"}
        files.say(Entry(definition("a", priority=7)))
        await w.wait(SECOND)
        assert await origins(w) == {"a": "file:a.yaml"}
        record, _ = await w.event("a")
        assert (record.definition.priority, record.revision) == (7, 2)


async def test_an_unchanged_file_changes_nothing() -> None:
    files = NothingDeclared()
    files.say(Entry(definition("a")))
    async with world(Options(declared=files)) as w:
        await w.wait(SECOND)
        before = await w.event("a")
        w.declared.reload()
        await w.wait(SECOND)
        assert files.reads >= 3
        assert await w.event("a") == before


async def test_events_made_over_the_bus_are_left_alone() -> None:
    files = NothingDeclared()
    async with world(Options(declared=files)) as w:
        await w.create("mine")
        files.say(Entry(definition("a")))
        await w.wait(SECOND)
        files.say()
        await w.wait(SECOND)
        assert await origins(w) == {"mine": "bus"}


async def test_a_declared_id_that_somebody_uses_over_the_bus_is_reported_and_not_taken() -> None:
    files = NothingDeclared()
    async with world(Options(declared=files)) as w:
        await w.create("lamp")
        files.say(Entry(definition("lamp", priority=7)))
        await w.wait(SECOND)
        assert (await w.event("lamp"))[0].definition.priority == 0
        assert "over the bus" in bodies(w.errors)[-1]["error"]


async def test_a_broken_file_leaves_its_events_as_they_were_and_is_reported() -> None:
    files = NothingDeclared()
    files.say(Entry(definition("a")), Entry(definition("b"), "file:b.yaml"))
    async with world(Options(declared=files)) as w:
        files.say(Entry(definition("b"), "file:b.yaml"), problems=["a.yaml:3: bad"], broken=frozenset({"file:a.yaml"}))
        await w.wait(SECOND)
        assert await origins(w) == {"a": "file:a.yaml", "b": "file:b.yaml"}
        assert bodies(w.errors)[-1]["error"] == "a.yaml:3: bad"


async def test_one_bad_event_keeps_its_whole_file_as_it_was() -> None:
    files = NothingDeclared()
    files.say(Entry(definition("a")), Entry(definition("b")))
    async with world(Options(declared=files)) as w:
        files.say(Entry(definition("a", priority=7)), Entry(definition("b", priority="high")))
        await w.wait(SECOND)
        assert (await w.event("a"))[0].definition.priority == 0
        assert await origins(w) == {"a": "file:a.yaml", "b": "file:a.yaml"}
        assert "priority" in bodies(w.errors)[-1]["error"]


async def test_files_that_could_not_all_be_listed_remove_nothing() -> None:
    files = NothingDeclared()
    files.say(Entry(definition("a")))
    async with world(Options(declared=files)) as w:
        files.now = type(files.now)(complete=False)
        w.declared.reload()
        await w.wait(SECOND)
        assert await origins(w) == {"a": "file:a.yaml"}


async def test_a_restart_goes_on_with_the_timer_of_a_declared_event() -> None:
    files = NothingDeclared()
    files.say(Entry(definition("a", schedule_type="interval", schedule_config={"every": 3600})))
    async with world(Options(declared=files)) as w:
        await w.wait(1800 * SECOND)
        before = (await w.event("a"))[1].next_time
        await w.crash()
        async with restarted(w) as again:
            assert (await again.event("a"))[1].next_time == before


async def test_a_manual_declared_event_can_be_triggered() -> None:
    files = NothingDeclared()
    files.say(Entry(manual("a")))
    async with world(Options(declared=files)) as w:
        await w.command("trigger_event", event_id="a")
        await w.wait(SECOND)
        assert len(w.results) == 1
