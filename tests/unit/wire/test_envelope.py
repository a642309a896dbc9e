"""The Alicia envelope comes off what arrives and goes around what leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.wire.codec import decode_payload, encode, envelope, unwrap
from alicia_scheduler.wire.messages import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMMAND = {"command": "ping", "request_id": "r1"}
FRAME = {
    "message_id": "m1",
    "correlation_id": "c1",
    "timestamp": 1.0,
    "source": "voice_router",
    "destination": "event_scheduler",
    "message_type": "command",
    "priority": "normal",
    "routing": {"hops": 1, "max_hops": 10},
    "metadata": {},
}


def wrapped(body: dict[str, Any]) -> dict[str, Any]:
    return {**FRAME, "payload": body}


def test_a_bare_body_is_returned_as_it_is() -> None:
    assert unwrap(COMMAND) == (COMMAND, None)


@pytest.mark.parametrize("times", [1, 2])
def test_an_envelope_comes_off_also_when_it_was_put_on_twice(times: int) -> None:
    body: dict[str, Any] = COMMAND
    for _ in range(times):
        body = wrapped(body)
    inner, info = unwrap(body)
    assert inner == COMMAND
    assert info is not None
    assert (info.message_id, info.correlation_id, info.source, info.hops) == ("m1", "c1", "voice_router", 1)


def test_a_third_envelope_stays_on() -> None:
    inner, _ = unwrap(wrapped(wrapped(wrapped(COMMAND))))
    assert inner == wrapped(COMMAND)


def test_an_envelope_with_nothing_but_an_id_is_one() -> None:
    assert unwrap({"message_id": "m", "payload": COMMAND})[0] == COMMAND


@pytest.mark.parametrize(
    "body",
    [
        {"event_id": "lamp", "payload": {"level": 3}},
        {"command": "trigger_event", "event_id": "lamp", "payload": {"level": 3}, "message_id": "m1"},
        {"message_id": "m1", "payload": "text"},
        {"message_id": "m1", "payload": None},
        {"payload": {"command": "ping"}},
    ],
)
def test_a_command_with_a_payload_of_its_own_is_no_envelope(body: dict[str, Any]) -> None:
    assert unwrap(body) == (body, None)


@pytest.mark.parametrize("hops", [-1, 17, 99, "1", 1.5, True, None, [1]])
def test_a_message_that_was_passed_on_too_often_is_refused(hops: object) -> None:
    with pytest.raises(CommandRejected) as refused:
        unwrap({**wrapped(COMMAND), "routing": {"hops": hops}})
    assert refused.value.code is ErrorCode.NOT_ALLOWED
    assert refused.value.details[0].field == "routing.hops"


@pytest.mark.parametrize("odd", [None, 3, ["x"], {"a": 1}])
def test_odd_values_in_the_frame_are_no_reason_to_fail(odd: object) -> None:
    frame = dict.fromkeys(("correlation_id", "source", "message_type", "routing"), odd)
    inner, info = unwrap({**wrapped(COMMAND), **frame, "message_id": odd})
    assert inner == COMMAND
    assert info is not None
    assert info.source is None


def test_an_envelope_carries_the_document_and_fresh_ids() -> None:
    frame = envelope(COMMAND, "m9", "c9", NOW)
    assert frame["payload"] == COMMAND
    assert (frame["message_id"], frame["correlation_id"], frame["timestamp"]) == ("m9", "c9", NOW.timestamp())
    assert frame["source"] == "event_scheduler"
    assert unwrap(frame)[0] == COMMAND


def test_an_outgoing_message_can_be_put_in_an_envelope_without_reading_it() -> None:
    message = OutgoingMessage("alicia/scheduler/errors", encode({"error": "ü"}))
    body = decode_payload(enveloped(message, "m1", "c1", NOW).payload)
    assert body == envelope({"error": "ü"}, "m1", "c1", NOW)


@pytest.mark.parametrize("payload", [b"online", b""])
def test_a_message_without_an_object_gets_no_envelope(payload: bytes) -> None:
    message = OutgoingMessage("alicia/scheduler/availability", payload)
    assert enveloped(message, "m1", None, NOW) is message
