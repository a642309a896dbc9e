"""Every message the service publishes: where it goes, how, and what stands in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from alicia_scheduler.core.announcement import (
    EventChange,
    EventChanged,
    ExecutionChange,
    ExecutionChanged,
    Problem,
    Recovered,
)
from alicia_scheduler.core.model.event import EventDefaults, parse_event
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.state import (
    AttemptRecord,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    TriggeredBy,
)
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.wire.alicia import Health, health_message, register_message, unregister_message
from alicia_scheduler.wire.catalogue import BODIES, EXECUTION_EXTRAS
from alicia_scheduler.wire.codec import encode_text
from alicia_scheduler.wire.messages import (
    ServiceStatus,
    announcement_messages,
    answer_error,
    answer_message,
    answer_ok,
    answer_topic,
    availability,
    event_document,
    execution_document,
    fire_document,
    state_cleared,
    state_message,
    status_message,
)
from alicia_scheduler.wire.requests import AnswerAddress
from alicia_scheduler.wire.topics import Topics

T = Topics()
SEVEN = datetime(2026, 7, 1, 5, tzinfo=UTC)
NOW = SEVEN + timedelta(seconds=2)

EVENT = parse_event(
    {
        "event_id": "lamp",
        "name": "Lamp",
        "schedule_type": "cron",
        "schedule_config": {"cron": "0 7 * * *"},
        "timezone": "Europe/Berlin",
        "action": {"topic": "home/lamp/set", "message": {"state": "ON"}},
    },
    EventDefaults(),
)
RECORD = EventRecord(1, "lamp", 3, EVENT, "bus", SEVEN, SEVEN)
STATE = EventState(
    1, "lamp", EventStatus.ACTIVE, SEVEN, SEVEN, SEVEN + timedelta(days=1), SEVEN + timedelta(days=1, seconds=9),
    run_count=4, success_count=3, failure_count=1, last_run_time=SEVEN, last_status=ExecutionStatus.COMPLETED,
)  # fmt: skip
DONE = Execution(
    "0f" * 16, 1, "lamp", "Lamp", ExecutionStatus.COMPLETED, TriggeredBy.SCHEDULER, SEVEN, SEVEN, SEVEN,
    attempt=2, start_time=SEVEN, end_time=SEVEN + timedelta(seconds=1.5), result={"reason_code": 0},
    attempts=(
        AttemptRecord(1, SEVEN, SEVEN + timedelta(seconds=1), ExecutionStatus.FAILED, "no"),
        AttemptRecord(2, SEVEN + timedelta(seconds=1), SEVEN + timedelta(seconds=1.5), ExecutionStatus.COMPLETED),
    ),
)  # fmt: skip
FAILED = DONE._replace(
    status=ExecutionStatus.FAILED, result=None, error_message="it broke", error_code="publish_refused"
)


def body(message: OutgoingMessage) -> dict[str, Any]:
    document = json.loads(message.payload)
    assert isinstance(document, dict)
    return document


def assert_described(name: str, document: dict[str, Any]) -> None:
    """The tables of the documents and the message name the same fields."""
    required, sometimes = set(BODIES[name].fields), set(BODIES[name].sometimes)
    assert required <= set(document) <= required | sometimes
    for field, info in {**BODIES[name].fields, **BODIES[name].sometimes}.items():
        if field in document:
            assert _kind(document[field]) & set(info.kind.split("|")), field


def _kind(value: object) -> set[str]:
    kinds = {dict: "object", list: "array", bool: "boolean", int: "integer", float: "number", str: "string"}
    kind = "null" if value is None else kinds[type(value)]
    more = {"integer": {"number"}, "number": {"time"}, "string": {"iso"}}
    return {kind, "any"} | more.get(kind, set())


def test_a_completed_execution_is_a_durable_result_and_two_volatile_lifecycle_messages() -> None:
    messages = announcement_messages(ExecutionChanged("execution_completed", DONE), T, NOW)
    (result,) = messages.durable
    assert (result.topic, result.qos, result.retain) == ("alicia/scheduler/execution_results", 1, False)
    document = body(result)
    assert_described("result", document)
    assert document["status"] == "completed"
    assert document["scheduled_time"] == SEVEN.timestamp()
    assert document["scheduled_time_iso"] == "2026-07-01T05:00:00+00:00"
    assert (document["duration"], document["retry_count"], document["attempt"]) == (1.5, 1, 2)
    assert document["result"] == {"reason_code": 0}
    assert [m.topic for m in messages.volatile] == ["alicia/scheduler/events", "alicia/scheduler/execution_completed"]
    for message in messages.volatile:
        assert message.qos == 0
        assert body(message) == {
            "event_type": "execution_completed",
            "event_data": document,
            "timestamp": NOW.timestamp(),
            "source": "event_scheduler",
        }


@pytest.mark.parametrize("status", [ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT])
def test_a_failed_execution_is_a_durable_failure_with_its_attempts(status: ExecutionStatus) -> None:
    messages = announcement_messages(ExecutionChanged("execution_failed", FAILED._replace(status=status)), T, NOW)
    (failure,) = messages.durable
    assert (failure.topic, failure.qos) == ("alicia/scheduler/execution_failures", 1)
    document = body(failure)
    assert_described("failure", document)
    assert (document["error_message"], document["error_code"]) == ("it broke", "publish_refused")
    assert [attempt["attempt"] for attempt in document["attempts"]] == [1, 2]
    assert {m.topic for m in messages.volatile} == {"alicia/scheduler/events", "alicia/scheduler/execution_failed"}


CHANGED: dict[str, tuple[Execution, set[str]]] = {
    "execution_started": (
        DONE._replace(status=ExecutionStatus.RUNNING, end_time=None, result=None),
        {"reason"},
    ),
    "execution_retry": (
        FAILED._replace(status=ExecutionStatus.RETRYING, retry_time=NOW),
        {"reason", "error_message", "error_code", "attempts", "retry_time", "retry_time_iso"},
    ),
    "execution_skipped": (DONE._replace(status=ExecutionStatus.SKIPPED, reason="overlap"), {"reason"}),
    "execution_missed": (
        DONE._replace(status=ExecutionStatus.MISSED, missed_count=5, last_missed_time=NOW, start_time=None),
        {"reason", "last_missed_time", "last_missed_time_iso"},
    ),
    "execution_cancelled": (DONE._replace(status=ExecutionStatus.CANCELLED), {"reason"}),
}


@pytest.mark.parametrize("change", CHANGED)
def test_every_other_change_of_an_execution_is_volatile(change: ExecutionChange) -> None:
    execution, extras = CHANGED[change]
    messages = announcement_messages(ExecutionChanged(change, execution), T, NOW)
    assert messages.durable == ()
    for message in messages.volatile:
        document = body(message)
        assert_described("lifecycle", document)
        assert document["event_type"] == change
        assert set(document["event_data"]) == set(BODIES["result"].fields) | extras
    assert extras <= set(EXECUTION_EXTRAS)


def test_every_change_of_an_execution_is_tried_here() -> None:
    assert set(get_args(ExecutionChange)) == {*CHANGED, "execution_completed", "execution_failed"}


@pytest.mark.parametrize("change", get_args(EventChange))
def test_a_changed_event_is_told_to_those_who_watch(change: EventChange) -> None:
    messages = announcement_messages(EventChanged(change, RECORD, STATE), T, NOW)
    assert messages.durable == ()
    assert [m.topic for m in messages.volatile] == ["alicia/scheduler/events", f"alicia/scheduler/{change}"]
    document = body(messages.volatile[0])
    assert_described("lifecycle", document)
    assert document["event_data"] == event_document(RECORD, STATE)


def test_a_problem_is_durable() -> None:
    problem = Problem("invalid_request", "no such field", "lamp", details=(("event.x", "unknown field"),))
    messages = announcement_messages(problem, T, NOW)
    assert messages.volatile == ()
    assert (messages.durable[0].topic, messages.durable[0].qos) == ("alicia/scheduler/errors", 1)
    document = body(messages.durable[0])
    assert_described("error", document)
    assert document["details"] == [{"field": "event.x", "message": "unknown field"}]
    assert_described("error", body(announcement_messages(Problem("internal", "x"), T, NOW).durable[0]))


def test_a_recovery_is_durable() -> None:
    recovered = Recovered("start", SEVEN, NOW, clean=False, missed=3, resumed=1)
    messages = announcement_messages(recovered, T, NOW)
    assert messages.volatile == ()
    assert messages.durable[0].topic == "alicia/scheduler/recovery"
    document = body(messages.durable[0])
    assert_described("recovery", document)
    assert (document["status"], document["clean"], document["missed"], document["resumed"]) == (
        "recovered",
        False,
        3,
        1,
    )
    assert (document["since"], document["until"]) == (SEVEN.timestamp(), NOW.timestamp())
    assert_described("recovery", body(announcement_messages(Recovered("clock", None, NOW), T, NOW).durable[0]))


def test_the_state_of_an_event_is_retained() -> None:
    message = state_message(RECORD, STATE, T)
    assert (message.topic, message.qos, message.retain) == ("alicia/scheduler/state/lamp", 1, True)
    document = body(message)
    assert_described("state", document)
    assert document["next_run"] == (SEVEN + timedelta(days=1, seconds=9)).timestamp()
    assert document["next_run_iso"] == "2026-07-02T07:00:09+02:00"
    assert (document["last_status"], document["run_count"]) == ("completed", 4)


def test_an_event_that_rests_has_no_next_run_though_the_planner_will_wake_for_it() -> None:
    resting = STATE._replace(status=EventStatus.PAUSED, next_time=None)
    assert body(state_message(RECORD, resting, T))["next_run"] is None


def test_the_state_of_a_deleted_event_is_cleared() -> None:
    assert state_cleared("lamp", T) == OutgoingMessage("alicia/scheduler/state/lamp", b"", qos=1, retain=True)


@pytest.mark.parametrize(("online", "payload"), [(True, b"online"), (False, b"offline")])
def test_availability_is_plain_retained_text(online: bool, payload: bytes) -> None:
    assert availability(online, T) == OutgoingMessage("alicia/scheduler/availability", payload, qos=1, retain=True)


def test_the_status_of_the_service_is_retained() -> None:
    status = ServiceStatus("1.0", SEVEN, 5, 6, 0, 1, 2, 0, 3, 0.25, {"fires_total": 9})
    message = status_message(status, T, NOW)
    assert (message.topic, message.qos, message.retain) == ("alicia/scheduler/status", 0, True)
    document = body(message)
    assert_described("status", document)
    assert (document["uptime_seconds"], document["lag_seconds"], document["outbox"]) == (2.0, 0.25, 3)


def test_an_answer_has_the_fields_of_the_contract() -> None:
    answer = answer_ok("get_event", "r1", {"event": {}}, NOW)
    assert_described("answer", json.loads(encode_text(answer)))
    assert answer == {
        "request_id": "r1", "command": "get_event", "status": "ok", "data": {"event": {}}, "timestamp": NOW.timestamp(),
    }  # fmt: skip


def test_a_refusal_has_the_fields_of_the_contract() -> None:
    error = CommandRejected(ErrorCode.INVALID_REQUEST, "wrong", (FieldProblem("limit", "too large"),))
    answer = answer_error("list_events", None, error, NOW)
    assert_described("refusal", json.loads(encode_text(answer)))
    assert answer["status"] == "error"
    assert answer["error"] == {
        "code": "invalid_request", "message": "wrong", "details": [{"field": "limit", "message": "too large"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("address", "response_topic", "topic"),
    [
        (AnswerAddress("ping", None, "me/body"), "me/mqtt5", "me/mqtt5"),
        (AnswerAddress("ping", None, "me/body"), None, "me/body"),
        (AnswerAddress("ping", None, "me/body"), "alicia/scheduler/command/ping", "me/body"),
        (AnswerAddress("ping", None, "a/#"), "$SYS/x", "alicia/scheduler/response/ping"),
        (AnswerAddress("ping", None, None), None, "alicia/scheduler/response/ping"),
        (AnswerAddress(None, None, None), "", "alicia/scheduler/response/unknown"),
    ],
)
def test_an_answer_goes_to_the_first_place_that_may_take_it(
    address: AnswerAddress, response_topic: str | None, topic: str
) -> None:
    assert answer_topic(address, response_topic, T) == topic


def test_an_answer_is_sent_as_it_was_stored() -> None:
    message = answer_message('{"a":"ü"}', "me/in", b"\x00\xff")
    assert message == OutgoingMessage("me/in", '{"a":"ü"}'.encode(), qos=1, correlation_data=b"\x00\xff")


def test_an_execution_shows_its_times_in_the_zone_of_its_reader() -> None:
    document = execution_document(DONE, "Europe/Berlin")
    assert document["start_time_iso"] == "2026-07-01T07:00:00+02:00"
    assert execution_document(DONE)["start_time_iso"] == "2026-07-01T05:00:00+00:00"
    assert set(document) >= {
        *("execution_id", "event_id", "status", "reason", "triggered_by", "scheduled_time", "due_time", "start_time"),
        *("end_time", "duration", "retry_count", "attempt", "result", "error_message", "error_code", "missed_count"),
        *("trace_id", "attempts"),
    }
    assert set(document["attempts"][0]) >= {"attempt", "start_time", "end_time", "status", "error_message"}
    assert json.loads(encode_text(document)) == document


def test_an_execution_that_has_not_begun_has_no_duration() -> None:
    waiting = DONE._replace(status=ExecutionStatus.PENDING, attempt=0, start_time=None, end_time=None, attempts=())
    document = execution_document(waiting)
    assert (document["duration"], document["retry_count"], document["attempts"]) == (None, 0, [])


def test_an_event_carries_its_definition_and_what_happened_so_far() -> None:
    document = event_document(RECORD, STATE)
    assert json.loads(encode_text(document)) == document
    assert set(document) >= {
        *("state", "last_status", "next_run", "last_run", "run_count", "success_count", "failure_count"),
        *("skipped_count", "missed_count", "last_error", "created_at", "updated_at", "revision", "origin"),
    }
    assert (document["event_id"], document["revision"], document["origin"]) == ("lamp", 3, "bus")
    assert document["schedule_config"]["cron_expression"] == "0 7 * * *"
    assert document["created_at_iso"] == "2026-07-01T07:00:00+02:00"


def test_a_definition_can_be_made_again_from_its_own_document() -> None:
    document = event_document(RECORD, STATE)
    definition = {name: value for name, value in document.items() if name in type(EVENT).model_fields}
    assert parse_event(definition, EventDefaults()) == EVENT


def test_a_fire_is_shown_in_the_zone_of_its_event_and_in_utc() -> None:
    assert fire_document(SEVEN, "Europe/Berlin", "shifted") == {
        "time": SEVEN.timestamp(),
        "time_iso": "2026-07-01T07:00:00+02:00",
        "utc_iso": "2026-07-01T05:00:00+00:00",
        "note": "shifted",
    }


def test_a_service_tells_the_alicia_bus_that_it_comes_and_goes_and_how_it_is() -> None:
    register = register_message("1.0", T, NOW)
    assert register.topic == "alicia/system/discovery/register"
    assert "create_event" in body(register)["capabilities"]
    unregister = unregister_message("shutdown", NOW)
    assert unregister.topic == "alicia/system/discovery/unregister"
    assert body(unregister)["reason"] == "shutdown"
    well = health_message(Health("1.0", SEVEN, 5, 1, 0), NOW)
    assert well.topic == "alicia/system/health/event_scheduler"
    assert body(well)["status"] == "healthy"
    assert body(health_message(Health("1.0", SEVEN, 5, 1, 0, ("no broker",)), NOW))["status"] == "degraded"
