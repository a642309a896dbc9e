"""What is read as instructions, in which spellings, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alicia_scheduler.core.model.action import Instructions, plain_actions
from alicia_scheduler.core.model.action_kinds import PLAIN_KINDS
from alicia_scheduler.core.model.event import EventDefaults, ScheduledEvent, parse_event
from alicia_scheduler.core.model.instructions import KINDS
from alicia_scheduler.core.model.problems import InvalidDefinition
from alicia_scheduler.core.model.restore import restored_event
from alicia_scheduler.wire.json_schemas import event_schema

LOG = {"action": "log", "message": "x"}


def event(block: Any) -> ScheduledEvent:
    action = {"type": "instructions", "instructions_block": block}
    return parse_event({"event_id": "x", "schedule_type": "manual", "action": action}, EventDefaults())


def canonical(*block: Any) -> list[Any]:
    """The block as it is stored."""
    action: dict[str, Any] = event(list(block)).model_dump(mode="json")["action"]
    assert action["type"] == "instructions"
    return list(action["instructions_block"])


def problems(*block: Any) -> dict[str, str]:
    with pytest.raises(InvalidDefinition) as refused:
        event(list(block))
    return {p.field.removeprefix("action.instructions_block"): p.message for p in refused.value.problems}


SPELLINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"action": "set_var", "var": "a", "input": {"value": 1}}, {"action": "set_var", "var_name": "a", "value": 1}),
    ({"action": "set_var", "var": "a", "value": None}, {"action": "set_var", "var_name": "a", "value": None}),
    ({"action": "wait", "seconds": "5m"}, {"action": "wait", "duration": 300}),
    ({"action": "wait", "duration": "{{ 2 }}"}, {"action": "wait", "duration": "{{ 2 }}"}),
    ({"action": "throw_event", "event": "k"}, {"action": "throw_event", "key": "k"}),
    (
        {"action": "repeat", "count": 2, "do": [LOG], "on_error": "continue"},
        {"action": "repeat", "count": 2, "max_passes": 100, "on_error": "continue",
         "instructions_block": [{**LOG, "level": "info"}]},
    ),
    (
        {"action": "if", "condition": True, "then": []},
        {"action": "if", "condition": "true", "then": [], "else": []},
    ),
    (
        {"action": "mqtt_publish", "topic": "a/b", "message": 1, "id": "sent"},
        {"action": "mqtt_publish", "id": "sent", "topic": "a/b", "message": 1, "qos": 1, "retain": False,
         "metadata": "auto", "expect_ack": False},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "stored"), SPELLINGS)
def test_every_spelling_is_read_and_stored_in_the_canonical_form(written: Any, stored: Any) -> None:
    assert canonical(written) == [stored]
    assert canonical(stored) == [stored]


def test_a_stored_definition_is_read_back_as_it_was() -> None:
    whole = event([written for written, _ in SPELLINGS])
    assert restored_event(whole.model_dump_json()) == whole
    kept = json.loads(whole.model_dump_json(exclude_none=True))
    assert parse_event(kept, EventDefaults()) == whole


REFUSED: list[tuple[list[Any], str, str]] = [
    ([LOG, LOG, {"action": "if", "condition": "true", "then": [{"action": "set_var", "var_name": "1a", "value": 1}]}],
     "[2].then[0].var_name", "pattern"),
    ([{"action": "sett_var"}], "[0].action", "did you mean 'set_var'?"),
    ([{"action": "launch"}], "[0].action", "unknown instruction; known: "),
    ([{"message": "x"}], "[0].action", "is required"),
    ([3], "[0]", 'expected an object with an "action"'),
    ([{"action": "log", "mesage": "x"}], "[0].mesage", "did you mean 'message'?"),
    ([{"action": "log"}], "[0].message", "is required"),
    ([{"action": "log", "message": "{{ x"}], "[0].message", "template"),
    ([{"action": "mqtt_publish", "topic": "a/#"}], "[0].topic", "wildcards"),
    ([{"action": "mqtt_publish", "topc": "a"}], "[0].topc", "did you mean 'topic'?"),
    ([{"action": "mqtt_publish", "topic": "a", "on_error": "ignore"}], "[0].on_error", "'fail' or 'continue'"),
    ([{"action": "wait", "duration": "soon"}], "[0].duration", "expected a number of seconds"),
    ([{"action": "wait", "duration": "400d"}], "[0].duration", "366 days"),
    ([{"action": "throw_event", "key": "a b"}], "[0].key", "pattern"),
    ([{"action": "throw_event", "key": "a", "delay": 1, "future_time": 2}], "[0]", "not both"),
    ([{"action": "repeat", "do": []}], "[0]", "exactly one of count, while, until and for_each"),
    ([{"action": "repeat", "count": 1, "until": "x", "do": []}], "[0]", "exactly one"),
    ([{"action": "repeat", "count": 1001, "do": []}], "[0].count", "from 0 to 1000"),
    ([{"action": "repeat", "while": " ", "do": []}], "[0].while", "expected an expression"),
    ([{"action": "choose", "options": []}], "[0].options", "at least one"),
    ([{"action": "choose", "options": [{"condition": "x", "thn": []}]}], "[0].options[0].thn", "did you mean 'then'?"),
    ([{"action": "random_choice", "choices": [1]}], "[0]", "belong together"),
    ([{"action": "random_choice", "options": [{"weight": 0, "instructions_block": []}]}], "[0].options[0].weight", "0"),
    ([{"action": "parallel", "branches": [[LOG, {"action": "log"}]]}], "[0].branches[0][1].message", "is required"),
    ([{"action": "set_var", "var": "a", "var_name": "b", "value": 1}], "[0]", "mean the same"),
    ([{"action": "set_var", "var": "a", "input": {"value": 1}, "value": 2}], "[0]", "mean the same"),
    ([{"action": "terminate", "scope": "loop"}], "", "outside of every repeat"),
    ([{**LOG, "id": "a"}, {"action": "if", "condition": "x", "then": [{**LOG, "id": "a"}]}], "", "have the id 'a'"),
    ([], "", "at least one instruction"),
    ([LOG] * 101, "", "more than 100 instructions in one list"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "field", "words"), REFUSED)
def test_what_is_wrong_is_named_by_its_place(block: list[Any], field: str, words: str) -> None:
    found = problems(*block)
    assert words in found[field], found


def test_every_bad_field_is_named_in_one_answer() -> None:
    found = problems({"action": "log"}, {"action": "wait"}, {"action": "mqtt_publish", "qos": 9})
    assert set(found) == {"[0].message", "[1].duration", "[2].topic", "[2].qos"}


def nested(depth: int) -> Any:
    inner: list[Any] = [LOG]
    for _ in range(depth - 1):
        inner = [{"action": "if", "condition": "true", "then": inner}]
    return inner


def test_programs_are_bounded_in_number_depth_and_size() -> None:
    assert len(canonical(*nested(8))) == 1
    assert "nested 9 deep" in problems(*nested(9))[""]
    assert "deep" in str(problems(*nested(200)))
    wide = [{"action": "if", "condition": "true", "then": [LOG] * 99}] * 3
    assert "at most 250" in problems(*wide)[""]
    assert "65536 characters" in problems(*[{"action": "log", "message": "x" * 60_000}] * 2)[""]


@pytest.mark.parametrize("hostile", [
    "text", {"action": "log"}, 3, None, [None], [[]], [{"action": ["log"]}], [{"action": {"a": 1}}],
    [{"action": "log", "message": "x", "id": "a b"}], [{"action": "act", "act": {}}], [{"action": "if", "then": "x"}],
    [{"action": "parallel", "branches": {"a": []}}], [{"action": "repeat", "for_each": {"a": 1}, "do": []}],
])  # fmt: skip
def test_hostile_blocks_are_refused_in_words(hostile: Any) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        event(hostile)
    assert all(problem.message for problem in refused.value.problems)


def test_every_action_type_is_an_instruction_by_its_one_line_in_the_registry() -> None:
    assert set(PLAIN_KINDS) == {"mqtt_publish"}
    block = event([{"action": "if", "condition": "x", "then": [{"action": "mqtt_publish", "topic": "a/b"}]}])
    assert [(path, plain.type) for path, plain in plain_actions(block.action)] == [
        ("instructions_block[0].then[0]", "mqtt_publish")
    ]


def test_a_topic_that_is_not_allowed_is_found_inside_of_instructions() -> None:
    from alicia_scheduler.core.commands import CreateEvent
    from alicia_scheduler.core.editing import CommandRules
    from alicia_scheduler.errors import CommandRejected
    from tests.unit.rules.rows import Book

    block = [LOG, {"action": "mqtt_publish", "topic": "alicia/scheduler/command/ping"}]
    with pytest.raises(CommandRejected) as refused:
        Book().command(CreateEvent(event(block)), CommandRules(command_prefix="alicia/scheduler/command"))
    assert refused.value.details[0].field == "event.action.instructions_block[1].topic"


def test_the_schema_of_an_event_describes_every_instruction() -> None:
    names = set(event_schema()["$defs"])
    assert {kind.__name__ for kind in KINDS.values()} <= names
    assert Instructions.__name__ in names
