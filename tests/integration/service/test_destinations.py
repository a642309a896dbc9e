"""Initial and final actions of a destination in the settings of the installed service."""

from __future__ import annotations

from tests.bus_probe import BusProbe
from tests.service_process import ServiceProcess


def said(probe: BusProbe) -> list[str]:
    return [message.text for message in list(probe.messages) if message.topic == "hall/display"]


def publish(text: str) -> dict[str, str]:
    return {"action": "mqtt_publish", "topic": "hall/display", "message": text}


def test_initial_actions_run_at_the_start_and_final_ones_at_an_orderly_stop(
    service: ServiceProcess, probe: BusProbe
) -> None:
    blocks = {"initial_actions": [publish("hello")], "final_actions": [publish("goodbye")]}
    service.write_settings({"events": {"destinations": {"hall": blocks}}})
    service.start(probe)
    probe.wait_for(lambda m: m.topic == "hall/display", since=0)
    assert service.terminate() == 0
    probe.wait_for(lambda m: m.topic == "hall/display" and m.text == "goodbye", since=0)
    assert said(probe) == ["hello", "goodbye"]


def test_wrong_instructions_in_the_settings_stop_the_start_with_their_place(service: ServiceProcess) -> None:
    service.write_settings({"events": {"destinations": {"hall": {"initial_actions": [{"action": "sett_var"}]}}}})
    service.spawn()
    assert service.ended() == 1
    assert "did you mean 'set_var'?" in service.log_text()
    assert "events.destinations.hall.initial_actions" in service.log_text()
