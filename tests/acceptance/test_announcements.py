"""What the service says by itself: every topic, and every field that other programs may rely on (docs/topics.md)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.bus_probe import BusProbe, Heard
from tests.service_process import ServiceProcess

NewId = Callable[[], str]

RESULT = {
    "execution_id", "event_id", "name", "status", "scheduled_time", "start_time", "end_time", "duration", "result",
    "retry_count", "attempt", "triggered_by", "timestamp",
}  # fmt: skip
STATE = {"state", "next_run", "last_run", "last_status", "run_count", "success_count", "failure_count"}


def lifecycle(probe: BusProbe, event_type: str, event_id: str) -> Heard:
    """The lifecycle message on its own topic."""
    topic = f"{probe.prefix}/{event_type}"
    return probe.wait_for(
        lambda m: m.topic == topic and m.json["event_data"]["event_id"] == event_id, what=f"{event_type} of {event_id}"
    )


def last_state(probe: BusProbe, event_id: str, **wanted: Any) -> Heard:
    def matches(message: Heard) -> bool:
        if message.topic != f"{probe.prefix}/state/{event_id}" or not message.payload:
            return False
        return all(message.json[key] == value for key, value in wanted.items())

    return probe.wait_for(matches, what=f"state {wanted}")


def test_a_result_has_every_field(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"once": {"delay": 0.2}}, name="A lamp")
    heard = probe.wait_for(probe.on("execution_results", event_id=event_id))
    result = heard.json
    assert set(result) >= RESULT
    assert (heard.qos, heard.retain) == (1, False)
    assert (result["name"], result["status"], result["attempt"], result["retry_count"]) == ("A lamp", "completed", 1, 0)
    assert result["scheduled_time"] <= result["start_time"] <= result["end_time"] <= result["timestamp"] <= heard.at
    assert result["duration"] == pytest.approx(result["end_time"] - result["start_time"], abs=1e-5)
    assert datetime.fromisoformat(result["scheduled_time_iso"]).timestamp() == result["scheduled_time"]
    assert result["result"]["topic"] == f"out/{event_id}"


def test_a_failure_has_every_field_and_comes_once(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(
        event_id,
        {"manual": {}},
        max_retries=2,
        retry_delay=0.05,
        action={"topic": "out/x", "expect": {"topic": f"never/{event_id}", "within": 0.05}},
    )
    probe.ask("trigger_event", event_id=event_id)
    failure = probe.failure(event_id)
    assert set(failure) >= RESULT | {"error_message", "error_code", "attempts"}
    assert (failure["status"], failure["attempt"], failure["retry_count"]) == ("failed", 3, 2)
    assert failure["error_code"] == "no_answer"
    assert [a["attempt"] for a in failure["attempts"]] == [1, 2, 3]
    assert all(a["error_message"] for a in failure["attempts"])
    lifecycle(probe, "execution_failed", event_id)
    retries = [m for m in probe.heard("alicia/scheduler/execution_retry") if event_id in m.text]
    assert len(retries) == 2
    probe.ask("ping")
    assert len(probe.heard_on("execution_failures", event_id=event_id)) == 1
    assert not probe.heard_on("execution_results", event_id=event_id)


def test_a_refused_command_is_told_on_errors(probe: BusProbe) -> None:
    probe.refused("get_event", event_id="the-missing-one")
    heard = probe.wait_for(lambda m: m.topic == "alicia/scheduler/errors" and "the-missing-one" in m.text)
    assert set(heard.json) >= {"error", "code", "event_id", "execution_id", "timestamp"}
    assert heard.json["code"] == "not_found"
    assert (heard.qos, heard.retain) == (1, False)


def test_every_lifecycle_event_is_told_twice_on_events_and_on_its_own_topic(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1h"}})
    probe.ask("update_event", event_id=event_id, changes={"priority": 3})
    probe.ask("pause_event", event_id=event_id)
    probe.ask("resume_event", event_id=event_id)
    probe.ask("trigger_event", event_id=event_id)
    probe.result(event_id)
    probe.ask("cancel_event", event_id=event_id)
    probe.ask("delete_event", event_id=event_id)
    lifecycle(probe, "event_deleted", event_id)
    own = [
        "event_created", "event_updated", "event_paused", "event_resumed", "execution_started", "execution_completed",
        "event_cancelled", "event_deleted",
    ]  # fmt: skip
    messages = list(probe.messages)
    all_events = [m for m in messages if m.topic == "alicia/scheduler/events" and event_id in m.text]
    assert [m.json["event_type"] for m in all_events] == own
    for message in all_events:
        assert set(message.json) == {"event_type", "event_data", "timestamp", "source"}
        assert message.json["source"] == "event_scheduler"
        assert message.json["event_data"]["event_id"] == event_id
        twins = [m for m in messages if m.topic == f"alicia/scheduler/{message.json['event_type']}"]
        assert message.payload in [m.payload for m in twins]


def test_the_other_ends_of_an_event_and_an_execution_are_told_too(probe: BusProbe, new_id: NewId) -> None:
    done, gone, busy = new_id(), new_id(), new_id()
    probe.create(done, {"once": {"delay": 0.1}})
    lifecycle(probe, "event_completed", done)
    past = {"run_at": time.time() - 100_000, "allow_past": True}
    probe.create(gone, {"once": past})
    assert lifecycle(probe, "execution_missed", gone).json["event_data"]["missed_count"] == 1
    lifecycle(probe, "event_expired", gone)
    assert probe.ask("get_event", event_id=gone)["event"]["state"] == "expired"
    probe.create(busy, {"manual": {}}, action={"topic": "out/x", "expect": {"topic": f"never/{busy}", "within": 60}})
    first = probe.ask("trigger_event", event_id=busy)["execution_id"]
    probe.ask("trigger_event", event_id=busy)
    assert lifecycle(probe, "execution_skipped", busy).json["event_data"]["reason"] == "overlap"
    probe.ask("cancel_execution", execution_id=first)
    assert lifecycle(probe, "execution_cancelled", busy).json["event_data"]["execution_id"] == first


def test_the_state_of_an_event_is_retained_kept_current_and_cleared(
    probe: BusProbe, broker_port: int, new_id: NewId
) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1h"}})
    state = last_state(probe, event_id)
    assert set(state.json) >= STATE
    probe.ask("trigger_event", event_id=event_id)
    last_state(probe, event_id, success_count=1, last_status="completed", state="active")
    with BusProbe(broker_port, topic_filter=f"alicia/scheduler/state/{event_id}") as later:
        assert later.wait_for(lambda m: m.retain).json["success_count"] == 1
    probe.ask("delete_event", event_id=event_id)
    probe.wait_for(lambda m: m.topic == f"alicia/scheduler/state/{event_id}" and not m.payload)
    with BusProbe(broker_port, topic_filter="alicia/scheduler/state/#") as later:
        later.publish(f"alicia/scheduler/state/end-{event_id}", b"x")
        later.wait_for(lambda m: m.topic.endswith(f"end-{event_id}"))
        assert not later.heard(f"alicia/scheduler/state/{event_id}")


def test_the_state_of_an_event_is_told_at_most_once_a_second(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}}, overlap_policy="allow", max_concurrent=100)
    for _ in range(30):
        probe.ask("trigger_event", event_id=event_id)
    last_state(probe, event_id, success_count=30)
    times = [m.at for m in probe.heard(f"alicia/scheduler/state/{event_id}")]
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(times))


def test_availability_and_status_are_retained_for_those_who_come_later(probe: BusProbe) -> None:
    availability = probe.wait_for(lambda m: m.topic == "alicia/scheduler/availability")
    assert (availability.payload, availability.retain) == (b"online", True)
    status = probe.wait_for(lambda m: m.topic == "alicia/scheduler/status", 5)
    assert status.retain
    assert set(status.json) >= {"version", "events", "executions", "due", "running", "queued", "outbox", "lag_seconds"}


def test_a_health_check_of_alicia_is_answered(probe: BusProbe) -> None:
    probe.publish("alicia/system/health/check", b"{}")
    heard = probe.wait_for(lambda m: m.topic == "alicia/system/health/event_scheduler")
    assert heard.json["status"] == "healthy"
    assert heard.json["service_name"] == "event_scheduler"


def test_alicia_is_told_of_coming_and_going(broker_port: int) -> None:
    with (
        ServiceProcess(broker_port, "second/scheduler", settings={"alicia": {"enabled": True}}) as service,
        BusProbe(broker_port, "second/scheduler") as probe,
    ):
        service.start(probe)
        registered = probe.wait_for(
            lambda m: m.topic == "alicia/system/discovery/register" and "second/scheduler" in m.text
        )
        assert "create_event" in registered.json["capabilities"]
        assert service.terminate() == 0
        probe.wait_for(lambda m: m.topic == "alicia/system/discovery/unregister")


def test_a_service_outside_alicia_leaves_her_topics_alone(broker_port: int) -> None:
    with (
        ServiceProcess(broker_port, "third/scheduler", settings={"alicia": {"enabled": False}}) as service,
        BusProbe(broker_port, "third/scheduler") as probe,
    ):
        service.start(probe)
        assert service.terminate() == 0
        probe.wait_for(lambda m: m.topic == "third/scheduler/availability" and m.payload == b"offline")
        assert not [m for m in probe.messages if m.topic.startswith("alicia/system") and "third/" in m.text]
        assert not probe.heard("alicia/system/discovery/unregister")
