"""Which topic is what to the service."""

from __future__ import annotations

import pytest

from alicia_scheduler.wire.topics import EVENT_TYPES, Topics

T = Topics()

OUTPUTS = [
    *("execution_results", "execution_failures", "errors", "recovery", "events", "availability", "status"),
    *("state/lamp", "thrown/default/door", "response/ping", "response/a/b", *EVENT_TYPES),
]


def test_the_names_are_those_of_the_contract() -> None:
    home = Topics("home/sched")
    assert home.command == "home/sched/command"
    assert home.execution_results == "home/sched/execution_results"
    assert home.state("lamp") == "home/sched/state/lamp"
    assert home.thrown("default", "door.open") == "home/sched/thrown/default/door.open"
    assert home.event_type("event_created") == "home/sched/event_created"
    assert len(EVENT_TYPES) == 15


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("alicia/scheduler/command/ping", "ping"),
        ("alicia/scheduler/command/a/b", "a/b"),
        ("alicia/scheduler/command", None),
        ("alicia/scheduler/command/", None),
        ("alicia/scheduler/commands/ping", None),
        ("alicia/scheduler/x", None),
        ("other/alicia/scheduler/command/ping", None),
    ],
)
def test_the_command_stands_behind_the_command_topic(topic: str, name: str | None) -> None:
    assert T.command_name(topic) == name


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_the_service_publishes_is_never_taken_as_a_command(name: str) -> None:
    assert T.is_output(f"alicia/scheduler/{name}")
    assert not T.is_command(f"alicia/scheduler/{name}")
    assert not T.is_output(f"alicia/other/{name}")


@pytest.mark.parametrize("name", ["command", "command/ping", "create", "events/x", "statement", "execution_results2"])
def test_other_topics_are_not_ours(name: str) -> None:
    assert not T.is_output(f"alicia/scheduler/{name}")


def test_one_filter_covers_all_commands() -> None:
    assert T.subscriptions(legacy=False) == ("alicia/scheduler/command/#",)
    assert T.subscriptions(legacy=True) == ("alicia/scheduler/#",)


@pytest.mark.parametrize(
    "topic", ["me/answers", "alicia/voice/reply/1", "alicia/scheduler/response/me", "alicia/schedulers/x"]
)
def test_a_caller_may_name_a_topic_for_the_answer(topic: str) -> None:
    assert T.reply_topic_problem(topic) is None


@pytest.mark.parametrize(
    "topic",
    [
        *(
            "",
            "a/#",
            "a/+/b",
            "$SYS/x",
            "$share/g/x",
            "$CONTROL/dynamic-security/v1",
            "a\0b",
            "a\u0001b",
            "a//b",
            "/a",
            "a/",
        ),
        *("a\ufeffb", "x" * 65_536, "/".join("x" * 300), "a\ud800"),
        *(
            "alicia/scheduler",
            "alicia/scheduler/command",
            "alicia/scheduler/command/create_event",
            "alicia/scheduler/x",
        ),
        *(f"alicia/scheduler/{name}" for name in OUTPUTS if not name.startswith("response/")),
    ],
)
def test_an_answer_cannot_be_sent_where_it_would_do_harm(topic: str) -> None:
    problem = T.reply_topic_problem(topic)
    assert problem
    assert len(problem) < 200


@pytest.mark.parametrize("name", ["", "../x", "a/b", "#", "Ping", "x" * 65, "ping\n"])
def test_an_answer_to_a_name_no_command_could_have_goes_to_unknown(name: str) -> None:
    assert T.response(name) == "alicia/scheduler/response/unknown"
