"""What an execution does on the bus: its message, the answer, retries, overlap (docs/delivery-guarantees.md)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.bus_probe import BusProbe, Heard
from tests.mosquitto_process import Mosquitto
from tests.service_process import ServiceProcess

NewId = Callable[[], str]

METADATA = {"execution_id", "event_id", "scheduled_time", "execution_time", "triggered_by", "attempt", "fence"}


def run(probe: BusProbe, event_id: str, action: dict[str, Any], **fields: Any) -> Heard:
    """The message of an event that is triggered once."""
    payload = fields.pop("payload", None)
    probe.create(event_id, {"manual": {}}, action=action, **fields)
    probe.ask("trigger_event", event_id=event_id, payload=payload)
    probe.result(event_id)
    return probe.wait_for(lambda m: m.topic == action["topic"])


def started(probe: BusProbe, event_id: str, count: int = 1) -> list[str]:
    """The execution ids of the event's executions, once so many have started."""
    topic = f"{probe.prefix}/execution_started"
    found = probe.wait_for_some(lambda m: m.topic == topic and m.json["event_data"]["event_id"] == event_id, count)
    return [m.json["event_data"]["execution_id"] for m in found]


def ended(probe: BusProbe, execution_id: str, status: str) -> dict[str, Any]:
    """The execution, once it has the status."""
    kinds = {"completed", "failed", "cancelled", "skipped"}
    topics = {f"{probe.prefix}/execution_{kind}" for kind in kinds}
    probe.wait_for(lambda m: m.topic in topics and m.json["event_data"]["execution_id"] == execution_id)
    execution = probe.ask("get_execution", execution_id=execution_id)["execution"]
    assert execution["status"] == status
    return dict(execution)


# the message


def test_on_alicias_topics_the_metadata_is_merged_into_a_copy(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    message = {"state": "ON", "nested": {"a": [1, 2.5, None, True]}}
    heard = run(probe, event_id, {"topic": f"alicia/device/{event_id}", "message": message})
    assert set(heard.json) == set(message) | METADATA
    assert {key: heard.json[key] for key in message} == message
    assert heard.json["event_id"] == event_id
    assert heard.json["triggered_by"] == "manual"
    assert isinstance(heard.json["scheduled_time"], float)
    assert probe.ask("get_event", event_id=event_id)["event"]["action"]["message"] == message


def test_elsewhere_the_message_is_untouched_and_the_metadata_are_user_properties(
    probe: BusProbe, new_id: NewId
) -> None:
    event_id = new_id()
    heard = run(probe, event_id, {"topic": f"zigbee2mqtt/{event_id}/set", "message": {"state": "ON"}})
    assert heard.json == {"state": "ON"}
    assert set(heard.user_properties) == METADATA
    assert heard.user_properties["event_id"] == event_id


@pytest.mark.parametrize(
    ("metadata", "in_body", "in_properties"),
    [("merge", METADATA, set()), ("properties", set(), METADATA), ("none", set(), set())],
)
def test_the_metadata_go_where_the_action_says(
    probe: BusProbe, new_id: NewId, metadata: str, in_body: set[str], in_properties: set[str]
) -> None:
    event_id = new_id()
    heard = run(probe, event_id, {"topic": f"alicia/x/{event_id}", "message": {"a": 1}, "metadata": metadata})
    assert set(heard.json) == {"a"} | in_body
    assert set(heard.user_properties) == in_properties


@pytest.mark.parametrize("message", ["plain text, ünïcode", [1, "a", None], 7, 2.5, True, None, {}], ids=repr)
def test_any_json_and_any_text_is_sent_as_it_is(probe: BusProbe, new_id: NewId, message: Any) -> None:
    event_id = new_id()
    heard = run(probe, event_id, {"topic": f"out/{event_id}", "message": message})
    assert (heard.text if isinstance(message, str) else heard.json) == message


def test_an_event_without_a_topic_has_one_of_its_own(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}}, action={"message": {"a": 1}})
    probe.ask("trigger_event", event_id=event_id)
    assert probe.wait_for(lambda m: m.topic == f"alicia/event/{event_id}").json["a"] == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_qos_retain_and_expiry_are_passed_on(probe: BusProbe, new_id: NewId, qos: int) -> None:
    event_id = new_id()
    action = {"topic": f"out/{event_id}", "message": "x", "qos": qos, "retain": True, "expiry": "90s"}
    heard = run(probe, event_id, action)
    assert (heard.qos, heard.retain) == (qos, True)
    assert 85 <= heard.properties["MessageExpiryInterval"] <= 90
    probe.publish(f"out/{event_id}", b"", retain=True)


