"""The workflow of examples/workflow on the installed service and a real Mosquitto."""

from __future__ import annotations

import random
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.bus_probe import BusProbe, Heard
from tests.service_process import ServiceProcess

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "workflow"
RUNS = 12

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def workflow(service: ServiceProcess, probe: BusProbe) -> ServiceProcess:
    """The service with the example's events."""
    for file in EXAMPLE.glob("*.yaml"):
        shutil.copy(file, service.events_directory)
    return service.start(probe)


def throw_start(probe: BusProbe, **payload: Any) -> None:
    probe.ask("throw_event", key="start", namespace="etl", payload=payload, ttl=30)


def seen(probe: BusProbe, run: int) -> list[Heard]:
    """What the run has published, in order."""
    found = [m for m in list(probe.messages) if m.topic.startswith("workflow/etl/") and m.topic != RESTART]
    return [message for message in found if message.json.get("run") == run]


RESTART = "workflow/etl/restart"


def tasks(probe: BusProbe, run: int) -> list[str]:
    """The tasks of the run in order, each once: a repeat after a crash has the same execution and step."""
    found: dict[tuple[str, str, str], None] = {}
    for message in seen(probe, run):
        about = message.user_properties
        found[message.topic.removeprefix("workflow/etl/"), about["execution_id"], about["step"]] = None
    return [task for task, _, _ in found]


def until(probe: BusProbe, run: int, task: str) -> None:
    probe.wait_for(lambda m: m.topic == f"workflow/etl/{task}" and m.json.get("run") == run, 30, since=0, what=task)


def test_d_runs_once_when_b_and_c_have_both_completed(workflow: ServiceProcess, probe: BusProbe) -> None:
    throw_start(probe, run=1)
    until(probe, 1, "d")
    first, *middle, last = tasks(probe, 1)
    assert (first, sorted(middle), last) == ("a", ["b", "c"], "d")


def test_a_task_that_fails_is_compensated_and_does_not_count_for_the_next_run(
    workflow: ServiceProcess, probe: BusProbe
) -> None:
    throw_start(probe, run=1, broken=True)
    until(probe, 1, "undo")
    (undone,) = [m for m in seen(probe, 1) if m.topic.endswith("/undo")]
    assert undone.json["failed"] == "etl.c"
    assert "C cannot be done in run 1" in undone.json["why"]
    throw_start(probe, run=2)
    until(probe, 2, "d")
    check_joins(probe, {2})
    assert "d" not in tasks(probe, 1)
    assert tasks(probe, 2)[-1] == "d"


def test_a_message_on_the_bus_begins_the_workflow_anew(workflow: ServiceProcess, probe: BusProbe) -> None:
    throw_start(probe, run=1)
    until(probe, 1, "c")
    probe.publish(RESTART, {"run": 2})
    until(probe, 2, "d")
    assert "d" not in tasks(probe, 1)
    assert sorted(tasks(probe, 2)) == ["a", "b", "c", "d"]


def test_another_namespace_sees_nothing_of_it(workflow: ServiceProcess, probe: BusProbe) -> None:
    throw_start(probe, run=1)
    until(probe, 1, "d")
    assert not [m for m in list(probe.messages) if m.topic == "workflow/lab/seen"]
    probe.ask("throw_event", key="a.done", namespace="lab", payload={"run": 9})
    probe.wait_for(lambda m: m.topic == "workflow/lab/seen" and m.json["key"] == "a.done", 10, since=0)
    assert tasks(probe, 9) == []


