from __future__ import annotations

import re
from pathlib import Path

import pytest

from alicia_scheduler.cli.session import CONNECTION_OPTIONS
from tests.unit.cli.command_tree import arguments, commands, options

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "command-line.md").read_text(encoding="utf-8")
CONNECTION = {f"--{name.replace('_', '-')}" for name in CONNECTION_OPTIONS}
REFERENCE = "[options of the connection](#options-of-the-connection)"


def section(heading: str) -> str:
    """The part of the page below the heading."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/command-line.md has no section '{heading}'"
    return found.group(1)


@pytest.mark.parametrize("path", commands())
def test_every_command_stands_in_the_documentation_with_its_help(path: str) -> None:
    assert commands()[path].help.splitlines()[0] in section(path)


@pytest.mark.parametrize("path", commands())
def test_every_argument_and_option_stands_in_the_documentation_with_its_help(path: str) -> None:
    text = section(path)
    given = options(commands()[path])
    speaks_to_the_broker = given.keys() >= CONNECTION
    assert (REFERENCE in text) == speaks_to_the_broker
    own = {name: help for name, help in given.items() if not (speaks_to_the_broker and name in CONNECTION)}
    rows = {f"| `{name}` | {help} |" for name, help in (arguments(commands()[path]) | own).items()}
    assert rows <= set(text.splitlines())
    assert len(rows) == len(re.findall(r"^\| `", text, re.MULTILINE)), "the section describes what is not there"


def test_the_options_of_the_connection_stand_in_the_documentation() -> None:
    text = section("Options of the connection")
    given = options(commands()["alicia-scheduler events list"])
    assert {f"| `{name}` | {given[name]} |" for name in CONNECTION} <= set(text.splitlines())


def test_no_command_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^### (alicia-scheduler .+)$", PAGE, re.MULTILINE)) == set(commands())


def test_every_command_and_option_has_a_line_of_help() -> None:
    for path, command in commands().items():
        assert command.help, path
        assert all({**options(command), **arguments(command)}.values()), path