def test_templates_keep_the_types_of_single_expressions(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    message = {
        "level": "{{ payload.level }}",
        "list": "{{ payload.list }}",
        "text": "Level {{ payload.level }}",
        "name": "{{ event.name }}",
        "attempt": "{{ execution.attempt }}",
        "deep": [{"flag": "{{ payload.flag }}"}],
    }
    payload = {"level": 7.5, "list": [1, {"a": None}], "flag": False, "place": "hall"}
    action = {"topic": "out/" + event_id, "message": message}
    heard = run(probe, event_id, action, payload=payload, name="Lamp")
    assert heard.json == {
        "level": 7.5,
        "list": [1, {"a": None}],
        "text": "Level 7.5",
        "name": "Lamp",
        "attempt": 1,
        "deep": [{"flag": False}],
    }


def test_a_value_that_looks_like_a_template_is_data(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    action = {"topic": f"out/{event_id}", "message": {"said": "{{ payload }}"}}
    assert run(probe, event_id, action, payload="{{ 7 * 7 }}").json == {"said": "{{ 7 * 7 }}"}


def test_a_template_that_fails_sends_nothing_and_is_not_tried_again(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    action = {"topic": f"out/{event_id}", "message": {"a": "{{ payload.nothing.here }}"}}
    probe.create(event_id, {"manual": {}}, action=action, retry_delay=0)
    probe.ask("trigger_event", event_id=event_id)
    failure = probe.failure(event_id)
    assert (failure["error_code"], failure["attempt"]) == ("bad_template", 1)
    assert not probe.heard(f"out/{event_id}")


@pytest.mark.parametrize("topic", ["{{ payload }}", "alicia/scheduler/{{ 'command' }}/ping"])
def test_a_rendered_topic_is_checked_again(probe: BusProbe, new_id: NewId, topic: str) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}}, action={"topic": topic, "message": "x"})
    probe.ask("trigger_event", event_id=event_id, payload="all/#")
    assert probe.failure(event_id)["error_code"] == "topic_refused"


# answers


def test_an_expected_answer_completes_the_execution_and_is_its_result(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    expect = {"topic": f"lamp/{event_id}/+", "match": {"state": "ON"}, "within": 10}
    probe.create(event_id, {"manual": {}}, action={"topic": f"out/{event_id}", "expect": expect})
    probe.ask("trigger_event", event_id=event_id)
    probe.wait_for(lambda m: m.topic == f"out/{event_id}")
    probe.publish(f"lamp/{event_id}/state", {"state": "OFF"})
    probe.publish(f"lamp/{event_id}/state", {"state": "ON", "brightness": 254})
    answer = probe.result(event_id)["result"]["answer"]
    assert answer == {"topic": f"lamp/{event_id}/state", "message": {"state": "ON", "brightness": 254}}


def test_an_answer_that_does_not_come_fails_the_attempt_and_the_next_one_may_succeed(
    probe: BusProbe, new_id: NewId
) -> None:
    event_id = new_id()
    action = {"topic": f"out/{event_id}", "expect": {"topic": f"ack/{event_id}", "within": 0.5}}
    probe.create(event_id, {"manual": {}}, action=action, retry_delay=0.1, max_retries=3)
    probe.ask("trigger_event", event_id=event_id)
    first, second = probe.wait_for_some(lambda m: m.topic == f"out/{event_id}", 2)
    probe.publish(f"ack/{event_id}", b"yes")
    result = probe.result(event_id)
    assert (result["attempt"], result["retry_count"]) == (2, 1)
    assert first.user_properties["execution_id"] == second.user_properties["execution_id"] == result["execution_id"]
    assert [m.user_properties["attempt"] for m in (first, second)] == ["1", "2"]
    assert int(first.user_properties["fence"]) < int(second.user_properties["fence"])


@pytest.mark.parametrize("wrapped", [False, True])
def test_alicias_own_acknowledgement_completes_an_execution(probe: BusProbe, new_id: NewId, wrapped: bool) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}}, action={"topic": f"alicia/x/{event_id}", "expect_ack": True})
    probe.ask("trigger_event", event_id=event_id)
    execution_id = probe.wait_for(lambda m: m.topic == f"alicia/x/{event_id}").json["execution_id"]
    probe.publish("alicia/events/execution_complete", {"execution_id": "another"})
    complete = {"execution_id": execution_id, "status": "done"}
    body = {"message_id": "m", "payload": complete} if wrapped else complete
    probe.publish("alicia/events/execution_complete", body)
    result = probe.result(event_id)
    assert result["execution_id"] == execution_id
    assert result["result"]["answer"]["message"] == body


