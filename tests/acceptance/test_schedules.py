"""The kinds of schedule as they fire on a real bus, and pauses, limits and missed times (docs/time-rules.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.bus_probe import BusProbe

NewId = Callable[[], str]


def test_once_with_a_delay_fires_once_and_is_completed(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    event = probe.create(event_id, {"once": {"delay": 0.3}})["event"]
    result = probe.result(event_id)
    assert result["scheduled_time"] == pytest.approx(event["created_at"] + 0.3, abs=1e-5)
    assert result["start_time"] >= result["scheduled_time"]
    after = probe.ask("get_event", event_id=event_id)
    assert (after["event"]["state"], after["event"]["run_count"], after["next_fires"]) == ("completed", 1, [])


@pytest.mark.parametrize("spelling", ["epoch", "offset", "timestamp", "local"])
def test_once_at_an_instant_in_every_spelling(probe: BusProbe, new_id: NewId, spelling: str) -> None:
    event_id = new_id()
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    local = at.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None).isoformat()
    config = {
        "epoch": {"run_at": at.timestamp()},
        "offset": {"run_at": at.isoformat()},
        "timestamp": {"timestamp": at.timestamp()},
        "local": {"run_at": local},
    }[spelling]
    made = probe.create(event_id, {"once": config}, timezone="Europe/Berlin")
    assert [fire["time"] for fire in made["next_fires"]] == [at.timestamp()]
    result = probe.result(event_id)
    assert result["scheduled_time"] == at.timestamp()
    assert result["start_time"] >= at.timestamp()


@pytest.mark.parametrize(
    "config", [{"type": "seconds", "value": 1}, {"interval": 1}, {"every": "1s"}], ids=["type", "interval", "every"]
)
def test_an_interval_keeps_its_anchor(probe: BusProbe, new_id: NewId, config: dict[str, object]) -> None:
    event_id = new_id()
    event = probe.create(event_id, {"interval": config})["event"]
    found = probe.wait_for_some(probe.on("execution_results", event_id=event_id), 3)
    times = [message.json["scheduled_time"] for message in found]
    assert times == pytest.approx([event["created_at"] + n for n in (1, 2, 3)], abs=1e-4)
    assert all(message.at >= message.json["scheduled_time"] for message in found)
    probe.ask("delete_event", event_id=event_id)


def test_an_aligned_interval_counts_from_the_epoch(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "2s", "align": True}})
    assert probe.result(event_id)["scheduled_time"] % 2 == 0
    probe.ask("delete_event", event_id=event_id)


def test_a_fixed_delay_counts_from_the_end_of_the_last_execution(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    action = {"topic": f"out/{event_id}", "expect": {"topic": f"ack/{event_id}", "within": 10}}
    probe.create(event_id, {"interval": {"every": "1s", "mode": "fixed_delay"}}, action=action)
    ends: list[float] = []
    for _ in range(2):
        since = len(probe.messages)
        probe.wait_for(lambda m: m.topic == f"out/{event_id}", since=max(0, since - 1))
        probe.publish(f"ack/{event_id}", b"done")
        result = probe.result(event_id, since=since)
        assert not ends or result["scheduled_time"] == pytest.approx(ends[-1] + 1, abs=1e-4)
        ends.append(result["end_time"])
    probe.ask("delete_event", event_id=event_id)


def test_cron_with_six_fields_puts_the_seconds_first(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"cron": {"cron_expression": "*/2 * * * * *"}})
    found = probe.wait_for_some(probe.on("execution_results", event_id=event_id), 2)
    first, second = (message.json["scheduled_time"] for message in found)
    assert (first % 2, second - first) == (0, 2)
    probe.ask("delete_event", event_id=event_id)


def test_recurring_fires_at_the_next_time_of_day(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    config = {"frequency": "daily", "time_of_day": f"{at:%H:%M:%S}"}
    made = probe.create(event_id, {"recurring": config})
    assert [fire["time"] for fire in made["next_fires"]] == [at.timestamp() + n * 86_400 for n in range(5)]
    assert probe.result(event_id)["scheduled_time"] == at.timestamp()
    after = probe.ask("get_event", event_id=event_id)["event"]
    assert (after["state"], after["next_run"]) == ("active", at.timestamp() + 86_400)


def test_a_recurring_rule_previews_the_last_day_of_each_month(probe: BusProbe) -> None:
    event = {
        "schedule_type": "recurring",
        "schedule_config": {"frequency": "monthly", "days_of_month": [-1], "times": ["06:00", "18:00"]},
        "action": {"topic": "out/x"},
    }
    start = datetime(2027, 1, 30, tzinfo=UTC).timestamp()
    fires = probe.ask("preview", event=event, count=4, **{"from": start})["fires"]
    assert [fire["utc_iso"][:16] for fire in fires] == [
        "2027-01-31T06:00", "2027-01-31T18:00", "2027-02-28T06:00", "2027-02-28T18:00",
    ]  # fmt: skip


def test_max_executions_and_end_at_end_an_event(probe: BusProbe, new_id: NewId) -> None:
    limited, ending = new_id(), new_id()
    probe.create(limited, {"interval": {"every": "1s"}}, max_executions=2)
    probe.create(ending, {"interval": {"every": "1s"}}, end_at=time.time() + 2.5)
    for event_id in (limited, ending):
        probe.wait_for_some(probe.on("execution_results", event_id=event_id), 2)
        probe.wait_for(lambda m: m.topic == "alicia/scheduler/event_completed" and event_id in m.text)  # noqa: B023
        event = probe.ask("get_event", event_id=event_id)["event"]
        assert (event["state"], event["run_count"], event["next_run"]) == ("completed", 2, None)


def test_jitter_delays_a_fire_and_never_hastens_it(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    made = probe.create(event_id, {"interval": {"every": "1s"}}, jitter=0.9)
    promised = [fire["time"] for fire in made["next_fires"]]
    found = probe.wait_for_some(probe.on("execution_results", event_id=event_id), 2)
    for number, message in enumerate(found):
        result = message.json
        nominal = made["event"]["created_at"] + number + 1
        assert result["scheduled_time"] == pytest.approx(nominal, abs=1e-4)
        assert nominal <= promised[number] <= result["start_time"]
    probe.ask("delete_event", event_id=event_id)


def test_a_resumed_event_replays_nothing_or_the_last_as_it_wants(probe: BusProbe, new_id: NewId) -> None:
    skips, replays = new_id(), new_id()
    probe.create(skips, {"interval": {"every": "1s"}})
    probe.create(replays, {"interval": {"every": "1s"}}, on_resume="last")
    for event_id in (skips, replays):
        probe.ask("pause_event", event_id=event_id)
    probe.create(f"{skips}-clock", {"once": {"delay": 1.5}})
    probe.result(f"{skips}-clock")
    since = len(probe.messages)
    resumed_at = time.time()
    for event_id in (skips, replays):
        probe.ask("resume_event", event_id=event_id)
    assert probe.result(skips, since=since)["scheduled_time"] > resumed_at
    last = probe.result(replays, since=since)
    assert last["scheduled_time"] < resumed_at
    assert last["triggered_by"] == "catch_up"
    for event_id in (skips, replays):
        probe.ask("delete_event", event_id=event_id)


def test_a_time_that_may_lie_in_the_past_is_caught_up(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    at = round(time.time() - 600)
    probe.create(event_id, {"once": {"run_at": at}}, allow_past=True)
    result = probe.result(event_id)
    assert (result["scheduled_time"], result["triggered_by"], result["missed_count"]) == (at, "catch_up", 1)


def test_a_disabled_event_waits_until_it_is_enabled(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    made = probe.create(event_id, {"interval": {"every": "1s"}}, enabled=False)
    assert (made["event"]["state"], made["next_fires"]) == ("disabled", [])
    enabled = probe.ask("enable_event", event_id=event_id)["event"]
    assert (enabled["state"], enabled["enabled"]) == ("active", True)
    probe.result(event_id)
    disabled = probe.ask("update_event", event_id=event_id, changes={"enabled": False})["event"]
    assert disabled["state"] == "disabled"
