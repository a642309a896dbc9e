"""Who imports whom is what docs/architecture.md says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.architecture.repository import PACKAGE, ROOT, modules, project, top_level_imports

# What any room may use: pure helpers, definitions, data, and loggers that are configured in one place.
FREE = {"holidays", "orjson", "pydantic", "structlog", "tzdata"}
# Parts of pydantic: its documentation has validators raise errors from the one and read bounds from the other.
COMES_ALONG = {"annotated_types", "pydantic_core"}
IMPORT_NAMES = {"paho-mqtt": "paho", "ruamel.yaml": "ruamel"}


def contracts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project()["tool"]["importlinter"]["contracts"]
    return found


def dependencies() -> set[str]:
    """The import names of the runtime dependencies."""
    names = {line.split(">")[0].split("=")[0].split("[")[0] for line in project()["project"]["dependencies"]}
    return {IMPORT_NAMES.get(name, name) for name in names}


def test_every_import_contract_is_kept() -> None:
    checker = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-logo', '--no-cache'])"
    outcome = subprocess.run([sys.executable, "-c", checker], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_dependency_has_one_home_or_is_free_for_all() -> None:
    protected = [name for contract in contracts() for name in contract.get("protected_modules", ())]
    assert len(protected) == len(set(protected)), "a library has two homes"
    assert dependencies() - FREE == set(protected) - {"sqlite3"}


def test_every_home_exists() -> None:
    homes = {home for contract in contracts() for home in contract.get("allowed_importers", ())}
    places = {home: ROOT.joinpath(*home.split(".")) for home in homes}
    assert not [home for home, place in places.items() if not (place.is_dir() or place.with_suffix(".py").is_file())]


@pytest.mark.parametrize("room", ["core", "wire"])
def test_no_pure_room_reads_files_or_the_environment_with_a_builtin(room: str) -> None:
    for module in sorted((PACKAGE / room).rglob("*.py")):
        text = module.read_text(encoding="utf-8")
        assert not [word for word in ("open(", "input(", "print(") if f" {word}" in text], module


def test_only_declared_packages_are_imported() -> None:
    allowed = set(sys.stdlib_module_names) | dependencies() | COMES_ALONG | {"alicia_scheduler"}
    foreign = {(module.name, name) for module in modules() for name in top_level_imports(module) - allowed}
    assert not foreign
