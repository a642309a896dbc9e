"""From the fields of a command to its typed value, or to one refusal that names every bad field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicia_scheduler.core import commands as core
from alicia_scheduler.core.model.event import EventDefaults
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.thrown.model import ThrownQuery
from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.wire.commands import COMMANDS, parse_command

DEFAULTS = EventDefaults(timezone="Europe/Berlin")
EVENT: dict[str, Any] = {
    "event_id": "lamp",
    "schedule_type": "cron",
    "schedule_config": {"cron_expression": "0 7 * * mon-fri"},
    "action": {"topic": "home/lamp/set", "message": {"state": "ON"}},
}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def parse(name: str, **fields: Any) -> core.Command:
    return parse_command(name, fields, DEFAULTS, fallback_event_id="made-up")


def problems(name: str, **fields: Any) -> dict[str, str]:
    with pytest.raises(CommandRejected) as refused:
        parse(name, **fields)
    assert refused.value.code is ErrorCode.INVALID_REQUEST
    assert len(refused.value.message) <= 200
    for problem in refused.value.details:
        assert 0 < len(problem.message) <= 600
        assert problem.message.isprintable()
        assert problem.field.isprintable()
        assert len(problem.field) <= 165
    return {problem.field: problem.message for problem in refused.value.details}


READ: list[tuple[str, dict[str, Any], core.Command]] = [
    ("delete_event", {"event_id": "lamp"}, core.DeleteEvent("lamp")),
    ("cancel_event", {"event_id": "lamp"}, core.CancelEvent("lamp")),
    ("pause_event", {"event_id": "lamp"}, core.PauseEvent("lamp")),
    ("pause_event", {"event_id": "lamp", "until": NOON.timestamp()}, core.PauseEvent("lamp", until=NOON)),
    ("pause_event", {"event_id": "lamp", "until": "2026-03-01T13:00:00+01:00"}, core.PauseEvent("lamp", until=NOON)),
    ("pause_event", {"event_id": "lamp", "note": "x", "until": None}, core.PauseEvent("lamp", "x")),
    ("disable_event", {"event_id": "lamp"}, core.PauseEvent("lamp")),
    ("resume_event", {"event_id": "lamp", "note": "back"}, core.ResumeEvent("lamp", "back")),
    ("enable_event", {"event_id": "lamp"}, core.ResumeEvent("lamp")),
    ("trigger_event", {"event_id": "lamp"}, core.TriggerEvent("lamp")),
    ("trigger_event", {"event_id": "lamp", "payload": [1, {"a": None}]}, core.TriggerEvent("lamp", [1, {"a": None}])),
    ("execute_event_now", {"event_id": "lamp"}, core.TriggerEvent("lamp")),
    ("update_event", {"event_id": "lamp", "changes": {"name": None}}, core.UpdateEvent("lamp", {"name": None})),
    ("update_event", {"event_id": "lamp", "changes": {}, "revision": 3}, core.UpdateEvent("lamp", {}, 3)),
    ("get_event", {"event_id": "lamp"}, core.GetEvent("lamp")),
    ("list_events", {}, core.ListEvents(EventQuery())),
    (
        "list_events",
        {"tags": ["a", "b"], "state": "paused", "schedule_type": "cron", "limit": 1000, "cursor": "c"},
        core.ListEvents(EventQuery(("a", "b"), state="paused", schedule_type="cron", limit=1000, cursor="c")),
    ),
    ("get_execution", {"execution_id": "0f" * 16}, core.GetExecution("0f" * 16)),
    ("cancel_execution", {"execution_id": "0f" * 16}, core.CancelExecution("0f" * 16)),
    ("list_executions", {}, core.ListExecutions(ExecutionQuery())),
    (
        "list_executions",
        {"event_id": "lamp", "status": "failed", "triggered_by": "manual", "since": NOON.timestamp(), "limit": 1},
        core.ListExecutions(ExecutionQuery("lamp", "failed", "manual", since=NOON, limit=1)),
    ),
    ("preview", {"event_id": "lamp"}, core.Preview("lamp")),
    ("preview", {"event_id": "lamp", "count": 1000, "from": NOON.timestamp()}, core.Preview("lamp", None, 1000, NOON)),
    ("get_execution", {"execution_id": "0f" * 16, "trace": True}, core.GetExecution("0f" * 16, True)),
    ("list_variables", {}, core.ListVariables("default")),
    ("set_variable", {"dest_id": "hall", "var_name": "level", "value": None}, core.SetVariable("hall", "level", None)),
    ("delete_variable", {"var_name": "level"}, core.DeleteVariable("default", "level")),
    ("throw_event", {"key": "rain"}, core.ThrowEvent("rain")),
    (
        "throw_event",
        {"event": "rain", "scope": "dest:bath", "ttl": "5m", "value": None, "payload": [1]},
        core.ThrowEvent("rain", scope="dest", dest_id="bath", ttl=timedelta(minutes=5), payload=[1]),
    ),
    (
        "throw_event",
        {"key": "rain", "group_id": "g", "delay": 1.5, "single_consumer": True, "namespace": "n"},
        core.ThrowEvent("rain", "n", "group", None, "g", delay=timedelta(seconds=1.5), single_consumer=True),
    ),
    ("list_thrown", {}, core.ListThrown(ThrownQuery())),
    (
        "list_thrown",
        {"dest_id": "d", "key": ["a", "b"], "since_offset": 3, "status": "expired", "distinct": True},
        core.ListThrown(ThrownQuery("d", None, ("a", "b"), 3, "expired", 100, distinct=True)),
    ),
    ("consume_thrown", {"dest_id": "d", "key": "a"}, core.ConsumeThrown("d", None, ("a",))),
    ("clear_thrown", {"key": "a", "namespace": "n"}, core.ClearThrown(None, "n", ("a",))),
    ("get_stats", {}, core.GetStats()),
    ("ping", {}, core.Ping()),
]


@pytest.mark.parametrize(("name", "fields", "command"), READ, ids=[f"{i}-{row[0]}" for i, row in enumerate(READ)])
def test_a_good_command_is_read(name: str, fields: dict[str, Any], command: core.Command) -> None:
    assert parse(name, **fields) == command


def test_every_command_has_a_line_and_a_good_example() -> None:
    tried = {name for name, _, _ in READ} | {"create_event"}
    assert {info.name for info in COMMANDS} <= tried
    assert all(info.summary for info in COMMANDS)


def test_an_event_is_read_into_its_canonical_form() -> None:
    command = parse("create_event", event=EVENT, on_conflict="skip")
    assert isinstance(command, core.CreateEvent)
    assert (command.event.event_id, command.on_conflict, command.origin) == ("lamp", "skip", "bus")
    assert command.event.timezone == "Europe/Berlin"


@pytest.mark.parametrize("event_id", [None, "missing"])
def test_an_event_without_an_id_gets_the_one_made_up_for_it(event_id: str | None) -> None:
    event = {**EVENT, "event_id": None}
    if event_id == "missing":
        del event["event_id"]
    command = parse("schedule_event", event=event)
    assert isinstance(command, core.CreateEvent)
    assert command.event.event_id == "made-up"


def test_a_definition_can_be_previewed_without_storing_it() -> None:
    command = parse("preview", event={**EVENT, "event_id": None})
    assert isinstance(command, core.Preview)
    assert command.event is not None
    assert command.event_id is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [("crate_event", "create_event"), ("CREATE_EVENT", "create_event"), ("list", "list_"), ("__proto__", "known are")],
)
def test_an_unknown_command_is_answered_with_the_nearest_names(name: str, hint: str) -> None:
    with pytest.raises(CommandRejected) as refused:
        parse(name)
    assert refused.value.code is ErrorCode.UNKNOWN_COMMAND
    assert hint in refused.value.details[0].message


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "x" * 5000, "\u202eping", "create_event\0"])
def test_a_hostile_name_is_repeated_short_and_printable(name: str) -> None:
    with pytest.raises(CommandRejected) as refused:
        parse(name)
    assert len(refused.value.message) <= 200
    assert refused.value.message.isprintable()


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("delete_event", {}, "event_id"),
    ("delete_event", {"event_id": None}, "event_id"),
    *(
        ("get_event", {"event_id": value}, "event_id")
        for value in [
            "../../x",
            "a/b",
            "",
            "x" * 200,
            "a\0",
            "\u202ea",
            "lämp",
            ".a",
            "a b",
            "\uff4camp",
            3,
            True,
            ["a"],
            {},
        ]
    ),
    *(
        ("get_execution", {"execution_id": value}, "execution_id")
        for value in ["", "a/b", "x" * 129, "a\n", "\uff11", 7]
    ),
    ("update_event", {"event_id": "lamp"}, "changes"),
    *(("update_event", {"event_id": "lamp", "changes": value}, "changes") for value in [[], "x", 1, True]),
    *(
        ("update_event", {"event_id": "lamp", "changes": {}, "revision": value}, "revision")
        for value in [0, -1, 1.5, "1", True]
    ),
    *(
        ("pause_event", {"event_id": "lamp", "until": value}, "until")
        for value in [
            *(
                "tomorrow",
                "2026-03-01T12:00:00",
                "2026-03-01",
                "2026-02-30T00:00:00Z",
                "\uff12\uff10\uff12\uff16-03-01T12:00:00Z",
            ),
            *(-1, 1e18, 2**53, True, [], {}, "9999-12-31T23:59:59-12:00", "1969-12-31T23:59:59Z"),
        ]
    ),
    *(("pause_event", {"event_id": "lamp", "note": value}, "note") for value in ["x" * 1001, "\x1b[2J", "\ud800", 1]),
    ("resume_event", {"event_id": "lamp", "until": 5}, "until"),
    *(("list_events", {"limit": value}, "limit") for value in [0, -1, 1001, 10**9, "10", 1.0, True]),
    *(("list_events", {"state": value}, "state") for value in ["asleep", "ACTIVE", 1, ["active"]]),
    *(("list_events", {"schedule_type": value}, "schedule_type") for value in ["hourly", 1]),
    *(("list_events", {"tags": value}, "tags") for value in ("a", ["a"] * 65, {"a": 1})),
    ("list_events", {"tags": ["x" * 1024]}, "tags[0]"),
    ("list_events", {"namespace": "a/b"}, "namespace"),
    ("list_events", {"cursor": "x" * 513}, "cursor"),
    ("list_executions", {"status": "done"}, "status"),
    ("list_executions", {"triggered_by": "me"}, "triggered_by"),
    *(("preview", {"event_id": "lamp", "count": value}, "count") for value in [0, 1001, "5", True]),
    ("preview", {"event_id": "lamp", "start": 5}, "start"),
    ("preview", {}, "(whole)"),
    ("create_event", {}, "event"),
    ("create_event", {"event": None}, "event"),
    ("create_event", {"event": [EVENT]}, "event"),
    ("create_event", {"event": "lamp"}, "event"),
    ("create_event", {"event": EVENT, "on_conflict": "overwrite"}, "on_conflict"),
    ("ping", {"hops": 99}, "hops"),
    ("ping", {"principal": "admin"}, "principal"),
    ("get_stats", {"__proto__": 1}, "__proto__"),
    ("get_stats", {"constructor": 1}, "constructor"),
]


@pytest.mark.parametrize(("name", "fields", "field"), BAD, ids=[f"{i}-{row[0]}-{row[2]}" for i, row in enumerate(BAD)])
def test_a_bad_field_is_named(name: str, fields: dict[str, Any], field: str) -> None:
    assert set(problems(name, **fields)) == {field}


def test_an_unknown_field_is_answered_with_the_nearest_known_one() -> None:
    assert problems("get_event", event_id="lamp", evnt="x")["evnt"] == "unknown field; did you mean 'event_id'?"
    assert "known are" in problems("list_events", zzz=1)["zzz"]
    assert "none" in problems("ping", zzz=1)["zzz"]


def test_a_hostile_field_name_is_repeated_short_and_printable() -> None:
    for field in problems("ping", **{"\x1b[2J": 1, "x" * 9000: 2}):
        assert field.isprintable()
        assert len(field) < 80


def test_every_bad_field_is_named_at_once() -> None:
    event = {**EVENT, "priority": "high", "tag": ["a"], "schedule_config": {"cron_expression": "61 * * * *"}}
    found = problems("create_event", event=event, on_conflict="never", extra=1)
    assert set(found) == {
        *("event.priority", "event.tag", "event.schedule_config.cron_expression", "on_conflict", "extra"),
    }
    assert "tags" in found["event.tag"]


BAD_EVENTS: list[tuple[str, dict[str, Any]]] = [
    *(
        ("event_id", {"event_id": value})
        for value in ["../../x", "a/b", "", "x" * 200, "a\0b", "\u202ea", "\uff4camp", 7, []]
    ),
    *(
        ("cron_expression", {"schedule_config": {"cron_expression": value}})
        for value in [
            *("* * * * * * * *", "60 * * * *", "*/0 * * * *", "0-59/1," * 2000, "@reboot; rm -rf /"),
            *("\uff16 * * * *", "", "* * * *", 5, None, ["0 7 * * *"]),
        ]
    ),
    *(
        ("schedule_config", {"schedule_type": "interval", "schedule_config": {"every": value}})
        for value in [0, -5, 1e-9, "NaN", 1e18, 2**53, [5], True, None, "5 parsecs"]
    ),
    *(
        ("schedule_config", {"schedule_type": "once", "schedule_config": {"run_at": value}})
        for value in [-1, 1e18, "10000-01-01T00:00:00Z", "soon", True, []]
    ),
    *(
        ("timezone", {"timezone": value})
        for value in ["../../etc/passwd", "/etc/passwd", "posixrules", "localtime", "Europe", "Europe/Berln", "", 1]
    ),
    *(
        (
            "schedule_config",
            {"schedule_type": "recurring", "schedule_config": {"frequency": "daily", "time_of_day": value}},
        )
        for value in ["24:00", "7:5:3:1", "\u0661\u0662:\u0660\u0660", "", 700]
    ),
    *(
        (
            "schedule_config",
            {"schedule_type": "recurring", "schedule_config": {"frequency": "monthly", "days_of_month": d}},
        )
        for d in [[0], [32], [], ["1"], 1.5]
    ),
    ("end_at", {"start_at": "2026-03-02T00:00:00Z", "end_at": "2026-03-01T00:00:00Z"}),
    ("catch_up_max", {"catch_up": "all", "catch_up_max": 10**9}),
    ("max_retries", {"max_retries": 10**9}),
    *(("retry_delay", {"retry_delay": value}) for value in [-1, 1e308]),
    *(("timeout", {"timeout": value}) for value in [0, 1e12, -1]),
    *(("jitter", {"jitter": value}) for value in [-1, "2d", "x"]),
    ("tags", {"tags": ["x" * 1024] * 10_000}),
    ("schedule_type", {"schedule_type": "hourly"}),
    ("schedule_type", {"schedule_type": ["cron"]}),
    ("run_count", {"run_count": 0}),
    ("__proto__", {"__proto__": {}}),
    ("Name", {"Name": "x"}),
    *(
        ("action", {"action": {"topic": value}})
        for value in ["alicia/#", "alicia/+/x", "", "a\0b", "a\u0001b", "x" * 65_536, "$SYS/x", "/", "a//b", "\ud800"]
    ),
    *(("action", {"action": {"topic": "a", "qos": value}}) for value in [3, "1", -1, True]),
    *(("action", {"action": value}) for value in [[], "x", {"type": "format_disk"}, {"topic": "a", "tpoic": "b"}]),
]


@pytest.mark.parametrize(("where", "changes"), BAD_EVENTS, ids=[f"{i}-{row[0]}" for i, row in enumerate(BAD_EVENTS)])
def test_a_bad_definition_is_refused_below_event(where: str, changes: dict[str, Any]) -> None:
    found = problems("create_event", event={**EVENT, **changes})
    assert any(where in f"{field} {message}" for field, message in found.items())
    assert all(field == "event" or field.startswith("event.") for field in found)
    assert len(found) <= 50


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({field.alias or name for info in COMMANDS for name, field in info.model.model_fields.items()})


@given(
    st.sampled_from([info.name for info in COMMANDS]),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), ANYTHING, max_size=5),
)
def test_any_fields_make_a_command_or_a_refusal(name: str, fields: dict[str, Any]) -> None:
    _command_or_refusal(name, fields)


@given(
    st.dictionaries(
        st.sampled_from([*EVENT, "timezone", "start_at", "exclude", "dst", "tags", "retry_delay"]), ANYTHING
    )
)
def test_any_definition_makes_a_command_or_a_refusal(changes: dict[str, Any]) -> None:
    _command_or_refusal("create_event", {"event": {**EVENT, **changes}})


def _command_or_refusal(name: str, fields: dict[str, Any]) -> None:
    try:
        parse_command(name, fields, DEFAULTS, fallback_event_id="made-up")
    except CommandRejected as refused:
        problem = refused
    else:
        return
    assert problem.code is ErrorCode.INVALID_REQUEST
    assert problem.details
