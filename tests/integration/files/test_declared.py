"""What the files of declared events say, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alicia_scheduler.adapters.files import DeclaredFiles, read_declared

GOOD = """\
events:
  - event_id: {0}
    schedule_type: cron
    schedule_config:
      cron_expression: 0 7 * * *
    tags: [a, b]
    action:
      topic: lamp/set
"""


def declared(directory: Path, **files: str) -> DeclaredFiles:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
    return read_declared(directory)


def messages(found: DeclaredFiles) -> list[str]:
    return [f"{Path(p.file).name}:{p.line}:{p.column}: {p.message}" for p in found.problems]


def test_events_of_all_files_come_in_the_order_of_the_file_names(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(GOOD.format("three"), encoding="utf-8")
    found = declared(tmp_path, b=GOOD.format("two"), a=GOOD.format("one"))
    assert [(event.raw["event_id"], event.origin) for event in found.events] == [
        ("one", "file:a.yaml"),
        ("two", "file:b.yaml"),
        ("three", "file:c.yml"),
    ]
    assert found.events[0].raw["schedule_config"] == {"cron_expression": "0 7 * * *"}
    assert (found.problems, found.broken, found.complete) == ((), frozenset(), True)


def test_hidden_files_other_files_and_directories_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "sub.yaml").mkdir()
    for name in (".a.yaml", "a.yaml~", "a.yaml.swp", "README.md", "#a.yaml#"):
        (tmp_path / name).write_text("broken: [", encoding="utf-8")
    assert read_declared(tmp_path) == DeclaredFiles()


def test_a_missing_directory_declares_nothing(tmp_path: Path) -> None:
    assert read_declared(tmp_path / "none") == DeclaredFiles()


def test_a_directory_that_cannot_be_listed_is_incomplete(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("", encoding="utf-8")
    found = read_declared(tmp_path / "events")
    assert not found.complete
    assert "cannot be listed: Not a directory" in found.problems[0].message


def test_an_empty_list_declares_nothing(tmp_path: Path) -> None:
    assert declared(tmp_path, a="events: []\n") == DeclaredFiles()


LOCATIONS = [
    ("schedule_config.cron_expression", (5, 7)),
    ("schedule_config", (4, 5)),
    ("tags.1", (6, 15)),
    ("tags[1]", (6, 15)),
    ("action.topic", (8, 7)),
    ("action.qos", (7, 5)),
    ("name", (2, 5)),
    ("", (2, 5)),
]


@pytest.mark.parametrize(("path", "position"), LOCATIONS)
def test_a_field_is_located_by_its_dotted_path(tmp_path: Path, path: str, position: tuple[int, int]) -> None:
    (event,) = declared(tmp_path, a=GOOD.format("one")).events
    assert event.locate(path) == position
    problem = event.problem(path, "wrong")
    assert str(problem).startswith(f"{tmp_path}/a.yaml:{position[0]}:{position[1]}: ")
    assert str(problem).endswith(f"{path}: wrong" if path else ": wrong")


def test_a_path_goes_through_a_key_that_is_a_number(tmp_path: Path) -> None:
    (event,) = declared(tmp_path, a='events:\n  - event_id: e\n    metadata:\n      "7": x\n').events
    assert event.locate("metadata.7") == (4, 7)


BROKEN = [
    ("", 'expected "events:"'),
    ("# nothing\n", 'expected "events:"'),
    ("[]", 'expected "events:"'),
    ("event_id: a\n", 'expected "events:"'),
    ("events:\n", "expected a list of events"),
    ("events: {}\n", "expected a list of events"),
    ("events:\n  - x\n", "expected an event with its fields"),
    ("events: []\nevent: []\n", "unknown key"),
    ("events:\n  - name: x\n", "event_id: expected text"),
    ("events:\n  - event_id: 5\n", "event_id: expected text"),
    ("events: [\n", ""),
    ("events: &a []\n", "anchors"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_file_declares_nothing_and_spares_the_others(tmp_path: Path, text: str, message: str) -> None:
    found = declared(tmp_path, a=text, b=GOOD.format("two"))
    assert [event.origin for event in found.events] == ["file:b.yaml"]
    assert found.broken == {"file:a.yaml"}
    assert message in messages(found)[0]
    assert found.problems[0].file == str(tmp_path / "a.yaml")


def test_every_problem_of_a_file_is_named(tmp_path: Path) -> None:
    found = declared(tmp_path, a="event: 1\nevents:\n  - 1\n  - event_id: a\n  - 2\n")
    assert [line.split(": ")[0] for line in messages(found)] == ["a.yaml:3:5", "a.yaml:5:5", "a.yaml:1:1"]


def test_an_id_that_two_files_declare_is_a_problem_of_both(tmp_path: Path) -> None:
    found = declared(tmp_path, a=GOOD.format("same"), b=GOOD.format("same"), c=GOOD.format("other"))
    assert [event.origin for event in found.events] == ["file:c.yaml"]
    assert found.broken == {"file:a.yaml", "file:b.yaml"}
    assert messages(found) == [
        f"a.yaml:2:5: event_id: declared in {tmp_path}/b.yaml:2 too",
        f"b.yaml:2:5: event_id: declared in {tmp_path}/a.yaml:2 too",
    ]


def test_an_id_that_one_file_declares_twice_is_a_problem(tmp_path: Path) -> None:
    found = declared(tmp_path, a="events:\n  - event_id: x\n  - event_id: x\n")
    assert found.events == ()
    assert [problem.line for problem in found.problems] == [2, 3]


def test_a_name_that_leads_nowhere_or_to_a_pipe_is_broken_and_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.yaml")
    found = read_declared(tmp_path)
    assert found.broken == {"file:gone.yaml", "file:pipe.yaml"}
    assert [problem.message for problem in found.problems] == ["not a regular file"] * 2


def test_a_mounted_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "..2025").mkdir()
    (tmp_path / "..2025/a.yaml").write_text(GOOD.format("one"), encoding="utf-8")
    (tmp_path / "..data").symlink_to("..2025")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert [event.raw["event_id"] for event in read_declared(tmp_path).events] == ["one"]
