"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.architecture.repository import ROOT, modules

WITH_EXAMPLES = [module for module in modules() if ">>> " in module.read_text(encoding="utf-8")]


def import_name(path: str) -> str:
    """The dotted name of a module file."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("name", [import_name(module.relative_to(ROOT).as_posix()) for module in WITH_EXAMPLES])
def test_every_example_gives_what_it_shows(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted
    assert not outcome.failed
