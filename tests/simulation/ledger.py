"""What a simulation has seen: every row that was committed, every message that left or arrived, every rule broken.

The ledger is told by the simulated disk and the simulated broker, never by the engine, so it is an independent witness.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alicia_scheduler.core.decision import Changes
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.core.state import UNFINISHED, EventRecord, EventState, Execution
from alicia_scheduler.ports import IncomingMessage
from tests.simulation.machine import MachineClock, Process

MOST_VIOLATIONS = 5
RESULT_TOPICS = ("alicia/scheduler/execution_results", "alicia/scheduler/execution_failures")
ANSWERS = "client/answers"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken."""

    invariant: str
    detail: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail} ({self.at:%Y-%m-%d %H:%M:%S.%f})"


class Ledger:
    """The rows as committed and the messages as seen."""

    def __init__(self, clock: MachineClock) -> None:
        self.clock = clock
        self.violations: list[Violation] = []
        self.records: dict[str, EventRecord] = {}
        self.states: dict[str, EventState] = {}
        self.executions: dict[str, Execution] = {}
        self.unfinished: dict[int, dict[str, Execution]] = defaultdict(dict)
        self.planned: set[tuple[int, int, datetime]] = set()
        self.ended_at: dict[str, timedelta] = {}
        self.born_in: dict[str, int] = {}
        self.claimed_by: dict[str, Process] = {}
        self.claimed_back: dict[str, timedelta] = {}
        self.requests: dict[str, str] = {}
        self.outbox: dict[int, OutboxRow] = {}
        self.announced: dict[str, int] = {}
        self.heard: set[bytes] = set()
        self.heard_ids: set[str] = set()
        self.taken: set[bytes] = set()
        self.highest_heard = -1
        self.answers: dict[str, bytes] = {}
        self.effects: Counter[str] = Counter()
        self.highest_fence = 0
        self.commits = 0
        self.fires = 0
        self.owner: Process | None = None
        self.broken: Exception | None = None
        self.checks: Callable[[Process, Changes], None] = lambda process, changes: None
        self.leaves: Callable[[Process, OutgoingMessage], None] = lambda process, message: None
        self.acknowledges: Callable[[IncomingMessage], None] = lambda message: None
        self._digest = hashlib.sha256()

    def violated(self, invariant: str, detail: str) -> None:
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(Violation(invariant, detail, self.clock.now()))

    @property
    def digest(self) -> str:
        """The same for two runs that saw the same."""
        return self._digest.hexdigest()[:16]

    # what the disk tells

    def commit(self, process: Process, written: list[Changes]) -> None:
        """One commit; the rules are checked against what stood before."""
        self.commits += 1
        for changes in written:
            try:
                self.checks(process, changes)
                self._take(process, changes)
            except Exception as error:
                self.broken = error
                raise
            self._digest.update(f"{self.clock.now()} {sorted(changes.executions)} {changes.sent}".encode())

    def _take(self, process: Process, changes: Changes) -> None:
        for event_id in changes.deleted:
            self.records.pop(event_id, None)
            self.states.pop(event_id, None)
        self.records |= changes.records
        self.states |= changes.states
        for execution in changes.executions.values():
            self._take_execution(process, execution)
        for request in changes.requests.values():
            self.requests[request.request_id] = request.answer
        for row in changes.outbox:
            self._take_row(row)
        for sequence in changes.sent:
            self.outbox.pop(sequence, None)

    def _take_execution(self, process: Process, execution: Execution) -> None:
        id_, before = execution.execution_id, self.executions.get(execution.execution_id)
        if execution.status == "running" and (before is None or before.fence != execution.fence):
            self.claimed_by[id_] = process
            self.claimed_back.setdefault(id_, self.clock.set_back)
            self.highest_fence = max(self.highest_fence, execution.fence)
        self.executions[id_] = execution
        self.born_in.setdefault(id_, self.commits)
        self.fires += before is None
        if execution.status in UNFINISHED:
            self.unfinished[execution.event_key][id_] = execution
        else:
            self.unfinished[execution.event_key].pop(id_, None)
            self.ended_at.setdefault(id_, self.clock.steady())

    def _take_row(self, row: OutboxRow) -> None:
        self.outbox[row.sequence] = row
        if row.message.topic in RESULT_TOPICS:
            self.announced[announced_id(row.message)] = row.sequence

    # what the broker tells

    def leaving(self, process: Process, message: OutgoingMessage) -> None:
        """The first byte of a message leaves the process."""
        try:
            self.leaves(process, message)
        except Exception as error:
            self.broken = error
            raise

    def arrived(self, message: OutgoingMessage) -> None:
        """The broker has the message, and an independent subscriber sees it."""
        self._digest.update(f"{self.clock.now()} {message.topic}".encode())
        if message.topic in RESULT_TOPICS:
            self._heard(message)
        elif message.topic == ANSWERS:
            self._answered(message)
        else:
            execution_id = dict(message.user_properties).get("execution_id")
            if execution_id:
                self.effects[execution_id] += 1

    def took(self, message: OutgoingMessage) -> None:
        """The broker has acknowledged the message."""
        self.taken.add(message.payload)

    def _heard(self, message: OutgoingMessage) -> None:
        if message.payload in self.heard:
            return
        self.heard.add(message.payload)
        id_ = announced_id(message)
        self.heard_ids.add(id_)
        sequence = self.announced.get(id_)
        if sequence is None:
            self.violated("announced from the store", f"{id_} was announced and no commit says so")
        elif sequence < self.highest_heard:
            self.violated("announced in order", f"{id_} came after a result that was committed later")
        else:
            self.highest_heard = sequence

    def _answered(self, message: OutgoingMessage) -> None:
        request_id = (message.correlation_data or b"").decode()
        before = self.answers.setdefault(request_id, message.payload)
        if before != message.payload:
            self.violated("same request, same answer", f"{request_id} got two answers: {before!r}, {message.payload!r}")

    def command_acknowledged(self, message: IncomingMessage) -> None:
        """The service says that it is done with a command."""
        self.acknowledges(message)


def announced_id(message: OutgoingMessage) -> str:
    """The execution that a result or failure is about."""
    return str(json.loads(message.payload)["execution_id"])