# retries, timeouts, cancelling


def test_a_retry_that_would_meet_the_next_fire_leaves_it_to_that(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    action = {"topic": "out/x", "expect": {"topic": f"never/{event_id}", "within": 0.1}}
    probe.create(event_id, {"interval": {"every": "1s"}}, action=action, retry_delay=30)
    failure = probe.failure(event_id)
    assert (failure["attempt"], failure["reason"]) == (1, "next_fire_is_the_retry")
    probe.ask("delete_event", event_id=event_id)


def test_a_timeout_ends_the_attempt(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    action = {"topic": "out/x", "expect": {"topic": f"never/{event_id}", "within": 30}}
    probe.create(event_id, {"manual": {}}, action=action, timeout=0.3, max_retries=0)
    execution_id = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    failure = probe.failure(event_id)
    assert (failure["status"], failure["error_code"]) == ("timed_out", "timeout")
    assert 0.3 <= failure["duration"] < 5
    assert probe.ask("get_execution", execution_id=execution_id)["execution"]["status"] == "timed_out"


def test_an_event_that_is_deleted_takes_its_waiting_retry_along(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    action = {"topic": "out/x", "expect": {"topic": f"never/{event_id}", "within": 0.1}}
    probe.create(event_id, {"manual": {}}, action=action, retry_delay=60)
    execution_id = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    probe.wait_for(lambda m: m.topic.endswith("/execution_retry") and execution_id in m.text)
    waiting = probe.ask("get_execution", execution_id=execution_id)["execution"]
    assert waiting["status"] == "retrying"
    probe.ask("delete_event", event_id=event_id)
    assert ended(probe, execution_id, "cancelled")["reason"] == "event_deleted"


# overlap


def overlapping(probe: BusProbe, event_id: str, policy: str, **fields: Any) -> list[str]:
    """Triggers a slow event three times; answers the execution ids."""
    action = {"topic": f"out/{event_id}", "expect": {"topic": f"ack/{event_id}", "within": 30}}
    probe.create(event_id, {"manual": {}}, action=action, overlap_policy=policy, **fields)
    first = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    assert started(probe, event_id) == [first]
    return [first] + [probe.ask("trigger_event", event_id=event_id)["execution_id"] for _ in "12"]


def let_go(probe: BusProbe, event_id: str, number: int) -> None:
    """Answers the ``number``-th message of the event."""
    probe.wait_for_some(lambda m: m.topic == f"out/{event_id}", number)
    probe.publish(f"ack/{event_id}", b"done")


def test_skip_records_the_fires_that_meet_a_running_execution(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    first, *others = overlapping(probe, event_id, "skip")
    for execution_id in others:
        assert ended(probe, execution_id, "skipped")["reason"] == "overlap"
    let_go(probe, event_id, 1)
    ended(probe, first, "completed")
    event = probe.ask("get_event", event_id=event_id)["event"]
    assert (event["run_count"], event["success_count"], event["skipped_count"]) == (1, 1, 2)


def test_queue_one_keeps_the_first_that_waits(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    first, second, third = overlapping(probe, event_id, "queue_one")
    ended(probe, third, "skipped")
    for number, execution_id in enumerate((first, second), 1):
        let_go(probe, event_id, number)
        ended(probe, execution_id, "completed")


def test_queue_all_runs_them_one_after_the_other(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    every = overlapping(probe, event_id, "queue_all")
    for number, execution_id in enumerate(every, 1):
        let_go(probe, event_id, number)
        ended(probe, execution_id, "completed")
    sent = [m.user_properties["execution_id"] for m in probe.heard(f"out/{event_id}")]
    assert sent == every


def test_cancel_running_replaces_what_runs(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    first, second, third = overlapping(probe, event_id, "cancel_running")
    assert ended(probe, first, "cancelled")["reason"] == "replaced_by_next_fire"
    ended(probe, second, "cancelled")
    probe.wait_for(lambda m: m.topic == f"out/{event_id}" and m.user_properties["execution_id"] == third)
    probe.publish(f"ack/{event_id}", b"done")
    ended(probe, third, "completed")


def test_allow_runs_them_side_by_side_up_to_a_limit(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    first, second, third = overlapping(probe, event_id, "allow", max_concurrent=2)
    assert ended(probe, third, "skipped")["reason"] == "max_concurrent"
    let_go(probe, event_id, 2)
    for execution_id in (first, second):
        ended(probe, execution_id, "completed")


# a broker that refuses


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[ServiceProcess, Mosquitto]]:
    """A service on a broker that refuses what is published below ``forbidden/``."""
    config = "allow_anonymous true\nset_tcp_nodelay true\nacl_file {directory}/acl\n"
    unstarted = Mosquitto(config)
    (unstarted.directory / "acl").write_text("topic readwrite #\ntopic deny forbidden/#\n")
    with unstarted as broker, ServiceProcess(broker.port) as service:
        yield service.start(), broker


def test_a_topic_that_the_broker_refuses_is_a_permanent_failure(
    guarded: tuple[ServiceProcess, Mosquitto], new_id: NewId
) -> None:
    event_id = new_id()
    with BusProbe(guarded[1].port) as probe:
        probe.create(event_id, {"manual": {}}, action={"topic": "forbidden/x", "message": "x"}, retry_delay=0)
        probe.ask("trigger_event", event_id=event_id)
        failure = probe.failure(event_id)
        assert (failure["error_code"], failure["attempt"], failure["status"]) == ("publish_refused", 1, "failed")
        assert failure["reason"] == "permanent_error"
        probe.ask("ping")


def test_an_answer_topic_that_the_broker_refuses_does_not_hold_anything_up(
    guarded: tuple[ServiceProcess, Mosquitto],
) -> None:
    with BusProbe(guarded[1].port) as probe:
        for number in range(5):
            body = {"command": "ping", "reply_to": f"forbidden/{number}"}
            probe.publish("alicia/scheduler/command", json.dumps(body))
        probe.ask("ping")


def test_many_executions_of_many_events_wait_for_a_free_place_and_none_is_dropped(
    probe: BusProbe, new_id: NewId
) -> None:
    ids = [new_id() for _ in range(30)]
    for event_id in ids:
        action = {"topic": f"out/{event_id}", "expect": {"topic": f"ack/{ids[0]}", "within": 30}}
        probe.create(event_id, {"manual": {}}, action=action)
        probe.ask("trigger_event", event_id=event_id)
    for _ in itertools.count():
        probe.publish(f"ack/{ids[0]}", b"go on")
        probe.ask("ping")
        done = {m.json["event_id"] for m in probe.heard("alicia/scheduler/execution_results")}
        if done >= set(ids):
            break
    assert probe.ask("get_stats")["queued"] == 0
