"""Every command over the bus: what it answers when all is well, and its main refusals (docs/topics.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.bus_probe import BusProbe

NewId = Callable[[], str]

FIRE = {"time", "time_iso", "utc_iso", "note"}
RUNTIME = {
    "state", "last_status", "next_run", "last_run", "run_count", "success_count", "failure_count", "skipped_count",
    "missed_count", "last_error", "created_at", "updated_at", "revision", "origin",
}  # fmt: skip
DEFINITION = {
    "event_id", "name", "description", "namespace", "module_id", "dest_id", "tags", "metadata", "schedule_type",
    "schedule_config", "timezone", "start_at", "end_at", "max_executions", "jitter", "exclude", "dst", "misfire_grace",
    "catch_up", "catch_up_window", "on_resume", "overlap_policy", "priority", "max_retries", "retry_delay",
    "retry_backoff", "retry_max_delay", "until_next_fire", "timeout", "triggers", "action", "enabled", "trace_enabled",
}  # fmt: skip
EXECUTION = {
    "execution_id", "event_id", "status", "reason", "triggered_by", "scheduled_time", "due_time", "start_time",
    "end_time", "duration", "retry_count", "attempt", "result", "error_message", "error_code", "missed_count",
    "trace_id", "attempts",
}  # fmt: skip
ATTEMPT = {"attempt", "start_time", "end_time", "status", "error_message"}
STATS = {"events", "executions", "due", "running", "queued", "outbox", "lag_seconds"}


def fields(error: dict[str, Any]) -> set[str]:
    return {detail["field"] for detail in error["details"]}


def slow(event_id: str, within: float = 60) -> dict[str, Any]:
    """An action that waits for an answer nobody gives."""
    return {"topic": f"out/{event_id}", "expect": {"topic": f"never/{event_id}", "within": within}}


def running(probe: BusProbe, event_id: str) -> str:
    """The execution id of the event's execution once it has started."""
    topic = f"{probe.prefix}/execution_started"
    heard = probe.wait_for(lambda m: m.topic == topic and m.json["event_data"]["event_id"] == event_id)
    return str(heard.json["event_data"]["execution_id"])


# create_event


