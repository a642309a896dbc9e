"""Fills a store without a service: the commands' own rules and the engine's own writer, only no bus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from alicia_scheduler.adapters.clock import SystemClock
from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.core.announcement import Announcement
from alicia_scheduler.core.commands import CreateEvent
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.model.event import EventDefaults, parse_event
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.state import ServiceMark
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.timings import TimingCache
from alicia_scheduler.engine.writer import Writer

AT_ONCE = 1000

RawEvent = dict[str, Any]


def burst(count: int, due: datetime) -> Iterator[RawEvent]:
    """Events that are all due at one instant; each publishes its own small message."""
    for number in range(count):
        event_id = f"burst-{number:06d}"
        yield {
            "event_id": event_id,
            "name": f"Burst {number}",
            "schedule_type": "once",
            "schedule_config": {"run_at": due.isoformat()},
            "action": {"topic": f"bench/fire/{event_id}", "message": payload(number), "metadata": "none"},
        }


def payload(number: int) -> dict[str, Any]:
    """What every contestant publishes."""
    return {"number": number, "state": "ON", "brightness": 128}


def resting(count: int, now: datetime) -> Iterator[RawEvent]:
    """Events of every schedule type whose next fire lies at least an hour ahead."""
    for number in range(count):
        kind, config = _resting_schedule(number, now)
        yield {
            "event_id": f"resting-{number:07d}",
            "name": f"Resting {number}",
            "schedule_type": kind,
            "schedule_config": config,
            "action": {"topic": f"bench/rest/{number}", "message": payload(number)},
        }


def _resting_schedule(number: int, now: datetime) -> tuple[str, RawEvent]:
    match number % 3:
        case 0:
            run_at = now + timedelta(hours=2, seconds=number % 1_000_000)
            return "once", {"run_at": run_at.isoformat()}
        case 1:
            return "interval", {"every": f"{24 + number % 200}h"}
        case _:
            far = now + timedelta(days=30)
            return "cron", {"cron_expression": f"{number % 60} {number // 60 % 24} {far.day % 28 + 1} {far.month} *"}


def load(path: Path, events: Iterable[RawEvent]) -> None:
    """Stores the events in the SQLite file, which no service may have open."""
    asyncio.run(_load(path, iter(events)))


async def _load(path: Path, events: Iterator[RawEvent]) -> None:
    store = SqliteStore(path)
    mark = await store.open()
    writer = Writer(store, SystemClock(), _no_messages)
    writer.mark = ServiceMark(mark.counters, mark.alive_at, clean=True, starts=mark.starts)
    running = asyncio.create_task(writer.run())
    timings, rules, defaults = TimingCache(), CommandRules(allow_past=True), EventDefaults()
    while batch := list(islice(events, AT_ONCE)):
        await asyncio.gather(*(_created(writer, raw, timings, rules, defaults) for raw in batch))
    running.cancel()
    await asyncio.wait([running])
    await store.close()


def _created(
    writer: Writer, raw: RawEvent, timings: Timings, rules: CommandRules, defaults: EventDefaults
) -> asyncio.Future[Any]:
    command = CreateEvent(parse_event(raw, defaults))
    event_id = command.event.event_id

    def decide(view: View, now: datetime) -> Decision[Any]:
        return on_command(view, now, timings, command, rules, event_id)

    return writer.submit(Needs(event_ids=frozenset({event_id})), decide)


def _no_messages(
    announcements: Iterable[Announcement], now: datetime
) -> tuple[list[OutgoingMessage], list[OutgoingMessage]]:
    return [], []
