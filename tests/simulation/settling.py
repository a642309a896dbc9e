"""After the faults: everything that was accepted, planned or promised must come to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alicia_scheduler.core.queries import ExecutionQuery
from tests.simulation.planning_rules import TIMED, is_fixed_delay

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

SECOND = timedelta(seconds=1)
PATIENCE = timedelta(hours=6)


class Settling:
    """The end of a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._sim = simulation
        self._ledger = simulation.ledger

    async def run(self) -> None:
        """Faults off, timers off; then nothing may be left over."""
        sim = self._sim
        sim.adversary.over = True
        await self._answered()
        self._planned()
        for event_id, state in sorted(self._ledger.states.items()):
            if state.status == "active":
                sim.client.send("pause_event", event_id=event_id)
        await self._until_nothing_is_left()
        self._nothing_left()
        self._counted()
        await self._store_agrees()

    async def _answered(self) -> None:
        """Every command with a request id gets its answer in the end."""
        for _ in range(10):
            if not self._sim.client.repeat_unanswered():
                break
            await self._sim.clock.sleep(30 * SECOND)
        else:
            self._ledger.violated("settles", "a command gets no answer")
        await self._sim.clock.sleep(self._sim.longest_sleep + 30 * SECOND)  # a clock that was set is noticed by then
        self._sim.look()

    def _planned(self) -> None:
        """No nominal time that is due lies beyond a mark."""
        now = self._ledger.clock.now()
        for event_id, state in self._ledger.states.items():
            record = self._ledger.records[event_id]
            timed = record.definition.schedule_type in TIMED and not is_fixed_delay(record)
            if state.status != "active" or not timed:
                continue
            due = now - 2 * SECOND - record.definition.jitter
            missing = self._sim.rules.planning.timing(record, state).count(state.mark_time, due)
            if missing:
                self._ledger.violated("conservation", f"{event_id}: {missing} times are due and not planned")

    async def _until_nothing_is_left(self) -> None:
        end = self._sim.clock.steady() + PATIENCE
        while self._sim.clock.steady() < end and not self._ledger.violations:
            await self._sim.clock.sleep(20 * SECOND)
            self._sim.look()
            if not self._left() and not self._ledger.outbox:
                return

    def _left(self) -> list[str]:
        return [id_ for mates in self._ledger.unfinished.values() for id_ in mates]

    def _nothing_left(self) -> None:
        left = self._left()
        if left:
            execution = self._ledger.executions[left[0]]
            self._ledger.violated(
                "settles", f"{len(left)} executions are unfinished: {execution.event_id} is {execution.status}"
            )
        if self._ledger.outbox:
            self._ledger.violated("announced in the end", f"{len(self._ledger.outbox)} messages wait for ever")
        for id_, execution in self._ledger.executions.items():
            ended = execution.status in ("completed", "failed", "timed_out")
            if ended and (id_ not in self._ledger.announced or not self._was_heard(id_)):
                self._ledger.violated("announced in the end", f"nobody heard that {id_} is {execution.status}")

    def _was_heard(self, id_: str) -> bool:
        return id_ in self._ledger.heard_ids

    def _counted(self) -> None:
        """The counters of each event are those of its executions."""
        for event_id, state in self._ledger.states.items():
            mine = [e for e in self._ledger.executions.values() if e.event_key == state.key]
            counted = {
                "unfinished": 0,
                "run_count": sum(e.attempt > 0 for e in mine),
                "success_count": sum(e.status == "completed" for e in mine),
                "failure_count": sum(e.status in ("failed", "timed_out") for e in mine),
                "skipped_count": sum(e.status == "skipped" for e in mine),
                "missed_count": sum(e.missed_count for e in mine if e.status == "missed"),
            }
            wrong = {name: getattr(state, name) for name, number in counted.items() if getattr(state, name) != number}
            if wrong:
                self._ledger.violated("counters", f"{event_id} says {wrong}, its executions {counted}")

    async def _store_agrees(self) -> None:
        """What was committed is what the store holds."""
        for event_id, state in self._ledger.states.items():
            found, _ = await self._sim.disk.store.executions(ExecutionQuery(event_id=event_id, limit=1000))
            different = [e.execution_id for e in found if self._ledger.executions.get(e.execution_id) != e]
            held = await self._sim.disk.store.event(event_id)
            if different or held is None or held[1] != state:
                self._ledger.violated(
                    "durable", f"{event_id}: the store differs from what was committed {different[:2]}"
                )
