"""The rules that hold after every commit and for every message, whatever goes wrong."""

from __future__ import annotations

import json
from datetime import timedelta

from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.state import Execution
from alicia_scheduler.ports import IncomingMessage
from tests.simulation.ledger import ANSWERS, RESULT_TOPICS, Ledger, announced_id
from tests.simulation.machine import Process
from tests.simulation.planning_rules import PlanningRules

ALLOWED = {
    "new": {"pending", "skipped", "missed", "cancelled"},
    "pending": {"pending", "running", "cancelled"},
    "running": {"running", "completed", "failed", "timed_out", "cancelled", "retrying", "pending"},
    "retrying": {"retrying", "running", "cancelled"},
}
"""What one commit may make of an execution; whatever is not a key is over for good."""

ENDED_BADLY = ("failed", "timed_out")
MOMENT = timedelta(seconds=1)
"""Between a commit that ends an execution and the stop of its action, a message may still slip out."""


class Invariants:
    """Watches a ledger, and tells it what was broken."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._planning = PlanningRules(ledger)
        ledger.checks, ledger.leaves, ledger.acknowledges = self.commit, self.leaving, self.acknowledged

    @property
    def planning(self) -> PlanningRules:
        return self._planning

    # after each commit

    def commit(self, process: Process, changes: Changes) -> None:
        for execution in changes.executions.values():
            self._execution(process, changes, execution)
        self._planning.check(process, changes)
        self._requests(changes)
        self._outbox(changes)
        self._overlap(changes)

    def _execution(self, process: Process, changes: Changes, execution: Execution) -> None:
        ledger, id_ = self._ledger, execution.execution_id
        before = ledger.executions.get(id_)
        if before is None or id_ in changes.new_executions:
            self._born(before, execution)
            return
        if before == execution:
            return
        if str(execution.status) not in ALLOWED.get(str(before.status), set()):
            ledger.violated("the end is the end", f"{id_}: {before.status} → {execution.status}")
        elif execution.status == "running" and execution.fence != before.fence:
            self._claimed(changes, before, execution)
        elif before.status == "running":
            self._attempt_ended(process, changes, before, execution)

    def _born(self, before: Execution | None, execution: Execution) -> None:
        if before is not None:
            self._ledger.violated("planned once", f"{execution.execution_id} was planned again as it was")
        if str(execution.status) not in ALLOWED["new"]:
            self._ledger.violated("recorded first", f"{execution.execution_id} begins as {execution.status}")

    def _claimed(self, changes: Changes, before: Execution, execution: Execution) -> None:
        ledger, id_ = self._ledger, execution.execution_id
        began = execution.attempts[-1].start_time
        if before.status == "pending" and before.held:
            ledger.violated("overlap", f"{id_} was claimed while it had to wait")
        if execution.attempt != before.attempt + 1 or len(execution.attempts) != execution.attempt:
            ledger.violated("attempts are counted", f"{id_}: attempt {before.attempt} → {execution.attempt}")
        if execution.fence <= ledger.highest_fence:
            ledger.violated("fences rise", f"{id_}: fence {execution.fence} after {ledger.highest_fence}")
        if began < execution.due_time and not before.attempt:
            ledger.violated("never early", f"{id_} claimed at {began}, due at {execution.due_time}")
        if before.retry_time is not None and began < before.retry_time:
            ledger.violated("retry times", f"{id_} tried again at {began}, due at {before.retry_time}")
        self._in_turn(changes, execution)

    def _in_turn(self, changes: Changes, execution: Execution) -> None:
        """No earlier fire of the event waits, and no other execution that goes first does."""
        ledger = self._ledger
        event = ledger.records.get(execution.event_id)
        place = (-execution.priority, execution.due_time, execution.execution_id)
        ordered = event is not None and event.definition.overlap_policy != "allow" and not by_hand(execution)
        now = execution.attempts[-1].start_time
        for key, mates in ledger.unfinished.items():
            for mate in mates.values():
                if mate.execution_id in changes.executions or mate.execution_id == execution.execution_id:
                    continue
                waits = mate.status == "pending" and not mate.held and mate.due_time <= now
                if waits and (-mate.priority, mate.due_time, mate.execution_id) < place:
                    ledger.violated("order of claims", f"{execution.execution_id} before {mate.execution_id}")
                first = mate.due_time < execution.due_time and not by_hand(mate)
                if key == execution.event_key and ordered and first and self._older(mate, execution):
                    ledger.violated("order per event", f"{execution.execution_id} runs before {mate.execution_id}")

    def _older(self, one: Execution, other: Execution) -> bool:
        """Whether it was planned no later; a clock that was set back lets earlier times come later."""
        born_in = self._ledger.born_in
        return born_in[one.execution_id] <= born_in.get(other.execution_id, self._ledger.commits)

    def _attempt_ended(self, process: Process, changes: Changes, before: Execution, after: Execution) -> None:
        ledger, id_ = self._ledger, after.execution_id
        claimant = ledger.claimed_by[id_]
        given_up = after.status == "pending" or after.reason in ("quarantined", "unknown_outcome")
        if after.status == "cancelled":
            return
        if given_up and process.number == claimant.number and after.attempt == before.attempt:
            ledger.violated("recovered once", f"{id_}: a process took its own attempt for interrupted")
        if not given_up and process is not claimant:
            ledger.violated(
                "fence", f"process {process.number} ended the attempt of process {claimant.number} on {id_}"
            )
        if after.attempt < before.attempt - 1 or (after.attempt < before.attempt and after.status != "pending"):
            ledger.violated("attempts are counted", f"{id_}: attempt {before.attempt} → {after.attempt}")
        if after.status == "completed" and not ledger.effects[id_]:
            ledger.violated("completed means done", f"{id_} is completed, and nobody saw its message")
        self._follow_up(changes, before, after)

    def _follow_up(self, changes: Changes, before: Execution, after: Execution) -> None:
        """A failed attempt is followed by another one at the right time, or there is a reason."""
        ledger, id_ = self._ledger, after.execution_id
        record = changes.records.get(after.event_id) or ledger.records.get(after.event_id)
        if record is None or record.key != after.event_key:
            return
        event = record.definition
        if after.status == "pending" and event.delivery == "at_most_once" and after.attempt == before.attempt:
            ledger.violated("at most once", f"{id_} runs again, and may have acted")
        if after.crash_count >= 3 and after.status == "pending":
            ledger.violated("quarantine", f"{id_} runs again after {after.crash_count} deaths in a row")
        if after.status == "retrying":
            end = after.attempts[-1].end_time
            # An edit may share the commit: the attempt was judged before it or after it.
            before_edit = ledger.records.get(after.event_id, record)
            waits = {_retry_wait(known.definition, after.attempt) for known in (record, before_edit)}
            if end is None or all(after.retry_time != end + wait for wait in waits):
                again = f"attempt {after.attempt} again at {after.retry_time}"
                ledger.violated("retry times", f"{id_}: {again}, not {waits} on")
            if after.attempt > event.max_retries:
                ledger.violated("retry counts", f"{id_} is tried again after {after.attempt} attempts")
        used_up = after.status in ENDED_BADLY and after.reason in ("retries_used_up", "no_retries")
        if used_up and after.attempt <= event.max_retries:
            ledger.violated("retry counts", f"{id_} is given up after {after.attempt} attempts")
        if after.status in ENDED_BADLY and after.reason == "permanent_error" and after.error_code != "never":
            ledger.violated("retry counts", f"{id_} is given up for {after.error_code}, which may pass")

    def _requests(self, changes: Changes) -> None:
        for request in changes.requests.values():
            if self._ledger.requests.get(request.request_id, request.answer) != request.answer:
                self._ledger.violated("same request, same answer", f"{request.request_id} was carried out twice")
            answer = json.loads(request.answer)
            if answer["status"] == "ok":
                self._carried_out(changes, answer)

    def _carried_out(self, changes: Changes, answer: dict[str, object]) -> None:
        """What the answer says stands in the same commit."""
        ledger, data = self._ledger, answer["data"]
        assert isinstance(data, dict)
        match answer["command"]:
            case "trigger_event" if data["execution_id"] not in changes.new_executions:
                ledger.violated("accepted is durable", f"{data['execution_id']} was promised and is not stored")
            case "pause_event" | "cancel_event" if len(changes.requests) == 1:
                state = changes.states.get(data["event"]["event_id"])
                wanted = {"pause_event": "paused", "cancel_event": "cancelled"}[str(answer["command"])]
                known = state or ledger.states.get(data["event"]["event_id"])
                if known is None or known.status != wanted:
                    ledger.violated("accepted is durable", f"{answer['command']} left {known and known.status}")
            case "create_event" if len(changes.requests) == 1:
                event_id = data["event"]["event_id"]
                if event_id not in changes.records and event_id not in ledger.records and not changes.deleted:
                    ledger.violated("accepted is durable", f"{event_id} was promised and is not stored")

    def _outbox(self, changes: Changes) -> None:
        ledger = self._ledger
        told = {announced_id(row.message) for row in changes.outbox if row.message.topic in RESULT_TOPICS}
        for execution in changes.executions.values():
            ended = execution.status in ("completed", *ENDED_BADLY)
            before = ledger.executions.get(execution.execution_id)
            if ended and (before is None or before.status != execution.status) and execution.execution_id not in told:
                ledger.violated(
                    "announced with the commit", f"{execution.execution_id} ended and nothing waits to say so"
                )
        for row in changes.outbox:
            if row.sequence in ledger.outbox and ledger.outbox[row.sequence] != row:
                ledger.violated("outbox keeps", f"row {row.sequence} was overwritten before it was sent")
        for sequence in changes.sent:
            gone = ledger.outbox.get(sequence)
            if gone is not None and gone.message.payload not in ledger.taken:
                ledger.violated("outbox keeps", f"row {sequence} was removed and the broker never had it")

    def _overlap(self, changes: Changes) -> None:
        """No more executions of one event are free to run than its policy allows."""
        ledger = self._ledger
        for key, event_id in {(e.event_key, e.event_id) for e in changes.executions.values()}:
            record = changes.records.get(event_id) or ledger.records.get(event_id)
            if record is None or record.key != key:
                continue
            mates = ledger.unfinished[key] | {i: e for i, e in changes.executions.items() if e.event_key == key}
            free = [e for e in mates.values() if e.status in ("pending", "running", "retrying") and not e.held]
            event = record.definition
            if len(free) > (event.max_concurrent if event.overlap_policy == "allow" else 1):
                ledger.violated("overlap", f"{len(free)} executions of {event_id} at once ({event.overlap_policy})")
            if event_id in changes.deleted and changes.deleted[event_id] == key and free:
                ledger.violated("gone is gone", f"{event_id} is deleted and {free[0].execution_id} goes on")

    # for every message

    def leaving(self, process: Process, message: OutgoingMessage) -> None:
        if message.topic == ANSWERS:
            self._answer_leaves(message)
            return
        names = dict(message.user_properties)
        if "execution_id" not in names:
            return
        ledger, id_, fence = self._ledger, names["execution_id"], int(names["fence"])
        execution = ledger.executions.get(id_)
        if execution is None:
            ledger.violated("recorded before done", f"{id_} acts and is not stored")
            return
        back = ledger.clock.set_back - ledger.claimed_back.get(id_, timedelta(0))
        if ledger.clock.now() + back < execution.due_time and names["attempt"] == "1":
            ledger.violated("never early", f"{id_} acts at {ledger.clock.now()}, due at {execution.due_time}")
        if fence > execution.fence or int(names["attempt"]) > execution.attempt:
            ledger.violated("recorded before done", f"{id_} acts for a claim that is not stored")
        elif process is ledger.owner and (execution.status != "running" or execution.fence != fence):
            ended = ledger.ended_at.get(id_, timedelta(days=-1))
            if ledger.clock.steady() - ended > MOMENT:
                ledger.violated("stopped is stopped", f"{id_} acts and is {execution.status}")

    def _answer_leaves(self, message: OutgoingMessage) -> None:
        ledger, request_id = self._ledger, (message.correlation_data or b"").decode()
        answer = json.loads(message.payload)
        if answer["status"] == "ok" and answer["request_id"] and answer["request_id"] not in ledger.requests:
            ledger.violated("accepted is durable", f"{request_id} is answered and nothing is stored")

    def acknowledged(self, message: IncomingMessage) -> None:
        body = json.loads(message.payload)
        request_id = body.get("request_id")
        if request_id and request_id not in self._ledger.requests:
            self._ledger.violated("acknowledged after the commit", f"{request_id} is acknowledged and not stored")


def by_hand(execution: Execution) -> bool:
    """Whether somebody asked for it, so that it has no place among the nominal times."""
    return execution.triggered_by == "manual"


def _retry_wait(event: ScheduledEvent, attempt: int) -> timedelta:
    delay = event.retry_delay.total_seconds() * event.retry_backoff ** (attempt - 1)
    return timedelta(seconds=min(delay, event.retry_max_delay.total_seconds()))
