"""Stops in order, crashes, and what the next start makes of them (docs/delivery-guarantees.md)."""

from __future__ import annotations

import signal
import time
from typing import Any

from tests.bus_probe import BusProbe
from tests.mosquitto_process import Mosquitto
from tests.service_process import ServiceProcess


def availability(probe: BusProbe) -> list[bytes]:
    return [m.payload for m in probe.heard("alicia/scheduler/availability")]


def slow(event_id: str, within: float = 60) -> dict[str, Any]:
    return {"topic": f"out/{event_id}", "expect": {"topic": f"ack/{event_id}", "within": within}}


def passed(until: float) -> None:
    """Returns when the clock shows ``until``; a condition of the outer world like any other."""
    while time.time() < until:
        time.sleep(0.01)


def test_a_stop_is_quick_and_in_order(probe: BusProbe, service: ServiceProcess, broker: Mosquitto) -> None:
    service.start(probe)
    probe.create("tick", {"interval": {"every": "1s"}})
    probe.result("tick")
    began = time.monotonic()
    assert service.terminate() == 0
    assert time.monotonic() - began < 4
    probe.wait_for(lambda m: m.topic == "alicia/scheduler/availability" and m.payload == b"offline")
    assert availability(probe)[-2:] == [b"online", b"offline"]
    assert '"stopped"' in service.log_text()
    assert "Traceback" not in service.log_text()
    assert "Client alicia-scheduler disconnected." in broker.log()


