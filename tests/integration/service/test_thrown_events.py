"""Thrown events through the real program: over a broker, over HTTP, and over kill -9."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.bus_probe import BusProbe, Heard
from tests.service_process import ServiceProcess

KILLS = 6
THROWS = 40


def triggered(event_id: str, key: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "schedule_type": "event",
        "triggers": [{"type": "event", "value": key}],
        "action": {
            "topic": f"out/{event_id}",
            "message": {"n": "{{ _event.payload.n }}", "id": "{{ _event.unique_id }}"},
        },
        "overlap_policy": "queue_all",
        "queue_limit": 1000,
        **fields,
    }


@pytest.mark.timeout(240)
def test_kill_nine_between_throw_and_match_loses_nothing_and_doubles_nothing(
    service: ServiceProcess, probe: BusProbe
) -> None:
    """Events at once, delayed, and for one consumer, with kills at random moments; every one becomes one execution."""
    chance = random.Random(4)
    service.start()
    probe.ask("create_event", event=triggered("now", "now"))
    probe.ask("create_event", event=triggered("later", "later"))
    for name in ("one", "two"):
        probe.ask("create_event", event=triggered(f"single-{name}", "single"))
    asked: dict[str, bytes] = {}
    for _ in range(KILLS):
        since = len(probe.messages)
        for _ in range(THROWS):
            number = len(asked)
            key = ("now", "later", "single")[number % 3]
            body = {"request_id": f"t-{number}", "key": key, "payload": {"n": number}, "ttl": 600,
                    "single_consumer": key == "single", "dest_id": "default"}  # fmt: skip
            asked[f"t-{number}"] = probe.send("throw_event", body | ({"delay": 1.5} if key == "later" else {}))
        probe.wait_for_some(_any, chance.randrange(1, 120), 30, since=since, what="some of it")
        service.kill()
        service.start()
    answers = {request: probe.answer_to(c, 60) for request, c in asked.items()}
    assert all(answer["status"] == "ok" for answer in answers.values())
    offsets = [answer["data"]["offset"] for answer in answers.values()]
    assert len(set(offsets)) == len(asked)
    last = max(n for n in range(len(asked)) if n % 3 == 1)
    probe.wait_for(lambda m: m.topic == "out/later" and m.json["n"] == last, 60, what="the last of the delayed ones")
    found = everything_ended(probe)
    by_event = {name: [e["trigger_event"]["payload"]["n"] for e in found if e["event_id"] == name] for name in
                ("now", "later", "single-one", "single-two")}  # fmt: skip
    numbers = range(len(asked))
    assert sorted(by_event["now"]) == [n for n in numbers if n % 3 == 0]
    assert sorted(by_event["later"]) == [n for n in numbers if n % 3 == 1]
    assert sorted(by_event["single-one"] + by_event["single-two"]) == [n for n in numbers if n % 3 == 2]
    assert {e["status"] for e in found} <= {"completed", "failed"}
    heard = [json.loads(m.payload)["offset"] for m in probe.messages if "/thrown/" in m.topic]
    assert set(heard) == set(offsets)
    assert sorted(set(heard), key=heard.index) == sorted(set(heard))


def everything_ended(probe: BusProbe) -> list[dict[str, Any]]:
    since = len(probe.messages)
    while True:
        stats = probe.ask("get_stats")
        if not any(stats[name] for name in ("running", "queued", "retrying", "outbox")):
            break
        probe.wait_for(_any, 10, since=since, what="something to end")
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = probe.ask("list_executions", limit=500, cursor=cursor)
        found += page["executions"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _any(message: Heard) -> bool:
    return not message.topic.endswith("/answers")


def call(service: ServiceProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(
        f"http://127.0.0.1:{service.http_port}{path}", data, {"Content-Type": "application/json"}, method=method
    )
    try:
        with urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read())
    except OSError as error:
        code = getattr(error, "code", None)
        if code is None:
            raise
        return int(code), json.loads(error.read())  # type: ignore[attr-defined]


def test_the_routes_of_the_first_scheduler(service: ServiceProcess, probe: BusProbe) -> None:
    service.start()
    status, thrown = call(service, "POST", "/api/schedulers/events/throw", {"key": "rain", "dest_id": "bath"})
    assert (status, thrown["entries"][0]["dest_id"]) == (200, "bath")
    status, found = call(service, "GET", "/api/schedulers/bath/events")
    assert (status, [entry["unique_id"] for entry in found["queue"]]) == (200, [thrown["unique_id"]])
    assert call(service, "DELETE", "/api/schedulers/events/rain") == (200, {"cleared": 1, "more": False})
    status, found = call(service, "GET", "/api/schedulers/bath/events")
    assert [entry["status"] for entry in found["history"]] == ["expired"]
    status, refusal = call(service, "POST", "/api/schedulers/events/throw", {"key": "a b"})
    assert (status, refusal["error"]["code"]) == (400, "invalid_request")
    assert probe.ask("list_thrown")["queue"] == []


def test_a_trigger_on_a_topic_fires_over_a_real_broker(service: ServiceProcess, probe: BusProbe) -> None:
    service.start()
    event = {**triggered("door", "x"), "triggers": [{"type": "mqtt", "value": "zigbee2mqtt/+/door"}],
             "action": {"topic": "out/door", "message": {"got": "{{ _event.payload }}"}}}  # fmt: skip
    probe.publish("zigbee2mqtt/kept/door", {"old": 1}, retain=True)
    probe.ask("create_event", event=event)
    probe.ask(
        "create_event",
        event={
            **event,
            "event_id": "kept",
            "action": {"topic": "out/kept", "message": "kept"},
            "triggers": [{"type": "mqtt", "value": "zigbee2mqtt/kept/+", "retained": True}],
        },
    )
    probe.wait_for(lambda m: m.topic == "out/kept", 10, what="the retained message")
    probe.publish("zigbee2mqtt/hall/door", {"open": True})
    heard = probe.wait_for(lambda m: m.topic == "out/door", 10, what="the door")
    assert json.loads(heard.payload)["got"] == {"open": True}
