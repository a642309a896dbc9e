"""The scheduled events of a simulation. Their periods are those of the faults, or early and late fires would go unseen.

Most of a simulated day is quiet; every other day has busy minutes after six, when the adversary likes to strike.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

BUSY_HOUR = 6
"""The hour (UTC) with the busy minutes."""

BUSY = f"{BUSY_HOUR} */2 * *"
"""The hour and the days with them, as cron has it: days 1, 3, 5 …"""


def next_busy_time(now: datetime) -> datetime:
    """When the busy minutes begin next."""
    busy = now.replace(hour=BUSY_HOUR, minute=0, second=0, microsecond=0)
    while busy <= now or busy.day % 2 == 0:
        busy += timedelta(days=1)
    return busy


def definition(event_id: str, kind: str, config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event as a caller writes it."""
    action = {"topic": f"home/{event_id}", "message": {"state": "ON"}}
    return {"event_id": event_id, "schedule_type": kind, "schedule_config": config, "action": action, **fields}


def cron(event_id: str, expression: str, **fields: Any) -> dict[str, Any]:
    return definition(event_id, "cron", {"cron_expression": expression}, **fields)


BUSY_EVENTS = [
    cron("all-in-order", f"*/20 0-3 {BUSY}", catch_up="all", overlap_policy="queue_all", retry_delay=5,
         max_retries=2, until_next_fire=False),
    cron("skipping", f"*/15 1-3 {BUSY}", jitter=10, catch_up="first", timeout=20),
    cron("replacing", f"*/30 0-5 {BUSY}", overlap_policy="cancel_running", retry_delay=7),
    cron("side-by-side", f"*/10 2-3 {BUSY}", overlap_policy="allow", max_concurrent=2, max_retries=1,
         retry_delay=5, timeout=25, priority=5, catch_up="none"),
    cron("one-waits", f"*/40 0-7 {BUSY}", overlap_policy="queue_one", jitter=3, catch_up_window=300),
    cron("stubborn", f"0 0-9/3 {BUSY}", max_retries=4, retry_delay=11, retry_backoff=2,
         retry_max_delay=40, until_next_fire=False, overlap_policy="queue_all", on_resume="last"),
]  # fmt: skip
"""Periods of seconds to minutes, for some minutes a day."""

CALM_EVENTS = [
    cron("two-hourly", "7 */2 * * *", jitter=300, misfire_grace=5),
    definition("ninety-minutes", "interval", {"every": 5400}, overlap_policy="queue_one", retry_delay=30),
    definition("after-the-last", "interval", {"every": 7200, "mode": "fixed_delay"}),
    definition("nightly", "recurring", {"frequency": "daily", "time_of_day": "02:30"}, timezone="Europe/Berlin",
               catch_up_window=86400),
    cron("weekdays", "30 6 * * mon-fri", max_retries=1, retry_delay=60),
]  # fmt: skip
"""Periods of an hour and more."""

BY_HAND = definition("by-hand", "manual", {}, overlap_policy="queue_all", delivery="at_most_once", max_retries=0)


def chosen(chance: random.Random) -> list[dict[str, Any]]:
    """The events of one simulation: some of each kind, and one that people run."""
    return [*chance.sample(BUSY_EVENTS, 3), *chance.sample(CALM_EVENTS, 2), BY_HAND]


def guest(chance: random.Random, event_id: str) -> dict[str, Any]:
    """An event that comes and goes while the simulation runs."""
    kind = chance.randrange(4)
    policy = chance.choice(["skip", "queue_one", "queue_all", "cancel_running"])
    fields: dict[str, Any] = {"overlap_policy": policy, "retry_delay": chance.choice([2, 20]), "max_retries": 1}
    most = chance.randrange(1, 8)
    match kind:
        case 0:
            return definition(event_id, "once", {"delay": chance.choice([1, 20, 300])}, catch_up_window=600, **fields)
        case 1:
            return definition(
                event_id, "interval", {"every": chance.choice([3, 20, 90])}, max_executions=most, **fields
            )
        case 2:
            config = {"every": chance.choice([5, 40]), "mode": "fixed_delay"}
            return definition(event_id, "interval", config, max_executions=most, **fields)
        case _:
            return cron(event_id, f"*/{chance.choice([7, 20])} * * * * *", max_executions=most, jitter=2, **fields)
