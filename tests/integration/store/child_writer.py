"""A process that commits without end and prints each number after its commit, or only holds the store open."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.core.decision import Changes
from tests.conformance.store.examples import creation, execution, message, planned, record, state


async def main(path: str, task: str) -> None:
    store = SqliteStore(Path(path), ballast_bytes=0)
    mark = await store.open()
    print("open", flush=True)
    if task == "hold":
        await asyncio.Event().wait()
    for number in count(mark.counters.sequence):
        async with store.transaction() as transaction:
            event_id = f"e{number}"
            await transaction.apply(creation((record(event_id, number), state(event_id, number))))
            await transaction.apply(planned(*(execution(f"{number}-{n}", event_id, number) for n in range(3))))
            await transaction.apply(Changes(outbox=[message(number)]))
        print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
