"""The verbs of the Makefile are those that the documents promise, and `make help` prints them all."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.architecture.repository import ROOT, documented_verbs

PROMISED = {"bench", "check", "help", "run", "setup", "test"}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def phony() -> set[str]:
    """The verbs that the Makefile declares."""
    found = re.search(r"^\.PHONY:(.*)$", MAKEFILE, re.MULTILINE)
    assert found
    return set(found.group(1).split())


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What make says, without the variables of a make that may be running this test."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_verb_is_described_and_every_promised_verb_is_there() -> None:
    assert documented_verbs(MAKEFILE) == phony()
    assert phony() >= PROMISED


def test_help_prints_a_line_about_every_verb() -> None:
    answer = make("help")
    assert answer.returncode == 0, answer.stderr
    printed = {match.group(1) for match in re.finditer(r"^  ([a-z-]+) +\S", answer.stdout, re.MULTILINE)}
    assert printed == phony()


def test_make_alone_prints_the_help() -> None:
    assert make().stdout == make("help").stdout


def test_ci_calls_make_check() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make check\b", script.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("script", ["run", "find-python", "ensure-mosquitto"])
def test_ci_scripts_are_valid_and_executable(script: str) -> None:
    path = ROOT / ".ci" / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_a_python_that_is_too_old_gets_a_message_that_says_what_to_do() -> None:
    answer = subprocess.run(
        [ROOT / ".ci" / "find-python", "/nowhere/python3"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "no usable Python 3.11" in answer.stderr
    assert "make PYTHON=" in answer.stderr
