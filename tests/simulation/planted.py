"""How faults are planted: in what the engine writes, reads and sends, in its clock, and in its rules."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar
from unittest.mock import patch

from alicia_scheduler.core.decision import Changes, Snapshot
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.core.state import EventState, Execution
from tests.simulation.broker import BusHandle
from tests.simulation.ledger import RESULT_TOPICS
from tests.simulation.machine import Process
from tests.simulation.simulation import Simulation

Record = TypeVar("Record")
Prepare = Callable[[Simulation], None]


def altered(record: Record, **fields: Any) -> Record:
    """A copy of a record with other values, whether it is a named tuple or a dataclass."""
    if isinstance(record, tuple):
        return record._replace(**fields)  # type: ignore[attr-defined,no-any-return]
    return dataclasses.replace(record, **fields)  # type: ignore[type-var]


# --- what is written ---


def tampered(change: Callable[[Changes], None]) -> Prepare:
    """Changes what is written, whoever writes it."""

    def prepare(simulation: Simulation) -> None:
        simulation.disk.tamper = lambda process, changes: change(changes)

    return prepare


def executions(change: Callable[[Execution], Execution | None]) -> Callable[[Changes], None]:
    """Replaces executions on their way into the store; None leaves one out."""

    def tamper(changes: Changes) -> None:
        every = {id_: change(execution) for id_, execution in changes.executions.items()}
        changes.executions = {id_: execution for id_, execution in every.items() if execution is not None}
        changes.new_executions = {id_ for id_ in changes.new_executions if id_ in changes.executions}

    return tamper


def mark_first(simulation: Simulation) -> None:
    """New executions come one commit after the mark that moved for them; a crash between loses them."""
    late: dict[Process, dict[str, Execution]] = {}

    def tamper(process: Process, changes: Changes) -> None:
        new = {id_: changes.executions.pop(id_) for id_ in changes.new_executions}
        before, late[process] = late.get(process, {}), new
        changes.executions |= before
        changes.new_executions = set(before)

    simulation.disk.tamper = tamper


def fires_first(simulation: Simulation) -> None:
    """Marks come one commit after their executions, and nothing refuses a second plan of the same fire."""
    late: dict[Process, dict[str, EventState]] = {}

    def tamper(process: Process, changes: Changes) -> None:
        planned = {changes.executions[id_].event_id for id_ in changes.new_executions}
        changes.states = late.pop(process, {}) | changes.states
        held = {id_: changes.states.pop(id_) for id_ in planned if id_ in changes.states and id_ not in changes.records}
        late[process] = held
        changes.new_executions = {id_ for id_ in changes.new_executions if id_ not in simulation.ledger.executions}

    simulation.disk.tamper = tamper


def no_requests(changes: Changes) -> None:
    changes.requests = {}


def no_outbox(changes: Changes) -> None:
    changes.outbox = []


def nothing_sent(changes: Changes) -> None:
    changes.sent = []


def impatient(execution: Execution) -> Execution:
    waits = execution.status == "retrying" and execution.retry_time is not None
    return altered(execution, retry_time=execution.attempts[-1].end_time) if waits else execution


def without_jitter(execution: Execution) -> Execution:
    return execution if execution.attempt else altered(execution, due_time=execution.scheduled_time)


def never_missed(execution: Execution) -> Execution | None:
    return None if execution.status == "missed" else execution


def young_again(execution: Execution) -> Execution:
    crashed = execution.status == "pending" and execution.crash_count > 0
    return altered(execution, attempt=0, attempts=(), crash_count=0) if crashed else execution


def undelayed(execution: Execution) -> Execution:
    return altered(execution, held=False) if execution.status == "pending" else execution


def volatile_disk(simulation: Simulation) -> None:
    """The disk says that it has written before it has; now and then a crash shows it."""
    commits = 0

    def loses(process: Process, written: list[Changes]) -> bool:
        nonlocal commits
        commits += 1
        lost = commits % 150 == 149 and any(changes.requests or changes.executions for changes in written)
        if lost:
            asyncio.get_running_loop().call_later(0.5, process.kill)
        return lost

    simulation.disk.loses = loses


# --- what is read ---


def misread(change: Callable[[Snapshot], Snapshot]) -> Prepare:
    """Changes what the engine reads within a transaction."""

    def prepare(simulation: Simulation) -> None:
        simulation.disk.tamper_snapshot = change

    return prepare


def newest_first(snapshot: Snapshot) -> Snapshot:
    return altered(snapshot, ready=snapshot.ready[-1:])


def nothing_interrupted(snapshot: Snapshot) -> Snapshot:
    return altered(snapshot, interrupted=())


def all_at_least_once(snapshot: Snapshot) -> Snapshot:
    if not snapshot.interrupted:
        return snapshot
    records = {
        id_: altered(record, definition=record.definition.model_copy(update={"delivery": "at_least_once"}))
        for id_, record in snapshot.records.items()
    }
    return altered(snapshot, records=records)


def no_requests_seen(snapshot: Snapshot) -> Snapshot:
    return altered(snapshot, requests={})


def retries_forgotten(snapshot: Snapshot) -> Snapshot:
    ready = tuple(id_ for id_ in snapshot.ready if snapshot.executions[id_].status != "retrying")
    return altered(snapshot, ready=ready)


# --- what is sent ---


def swapped_results(simulation: Simulation) -> None:
    """A result waits for the next one and goes after it."""
    kept: list[OutgoingMessage] = []

    def publish(message: OutgoingMessage) -> OutgoingMessage | None:
        if message.topic not in RESULT_TOPICS:
            return message
        if not kept:
            kept.append(message)
            return None
        simulation.ledger.arrived(message)
        return kept.pop()

    simulation.broker.on_publish = publish


def acknowledged_on_arrival(simulation: Simulation) -> None:
    def arrival(handle: BusHandle, message: Any) -> None:
        asyncio.get_running_loop().call_soon(simulation.broker.acknowledged, handle, message)

    simulation.broker.on_arrival = arrival


def sent_and_forgotten(simulation: Simulation) -> None:
    simulation.broker.trusts_the_network = True


def acts_first(simulation: Simulation) -> None:
    """The action's message leaves while the claim is being written."""

    def tamper(process: Process, changes: Changes) -> None:
        for execution in changes.executions.values():
            if execution.status == "running" and simulation.bus is not None:
                names = {"execution_id": execution.execution_id, "attempt": execution.attempt, "fence": execution.fence}
                properties = tuple((name, str(value)) for name, value in names.items())
                receipt = simulation.bus.publish(OutgoingMessage("home/early", b"{}", user_properties=properties))
                receipt.add_done_callback(lambda done: done.cancelled() or done.exception())

    simulation.disk.tamper = tamper


