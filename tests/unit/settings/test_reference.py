"""The page about the settings is complete and equal to what the models say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from alicia_scheduler.settings import Settings, settings_markdown
from alicia_scheduler.settings.layers import group_of

PAGE = Path(__file__).parents[3] / "docs/settings.md"


def fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        yield above + name, info
        inner = group_of(info)
        if inner:
            yield from fields(inner, f"{above}{name}.")


ALL = dict(fields(Settings))


def test_the_page_is_what_the_models_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_markdown(), "write settings_markdown() to docs/settings.md"


@pytest.mark.parametrize("name", ALL)
def test_every_setting_is_described(name: str) -> None:
    description = ALL[name].description
    assert description
    assert description.endswith((".", ")"))
    assert "|" not in description


@pytest.mark.parametrize("name", [name for name in ALL if group_of(ALL[name]) is None])
def test_every_setting_stands_on_the_page_with_its_variable(name: str) -> None:
    assert f"`ALICIA_SCHEDULER_{name.replace('.', '__').upper()}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in ALL if group_of(ALL[name]) is None])
def test_every_default_is_within_its_own_bounds(name: str) -> None:
    value = ALL[name].default
    nested = {name.rpartition(".")[2]: value}
    for part in reversed(name.split(".")[:-1]):
        nested = {part: nested}
    assert Settings.model_validate(nested) == Settings()
