"""A broker that goes away in every way: fires wait, results wait, nothing is lost, and all of it comes in order."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.bus_probe import BusProbe
from tests.mosquitto_process import Mosquitto
from tests.service_process import ServiceProcess

AWAY_S = 10.0


def restart(broker: Mosquitto) -> None:
    broker.restart()


def kill(broker: Mosquitto) -> None:
    broker.kill()
    broker.start()


def away(broker: Mosquitto) -> None:
    broker.stop()
    back = time.monotonic() + AWAY_S
    while time.monotonic() < back:
        time.sleep(0.05)
    broker.start()


def frozen(broker: Mosquitto) -> None:
    broker.pause()
    back = time.monotonic() + 4
    while time.monotonic() < back:
        time.sleep(0.05)
    broker.resume()


@pytest.mark.parametrize("fault", [restart, kill, away, frozen], ids=lambda fault: fault.__name__)
def test_results_arrive_after_the_fault_in_order(
    probe: BusProbe, service: ServiceProcess, broker: Mosquitto, fault: Callable[[Mosquitto], None]
) -> None:
    service.start(probe)
    for number in range(5):
        probe.create(f"tick-{number}", {"interval": {"every": "1s"}}, overlap_policy="queue_all")
    probe.wait_for_some(probe.on("execution_results"), 5)
    fault(broker)
    since = len(probe.messages)
    if fault is not frozen:
        service.until(lambda: service.log_text().count('"connected"') == 2, "it reconnects", 40)
    for number in range(5):
        probe.wait_for_some(probe.on("execution_results", event_id=f"tick-{number}"), 3, 40, since=since)
    for number in range(5):
        probe.ask("pause_event", event_id=f"tick-{number}")
    while probe.ask("get_stats")["outbox"]:
        pass
    for number in range(5):
        event = probe.ask("get_event", event_id=f"tick-{number}")["event"]
        found = probe.ask("list_executions", event_id=f"tick-{number}", limit=200)["executions"][::-1]
        numbers = [round(e["scheduled_time"] - event["created_at"]) for e in found]
        assert numbers == list(range(1, len(numbers) + 1))
        assert {e["status"] for e in found} == {"completed"}
        told = [m.json["execution_id"] for m in probe.heard_on("execution_results", event_id=f"tick-{number}")]
        assert list(dict.fromkeys(told)) == [e["execution_id"] for e in found]
    if fault is not frozen:
        recovery = probe.wait_for(probe.on("recovery", cause="reconnect")).json
        assert recovery["since"] < recovery["until"]
        assert probe.heard("alicia/scheduler/availability")[-1].payload == b"online"


def test_commands_wait_for_the_broker_too(probe: BusProbe, service: ServiceProcess, broker: Mosquitto) -> None:
    service.start(probe)
    kill(broker)
    service.until(lambda: service.log_text().count('"connected"') == 2, "it reconnects", 40)
    assert probe.ask("ping")["pong"] is True
    probe.create("after", {"once": {"delay": 0.1}})
    probe.result("after")


def test_a_broker_that_forgot_everything_is_told_the_states_again() -> None:
    with Mosquitto() as broker, ServiceProcess(broker.port) as service:
        with BusProbe(broker.port) as probe:
            service.start(probe)
            for number in range(20):
                probe.create(f"kept-{number}", {"interval": {"every": "1h"}})
            probe.wait_for(lambda m: m.topic == "alicia/scheduler/state/kept-19")
        kill(broker)
        service.until(lambda: service.log_text().count('"connected"') == 2, "it reconnects", 40)
        with BusProbe(broker.port) as later:
            wanted = {"availability", "status", *(f"state/kept-{n}" for n in range(20))}
            for name in wanted:
                later.wait_for(lambda m: m.topic == f"alicia/scheduler/{name}" and m.payload)  # noqa: B023
            later.ask("get_event", event_id="kept-7")
