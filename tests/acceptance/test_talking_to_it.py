"""How a command comes in, and where its answer goes (docs/topics.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.bus_probe import BusProbe, Heard
from tests.service_process import ServiceProcess

NewId = Callable[[], str]


def manual(event_id: str) -> dict[str, Any]:
    return {"event_id": event_id, "schedule_type": "manual", "action": {"topic": f"out/{event_id}"}}


def enveloped(payload: dict[str, Any], number: int = 1) -> dict[str, Any]:
    return {
        "message_id": f"m-{number}",
        "correlation_id": None,
        "timestamp": 1_700_000_000.0,
        "source": "test",
        "destination": "event_scheduler",
        "message_type": "command",
        "priority": "normal",
        "payload": payload,
        "routing": {"hops": 0, "max_hops": 16},
    }


def response(probe: BusProbe, name: str, request_id: str) -> dict[str, Any]:
    return dict(probe.wait_for(probe.on(f"response/{name}", request_id=request_id)).json)


def test_the_first_minute_of_the_readme(probe: BusProbe, new_id: NewId) -> None:
    hello = new_id()
    event = {
        "event_id": hello,
        "schedule_type": "interval",
        "schedule_config": {"every": "1s"},
        "action": {"topic": "demo/hello", "message": {"text": "hello"}},
    }
    probe.publish("alicia/scheduler/command/create_event", json.dumps({"event": event}))
    answer = probe.wait_for(lambda m: m.topic == "alicia/scheduler/response/create_event" and hello in m.text).json
    assert answer["status"] == "ok"
    assert len(answer["data"]["next_fires"]) == 5
    said = probe.wait_for(lambda m: m.topic == "demo/hello" and m.user_properties.get("event_id") == hello)
    assert said.json == {"text": "hello"}
    result = probe.result(hello)
    assert result["status"] == "completed"
    assert result["execution_id"] == said.user_properties["execution_id"]
    assert said.at >= result["scheduled_time"]
    probe.ask("delete_event", event_id=hello)


def test_the_answer_goes_to_the_response_topic_with_the_correlation_data(probe: BusProbe) -> None:
    payload = {"request_id": "r-both", "reply_to": f"{probe.name}/elsewhere"}
    probe.publish(
        "alicia/scheduler/command/ping", payload, response_topic=f"{probe.name}/here", correlation=b"\x00\xffany"
    )
    answer = probe.wait_for(lambda m: m.topic == f"{probe.name}/here")
    assert answer.properties["CorrelationData"] == b"\x00\xffany"
    assert answer.json["request_id"] == "r-both"
    assert not probe.heard(f"{probe.name}/elsewhere")


def test_without_a_response_topic_the_answer_goes_where_reply_to_says(probe: BusProbe) -> None:
    probe.publish("alicia/scheduler/command", {"command": "ping", "reply_to": f"{probe.name}/elsewhere"})
    assert probe.wait_for(lambda m: m.topic == f"{probe.name}/elsewhere").json["status"] == "ok"


def test_without_any_place_the_answer_goes_to_response_and_the_name(probe: BusProbe, new_id: NewId) -> None:
    request_id = new_id()
    probe.publish("alicia/scheduler/command/ping", {"request_id": request_id})
    answer = response(probe, "ping", request_id)
    assert set(answer) == {"request_id", "command", "status", "data", "timestamp"}


def test_a_refusal_has_the_documented_shape_and_takes_the_same_way(probe: BusProbe, new_id: NewId) -> None:
    request_id = new_id()
    probe.publish("alicia/scheduler/command/get_event", {"request_id": request_id, "event_id": "nowhere"})
    answer = response(probe, "get_event", request_id)
    assert set(answer) == {"request_id", "command", "status", "error", "timestamp"}
    assert set(answer["error"]) == {"code", "message", "details"}
    assert answer["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda body: body,
        enveloped,
        lambda body: enveloped(enveloped(body, 2)),
    ],
    ids=["bare", "in Alicia's envelope", "in two of them"],
)
@pytest.mark.parametrize("topic", ["command/create_event", "command"])
def test_a_command_is_understood_in_every_wrapping(
    probe: BusProbe, new_id: NewId, topic: str, wrapped: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    event_id = new_id()
    body = {"command": "create_event", "request_id": event_id, "event": manual(event_id)}
    if topic != "command":
        del body["command"]
    probe.publish(f"alicia/scheduler/{topic}", wrapped(body))
    assert response(probe, "create_event", event_id)["data"]["event"]["event_id"] == event_id


@pytest.mark.parametrize("topic", ["anything", "deep/er/topic", "create_event"])
def test_a_command_on_any_other_topic_is_alicias_original_habit(probe: BusProbe, new_id: NewId, topic: str) -> None:
    event_id = new_id()
    body = {"command": "create_event", "request_id": event_id, "event": manual(event_id)}
    probe.publish(f"alicia/scheduler/{topic}", body)
    assert response(probe, "create_event", event_id)["status"] == "ok"


def test_anything_else_below_the_prefix_is_not_for_the_service(probe: BusProbe, new_id: NewId) -> None:
    since = len(probe.messages)
    for payload in (b"hello", b"{", json.dumps({"message": "no command"}).encode(), b""):
        probe.publish("alicia/scheduler/anything", payload)
    probe.ask("ping")
    assert not [
        m for m in probe.messages[since:] if m.topic in ("alicia/scheduler/errors", "alicia/scheduler/response")
    ]


@pytest.mark.parametrize(
    "topic",
    ["execution_results", "errors", "events", "status_copy/../x", "state/lamp", "response/ping", "event_created"],
)
def test_nothing_on_the_services_own_topics_is_taken_for_a_command(probe: BusProbe, new_id: NewId, topic: str) -> None:
    event_id = new_id()
    own = topic != "status_copy/../x"
    probe.publish(f"alicia/scheduler/{topic}", {"command": "create_event", "event": manual(event_id)})
    probe.ask("ping")
    found = probe.ask_raw("get_event", {"event_id": event_id})["status"]
    assert found == ("error" if own else "ok")


def test_the_services_own_answers_below_the_prefix_are_not_taken_for_commands(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    place = f"alicia/scheduler/response/{event_id}"
    probe.publish("alicia/scheduler/command/ping", {"request_id": event_id, "reply_to": place})
    probe.wait_for(lambda m: m.topic == place)
    for _ in range(2):
        probe.ask("ping")
    assert len([m for m in list(probe.messages) if m.topic.startswith("alicia/scheduler/response")]) == 1


@pytest.mark.parametrize("topic", ["command/create_event", "command", "anything"])
def test_a_retained_command_is_refused(probe: BusProbe, new_id: NewId, topic: str) -> None:
    event_id = new_id()
    body = {"command": "create_event", "request_id": event_id, "event": manual(event_id)}
    probe.publish(f"alicia/scheduler/{topic}", body, retain=True)
    probe.publish(f"alicia/scheduler/{topic}", b"", retain=True)
    if topic != "anything":
        assert response(probe, "create_event", event_id)["error"]["code"] == "not_allowed"
    assert probe.refused("get_event", event_id=event_id)["code"] == "not_found"


@pytest.mark.parametrize("place", ["alicia/scheduler/command", "alicia/scheduler/errors", "bad/+/topic", "$SYS/x", ""])
def test_an_answer_never_goes_to_a_place_that_could_do_harm(probe: BusProbe, new_id: NewId, place: str) -> None:
    request_id = new_id()
    probe.publish("alicia/scheduler/command/ping", {"request_id": request_id, "reply_to": place})
    answer = response(probe, "ping", request_id)
    assert [detail["field"] for detail in answer["error"]["details"]] == ["reply_to"]


# request ids


def test_a_request_id_gets_the_same_answer_and_does_nothing_twice(probe: BusProbe, new_id: NewId) -> None:
    event_id, request_id = new_id(), new_id()
    probe.create(event_id, {"manual": {}})
    first, second = (probe.ask_raw("trigger_event", {"event_id": event_id, "request_id": request_id}) for _ in "12")
    assert first == second
    probe.result(event_id)
    assert len(probe.ask("list_executions", event_id=event_id)["executions"]) == 1


def test_an_alias_with_the_same_request_id_is_the_same_request(probe: BusProbe, new_id: NewId) -> None:
    event_id, request_id = new_id(), new_id()
    probe.create(event_id, {"interval": {"every": "1h"}})
    first = probe.ask_raw("pause_event", {"event_id": event_id, "request_id": request_id})
    second = probe.ask_raw("disable_event", {"event_id": event_id, "request_id": request_id})
    assert first == second


def test_a_request_id_with_other_content_is_a_conflict(probe: BusProbe, new_id: NewId) -> None:
    event_id, request_id = new_id(), new_id()
    probe.create(event_id, {"manual": {}})
    probe.ask_raw("trigger_event", {"event_id": event_id, "request_id": request_id})
    for changed in ({"event_id": event_id, "payload": 1}, {"event_id": "other"}):
        error = probe.ask_raw("trigger_event", {**changed, "request_id": request_id})["error"]
        assert error["code"] == "conflict"
        assert error["details"][0]["field"] == "request_id"
    assert len(probe.ask("list_executions", event_id=event_id)["executions"]) == 1


def test_a_refusal_is_repeated_under_its_request_id(probe: BusProbe, new_id: NewId) -> None:
    event_id, request_id = new_id(), new_id()
    first = probe.ask_raw("delete_event", {"event_id": event_id, "request_id": request_id})
    probe.create(event_id, {"manual": {}})
    second = probe.ask_raw("delete_event", {"event_id": event_id, "request_id": request_id})
    assert first == second
    assert first["error"]["code"] == "not_found"
    assert probe.ask("get_event", event_id=event_id)["event"]["event_id"] == event_id


def test_a_request_id_holds_over_a_crash(probe: BusProbe, service: ServiceProcess, new_id: NewId) -> None:
    event_id = new_id()
    create = {"event": manual(event_id), "request_id": f"create-{event_id}"}
    trigger = {"event_id": event_id, "request_id": f"trigger-{event_id}"}
    before = [probe.ask_raw("create_event", create), probe.ask_raw("trigger_event", trigger)]
    probe.result(event_id)
    service.kill()
    service.start(probe)
    after = [probe.ask_raw("create_event", create), probe.ask_raw("trigger_event", trigger)]
    assert before == after
    assert len(probe.ask("list_executions", event_id=event_id)["executions"]) == 1
    error = probe.ask_raw("trigger_event", {**trigger, "payload": 2})["error"]
    assert error["code"] == "conflict"


# two services on one bus


def test_another_prefix_is_another_service(probe: BusProbe, broker_port: int, new_id: NewId) -> None:
    event_id = new_id()
    with (
        ServiceProcess(broker_port, "home/upstairs", settings={"alicia": {"enabled": False}}) as other,
        BusProbe(broker_port, "home/upstairs") as upstairs,
    ):
        other.start(upstairs)
        upstairs.create(event_id, {"manual": {}})
        assert probe.refused("get_event", event_id=event_id)["code"] == "not_found"


def test_the_alicia_envelope_wraps_what_goes_out(broker_port: int, new_id: NewId) -> None:
    event_id = new_id()

    def about_it(message: Heard) -> bool:
        return message.topic == "wrapped/scheduler/execution_results"

    settings: dict[str, dict[str, Any]] = {"mqtt": {"envelope": "alicia"}, "alicia": {"enabled": False}}
    with (
        ServiceProcess(broker_port, "wrapped/scheduler", settings=settings) as service,
        BusProbe(broker_port, "wrapped/scheduler") as probe,
    ):
        service.start(probe)
        answer = probe.ask_raw("create_event", {"event": manual(event_id), "request_id": event_id})
        assert answer["payload"]["status"] == "ok"
        assert answer["correlation_id"] == event_id
        probe.ask_raw("trigger_event", {"event_id": event_id})
        wrapped = probe.wait_for(about_it).json
        assert {"message_id", "correlation_id", "routing", "payload", "source"} <= set(wrapped)
        assert wrapped["payload"]["event_id"] == event_id
        assert wrapped["message_id"] != answer["message_id"]
