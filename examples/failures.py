"""Prints what failed in the last day, and why: failures.py [mqtt://host:port]."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from alicia_scheduler.client import SchedulerClient


async def failures(client: SchedulerClient, since: datetime) -> AsyncIterator[dict[str, Any]]:
    """Every failed execution since then, newest first."""
    cursor = None
    while True:
        page = await client.list_executions(status="failed", since=since, limit=50, cursor=cursor)
        for execution in page["executions"]:
            yield execution
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def main(broker: str) -> None:
    async with SchedulerClient(broker) as client:
        seen = 0
        async for execution in failures(client, datetime.now(UTC) - timedelta(days=1)):
            seen += 1
            told = ("scheduled_time_iso", "event_id", "reason", "error_message")
            print(*(execution[field] for field in told))
        print(f"{seen} failed since yesterday")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "mqtt://127.0.0.1:1883"))