def test_the_workflow_ends_in_order_over_kills_at_any_moment(workflow: ServiceProcess, probe: BusProbe) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for run in range(1, RUNS + 1):
        broken = run % 4 == 0
        throw_start(probe, run=run, broken=broken)
        time.sleep(chance.uniform(0, 0.45))
        workflow.kill()
        workflow.start(probe)
        until(probe, run, "undo" if broken else "d")
    for run in range(1, RUNS + 1):
        found = tasks(probe, run)
        if run % 4 == 0:
            assert (found[0], found[-1], "d" in found) == ("a", "undo", False), found
        else:
            assert (found[0], sorted(found[1:-1]), found[-1]) == ("a", ["b", "c"], "d"), found
    check_joins(probe, {run for run in range(1, RUNS + 1) if run % 4})
    settle(probe)
    executions = probe.ask("list_executions", limit=500)["executions"]
    ends = {event_id: [e["status"] for e in executions if e["event_id"] == event_id] for event_id in TASKS}
    assert set(ends["etl.a"]) | set(ends["etl.d"]) | set(ends["etl.compensation"]) == {"completed"}
    assert [len(ends[event_id]) for event_id in TASKS] == [RUNS, RUNS, RUNS, RUNS - RUNS // 4, RUNS // 4]


def settle(probe: BusProbe) -> None:
    """Returns once nothing runs or waits any more."""
    since = len(probe.messages)
    while any(probe.ask("get_stats")[name] for name in ("running", "queued", "retrying")):
        probe.wait_for(lambda m: not m.topic.endswith("/answers"), since=since, what="something to end")


TASKS = ("etl.a", "etl.b", "etl.c", "etl.d", "etl.compensation")


def check_joins(probe: BusProbe, runs: set[int]) -> None:
    """D of each run began once both B and C of that very run had completed; of other runs neither began it."""
    keys = ["b.done", "c.done"]
    data = probe.ask("list_thrown", namespace="etl", key=keys, since_offset=0, limit=1000, distinct=True)
    done: dict[tuple[str, int], float] = {}
    for entry in (*data["queue"], *data["history"]):
        done[entry["key"], entry["payload"]["run"]] = entry["created_at"]
    assert {run for _, run in done} >= runs
    for run in runs:
        joined = next(m for m in seen(probe, run) if m.topic.endswith("/d"))
        assert float(joined.user_properties["scheduled_time"]) >= max(done[key, run] for key in keys) - 1e-4


def _is_on(topic: str, message: Heard) -> bool:
    return message.topic == topic


def test_long_waits_and_waits_for_events_outlive_a_kill(service: ServiceProcess, probe: BusProbe) -> None:
    service.start(probe)
    waits = {"sleeper": {"action": "wait", "duration": 8}, "listener": {"action": "wait_for_event", "key": "k"}}
    for event_id, wait in waits.items():
        block = [{"action": "mqtt_publish", "topic": f"out/{event_id}/before"}, wait,
                 {"action": "mqtt_publish", "topic": f"out/{event_id}/after"}]  # fmt: skip
        action = {"type": "instructions", "instructions_block": block}
        probe.ask("create_event", event={"event_id": event_id, "schedule_type": "manual", "action": action})
        probe.ask("trigger_event", event_id=event_id)
        probe.wait_for(partial(_is_on, f"out/{event_id}/before"), since=0)
    stats = probe.ask("get_stats")
    while stats["retrying"] < 2:
        stats = probe.ask("get_stats")
    assert stats["running"] == 0
    service.kill()
    service.start(probe)
    probe.ask("throw_event", key="k")
    probe.wait_for(lambda m: m.topic == "out/listener/after", since=0)
    after = probe.wait_for(lambda m: m.topic == "out/sleeper/after", since=0)
    before = probe.wait_for(lambda m: m.topic == "out/sleeper/before", since=0)
    assert 8 <= after.at - before.at < 11
    for event_id in ("sleeper", "listener"):
        (execution,) = probe.ask("list_executions", event_id=event_id)["executions"]
        assert (execution["status"], execution["attempt"]) == ("completed", 1)
        trace = probe.ask("get_execution", execution_id=execution["execution_id"], trace=True)["trace"]
        assert [step["path"] for step in trace] == ["[0]", "[1]", "[2]"]
