"""The same work on APScheduler 3.11: jobs in SQLite through SQLAlchemy, published by aiomqtt with QoS 1.

It is set up as well as it can be: write-ahead log, one publish window of 50 as the service has, no limit on instances,
and a misfire time that drops nothing.

    python -m bench.apscheduler_peer load DATABASE COUNT DUE
    python -m bench.apscheduler_peer fire DATABASE PORT
    python -m bench.apscheduler_peer add DATABASE COUNT
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import create_engine
from sqlalchemy import event as engine_events

from bench.loading import payload

WINDOW = 50
_client: list[aiomqtt.Client] = []


async def publish(event_id: str, body: dict[str, Any]) -> None:
    """The job."""
    await _client[0].publish(f"bench/fire/{event_id}", json.dumps(body), qos=1)


def _scheduler(database: str, synchronous: str) -> Any:
    """A scheduler on the SQLite file; the library has no types."""
    engine = create_engine(f"sqlite:///{database}")

    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    engine_events.listen(engine, "connect", prepare)
    defaults = {"misfire_grace_time": 86_400, "max_instances": 1_000_000, "coalesce": True}
    stores = {"default": SQLAlchemyJobStore(engine=engine)}  # type: ignore[no-untyped-call]
    return AsyncIOScheduler(jobstores=stores, job_defaults=defaults, timezone=UTC)  # type: ignore[no-untyped-call]


def _add(scheduler: Any, number: int, due: datetime) -> None:
    event_id = f"burst-{number:06d}"
    scheduler.add_job(publish, "date", id=event_id, run_date=due, args=(event_id, payload(number)))


async def load(database: str, count: int, due: datetime) -> None:
    """Stores the jobs, not durably since that is not what is measured here."""
    scheduler = _scheduler(database, "OFF")
    scheduler.start(paused=True)
    for number in range(count):
        _add(scheduler, number, due)
    scheduler.shutdown(wait=False)


async def fire(database: str, port: int) -> None:
    """Runs what is stored until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = aiomqtt.Client(
        "127.0.0.1", port, timeout=math.inf, max_inflight_messages=WINDOW, max_concurrent_outgoing_calls=WINDOW
    )
    async with client:
        client.pending_calls_threshold = 1_000_000
        _client.append(client)
        scheduler = _scheduler(database, "FULL")
        scheduler.start()
        await client.publish("alicia/scheduler/availability", "online", qos=1, retain=True)
        await stop.wait()
        scheduler.shutdown(wait=False)


async def add(database: str, count: int) -> None:
    """Prints how many jobs a second ``add_job`` stores durably; it blocks, so callers take turns."""
    scheduler = _scheduler(database, "FULL")
    scheduler.start(paused=True)
    due = datetime.now(UTC) + timedelta(days=30)
    _add(scheduler, count, due)
    began = time.perf_counter()
    for number in range(count):
        _add(scheduler, number, due + timedelta(seconds=number * 7919 % 1_000_003))
    print(json.dumps({"per_second": count / (time.perf_counter() - began)}))
    scheduler.shutdown(wait=False)


def main(arguments: list[str]) -> None:
    """Does what the first argument says."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    match arguments:
        case ["load", database, count, due]:
            asyncio.run(load(database, int(count), datetime.fromisoformat(due)))
        case ["fire", database, port]:
            asyncio.run(fire(database, int(port)))
        case ["add", database, count]:
            asyncio.run(add(database, int(count)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
