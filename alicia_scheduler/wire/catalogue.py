"""Topics and the fields of messages in words: the one source of docs/topics.md, the JSON Schemas and AsyncAPI.

A test builds every message and compares its fields with these tables, so they cannot drift from the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from alicia_scheduler.wire.alicia import HEALTH_CHECK_TOPIC, HEALTH_TOPIC, REGISTER_TOPIC, UNREGISTER_TOPIC

__all__ = ["BODIES", "TOPICS", "Body", "FieldInfo", "TopicInfo"]


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a message.

    Attributes:
        kind: A JSON type, or several with ``|``; ``time`` is epoch seconds, ``iso`` a time as text with its offset.
    """

    kind: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON object in a message; fields in ``sometimes`` may be missing."""

    name: str
    meaning: str
    fields: Mapping[str, FieldInfo]
    sometimes: Mapping[str, FieldInfo]


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """One topic; ``{…}`` stands for a level. ``address`` is below the prefix unless ``absolute``.

    Attributes:
        durable: Goes through the outbox: sent until the broker has acknowledged it, over restarts too.
        body: The name of its body in ``BODIES``; None where the payload is not one of those objects.
    """

    address: str
    way: Literal["in", "out"]
    meaning: str
    qos: int = 1
    retained: bool = False
    durable: bool = False
    body: str | None = None
    absolute: bool = False


F = FieldInfo

_WHICH = {
    "execution_id": F("string", "the same over all attempts and redeliveries: drop what you have seen"),
    "event_id": F("string", "the scheduled event"),
    "name": F("string", "its name"),
    "status": F("string", "pending, running, retrying, completed, failed, timed_out, cancelled, skipped or missed"),
}
_SPAN = {
    "start_time": F("time|null", "start of the first attempt"),
    "end_time": F("time|null", "end of the last attempt"),
    "duration": F("number|null", "seconds between the two"),
    "result": F("any", "what the action returned"),
    "retry_count": F("integer", "attempts after the first"),
    "attempt": F("integer", "attempts so far"),
    "triggered_by": F("string", "scheduler, catch_up, manual, event or backfill"),
    "missed_count": F("integer", "nominal times that were missed and that this stands for"),
}
_NOW = {"timestamp": F("time", "when the message was made")}
_NOW_ISO = {**_NOW, "timestamp_iso": F("iso")}
_EXECUTION = {
    **_WHICH,
    "scheduled_time": F("time", "the nominal time"),
    "scheduled_time_iso": F("iso"),
    **_SPAN,
    **_NOW_ISO,
}
_FAILURE = {
    "reason": F("string|null", "why it did not run, or did not go on"),
    "error_message": F("string|null", "what went wrong, for people"),
    "error_code": F("string|null", "what went wrong, for programs"),
    "attempts": F("array", "every attempt: attempt, start_time, end_time, status, error_message"),
}
_OTHER_ENDS = {
    "retry_time": F("time", "when the next attempt begins"),
    "retry_time_iso": F("iso"),
    "last_missed_time": F("time", "of a missed range: its last nominal time (scheduled_time is its first)"),
    "last_missed_time_iso": F("iso"),
}
_PROGRESS = {
    "state": F("string", "active, paused, disabled, completed, expired, cancelled or error"),
    "last_status": F("string|null", "status of the last execution that ended"),
    "next_run": F("time|null", "due time of the next fire"),
    "next_run_iso": F("iso|null"),
    "last_run": F("time|null", "start of the last execution"),
    "last_run_iso": F("iso|null"),
    "run_count": F("integer"),
    "success_count": F("integer"),
    "failure_count": F("integer"),
    "skipped_count": F("integer"),
    "missed_count": F("integer"),
    "last_error": F("string|null"),
}
_ANSWER = {
    "request_id": F("string|null", "as in the request; a number comes back as text"),
    "command": F("string|null", "as in the request"),
    "status": F("string", "ok or error"),
    **_NOW,
}

BODIES = {
    body.name: body
    for body in (
        Body("result", "An execution that completed", _EXECUTION, {}),
        Body(
            "failure",
            "An execution that ended failed or timed_out",
            {**_EXECUTION, **_FAILURE},
            {},
        ),
        Body(
            "error",
            "A problem whose cause may not hear of it in an answer",
            {
                "error": F("string", "what is wrong, for people"),
                "code": F("string", "what is wrong, for programs"),
                "event_id": F("string|null"),
                "execution_id": F("string|null"),
                **_NOW_ISO,
            },
            {"details": F("array", "every bad field: field, message")},
        ),
        Body(
            "recovery",
            "The service is whole again after a gap",
            {
                "status": F("string", "recovered"),
                "cause": F("string", "start, reconnect, clock or restore"),
                "since": F("time|null", "when the gap began"),
                "since_iso": F("iso|null"),
                "until": F("time", "when it ended"),
                "until_iso": F("iso"),
                "clean": F("boolean|null", "whether the process before stopped in order"),
                "missed": F("integer", "nominal times that passed in the gap and will not run"),
                "resumed": F("integer", "executions that run again"),
                **_NOW_ISO,
            },
            {},
        ),
        Body(
            "lifecycle",
            "Something changed; event_data is an execution (as in a result) or a scheduled event",
            {
                "event_type": F("string", "the last level of its own topic"),
                "event_data": F("object"),
                **_NOW,
                "source": F("string", "event_scheduler"),
            },
            {},
        ),
        Body(
            "state",
            "Where a scheduled event stands",
            {"event_id": F("string"), "name": F("string"), **_PROGRESS, "revision": F("integer")},
            {},
        ),
        Body(
            "status",
            "How the service is doing",
            {
                "version": F("string"),
                "started_at": F("time"),
                "started_at_iso": F("iso"),
                "uptime_seconds": F("number"),
                "events": F("integer", "scheduled events stored"),
                "executions": F("integer", "executions stored"),
                "due": F("integer", "events whose time has come"),
                "running": F("integer"),
                "queued": F("integer", "executions that wait for a place or for another execution"),
                "retrying": F("integer", "executions that wait for their next attempt"),
                "outbox": F("integer", "messages that wait for the broker"),
                "lag_seconds": F("number", "how late the oldest due fire is"),
                "counters": F("object", "counts since the start"),
                **_NOW_ISO,
            },
            {},
        ),
        Body(
            "thrown",
            "An event that somebody threw",
            {
                "unique_id": F("string", "its id"),
                "offset": F("integer", "its place in the order of all thrown events: it only ever rises"),
                "key": F("string", "what happened"),
                "namespace": F("string"),
                "value": F("any"),
                "payload": F("any"),
                "sender": F("string|null", "who threw it"),
                "display_name": F("string|null", "a name for people"),
                "scope": F("string", "dest, group or global"),
                "group_id": F("string|null"),
                "dest_ids": F("array", "the destinations it went to"),
                "single_consumer": F("boolean", "whether only the first that takes it gets it"),
                "created_at": F("time", "when it was thrown"),
                "created_at_iso": F("iso"),
                "active_from": F("time", "from when on triggers see it; later than `created_at` with a delay"),
                "active_from_iso": F("iso"),
                "expires": F("time", "until when"),
                "expires_iso": F("iso"),
                **_NOW_ISO,
            },
            {},
        ),
        Body("answer", "A command was carried out", {**_ANSWER, "data": F("object", "what the command returns")}, {}),
        Body(
            "refusal",
            "A command was refused and changed nothing",
            {**_ANSWER, "error": F("object", "code (docs/errors.md), message, details: every bad field")},
            {},
        ),
    )
}
"""Every object the service publishes, by name."""

EXECUTION_EXTRAS = {**_FAILURE, **_OTHER_ENDS}
"""What ``event_data`` of an execution may carry beside the fields of a result."""

TOPICS = (
    TopicInfo("command", "in", "commands; refused if retained"),
    TopicInfo("command/{command}", "in", "commands; the name may be left out of the body; refused if retained"),
    TopicInfo("response/{command}", "out", "answers, unless the request names another place", body="answer"),
    TopicInfo("execution_results", "out", "every execution that completed", durable=True, body="result"),
    TopicInfo(
        "execution_failures", "out", "every execution that ended `failed` or `timed_out`, once, after its last attempt",
        durable=True, body="failure",
    ),
    TopicInfo(
        "errors", "out", "bad commands, bad files, broken rules, internal errors", durable=True, body="error"
    ),
    TopicInfo(
        "recovery", "out", "after a start with work left over, a reconnect, a clock correction", durable=True,
        body="recovery",
    ),
    TopicInfo("events", "out", "every lifecycle event", qos=0, body="lifecycle"),
    TopicInfo("{event_type}", "out", "the same message on its own topic", qos=0, body="lifecycle"),
    TopicInfo(
        "thrown/{namespace}/{key}", "out", "every thrown event with its offset, for listeners", durable=True,
        body="thrown",
    ),
    TopicInfo("state/{event_id}", "out", "the state of one event; cleared on delete", retained=True, body="state"),
    TopicInfo("availability", "out", "the text `online` or `offline`; `offline` is also the will", retained=True),
    TopicInfo("status", "out", "counters and lag, every `status_interval`", qos=0, retained=True, body="status"),
    TopicInfo(REGISTER_TOPIC, "out", "discovery, setting `alicia.enabled`", absolute=True),
    TopicInfo(UNREGISTER_TOPIC, "out", "discovery, setting `alicia.enabled`", absolute=True),
    TopicInfo(HEALTH_CHECK_TOPIC, "in", "asks for health, setting `alicia.enabled`", absolute=True),
    TopicInfo(HEALTH_TOPIC, "out", "the answer to it", absolute=True),
)  # fmt: skip
"""Every topic, in the order of the documents."""
