"""The examples of docs/time-rules.md."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from alicia_scheduler.core.timing import local_iso
from tests.unit.timing.timings import at, timing, walk

PAGE = (Path(__file__).parents[3] / "docs" / "time-rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```example\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [match for block in BLOCKS for match in re.findall(r"(\w+) (\{.*\}) (\S+) (\S+)\n=> (.*)", block)]


@pytest.mark.parametrize(("kind", "config", "zone", "start", "expected"), EXAMPLES)
def test_an_example_of_the_page_fires_as_it_says(kind: str, config: str, zone: str, start: str, expected: str) -> None:
    rule = timing(kind, json.loads(config), zone, created_at=start)
    wanted = expected.split()
    found = [local_iso(nominal, zone) for nominal in islice(walk(rule, at(start)), len(wanted))]
    assert [text[:16] + text[19:] for text in found] == wanted


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == sum(block.count("=>") for block in BLOCKS) >= 10
