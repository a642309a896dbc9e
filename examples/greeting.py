"""Creates an event, runs it now, waits for its execution, and removes it: greeting.py [mqtt://host:port]."""

from __future__ import annotations

import asyncio
import sys

from alicia_scheduler.client import CommandRejected, SchedulerClient

EVENT = {
    "event_id": "greeting",
    "name": "Evening greeting",
    "schedule_type": "recurring",
    "schedule_config": {"frequency": "daily", "time_of_day": "18:30"},
    "timezone": "Europe/Berlin",
    "action": {"topic": "demo/greeting", "message": {"text": "Good evening, {{ payload.name | default('you') }}!"}},
}


async def finished(client: SchedulerClient, execution_id: str) -> dict[str, object]:
    """The execution, once nothing will follow."""
    while True:
        answer = await client.get_execution(execution_id)
        execution: dict[str, object] = answer["execution"]
        if execution["status"] not in {"pending", "running", "retrying"}:
            return execution
        await asyncio.sleep(0.1)


async def main(broker: str) -> None:
    async with SchedulerClient(broker) as client:
        created = await client.create_event(EVENT, on_conflict="replace")
        print("next fires:", *(fire["time_iso"] for fire in created["next_fires"]), sep="\n  ")

        triggered = await client.trigger_event("greeting", payload={"name": "Ada"})
        execution = await finished(client, triggered["execution_id"])
        outcome = execution["result"] or execution["error_message"]
        print(f"{execution['status']} by {execution['triggered_by']}:", outcome)

        try:
            await client.update_event("greeting", {"timezone": "Europe/Berlim"})
        except CommandRejected as refused:
            print("refused:", *(f"{problem.field}: {problem.message}" for problem in refused.details), sep="\n  ")

        await client.delete_event("greeting")
        print("removed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "mqtt://127.0.0.1:1883"))
