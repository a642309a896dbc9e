"""The recorded vectors: expressions across the clock changes of seven zones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.timing.timings import between, between_backwards, cron

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "cron_golden.json").read_text())


def _name(vector: dict[str, Any]) -> str:
    return f"{vector['cron']} {vector['timezone']} {vector['from_iso']}"


@pytest.mark.parametrize("vector", VECTORS, ids=_name)
def test_a_recorded_expression_fires_at_the_recorded_times_in_both_directions(vector: dict[str, Any]) -> None:
    start = datetime.fromtimestamp(vector["from"], UTC)
    expected = [datetime.fromtimestamp(second, UTC) for second in vector["fires"]]
    rule = cron(vector["cron"], vector["timezone"], created_at=start)
    assert between(rule, start, expected[-1]) == expected
    assert between_backwards(rule, start, expected[-1]) == expected
    assert rule.count(start, expected[-1]) == len(expected)
