"""The schemas and pages that describe the contract are those that the code makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from alicia_scheduler.errors import ErrorCode
from alicia_scheduler.wire.catalogue import TOPICS
from alicia_scheduler.wire.commands import COMMANDS
from alicia_scheduler.wire.schema import asyncapi_document, json_schemas, refreshed_page
from alicia_scheduler.wire.topics import EVENT_TYPES, Topics

DOCS = Path(__file__).parents[3] / "docs"
REFRESH = (
    'run: python -c "from pathlib import Path; from alicia_scheduler.wire.schema import refreshed_page as f; '
    "p = Path('docs/topics.md'); p.write_text(f(p.read_text()))\""
)


def test_the_page_of_topics_is_what_the_code_says() -> None:
    page = (DOCS / "topics.md").read_text(encoding="utf-8")
    assert page == refreshed_page(page), REFRESH


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_has_a_meaning_and_an_example(code: ErrorCode) -> None:
    rows = re.findall(
        rf"^\| `{code.value}` \| (.+) \| (.+) \| (.+) \|$", (DOCS / "errors.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 1
    assert all(len(cell) > 0 for cell in rows[0])


def test_the_page_of_errors_lists_no_code_that_does_not_exist() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [code.value for code in ErrorCode]


def test_the_examples_on_the_page_of_topics_are_json() -> None:
    blocks = re.findall(r"```json\n(.+?)```", (DOCS / "topics.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert isinstance(json.loads(block), dict)


def test_there_is_a_schema_for_the_event_and_for_every_command_and_message() -> None:
    schemas = json_schemas()
    assert {f"command.{info.name}" for info in COMMANDS} < set(schemas)
    assert schemas["event"]["properties"]["retry_delay"]["default"] == 60
    for schema in schemas.values():
        assert _references(schema) <= {f"#/$defs/{name}" for name in schema.get("$defs", {})}
        assert set(schema.get("required", ())) <= set(schema["properties"])
        json.dumps(schema)


def test_a_command_schema_has_the_fields_that_every_command_may_have() -> None:
    schema = json_schemas()["command.pause_event"]
    assert schema["properties"]["command"]["enum"] == ["pause_event", "disable_event"]
    assert schema["required"] == ["command", "event_id"]
    assert {"request_id", "reply_to", "until", "note"} < set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_the_asyncapi_document_is_whole() -> None:
    document = asyncapi_document("1.0", Topics("home/sched"))
    for reference in _references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    channels = document["channels"]
    assert channels["execution_results"]["address"] == "home/sched/execution_results"
    assert channels["event_type"]["parameters"]["event_type"]["enum"] == list(EVENT_TYPES)
    assert document["operations"]["state_event_id"]["bindings"]["mqtt"] == {"qos": 1, "retain": True}
    assert len(channels) == len(TOPICS)


def test_what_the_table_says_is_published_is_an_output_and_nothing_else() -> None:
    topics = Topics()
    for topic in TOPICS:
        if not topic.absolute:
            address = topic.address.replace("{event_type}", EVENT_TYPES[0])
            assert topics.is_output(f"{topics.prefix}/{address}") == (topic.way == "out")


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(part) for part in value))
    return set()