# --- the clock ---


def clock_runs_ahead(simulation: Simulation) -> None:
    simulation.clock.ahead = timedelta(seconds=2)


def oversleeps(simulation: Simulation) -> None:
    simulation.clock.slack = timedelta(minutes=2)


# --- the rules ---


def instead(target: str, replacement: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Replaces what a module uses."""
    return lambda: patch(target, replacement)


def around(target: str, wrap: Callable[[Any], Any]) -> Callable[[], AbstractContextManager[Any]]:
    """Puts something around what a module uses."""

    @contextmanager
    def planted() -> Iterator[None]:
        module, _, name = target.rpartition(".")
        with patch(target, wrap(getattr(import_module(module), name))):
            yield

    return planted


def any_fence(on_outcomes: Any) -> Any:
    def outcomes(view: Any, now: Any, timings: Any, attempts: Any, **options: Any) -> Any:
        forged = []
        for attempted in attempts:
            execution = view.execution(attempted.execution_id)
            forged.append(altered(attempted, fence=execution.fence) if execution else attempted)
        return on_outcomes(view, now, timings, forged, **options)

    return outcomes


def endless_retries(retry_verdict: Any) -> Any:
    def verdict(event: Any, *others: Any) -> Any:
        return retry_verdict(event.model_copy(update={"max_retries": 1000}), *others)

    return verdict


def endless_grace(grace: Any) -> Any:
    return lambda event: timedelta(days=1)


def only_noted(state: EventState, now: Any, *others: Any) -> EventState:
    return altered(state, paused_at=now)


def no_stop(draft: Any, execution_id: str) -> None:
    """The action of a cancelled execution goes on."""


def cancels_nothing(draft: Any, found: Any, reason: str) -> None:
    """What waits or runs of a deleted event goes on."""
