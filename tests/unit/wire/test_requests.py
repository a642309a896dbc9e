"""What every command has in common: name, request id, and where the answer goes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.wire.commands import answer_address, fingerprint, is_legacy_command, parse_request
from alicia_scheduler.wire.topics import Topics

T = Topics()


def refusal(topic_name: str | None, body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(CommandRejected) as refused:
        parse_request(topic_name, body, T)
    assert refused.value.code is ErrorCode.INVALID_REQUEST
    assert len(refused.value.message) <= 200
    return {problem.field: problem.message for problem in refused.value.details}


def test_the_name_comes_from_the_body_or_from_the_topic() -> None:
    assert parse_request(None, {"command": "ping"}).name == "ping"
    assert parse_request("ping", {}).name == "ping"
    assert parse_request("ping", {"command": "ping"}).name == "ping"


def test_what_is_not_the_commands_own_is_taken_out() -> None:
    body = {
        "command": "get_event",
        "request_id": "r",
        "reply_to": "me/in",
        "event_id": "lamp",
        "timestamp": 1,
        "source": "x",
    }
    request = parse_request(None, body, T)
    assert (request.request_id, request.reply_to) == ("r", "me/in")
    assert request.fields == {"event_id": "lamp"}


def test_the_rest_of_an_envelope_is_taken_out_only_where_there_was_one() -> None:
    rest = {"priority": "high", "metadata": {}, "destination": "x", "routing": {}}
    assert parse_request("ping", {**rest, "message_id": "m"}).fields == {}
    assert parse_request("ping", rest).fields == rest


@pytest.mark.parametrize("request_id", ["a", "x" * 128, "Ünïcode-1", "550e8400-e29b-41d4-a716-446655440000"])
def test_a_request_id_is_short_printable_text(request_id: str) -> None:
    assert parse_request("ping", {"request_id": request_id}).request_id == request_id


@pytest.mark.parametrize(("given_id", "text"), [(7, "7"), (0, "0"), (-1, "-1")])
def test_a_number_as_request_id_becomes_text(given_id: int, text: str) -> None:
    assert parse_request("ping", {"request_id": given_id}).request_id == text


@pytest.mark.parametrize(
    "request_id",
    ["", "x" * 300, "a\nb", "\x1b[2J", "a\0", "\u202eabc", "\ufeff", 1.5, True, [], {}, ["a"]],
)
def test_any_other_request_id_is_refused(request_id: object) -> None:
    assert set(refusal("ping", {"request_id": request_id})) == {"request_id"}


@pytest.mark.parametrize("name", [["create"], 3, True, {}, "", "x" * 65, "a\nb"])
def test_a_name_that_is_no_short_text_is_refused(name: object) -> None:
    assert set(refusal(None, {"command": name})) == {"command"}


def test_a_missing_name_is_refused() -> None:
    assert "required" in refusal(None, {})["command"]


def test_two_names_that_differ_are_refused() -> None:
    assert "topic" in refusal("ping", {"command": "get_stats"})["command"]


def test_every_bad_control_field_is_named_at_once() -> None:
    body = {"command": 1, "request_id": "", "reply_to": "a/#"}
    assert set(refusal(None, body)) == {"command", "request_id", "reply_to"}


@pytest.mark.parametrize("topic", [3, "", "a/#", "$SYS/x", "alicia/scheduler/command/ping", "alicia/scheduler/events"])
def test_an_answer_topic_that_would_do_harm_is_refused(topic: object) -> None:
    assert set(refusal("ping", {"reply_to": topic})) == {"reply_to"}


def test_a_refusal_can_still_be_addressed() -> None:
    address = answer_address(None, {"command": ["x"], "request_id": 5, "reply_to": "me/in"}, T)
    assert (address.name, address.request_id, address.reply_to) == (None, "5", "me/in")
    address = answer_address("ping", {"request_id": "\n", "reply_to": "alicia/scheduler/command"}, T)
    assert (address.name, address.request_id, address.reply_to) == ("ping", None, None)


def test_a_legacy_command_names_a_command_and_is_no_answer() -> None:
    assert is_legacy_command({"command": "ping"})
    assert not is_legacy_command({"command": "ping", "status": "ok", "data": {}})
    assert not is_legacy_command({"state": "ON"})


def test_equal_content_has_an_equal_fingerprint() -> None:
    one = fingerprint("disable_event", {"event_id": "lamp", "note": "ü"})
    assert one == fingerprint("pause_event", {"note": "ü", "event_id": "lamp"})
    assert one != fingerprint("pause_event", {"event_id": "lamp"})
    assert one != fingerprint("resume_event", {"event_id": "lamp", "note": "ü"})
    assert len(one) == 64


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
BODY_KEYS = st.sampled_from(["command", "request_id", "reply_to", "message_id", "event_id"]) | st.text(max_size=5)


@given(st.dictionaries(BODY_KEYS, SCALARS | st.lists(SCALARS, max_size=2), max_size=6))
def test_any_object_is_a_request_or_a_refusal(body: dict[str, Any]) -> None:
    answer_address(None, body, T)
    try:
        request = parse_request(None, body, T)
    except CommandRejected:
        return
    assert request.name == body["command"]
    assert "command" not in request.fields
