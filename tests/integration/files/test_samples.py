"""The sample files that ship work as they are, and say what the defaults are."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alicia_scheduler.adapters.files import DeclaredEvent, read_declared
from alicia_scheduler.core.model.event import EventDefaults, compiled_timing, parse_event
from alicia_scheduler.errors import ConfigurationError
from alicia_scheduler.settings import load_settings

CONFIG = Path(__file__).parents[3] / "config"
SAMPLES = read_declared(CONFIG / "events")
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
FIRST_FIRES = {
    "heartbeat": "2027-01-01T00:00:10+00:00",
    "morning-lights": "2027-01-01T06:00:00+00:00",
    "weekly-report": "2027-01-01T15:30:00+00:00",
    "month-end": "2027-01-31T22:45:00+00:00",
}


def test_the_sample_settings_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = load_settings(CONFIG / "scheduler.yaml", {}, {})
    monkeypatch.chdir(tmp_path)
    defaults = load_settings(None, {}, {"scheduler.events_dir": str(CONFIG / "events")})
    assert sample.model_dump() == defaults.model_dump()
    assert sample.warnings == ()


def test_the_examples_in_the_comments_name_real_settings(tmp_path: Path) -> None:
    text = (CONFIG / "scheduler.yaml").read_text(encoding="utf-8")
    shown, count = re.subn(r"^( +)# ( *[a-z_]+:)", r"\1\2", text, flags=re.MULTILINE)
    path = tmp_path / "scheduler.yaml"
    path.write_text(shown, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, {}, {})
    wanted = re.compile(r"give mqtt.host or mqtt.hosts, not both|/run/secrets/\w+ cannot be read")
    assert count >= 7
    assert not [line for line in str(caught.value).splitlines() if not wanted.search(line)]


def test_the_sample_files_are_without_problems() -> None:
    assert SAMPLES.problems == ()
    assert {event.raw["event_id"] for event in SAMPLES.events} == set(FIRST_FIRES)


@pytest.mark.parametrize("sample", SAMPLES.events, ids=lambda sample: str(sample.raw["event_id"]))
def test_a_sample_event_is_valid_explained_and_fires_when_it_says(sample: DeclaredEvent) -> None:
    event = parse_event(sample.raw, EventDefaults())
    assert event.description
    assert "sample" in event.tags
    first = compiled_timing(event, NEW_YEAR).next_time(NEW_YEAR)
    assert first is not None
    assert first.isoformat() == FIRST_FIRES[event.event_id]
