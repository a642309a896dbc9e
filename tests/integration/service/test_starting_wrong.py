"""What cannot start says why, in one message that helps; and health over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.bus_probe import BusProbe
from tests.mosquitto_process import Mosquitto, free_port
from tests.service_process import ServiceProcess


def health(service: ServiceProcess, name: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.http_port}/health/{name}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def embedded() -> Iterator[ServiceProcess]:
    """A service with a broker of its own; not started yet."""
    with ServiceProcess(free_port(), options=("--embedded-broker",)) as service:
        yield service


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"port"', '"prot"', ["scheduler.yaml:3", "mqtt.prot", "port"]),
        ('"mqtt"', '"mqqt"', ["scheduler.yaml:2", "mqqt", "mqtt"]),
        ('"format": "json"', '"format": "xml"', ["scheduler.yaml", "logging.format", "json"]),
        ('"url": "sqlite', '"url": "oracle', ["scheduler.yaml", "store.url"]),
        ("{", "{{", ["scheduler.yaml"]),
    ],
    ids=["a wrong key", "a wrong group", "a wrong value", "a wrong store", "no YAML"],
)
def test_a_wrong_setting_stops_the_start_with_its_place(old: str, new: str, words: list[str]) -> None:
    with ServiceProcess(free_port()) as service:
        service.config_file.write_text(service.config_file.read_text().replace(old, new, 1))
        service.spawn()
        assert service.ended() == 1
        text = service.log_text()
        assert all(word in text.replace("\n", "") for word in words), text
        assert "Traceback" not in text


def test_a_taken_port_says_how_to_use_the_broker_that_is_there(broker: Mosquitto) -> None:
    with ServiceProcess(broker.port, options=("--embedded-broker",)) as service:
        service.spawn()
        assert service.ended() == 1
        text = " ".join(service.log_text().split())
        assert f"127.0.0.1:{broker.port}" in text
        assert "without --embedded-broker" in text
        assert "Traceback" not in text


def test_a_taken_http_port_names_the_setting(broker: Mosquitto, service: ServiceProcess) -> None:
    service.write_settings({"http": {"port": broker.port}})
    service.spawn()
    assert service.ended() == 1
    assert "http.port" in service.log_text()
    assert "Traceback" not in service.log_text()


def test_a_store_that_cannot_be_made_is_told(broker: Mosquitto, service: ServiceProcess) -> None:
    service.write_settings({"store": {"url": "sqlite:////proc/nowhere/scheduler.db"}})
    service.spawn()
    assert service.ended() == 1
    assert "/proc/nowhere" in service.log_text()
    assert "Traceback" not in service.log_text()


def test_a_damaged_store_is_left_as_it_is(broker: Mosquitto, service: ServiceProcess) -> None:
    service.database.write_bytes(b"this is no database" * 1000)
    service.spawn()
    assert service.ended() == 1
    assert service.database.read_bytes() == b"this is no database" * 1000
    assert str(service.database) in service.log_text().replace("\n", "")
    assert "Traceback" not in service.log_text()


def test_health_is_served(probe: BusProbe, service: ServiceProcess) -> None:
    service.start(probe)
    assert health(service, "live") == (200, {"status": "live"})
    code, ready = health(service, "ready")
    assert (code, ready["status"], ready["problems"], ready["degraded"]) == (200, "ready", [], [])


def test_without_a_broker_the_service_is_ready_but_says_that_it_is_degraded(service: ServiceProcess) -> None:
    service.write_settings({"mqtt": {"port": free_port()}})
    service.spawn()
    service.until(lambda: '"no connection"' in service.log_text(), "it says so")
    code, ready = health(service, "ready")
    assert code == 200
    assert "broker" in ready["degraded"][0]


def test_the_embedded_broker_needs_nothing_else(embedded: ServiceProcess) -> None:
    embedded.spawn()
    embedded.until(lambda: '"connected"' in embedded.log_text(), "it connects", 30)
    results = "alicia/scheduler/execution_results"
    heard: list[tuple[str, bytes]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="old", protocol=paho.MQTTv311)
    client.on_message = lambda _client, _data, message: heard.append((message.topic, bytes(message.payload)))
    client.connect("127.0.0.1", embedded.broker_port)
    client.loop_start()
    try:
        client.subscribe(results, 1)
        event = {"event_id": "hello", "schedule_type": "interval", "schedule_config": {"every": "1s"}}
        body = json.dumps({"event": {**event, "action": {"topic": "demo/hello", "message": {"text": "hello"}}}})
        client.publish("alicia/scheduler/command/create_event", body, 1).wait_for_publish(10)
        embedded.until(lambda: len([1 for topic, _ in heard if topic == results]) >= 2, "two results", 20)
    finally:
        client.disconnect()
        client.loop_stop()
    told = [json.loads(payload) for topic, payload in heard if topic == results]
    assert {result["event_id"] for result in told} == {"hello"}
    assert len({result["execution_id"] for result in told}) == len(told)
    assert embedded.terminate() == 0
    assert "Traceback" not in embedded.log_text()
