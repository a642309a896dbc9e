"""Conservation: every nominal time of an event ends in one record, at its time; compared with the timing rules."""

from __future__ import annotations

from datetime import timedelta

from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.model.event import compiled_timing
from alicia_scheduler.core.state import EventRecord, EventState, Execution
from alicia_scheduler.core.timing import Timing
from tests.simulation.ledger import Ledger
from tests.simulation.machine import Process

TIMED = ("cron", "interval", "recurring", "once")
PROMPT = timedelta(seconds=2)
"""So late may a fire be planned while nothing is wrong."""


class PlanningRules:
    """What a commit may do to the timers of the events."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._timings: dict[tuple[int, int, object], Timing] = {}
        self.calm_since = timedelta(0)
        self.longest_sleep = timedelta(0)

    def timing(self, record: EventRecord, state: EventState) -> Timing:
        """The compiled rule."""
        name = (record.key, record.revision, state.anchor_time)
        if name not in self._timings:
            self._timings[name] = compiled_timing(record.definition, state.anchor_time)
        return self._timings[name]

    def check(self, process: Process, changes: Changes) -> None:
        fires: dict[int, list[Execution]] = {}
        for id_ in changes.new_executions:
            execution = changes.executions[id_]
            if execution.triggered_by != "manual":
                fires.setdefault(execution.event_key, []).append(execution)
        for state in changes.states.values():
            record = changes.records.get(state.event_id) or self._ledger.records.get(state.event_id)
            if record is not None and record.definition.schedule_type in TIMED:
                self._state(changes, record, state, fires.pop(state.key, []))
        for key, homeless in fires.items():
            if key not in changes.deleted.values():
                self._ledger.violated("conservation", f"{homeless[0].event_id} fires and its mark stays")

    def _state(self, changes: Changes, record: EventRecord, after: EventState, fires: list[Execution]) -> None:
        before = self._ledger.states.get(after.event_id)
        same = before is not None and before.key == after.key and after.event_id not in changes.records
        for fire in fires:
            self._fire(changes, record, after, fire)
        if before is not None and same and not resumed(changes, after.event_id):
            self._mark(record, before, after)
            if not is_fixed_delay(record):
                self._conserved(record, before, after, fires)
        if after.status == "active" and not is_fixed_delay(record):
            self._next(record, after)

    def _mark(self, record: EventRecord, before: EventState, after: EventState) -> None:
        ledger = self._ledger
        again = after.generation != before.generation and not is_fixed_delay(record)
        if again and not ledger.clock.corrections_back:
            ledger.violated("planned once", f"{after.event_id}: times come again, and no clock was corrected")
        elif after.mark_time < before.mark_time and after.generation == before.generation:
            ledger.violated("planned once", f"{after.event_id}: the mark goes back to {after.mark_time}")

    def _conserved(self, record: EventRecord, before: EventState, after: EventState, fires: list[Execution]) -> None:
        """As many records as nominal times between the mark before and the mark after."""
        if before.generation != after.generation or (before.status == "paused" and after.status == "paused"):
            if fires:
                self._ledger.violated("pause", f"{after.event_id} fires while it is paused or corrected")
            return
        if before.status == "paused":
            return
        records = sum(fire.missed_count if fire.status == "missed" else 1 for fire in fires)
        due = self.timing(record, before).count(before.mark_time, after.mark_time)
        limit = record.definition.max_executions
        ended_by_limit = limit is not None and after.fired_count >= limit
        if records != due and not (ended_by_limit and records < due):
            span = f"({before.mark_time:%d %H:%M:%S}, {after.mark_time:%d %H:%M:%S}]"
            self._ledger.violated("conservation", f"{after.event_id}: {due} times in {span}, {records} records")

    def _next(self, record: EventRecord, after: EventState) -> None:
        timing = self.timing(record, after)
        if after.next_time != timing.next_time(after.mark_time):
            self._ledger.violated("conservation", f"{after.event_id}: {after.next_time} is not the next time")
        elif after.next_time is not None and after.wake_time != timing.due_time(after.next_time):
            self._ledger.violated("conservation", f"{after.event_id}: wakes at {after.wake_time}")

    def _fire(self, changes: Changes, record: EventRecord, state: EventState, fire: Execution) -> None:
        ledger, definition, nominal = self._ledger, record.definition, fire.scheduled_time
        place = (fire.event_key, state.generation, nominal)
        if place in ledger.planned and fire.status != "missed":
            ledger.violated("planned once", f"{fire.event_id}: {nominal} is planned again")
        ledger.planned.add(place)
        if is_fixed_delay(record) or fire.event_id in changes.records:
            return
        timing = self.timing(record, state)
        if timing.previous_time(nominal) != nominal:
            ledger.violated("conservation", f"{fire.event_id} fires at {nominal}, which is none of its times")
        if fire.status != "missed" and fire.due_time != timing.due_time(nominal) and definition.on_resume == "skip":
            ledger.violated("never early", f"{fire.event_id}: {nominal} is due at {fire.due_time}")
        if not resumed(changes, fire.event_id):
            self._punctual(record, fire)

    def _punctual(self, record: EventRecord, fire: Execution) -> None:
        ledger, definition = self._ledger, record.definition
        late = fire.created_at - fire.due_time
        if fire.status == "missed":
            return
        if fire.triggered_by == "scheduler" and late > max(definition.misfire_grace, timedelta(seconds=1)):
            ledger.violated("misfire", f"{fire.event_id}: {late} late, and not a catch-up")
        caught_up = fire.triggered_by == "catch_up" and definition.on_resume == "skip"
        too_old = fire.created_at - fire.scheduled_time > definition.window() + PROMPT
        if caught_up and (definition.catch_up == "none" or too_old):
            ledger.violated("misfire", f"{fire.event_id}: caught up {late} late")
        calm = ledger.clock.steady() - max(self.calm_since, ledger.clock.stepped_at)
        if late > PROMPT and calm > late + self.longest_sleep + 10 * PROMPT:
            ledger.violated("in time", f"{fire.event_id}: planned {late} late, and nothing was wrong")


def is_fixed_delay(record: EventRecord) -> bool:
    """Whether the next time follows from the end of the execution before."""
    return getattr(record.definition.schedule_config, "mode", None) == "fixed_delay"


def resumed(changes: Changes, event_id: str) -> bool:
    """Whether the commit also resumes the event: times of a pause are dropped."""
    return any('"resume_event"' in r.answer and f'"{event_id}"' in r.answer for r in changes.requests.values())
