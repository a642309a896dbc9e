from __future__ import annotations

import re
from pathlib import Path

import pytest

from alicia_scheduler.cli.graph import mermaid
from alicia_scheduler.cli.trace import trace_rows
from tests.unit.cli.calling import call

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = str(ROOT / "examples" / "workflow")


def test_the_page_about_workflows_shows_the_drawing_of_the_example(capsys: Capture) -> None:
    outcome = call(capsys, "events", "graph", EXAMPLE, "--namespace", "etl")
    found = re.search(r"```mermaid\n(.*?)```", (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert outcome.out == found[1]


def test_the_example_is_right(capsys: Capture) -> None:
    outcome = call(capsys, "check", EXAMPLE)
    assert (outcome.code, "all is well: 6 events" in outcome.err) == (0, True)


def test_files_that_are_wrong_are_not_drawn(capsys: Capture) -> None:
    Path("broken.yaml").write_text("events: [{event_id: x, schedule_type: event, triggers: []}]\n")
    outcome = call(capsys, "events", "graph", "broken.yaml")
    assert (outcome.code, outcome.out) == (1, "")
    assert "needs at least one" in outcome.err


def test_every_trigger_and_throw_is_drawn_wherever_it_stands() -> None:
    inner = {"action": "if", "then": [{"action": "throw_event", "key": "k", "namespace": "other"}]}
    event = {
        "event_id": "a",
        "namespace": "n",
        "triggers": [
            {"type": "any_of", "value": ["x", "y"], "do": "stop"},
            {"type": "count", "value": "z", "count": 3},
            {"type": "event", "value": "q", "trigger_actions": {"instructions_block": [inner]}},
        ],
        "action": {"type": "instructions", "instructions_block": [
            {"action": "repeat", "do": [
                {"action": "parallel", "branches": [[{"action": "wait_for_event", "key": "w"}]]}]},
        ]},
    }  # fmt: skip
    drawn = mermaid([event])
    for line in ('k1(["n / x"])', 'k1 -->|"stop"| e1', 'k3 -->|"3 times"| e1', 'k5 -->|"waits for"| e1',
                 'k6(["other / k"])', 'e1 -->|"throws"| k6'):  # fmt: skip
        assert f"  {line}" in drawn.splitlines()


def test_names_cannot_break_out_of_the_drawing() -> None:
    drawn = mermaid([{"event_id": "a", "triggers": [{"type": "mqtt", "value": 'x"] --> e1; click e1 "javascript:1"'}]}])
    assert 'javascript:1"' not in drawn
    assert len(drawn.splitlines()) == 4


def test_a_trace_is_a_tree_in_the_order_in_which_it_happened() -> None:
    def step(path: str, action: str) -> dict[str, object]:
        return {"path": path, "action": action, "status": "done", "duration": 0.0015, "output": None, "inputs": None,
                "error_message": None}  # fmt: skip

    steps = [step("[0]", "repeat"), step("[0].pass[1][0]", "log"), step("[0].pass[2][0]", "log"), step("[1]", "log"),
             step("[2].branches[0][0]", "log"), step("[2].branches[1][0]", "log")]  # fmt: skip
    rows = trace_rows(steps)
    assert [row[0] for row in rows] == [
        "[0]", "  .pass[1][0]", "  .pass[2][0]", "[1]", "[2]", "  .branches[0][0]", "  .branches[1][0]",
    ]  # fmt: skip
    assert rows[1][1:4] == ("log", "done", "0.002 s")