def test_a_crash_is_told_by_the_will(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    service.kill()
    probe.wait_for(lambda m: m.topic == "alicia/scheduler/availability" and m.payload == b"offline")


def test_after_a_stop_in_order_there_is_nothing_to_recover(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    probe.create("rare", {"interval": {"every": "1h"}})
    probe.ask("trigger_event", event_id="rare")
    probe.result("rare")
    assert service.terminate() == 0
    service.start(probe)
    probe.ask("ping")
    assert not probe.heard("alicia/scheduler/recovery")
    assert not [m for m in probe.messages if m.topic == "alicia/scheduler/errors"]


def test_what_is_sent_while_the_service_is_down_is_carried_out_at_the_next_start(
    probe: BusProbe, service: ServiceProcess
) -> None:
    service.start(probe)
    assert service.terminate() == 0
    event = {"event_id": "later", "schedule_type": "once", "schedule_config": {"delay": 0.2}}
    first = probe.send("create_event", {"event": {**event, "action": {"topic": "out/later"}}})
    second = probe.send("get_event", {"event_id": "later"})
    assert not probe.answers_to(first)
    service.start(probe)
    assert probe.answer_to(first)["status"] == "ok"
    assert probe.answer_to(second)["status"] == "ok"
    probe.result("later")


def test_commands_sent_around_a_crash_are_carried_out_exactly_once(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    probe.create("target", {"manual": {}}, overlap_policy="allow", max_concurrent=1000)
    asked = [probe.send("trigger_event", {"event_id": "target", "payload": n}) for n in range(100)]
    probe.wait_for_some(lambda m: m.topic == probe.answer_topic, 3)
    service.kill()
    asked += [probe.send("trigger_event", {"event_id": "target", "payload": n}) for n in range(100, 150)]
    service.start(probe)
    ids = [probe.answer_to(correlation)["data"]["execution_id"] for correlation in asked]
    assert len(set(ids)) == 150
    found: list[dict[str, Any]] = []
    while not found or any(e["status"] in ("pending", "running") for e in found):
        found = probe.ask("list_executions", event_id="target", limit=500)["executions"]
    assert sorted(e["payload"] for e in found) == list(range(150))
    assert {e["execution_id"] for e in found} == set(ids)


def test_a_crash_leaves_one_recovery_message_that_says_what_was_found(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    probe.create("hangs", {"manual": {}}, action=slow("hangs"))
    probe.create("strict", {"interval": {"every": "1s"}}, misfire_grace=1, catch_up="none")
    execution_id = probe.ask("trigger_event", event_id="hangs")["execution_id"]
    probe.wait_for(lambda m: m.topic == "out/hangs")
    killed_at = time.time()
    service.kill()
    passed(killed_at + 3.1)
    since = len(probe.messages)
    service.start(probe)
    recovery = probe.wait_for(probe.on("recovery"), since=since).json
    assert set(recovery) >= {"status", "cause", "since", "until", "clean", "missed", "resumed", "timestamp"}
    assert (recovery["status"], recovery["cause"], recovery["clean"]) == ("recovered", "start", False)
    assert recovery["resumed"] == 1
    assert recovery["missed"] >= 2
    assert recovery["since"] <= killed_at < recovery["until"] <= recovery["timestamp"]
    repeated = probe.wait_for(lambda m: m.topic == "out/hangs", since=since)
    assert repeated.user_properties["execution_id"] == execution_id
    assert repeated.user_properties["attempt"] == "2"
    probe.publish("ack/hangs", b"done")
    assert probe.result("hangs")["execution_id"] == execution_id
    missed = probe.ask("list_executions", event_id="strict", status="missed")["executions"]
    assert sum(e["missed_count"] for e in missed) >= recovery["missed"]
    assert len(probe.heard("alicia/scheduler/recovery")) == 1


def test_missed_times_are_caught_up_by_policy(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    for policy in ("none", "last", "first", "all"):
        probe.create(
            policy, {"interval": {"every": "1s"}}, misfire_grace=1, catch_up=policy, catch_up_window="1h",
            overlap_policy="queue_all",
        )  # fmt: skip
    probe.result("all")
    service.kill()
    passed(time.time() + 4.1)
    service.start(probe)
    for policy in ("none", "last", "first", "all"):
        probe.wait_for(
            lambda m: (
                m.topic == "alicia/scheduler/execution_results"
                and m.json["event_id"] == policy  # noqa: B023
                and m.json["triggered_by"] == "scheduler"
            ),
            since=max(i for i, m in enumerate(probe.messages) if m.payload == b"offline"),
        )
        probe.ask("pause_event", event_id=policy)
    found = {p: probe.ask("list_executions", event_id=p)["executions"] for p in ("none", "last", "first", "all")}
    caught_up = {p: [e for e in found[p] if e["triggered_by"] == "catch_up"] for p in found}
    missed = {p: sum(e["missed_count"] for e in found[p] if e["status"] == "missed") for p in found}
    assert {p: len(caught_up[p]) for p in ("none", "last", "first")} == {"none": 0, "last": 1, "first": 1}
    assert len(caught_up["all"]) == caught_up["all"][0]["missed_count"] >= 3
    assert missed["all"] == 0
    assert missed["none"] >= 3
    assert missed["last"] == caught_up["last"][0]["missed_count"] - 1
    assert caught_up["first"][0]["scheduled_time"] < caught_up["last"][0]["scheduled_time"]


def test_a_waiting_retry_survives_a_crash_with_its_time_and_its_count(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    action = slow("tries", 0.1)
    probe.create("tries", {"manual": {}}, action=action, retry_delay=3, retry_backoff=1, max_retries=1)
    execution_id = probe.ask("trigger_event", event_id="tries")["execution_id"]
    retry = probe.wait_for(lambda m: m.topic == "alicia/scheduler/execution_retry").json["event_data"]
    service.kill()
    service.start(probe)
    failure = probe.failure("tries")
    assert failure["execution_id"] == execution_id
    assert [a["attempt"] for a in failure["attempts"]] == [1, 2]
    assert failure["attempts"][1]["start_time"] >= retry["retry_time"]


def test_an_execution_that_outlasts_the_grace_runs_again_after_the_start(
    probe: BusProbe, service: ServiceProcess
) -> None:
    service.start(probe)
    probe.create("long", {"manual": {}}, action=slow("long"))
    execution_id = probe.ask("trigger_event", event_id="long")["execution_id"]
    probe.wait_for(lambda m: m.topic == "out/long")
    assert service.terminate() == 0
    since = len(probe.messages)
    service.start(probe)
    repeated = probe.wait_for(lambda m: m.topic == "out/long", since=since)
    assert repeated.user_properties["execution_id"] == execution_id
    recovery = probe.wait_for(probe.on("recovery"), since=since).json
    assert (recovery["clean"], recovery["resumed"]) == (True, 1)
    probe.publish("ack/long", b"done")
    assert probe.result("long")["execution_id"] == execution_id


def test_an_execution_that_ends_within_the_grace_is_waited_for(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    probe.create("short", {"manual": {}}, action=slow("short"))
    probe.ask("trigger_event", event_id="short")
    probe.wait_for(lambda m: m.topic == "out/short")
    service.process.send_signal(signal.SIGTERM)
    service.until(lambda: '"stopping"' in service.log_text(), "it stops")
    probe.publish("ack/short", b"done")
    assert service.ended() == 0
    assert probe.result("short")["status"] == "completed"


def test_a_second_signal_ends_it_at_once(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    probe.create("long", {"manual": {}}, action=slow("long"))
    probe.ask("trigger_event", event_id="long")
    probe.wait_for(lambda m: m.topic == "out/long")
    service.process.send_signal(signal.SIGINT)
    service.until(lambda: '"stopping"' in service.log_text(), "it stops")
    service.process.send_signal(signal.SIGINT)
    assert service.ended(1.5) == 1


def test_a_second_process_on_the_same_store_names_the_first_and_stays_off_the_bus(
    probe: BusProbe, service: ServiceProcess, broker: Mosquitto
) -> None:
    first = service.start(probe).process
    connections = broker.log().count("New client connected")
    with ServiceProcess(broker.port) as second:
        second.write_settings(
            {
                "mqtt": {"client_id": "the-second"},
                "store": {"url": f"sqlite:///{service.database}"},
            }
        )
        second.spawn()
        assert second.ended() == 1
        text = second.log_text()
        assert f"process {first.pid}" in text
        assert str(service.database) in text
        assert "Traceback" not in text
    assert broker.log().count("New client connected") == connections
    assert probe.ask("ping")["pong"] is True
    assert "connection lost" not in service.log_text()


def test_it_starts_without_a_broker_and_fires_once_there_is_one(service: ServiceProcess, broker: Mosquitto) -> None:
    with BusProbe(broker.port) as probe:
        service.start(probe)
        probe.create("soon", {"once": {"delay": 2}})
        service.kill()
        broker.stop()
        service.spawn()
        service.until(lambda: '"no connection"' in service.log_text(), "it says so")
        broker.start()
        result = probe.result("soon", 30)
        assert result["status"] == "completed"
        assert result["end_time"] >= result["scheduled_time"]
