"""The examples of docs/templates.md do what the page says, and the page leaves nothing out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alicia_scheduler.core.templates import LIMITS, TemplateError, check_template, render_value
from alicia_scheduler.core.templates.grammar import FILTERS, LOOP_NAMES
from alicia_scheduler.core.templates.predicates import PREDICATES

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
CONTEXT = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])


def examples() -> Iterator[tuple[str, str]]:
    for block in re.findall(r"```example\n(.*?)```", PAGE, re.DOTALL):
        yield from re.findall(r"(.*?)\n=> (.*?)\n", block, re.DOTALL)


def outcome(template: str) -> Any:
    try:
        check_template(template)
        return render_value(template, CONTEXT)
    except TemplateError as error:
        return error


@pytest.mark.parametrize(("template", "expected"), list(examples()))
def test_an_example_gives_what_the_page_says(template: str, expected: str) -> None:
    result = outcome(template)
    if expected.startswith("error: "):
        assert isinstance(result, TemplateError)
        assert str(result).startswith(expected.removeprefix("error: "))
    else:
        assert json.dumps(result, ensure_ascii=False) == json.dumps(json.loads(expected), ensure_ascii=False)


def test_the_page_has_its_examples() -> None:
    assert len(list(examples())) >= 30


@pytest.mark.parametrize("name", sorted({*FILTERS, *PREDICATES, *LOOP_NAMES}))
def test_every_filter_and_test_is_on_the_page(name: str) -> None:
    assert re.search(rf"`{name}[`(]", PAGE)


def test_the_limits_on_the_page_are_those_in_force() -> None:
    table = PAGE[PAGE.index("| limit | value |") : PAGE.index("A name or a sign")]
    numbers = [int(x) for row in table.splitlines()[2:-1] for x in re.findall(r"\d+", row)]
    assert numbers[:-1] == [
        LIMITS.source_chars,
        LIMITS.nodes,
        LIMITS.template_nodes,
        LIMITS.total_nodes,
        LIMITS.depth,
        LIMITS.brackets,
        LIMITS.loop_depth,
        LIMITS.iterations,
        LIMITS.value_chars,
        LIMITS.output_chars,
        LIMITS.steps,
        2,
    ]
