"""A stored definition comes back as it was, whichever way it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alicia_scheduler.core.model.event import EventDefaults, parse_event
from alicia_scheduler.core.model.restore import restored_event

PLAIN: dict[str, Any] = {
    "event_id": "lamp",
    "schedule_type": "cron",
    "schedule_config": {"cron_expression": "0 7 * * mon-fri"},
    "action": {"topic": "lamp/set", "message": {"state": "ON"}},
}
OTHERS: list[dict[str, Any]] = [
    {},
    {"schedule_type": "once", "schedule_config": {"run_at": "2030-01-01T07:00"}, "timezone": "Europe/Berlin"},
    {"schedule_type": "interval", "schedule_config": {"every": "5m", "mode": "fixed_delay"}},
    {"schedule_type": "interval", "schedule_config": {"type": "months", "value": 2}},
    {"schedule_type": "recurring", "schedule_config": {"frequency": "monthly", "days_of_month": [-1, 3]}},
    {"schedule_type": "manual", "schedule_config": {}},
    {"start_at": "2026-01-01T00:00:00Z", "end_at": "2027-01-01T00:00", "max_executions": 3, "catch_up_window": "2h"},
    {"exclude": ["2026-12-24", {"time": ["22:00", "06:00"]}], "dst": {"gap": "skip"}},
    {"tags": ["a", "b"], "metadata": {"room": {"floor": 1}}, "module_id": "m", "description": "two\nlines"},
    {"action": {"message": "text {{ now }}", "expiry": "90s", "qos": 2, "retain": True, "expect_ack": True}},
    {"action": {"topic": "x", "expect": {"topic": "x/+", "match": {"a": 1}, "within": 5}}},
    {"jitter": 0.5, "retry_backoff": 1.5, "retry_jitter": "3s", "delivery": "at_most_once", "priority": -3},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: "+".join(other) or "plain")
def test_a_definition_survives_being_stored(other: dict[str, Any]) -> None:
    event = parse_event({**PLAIN, **other}, EventDefaults())
    assert restored_event(event.model_dump_json()) == event
    assert restored_event(event.model_dump_json()).model_dump_json() == event.model_dump_json()


@settings(max_examples=60, deadline=None)
@given(
    every=st.floats(1, 1e6, allow_nan=False),
    grace=st.floats(0, 1e6),
    retries=st.integers(0, 1000),
    message=st.recursive(
        st.text(max_size=5).filter(lambda t: "{" not in t) | st.integers(-9, 9), st.lists, max_leaves=4
    ),
)
def test_numbers_and_messages_come_back_exactly(every: float, grace: float, retries: int, message: Any) -> None:
    changed = {
        "schedule_type": "interval",
        "schedule_config": {"every": every},
        "misfire_grace": grace,
        "max_retries": retries,
        "action": {"topic": "x", "message": message},
    }
    event = parse_event({**PLAIN, **changed}, EventDefaults())
    assert restored_event(event.model_dump_json()) == event


def test_what_an_older_version_left_out_is_filled_in() -> None:
    event = parse_event(PLAIN, EventDefaults())
    document = event.model_dump(mode="json")
    del document["priority"]
    assert restored_event(json.dumps(document)) == event


@pytest.mark.parametrize("broken", [{"schedule_type": "sun"}, {"colour": "red"}, {"schedule_config": {"every": 5}}])
def test_what_this_version_cannot_read_is_refused(broken: dict[str, Any]) -> None:
    document = parse_event(PLAIN, EventDefaults()).model_dump(mode="json") | broken
    with pytest.raises(ValidationError):
        restored_event(json.dumps(document))
