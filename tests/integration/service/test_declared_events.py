"""Files of declared events while the service runs: applied on change and SIGHUP; a broken one changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bus_probe import BusProbe
from tests.service_process import ServiceProcess

LAMP = """\
events:
  - event_id: lamp
    schedule_type: cron
    schedule_config: {cron_expression: "0 7 * * *"}
    action: {topic: lamp/set, message: "on"}
"""
TWO = (
    LAMP
    + """\
  - event_id: fan
    schedule_type: interval
    schedule_config: {every: 1h}
    action: {topic: fan/set}
"""
)


def ids(probe: BusProbe) -> set[str]:
    return {event["event_id"] for event in probe.ask("list_events")["events"]}


def becomes(probe: BusProbe, wanted: set[str]) -> None:
    """Returns when these events are stored; every other look waits for something to be said about one."""
    while ids(probe) != wanted:
        since = len(probe.messages)
        probe.wait_for(lambda m: "/event_" in m.topic, 10, since=max(0, since - 10), what=f"events {wanted}")


def by_watching(service: ServiceProcess) -> None:
    """The service sees the change itself."""


def by_signal(service: ServiceProcess) -> None:
    service.reload()


def test_declared_events_are_applied_at_the_start(probe: BusProbe, service: ServiceProcess) -> None:
    service.write_events("home.yaml", TWO)
    service.start(probe)
    assert ids(probe) == {"lamp", "fan"}
    assert probe.ask("get_event", event_id="lamp")["event"]["origin"].startswith("file:")


@pytest.mark.parametrize("told", [by_watching, by_signal], ids=["by watching", "by SIGHUP"])
def test_a_change_is_applied_and_what_came_over_the_bus_is_left_alone(
    probe: BusProbe, service: ServiceProcess, told: Callable[[ServiceProcess], None]
) -> None:
    service.write_events("home.yaml", LAMP)
    service.start(probe)
    probe.create("mine", {"manual": {}})
    service.write_events("home.yaml", TWO)
    told(service)
    becomes(probe, {"lamp", "fan", "mine"})
    service.write_events("home.yaml", LAMP.replace("0 7", "30 8"))
    told(service)
    becomes(probe, {"lamp", "mine"})
    event = probe.ask("get_event", event_id="lamp")["event"]
    assert event["schedule_config"]["cron_expression"] == "30 8 * * *"
    assert event["revision"] == 2
    (service.events_directory / "home.yaml").unlink()
    told(service)
    becomes(probe, {"mine"})


def test_an_unchanged_file_changes_nothing(probe: BusProbe, service: ServiceProcess) -> None:
    service.write_events("home.yaml", TWO)
    service.start(probe)
    probe.ask("pause_event", event_id="fan")
    before = probe.ask("list_events")
    service.reload()
    service.write_events("home.yaml", TWO)
    service.write_events("more.yaml", LAMP.replace("lamp", "other"))
    becomes(probe, {"lamp", "fan", "other"})
    assert [e for e in probe.ask("list_events")["events"] if e["event_id"] != "other"] == before["events"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (LAMP.replace("0 7 * * *", "0 25 * * *"), "home.yaml:4:", "hour"),
        (LAMP.replace("schedule_type", "schedule_typ"), "home.yaml:3:", "schedule_type"),
        (LAMP.replace("    action: {", "    action: {{{"), "home.yaml:5:", ""),
        (LAMP + "  - event_id: lamp\n    schedule_type: manual\n    action: {topic: x}\n", "home.yaml:6", "declared"),
        (LAMP.replace("lamp/set", "a/#"), "home.yaml:5:", "wildcard"),
        (LAMP.replace("0 7 * * *", "0 0 31 2 *"), "home.yaml:4:", "never"),
        ("evnts: []\n", "home.yaml:1:", "events"),
    ],
    ids=["a bad value", "a bad key", "bad YAML", "an id twice", "a bad topic", "31 February", "no events"],
)
def test_a_broken_file_changes_nothing_and_is_reported_with_its_place(
    probe: BusProbe, service: ServiceProcess, text: str, place: str, words: str
) -> None:
    service.write_events("home.yaml", TWO)
    service.start(probe)
    before = probe.ask("list_events")
    service.write_events("home.yaml", text)
    heard = probe.wait_for(
        lambda m: m.topic == "alicia/scheduler/errors" and place in m.text and words in m.text,
        what=f"an error about {place}",
    )
    error = heard.json
    line, column = error["error"].split("home.yaml:")[1].split(":")[:2]
    assert int(line) > 0
    assert int(column) > 0
    assert probe.ask("list_events") == before
    service.write_events("home.yaml", LAMP)
    becomes(probe, {"lamp"})


def test_a_broken_file_at_the_start_does_not_stop_the_service(probe: BusProbe, service: ServiceProcess) -> None:
    service.write_events("home.yaml", LAMP)
    service.start(probe)
    assert service.terminate() == 0
    service.write_events("home.yaml", "events: [")
    service.start(probe)
    assert ids(probe) == {"lamp"}
    probe.wait_for(lambda m: m.topic == "alicia/scheduler/errors" and "home.yaml:1:" in m.text)


def test_an_id_that_was_made_over_the_bus_stays_with_it(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    probe.create("lamp", {"manual": {}})
    service.write_events("home.yaml", TWO)
    probe.wait_for(lambda m: m.topic == "alicia/scheduler/errors" and "home.yaml:2:" in m.text)
    assert probe.ask("get_event", event_id="lamp")["event"]["origin"] == "bus"
