"""Kill -9 at any moment, under load: nothing accepted is lost or early, every nominal time is accounted for."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alicia_scheduler.adapters.store.history import Asked, check_history
from alicia_scheduler.core.history import Known, Rule
from alicia_scheduler.wire.recording import Recorded
from tests.bus_probe import BusProbe, Heard
from tests.service_process import ServiceProcess

KILLS = 8
EVENTS = 50
TICK = 1e-4
ENDED = {"completed", "failed", "skipped", "missed", "cancelled"}


class Load:
    """Fifty events a second, some of them slow, some failing; and somebody who makes more of them all the time."""

    def __init__(self, probe: BusProbe) -> None:
        self.probe = probe
        self.asked: dict[str, bytes] = {}

    def add(self, count: int) -> None:
        for _ in range(count):
            number = len(self.asked)
            event_id = f"load-{number}"
            action: dict[str, Any] = {"topic": f"out/{event_id}", "message": {"n": number}}
            if number % 10 == 3:
                action["expect"] = {"topic": f"out/load-{number - 1}", "within": 0.3}
            if number % 10 == 7:
                action["expect"] = {"topic": "never", "within": 0.4}
            event = {
                "event_id": event_id,
                "schedule_type": "interval",
                "schedule_config": {"every": "1s"},
                "overlap_policy": ("skip", "queue_all", "allow")[number % 3],
                "max_retries": number % 2,
                "retry_delay": 0.2,
                "until_next_fire": False,
                "action": action,
            }
            body = {"request_id": event_id, "event": event}
            self.asked[event_id] = self.probe.send("create_event", body)

    def created(self) -> dict[str, dict[str, Any]]:
        """Every event, as the answer to its command showed it."""
        answers = {event_id: self.probe.answer_to(c, 30) for event_id, c in self.asked.items()}
        assert all(answer["status"] == "ok" for answer in answers.values())
        return {event_id: answer["data"]["event"] for event_id, answer in answers.items()}


def settled(probe: BusProbe, event_ids: list[str]) -> dict[str, float]:
    """When each event was paused, once nothing runs or waits any more."""
    paused = {e: probe.ask("pause_event", event_id=e)["event"]["paused_at"] for e in event_ids}
    since = len(probe.messages)
    while True:
        stats = probe.ask("get_stats")
        if not any(stats[name] for name in ("running", "queued", "retrying", "outbox")):
            return paused
        probe.wait_for(lambda m: not m.topic.endswith("/answers"), 5, since=since, what="something to end")


def executions(probe: BusProbe, event_id: str) -> list[dict[str, Any]]:
    """Every execution of the event, oldest first."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = probe.ask("list_executions", event_id=event_id, limit=500, cursor=cursor)
        found += page["executions"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found[::-1]


def nominal_numbers(event: dict[str, Any], found: list[dict[str, Any]]) -> list[int]:
    """The numbers of the nominal times that the executions account for, in order."""
    numbers: list[int] = []
    for execution in found:
        first = round(execution["scheduled_time"] - event["created_at"])
        assert execution["scheduled_time"] == pytest.approx(event["created_at"] + first, abs=TICK)
        assert execution["status"] in ENDED, execution
        count = execution["missed_count"] if execution["status"] == "missed" else 1
        numbers += range(first, first + count)
    return numbers


@pytest.mark.timeout(150)
def test_nothing_is_lost_when_the_process_is_killed_at_any_moment(probe: BusProbe, service: ServiceProcess) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    load = Load(probe)
    service.start(probe)
    load.add(EVENTS)
    for _ in range(KILLS):
        since = len(probe.messages)
        load.add(3)
        probe.wait_for_some(lambda m: m.topic.startswith("out/"), chance.randrange(1, 120), 30, since=since)
        service.kill()
        load.add(2)
        service.start(probe)
    created = load.created()
    assert set(created) == {f"load-{n}" for n in range(EVENTS + 5 * KILLS)}
    paused = settled(probe, list(created))
    found = {event_id: executions(probe, event_id) for event_id in created}

    check_conservation(created, paused, found)
    check_effects(created, found, [m for m in list(probe.messages) if m.topic.startswith("out/")])
    check_announcements(found, probe)
    assert service.terminate() == 0
    check_whole_history(service, list(probe.messages))
    with sqlite3.connect(service.database) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def check_conservation(
    created: dict[str, dict[str, Any]], paused: dict[str, float], found: dict[str, list[dict[str, Any]]]
) -> None:
    """Every nominal time up to the pause has exactly one record."""
    for event_id, event in created.items():
        numbers = nominal_numbers(event, found[event_id])
        assert numbers == list(range(1, len(numbers) + 1)), f"{event_id}: {numbers}"
        assert len(numbers) >= int(paused[event_id] - event["created_at"] - 0.1), event_id
        ids = [execution["execution_id"] for execution in found[event_id]]
        assert len(set(ids)) == len(ids)


def check_effects(
    created: dict[str, dict[str, Any]], found: dict[str, list[dict[str, Any]]], effects: list[Heard]
) -> None:
    """Nothing went out early, or twice under different ids; what completed went out."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    fences: dict[str, list[int]] = defaultdict(list)
    for heard in effects:
        about = heard.user_properties
        assert heard.at >= float(about["scheduled_time"]), about
        ids[about["event_id"], about["scheduled_time"]].add(about["execution_id"])
        fences[about["execution_id"]].append(int(about["fence"]))
    assert all(len(found_ids) == 1 for found_ids in ids.values())
    assert all(numbers == sorted(set(numbers)) for numbers in fences.values()), "a repeat without a fence of its own"
    for event_id in created:
        for execution in found[event_id]:
            if execution["status"] == "completed":
                assert execution["execution_id"] in fences
            if execution["start_time"] is not None:
                assert execution["start_time"] >= execution["due_time"]


def check_announcements(found: dict[str, list[dict[str, Any]]], probe: BusProbe) -> None:
    """Every end was told at least once, in the order of the ends; and nothing else was told."""
    results: dict[str, list[str]] = defaultdict(list)
    for heard in probe.heard("alicia/scheduler/execution_results"):
        if heard.json["execution_id"] not in results[heard.json["event_id"]]:
            results[heard.json["event_id"]].append(heard.json["execution_id"])
    failures = {m.json["execution_id"] for m in probe.heard("alicia/scheduler/execution_failures")}
    for event_id, ended in found.items():
        completed = {e["execution_id"]: e["end_time"] for e in ended if e["status"] == "completed"}
        assert set(results[event_id]) == set(completed)
        ends = [completed[execution_id] for execution_id in results[event_id]]
        assert ends == sorted(ends), f"results of {event_id} out of order"
        assert {e["execution_id"] for e in ended if e["status"] == "failed"} <= failures
    for heard in probe.heard("alicia/scheduler/recovery"):
        assert heard.json["clean"] is False
    assert len({m.json["timestamp"] for m in probe.heard("alicia/scheduler/recovery")}) == KILLS


def check_whole_history(service: ServiceProcess, messages: list[Heard]) -> None:
    """The checker of ``doctor --history`` comes to the same end, on the file and on what the probe heard."""
    heard = [
        Recorded(datetime.fromtimestamp(m.at, UTC), m.topic.removeprefix("alicia/scheduler/"), m.json)
        for m in messages
        if m.topic.startswith(("alicia/scheduler/execution_", "alicia/scheduler/events"))
    ]
    began = heard[0].time
    asked = Asked(Known(kept_since=began - timedelta(hours=1), traced_since=began - timedelta(hours=1)), 1_000_000)
    tally = check_history(service.database, asked, heard, lambda done, total: None)
    assert tally.findings == []
    assert all(tally.checked[rule] for rule in Rule), tally
