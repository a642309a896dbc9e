"""The pages say what the code does: definitions are valid, names are complete, numbers agree, links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from alicia_scheduler.core.lifecycle import TRANSITIONS
from alicia_scheduler.core.model.event import EventDefaults, parse_event
from alicia_scheduler.core.model.problems import InvalidDefinition
from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.settings import Settings
from alicia_scheduler.settings.layers import group_of
from alicia_scheduler.wire.commands import COMMANDS, parse_command
from alicia_scheduler.wire.topics import EVENT_TYPES

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in {"build", "dist"} for part in path.relative_to(ROOT).parts)
)
DOCS = ROOT / "docs"
SPOKEN = ("README.md", "docs/tutorial.md", "docs/topics.md", "docs/alicia.md", "docs/events.md")


def text(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- examples that are read by the code ------------------------------------------------------------------------------


def json_blocks(page: str) -> Iterator[Any]:
    for block in re.findall(r"```json\n(.*?)```", text(page), re.DOTALL):
        yield json.loads(block)


def sent_commands(page: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and body of every command that the page publishes."""
    for name, body in re.findall(r"/command/(\w+) -m '(.*?)'\n", text(page), re.DOTALL):
        yield name, json.loads(body)
    for document in json_blocks(page):
        if "command" in document and "status" not in document:
            yield document["command"], document


def check_command(name: str, body: dict[str, Any]) -> None:
    fields = {key: value for key, value in body.items() if key not in {"command", "request_id", "reply_to"}}
    parse_command(name, fields, EventDefaults(), fallback_event_id="made-up")


@pytest.mark.parametrize(
    ("page", "name", "body"), [(page, name, body) for page in SPOKEN for name, body in sent_commands(page)]
)
def test_a_command_is_accepted_or_refused_as_the_page_says(page: str, name: str, body: dict[str, Any]) -> None:
    wrong_on_purpose = "Berlim" in str(body)
    if wrong_on_purpose:
        with pytest.raises(CommandRejected):
            check_command(name, body)
    else:
        check_command(name, body)


def test_the_refusal_in_the_readme_is_what_the_code_says() -> None:
    body = next(body for _, body in sent_commands("README.md") if "Berlim" in str(body))
    with pytest.raises(CommandRejected) as refused:
        check_command("create_event", body)
    for detail in refused.value.details:
        assert json.dumps(detail.message, ensure_ascii=False) in text("README.md")


@pytest.mark.parametrize("page", [name_of(page) for page in PAGES])
def test_every_json_example_is_json(page: str) -> None:
    list(json_blocks(page))


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "events").glob("*.json")), ids=lambda path: path.name)
def test_an_example_definition_is_valid(file: Path) -> None:
    try:
        event = parse_event(json.loads(file.read_text(encoding="utf-8")), EventDefaults())
    except InvalidDefinition as error:
        raise AssertionError([f"{problem.field}: {problem.message}" for problem in error.problems]) from None
    assert event.event_id == f"example-{file.stem}"


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_program_says_what_it_does(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


# --- completeness ----------------------------------------------------------------------------------------------------


def setting_names(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        inner = group_of(info)
        if inner:
            yield from setting_names(inner, f"{above}{name}.")
        else:
            yield above + name


@pytest.mark.parametrize("name", sorted(setting_names(Settings)))
def test_every_setting_is_documented(name: str) -> None:
    group, _, key = name.partition(".")
    section = text("docs/settings.md").partition(f"\n## {group}\n")[2].partition("\n## ")[0]
    assert f"`{key}`" in section


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_is_documented(code: ErrorCode) -> None:
    assert f"`{code}`" in text("docs/errors.md")


@pytest.mark.parametrize("name", [name for info in COMMANDS for name in (info.name, *info.aliases)])
def test_every_command_is_documented(name: str) -> None:
    assert re.search(rf"^### {name}$|`{name}`", text("docs/topics.md"), re.MULTILINE)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_lifecycle_event_is_documented(event_type: str) -> None:
    assert f"`{event_type}`" in text("docs/topics.md")


@pytest.mark.parametrize("status", list(TRANSITIONS))
def test_every_status_stands_in_the_drawing(status: str) -> None:
    assert str(status) in text("docs/delivery-guarantees.md").partition("```\n")[2].partition("```")[0]


@pytest.mark.parametrize("page", [path for path in PAGES if path.is_relative_to(DOCS)], ids=name_of)
def test_every_page_is_in_the_index(page: Path) -> None:
    index = text("docs/README.md")
    assert page.name == "README.md" or f"({page.relative_to(DOCS).as_posix()})" in index


# --- numbers ---------------------------------------------------------------------------------------------------------


def limit_rows() -> list[tuple[str, str, str]]:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", text("docs/limits.md"), re.MULTILINE)
    return [(what, limit, where) for what, limit, where in rows if "`" in where]


def constant(path: str) -> Any:
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(["alicia_scheduler", *parts[:end]]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            value = value().__getattribute__(name) if isinstance(value, type) else getattr(value, name)
        return value
    raise AssertionError(f"there is no module in {path}")


def default_of(setting: str) -> Any:
    value: Any = Settings()
    for name in setting.split("."):
        value = getattr(value, name)
    return value


def actual(where: str) -> Any:
    name = re.findall(r"`([\w.]+)", where)[0]
    return default_of(name) if where.startswith("setting") else constant(name)


@pytest.mark.parametrize(
    ("what", "limit", "where"),
    [row for row in limit_rows() if not row[2].startswith("in ") and "(" not in row[2]],
)
def test_a_limit_is_what_the_code_says(what: str, limit: str, where: str) -> None:
    value = actual(where)
    unit = timedelta(days=1) if limit.endswith("days") else timedelta(seconds=1)
    number = value / unit if isinstance(value, timedelta) else value
    written = re.findall(r"\d+", limit)[-1 if " in " in limit else 0]
    assert float(written) == number, what


def test_the_limits_of_an_event_are_its_defaults() -> None:
    event = parse_event({"event_id": "x", "schedule_type": "manual", "action": {}}, EventDefaults())
    rows = re.findall(r"\| (\d+)[^|]*event field `(\w+)`", text("docs/limits.md"))
    assert len(rows) == 5
    for number, name in rows:
        value = getattr(event, name)
        assert float(number) == (value.total_seconds() if isinstance(value, timedelta) else value)


# --- form ------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    found = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.lower()))
        found.add(plain.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    outside_of_code = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", outside_of_code):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short() -> None:
    assert len(text("README.md").splitlines()) <= 150


@pytest.mark.parametrize("verb", ["run", "test"])
def test_the_readme_names_the_two_verbs(verb: str) -> None:
    assert f"\nmake {verb} " in text("README.md")
    assert re.search(rf"^{verb}:", text("Makefile"), re.MULTILINE)
