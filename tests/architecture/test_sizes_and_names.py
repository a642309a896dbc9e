"""Modules and functions stay small enough to read, and their names explain something."""

from __future__ import annotations

from tests.architecture.repository import PACKAGE, functions, modules, relative

LONGEST_MODULE_LINES = 400
LONGEST_FUNCTION_LINES = 60
SAYS_NOTHING = {"base", "bases", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def test_no_module_has_400_lines() -> None:
    lengths = {relative(module): len(module.read_text(encoding="utf-8").splitlines()) for module in modules()}
    assert not {name: lines for name, lines in lengths.items() if lines >= LONGEST_MODULE_LINES}


def test_no_function_has_60_lines() -> None:
    lengths = {
        f"{relative(module)}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for module in modules()
        for function in functions(module)
    }
    assert not {name: lines for name, lines in lengths.items() if lines >= LONGEST_FUNCTION_LINES}


def test_no_module_or_package_has_a_name_that_says_nothing() -> None:
    places = [*modules(), *(folder for folder in PACKAGE.rglob("*") if folder.is_dir())]
    words = {relative(place): set(place.stem.lower().split("_")) for place in places}
    assert not {name for name, parts in words.items() if parts & SAYS_NOTHING}
