"""Blocks of instructions in the engine's world: how a test runs one, and what it looks at afterwards."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.core.instructions.steps import HEADER
from alicia_scheduler.core.state import Execution
from tests.engine.world import World, manual

EFFECT = "home/effect"


def publish(value: Any, **fields: Any) -> dict[str, Any]:
    """An instruction whose effect an independent subscriber sees."""
    return {"action": "mqtt_publish", "topic": EFFECT, "message": {"value": value}, **fields}


def set_var(name: str, value: Any, **fields: Any) -> dict[str, Any]:
    return {"action": "set_var", "var_name": name, "value": value, **fields}


def flow(block: list[Any], event_id: str = "flow", **fields: Any) -> dict[str, Any]:
    """An event that carries the block out when it is triggered by hand."""
    action = {"type": "instructions", "instructions_block": block}
    return manual(event_id, **{"max_retries": 0, "action": action, **fields})


async def begun(one: World, block: list[Any], **fields: Any) -> str:
    """The id of the execution of a block that has been triggered."""
    await one.command("create_event", event=flow(block, **fields), on_conflict="replace")
    execution_id: str = (await one.command("trigger_event", event_id=fields.get("event_id", "flow")))["execution_id"]
    return execution_id


async def carried_out(one: World, block: list[Any], **fields: Any) -> Execution:
    """The execution of a block, when it has ended."""
    return await ending(one, await begun(one, block, **fields))


async def ending(one: World, execution_id: str) -> Execution:
    """The execution, when it has ended."""
    await one.until(lambda: ended(one, execution_id))
    execution = await one.store.execution(execution_id)
    assert execution is not None
    return execution


def ended(one: World, execution_id: str) -> bool:
    return any(message.body["execution_id"] == execution_id for message in (*one.results, *one.failures))


def effects(one: World) -> list[Any]:
    """The values an independent subscriber saw, in order."""
    return [message.body["value"] for message in one.bus.on(EFFECT)]


async def steps(one: World, execution_id: str) -> dict[str, Any]:
    """What is recorded of the instructions, by path."""
    await one.writer.barrier()
    return {path: step for path, step in await one.store.steps(execution_id) if path != HEADER}


async def variables(one: World, dest_id: str = "default") -> dict[str, Any]:
    await one.writer.barrier()
    return dict(await one.store.variables(dest_id))