def test_create_event_answers_with_the_event_and_its_next_five_fires(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    data = probe.create(event_id, {"cron": {"cron_expression": "0 7 * * mon-fri"}}, timezone="Europe/Berlin")
    assert set(data) == {"event", "next_fires"}
    assert set(data["event"]) >= DEFINITION | RUNTIME
    assert data["event"]["state"] == "active"
    assert data["event"]["revision"] == 1
    assert len(data["next_fires"]) == 5
    for fire in data["next_fires"]:
        assert set(fire) == FIRE
        local = datetime.fromisoformat(fire["time_iso"])
        assert (local.hour, local.minute, local.weekday() < 5) == (7, 0, True)
        assert local.timestamp() == datetime.fromisoformat(fire["utc_iso"]).timestamp() == fire["time"]
    assert data["event"]["next_run"] == data["next_fires"][0]["time"]


def test_create_event_makes_an_id_up_when_there_is_none(probe: BusProbe) -> None:
    event = probe.ask("create_event", event={"schedule_type": "manual", "action": {"topic": "out/x"}})["event"]
    assert event["event_id"]
    probe.ask("delete_event", event_id=event["event_id"])


def test_create_event_refuses_a_taken_id_replaces_it_or_leaves_it(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    event = {"event_id": event_id, "schedule_type": "manual", "action": {"topic": "out/1"}}
    probe.ask("create_event", event=event)
    other = {**event, "action": {"topic": "out/2"}}
    error = probe.refused("create_event", event=other)
    assert (error["code"], fields(error)) == ("already_exists", {"event.event_id"})
    skipped = probe.ask("create_event", event=other, on_conflict="skip")
    assert skipped["event"]["action"]["topic"] == "out/1"
    replaced = probe.ask("create_event", event=other, on_conflict="replace")
    assert replaced["event"]["action"]["topic"] == "out/2"
    assert replaced["event"]["revision"] == 2


def test_create_event_names_every_bad_field_at_once(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    event = {
        "event_id": event_id,
        "schedule_type": "cron",
        "schedule_config": {"cron_expression": "0 61 * * *"},
        "timezone": "Mars/Olympus",
        "max_retries": -1,
        "overlap_polcy": "skip",
        "action": {"topic": "bad/#", "qos": 3},
    }
    error = probe.refused("create_event", event=event, on_conflict="explode", surprise=1)
    assert error["code"] == "invalid_request"
    wrong = {"event.timezone", "event.max_retries", "event.overlap_polcy", "event.action.topic", "event.action.qos"}
    assert fields(error) >= wrong | {"on_conflict", "surprise"}
    assert any(f.startswith("event.schedule_config") for f in fields(error))
    nearest = next(d["message"] for d in error["details"] if d["field"] == "event.overlap_polcy")
    assert "overlap_policy" in nearest
    assert probe.refused("get_event", event_id=event_id)["code"] == "not_found"


def test_create_event_refuses_a_time_in_the_past(probe: BusProbe, new_id: NewId) -> None:
    event = {"event_id": new_id(), "schedule_type": "once", "schedule_config": {"run_at": 1_600_000_000}}
    error = probe.refused("create_event", event={**event, "action": {"topic": "out/x"}})
    assert error["code"] == "past_time"
    assert error["details"]


# update_event


def test_update_event_answers_with_the_fires_before_and_after(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    before = probe.create(event_id, {"cron": {"cron_expression": "0 7 * * *"}}, tags=["a"])
    data = probe.ask(
        "update_event", event_id=event_id, revision=1, changes={"schedule_config": {"cron_expression": "30 8 * * *"}}
    )
    assert set(data) == {"event", "next_fires", "previous_fires"}
    assert data["previous_fires"] == before["next_fires"]
    assert [datetime.fromisoformat(f["time_iso"]).minute for f in data["next_fires"]] == [30] * 5
    assert data["event"]["revision"] == 2
    assert data["event"]["tags"] == ["a"]


def test_update_event_is_a_merge_patch(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1h"}}, metadata={"room": "hall", "floor": 1}, description="old")
    changes = {"metadata": {"floor": None, "wing": "east"}, "description": None}
    event = probe.ask("update_event", event_id=event_id, changes=changes)["event"]
    assert event["metadata"] == {"room": "hall", "wing": "east"}
    assert event["description"] == ""


def test_update_event_refuses_another_revision_an_unknown_event_and_bad_fields(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1h"}})
    error = probe.refused("update_event", event_id=event_id, revision=7, changes={"priority": 1})
    assert (error["code"], fields(error)) == ("conflict", {"revision"})
    assert probe.refused("update_event", event_id="nobody", changes={})["code"] == "not_found"
    error = probe.refused("update_event", event_id=event_id, changes={"priority": "high", "timeout": -1, "colour": 1})
    assert error["code"] == "invalid_request"
    assert fields(error) == {"changes.priority", "changes.timeout", "changes.colour"}
    assert probe.ask("get_event", event_id=event_id)["event"]["revision"] == 1


# delete_event, cancel_event


def test_delete_event_removes_it_and_keeps_its_executions(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}})
    execution_id = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    probe.result(event_id)
    assert probe.ask("delete_event", event_id=event_id)["event_id"] == event_id
    for command in ("get_event", "delete_event", "cancel_event", "pause_event", "resume_event", "trigger_event"):
        error = probe.refused(command, event_id=event_id)
        assert (error["code"], fields(error)) == ("not_found", {"event_id"})
    assert probe.ask("get_execution", execution_id=execution_id)["execution"]["status"] == "completed"


def test_cancel_event_ends_it_and_what_runs_of_it(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1h"}}, action=slow(event_id))
    execution_id = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    running(probe, event_id)
    data = probe.ask("cancel_event", event_id=event_id)
    assert data["event"]["state"] == "cancelled"
    assert data["next_fires"] == []
    execution = probe.ask("get_execution", execution_id=execution_id)["execution"]
    assert (execution["status"], execution["reason"]) == ("cancelled", "event_cancelled")
    for command in ("pause_event", "resume_event", "trigger_event"):
        assert probe.refused(command, event_id=event_id)["code"] == "conflict"


# pause_event, resume_event


def test_pause_event_stops_the_timer_and_resume_event_starts_it(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1s"}})
    probe.result(event_id)
    paused = probe.ask("pause_event", event_id=event_id, note="holiday")["event"]
    assert (paused["state"], paused["pause_note"], paused["next_run"]) == ("paused", "holiday", None)
    ran = probe.ask("get_event", event_id=event_id)["event"]["run_count"]
    probe.create(f"{event_id}-clock", {"once": {"delay": 2.5}})
    probe.result(f"{event_id}-clock")
    assert probe.ask("get_event", event_id=event_id)["event"]["run_count"] - ran <= 1
    since = len(probe.messages)
    resumed = probe.ask("resume_event", event_id=event_id)
    assert resumed["event"]["state"] == "active"
    assert len(resumed["next_fires"]) == 5
    result = probe.result(event_id, since=since)
    assert result["triggered_by"] == "scheduler"
    probe.ask("delete_event", event_id=event_id)


def test_a_pause_with_an_end_resumes_by_itself(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1s"}})
    until = round(time.time() + 1.5, 3)
    data = probe.ask("pause_event", event_id=event_id, until=until)
    assert data["event"]["paused_until"] == until
    since = len(probe.messages)
    assert probe.result(event_id, since=since)["scheduled_time"] >= until
    assert probe.ask("get_event", event_id=event_id)["event"]["state"] == "active"
    probe.ask("delete_event", event_id=event_id)


def test_a_pause_that_ends_in_the_past_is_refused(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"interval": {"every": "1h"}})
    error = probe.refused("pause_event", event_id=event_id, until=1000)
    assert (error["code"], fields(error)) == ("past_time", {"until"})


# trigger_event


def test_trigger_event_runs_now_also_while_paused_and_the_schedule_stays(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    message = {"level": "{{ payload.level }}"}
    event = probe.create(event_id, {"interval": {"every": "1h"}}, action={"topic": "out/x", "message": message})
    data = probe.ask("trigger_event", event_id=event_id, payload={"level": 7})
    result = probe.result(event_id)
    assert result["execution_id"] == data["execution_id"]
    assert result["triggered_by"] == "manual"
    assert result["result"]["message"] == {"level": 7}
    after = probe.ask("get_event", event_id=event_id)
    assert after["next_fires"] == event["next_fires"]
    probe.ask("pause_event", event_id=event_id)
    since = len(probe.messages)
    probe.ask("trigger_event", event_id=event_id, payload={"level": 8})
    probe.result(event_id, since=since)
    assert probe.ask("get_event", event_id=event_id)["event"]["state"] == "paused"


# reading


def test_get_event_answers_as_create_event_did(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    made = probe.create(event_id, {"recurring": {"frequency": "daily", "time_of_day": "06:30"}})
    assert probe.ask("get_event", event_id=event_id) == made


def test_list_events_filters_and_pages(probe: BusProbe, new_id: NewId) -> None:
    base = new_id()
    for n in range(5):
        probe.create(f"{base}-{n}", {"manual": {}}, tags=[base, f"n{n % 2}"], module_id=base, namespace=f"space-{n}")
    data = probe.ask("list_events", tags=[base])
    assert set(data) == {"events", "next_cursor"}
    assert {event["event_id"] for event in data["events"]} == {f"{base}-{n}" for n in range(5)}
    assert set(data["events"][0]) >= DEFINITION | RUNTIME
    seen: list[str] = []
    cursor = None
    while True:
        page = probe.ask("list_events", tags=[base], limit=2, cursor=cursor)
        seen += [event["event_id"] for event in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"{base}-{n}" for n in range(5)]

    def found(**filters: Any) -> int:
        return len(probe.ask("list_events", module_id=base, **filters)["events"])

    assert (found(tags=["n1"]), found(tags=[base, "n0"]), found(namespace="space-3")) == (2, 3, 1)
    assert (found(state="active"), found(state="paused"), found(schedule_type="manual")) == (5, 0, 5)
    assert (found(schedule_type="cron"), found(name=f"{base}-1")) == (0, 1)


def test_list_events_refuses_bad_filters_all_at_once(probe: BusProbe) -> None:
    error = probe.refused("list_events", limit=0, state="asleep", schedule_type="never", cursor="", colour="red")
    assert fields(error) == {"limit", "state", "schedule_type", "cursor", "colour"}
    assert probe.refused("list_events", cursor="not-a-cursor")["code"] == "invalid_request"


def test_preview_of_a_definition_stores_nothing(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    event = {
        "event_id": event_id,
        "schedule_type": "cron",
        "schedule_config": {"cron_expression": "30 2 * * *"},
        "timezone": "Europe/Berlin",
        "action": {"topic": "out/x"},
    }
    start = datetime.fromisoformat("2027-03-27T02:30:00+01:00").timestamp()
    data = probe.ask("preview", event=event, count=3, **{"from": start})
    assert set(data) == {"fires", "warnings"}
    assert [f["time_iso"] for f in data["fires"]] == [
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
        "2027-03-30T02:30:00+02:00",
    ]
    assert all(set(fire) == FIRE for fire in data["fires"])
    assert data["fires"][0]["note"]
    assert data["fires"][1]["note"] is None
    assert probe.refused("get_event", event_id=event_id)["code"] == "not_found"


def test_preview_of_a_stored_event_shows_what_get_event_shows(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"recurring": {"frequency": "weekly", "days_of_week": ["mon", 3]}}, jitter=60)
    fires = probe.ask("preview", event_id=event_id)["fires"]
    assert fires == probe.ask("get_event", event_id=event_id)["next_fires"]
    assert len(probe.ask("preview", event_id=event_id, count=50)["fires"]) == 50


def test_preview_refuses_both_subjects_neither_and_an_unknown_one(probe: BusProbe) -> None:
    event = {"schedule_type": "manual", "action": {"topic": "out/x"}}
    assert probe.refused("preview", event=event, event_id="x")["code"] == "invalid_request"
    assert probe.refused("preview")["code"] == "invalid_request"
    assert probe.refused("preview", event_id="nobody")["code"] == "not_found"
    assert fields(probe.refused("preview", event_id="x", count=0, **{"from": "soon"})) == {"count", "from"}


def test_list_executions_shows_the_newest_first_and_pages(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}})
    made = []
    for _ in range(3):
        since = len(probe.messages)
        made.append(probe.ask("trigger_event", event_id=event_id)["execution_id"])
        probe.result(event_id, since=since)
    data = probe.ask("list_executions", event_id=event_id)
    assert set(data) == {"executions", "next_cursor"}
    assert [e["execution_id"] for e in data["executions"]] == made[::-1]
    first = probe.ask("list_executions", event_id=event_id, limit=2)
    rest = probe.ask("list_executions", event_id=event_id, limit=2, cursor=first["next_cursor"])
    assert [e["execution_id"] for e in first["executions"] + rest["executions"]] == made[::-1]
    assert probe.ask("list_executions", event_id=event_id, status="failed")["executions"] == []
    assert len(probe.ask("list_executions", event_id=event_id, triggered_by="manual")["executions"]) == 3


def test_get_execution_has_every_field_and_its_attempts(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}})
    execution_id = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    probe.result(event_id)
    execution = probe.ask("get_execution", execution_id=execution_id)["execution"]
    assert set(execution) >= EXECUTION
    assert execution["status"] == "completed"
    (attempt,) = execution["attempts"]
    assert set(attempt) >= ATTEMPT
    assert attempt["status"] == "completed"
    assert probe.refused("get_execution", execution_id="nobody")["code"] == "not_found"
    assert probe.refused("get_execution")["code"] == "invalid_request"


def test_cancel_execution_stops_what_runs(probe: BusProbe, new_id: NewId) -> None:
    event_id = new_id()
    probe.create(event_id, {"manual": {}}, action=slow(event_id))
    execution_id = probe.ask("trigger_event", event_id=event_id)["execution_id"]
    assert running(probe, event_id) == execution_id
    assert probe.ask("cancel_execution", execution_id=execution_id)["execution_id"] == execution_id
    execution = probe.ask("get_execution", execution_id=execution_id)["execution"]
    assert (execution["status"], execution["reason"]) == ("cancelled", "cancelled_by_command")
    assert probe.refused("cancel_execution", execution_id=execution_id)["code"] == "conflict"
    assert probe.refused("cancel_execution", execution_id="nobody")["code"] == "not_found"
    assert probe.ask("get_stats")["running"] == 0
    probe.publish(f"never/{event_id}", b"too late")
    probe.ask("ping")
    assert not probe.heard_on("execution_results", event_id=event_id)


def test_get_stats_and_ping(probe: BusProbe, new_id: NewId) -> None:
    before = probe.ask("get_stats")
    assert set(before) >= STATS
    assert all(isinstance(before[name], int | float) for name in STATS)
    probe.create(new_id(), {"manual": {}})
    assert probe.ask("get_stats")["events"] == before["events"] + 1
    probe.ask("ping")
    assert fields(probe.refused("ping", loudly=True)) == {"loudly"}


def test_an_unknown_command_is_told_the_nearest_name(probe: BusProbe) -> None:
    error = probe.refused("creat_event")
    assert error["code"] == "unknown_command"
    assert "create_event" in str(error)
