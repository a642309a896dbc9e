"""``wait_for_event``: which thrown event it takes, and when it gives up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.instructions.course import Course, Todo
from alicia_scheduler.core.instructions.deciding import InstructionFailed, Names, holds
from alicia_scheduler.core.instructions.steps import HEADER, Json, Step, StepStatus
from alicia_scheduler.core.model.plain_instructions import WaitForEvent
from alicia_scheduler.core.state import EventRecord
from alicia_scheduler.core.thrown.activation import consume
from alicia_scheduler.core.thrown.arrival import arrival_of_entry
from alicia_scheduler.core.thrown.context import names_for
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, QueueNeed

LOOKED_AT = 100
"""Entries looked at in one go; with more, the next look begins behind them."""


def opened(draft: Draft, todo: Todo, instruction: WaitForEvent, course: Course, attempt: int) -> Step:
    """The record of a wait that begins now."""
    header = course.steps[HEADER]
    since: int = draft.counters.offset - 1 if instruction.since == "now" else header.output["since"]
    return Step(
        path=todo.path,
        action=instruction.action,
        status=StepStatus.OPEN,
        attempt=attempt,
        started_at=draft.now,
        inputs={"key": instruction.key, "timeout": instruction.timeout.total_seconds()},
        wake_time=draft.now + instruction.timeout,
        since=since,
        id=instruction.id,
    )


def wanted(step: Step, instruction: WaitForEvent, record: EventRecord) -> QueueNeed:
    """The entries that the wait must see."""
    namespace = instruction.namespace or record.definition.namespace
    return QueueNeed(record.definition.dest_id, namespace, (instruction.key,), step.since or 0, LOOKED_AT)


def look(
    draft: Draft, step: Step, instruction: WaitForEvent, record: EventRecord, execution_id: str, names: Names
) -> Step:
    """The wait after a look at the queue: over, or still open with what it has seen behind it.

    Raises:
        InstructionFailed: Its time is up.
        TemplateError: The condition cannot be evaluated.
        ValueError: The condition is neither true nor false.
    """
    passed = step.since
    for entry in draft.view.thrown.active(wanted(step, instruction, record)):
        if entry.active_from > draft.now:
            break
        document = _taken(draft, entry, instruction, f"execution {execution_id}", names)
        if document is not None:
            return replace(step, status=StepStatus.DONE, ended_at=draft.now, wake_time=None, output=document)
        passed = entry.offset
    if step.wake_time is None or draft.now < step.wake_time:
        return replace(step, since=passed)
    if instruction.on_timeout == "continue":
        return replace(step, status=StepStatus.DONE, ended_at=draft.now, wake_time=None)
    seconds = instruction.timeout.total_seconds()
    raise InstructionFailed(f"no event '{instruction.key}' within {seconds:g} s", "timeout", inputs=step.inputs)


def next_look(draft: Draft, step: Step, instruction: WaitForEvent, record: EventRecord) -> datetime | None:
    """When an event that was thrown for later becomes active; None when there is none."""
    found = draft.view.thrown.active(wanted(step, instruction, record))
    later = [entry.active_from for entry in found if entry.active_from > draft.now]
    return min(later, default=None)


def _taken(draft: Draft, entry: Entry, instruction: WaitForEvent, consumer: str, names: Names) -> Json:
    """The event, if the wait takes it: it has not had it before, and the condition is true."""
    current = draft.thrown.entry(entry.entry_key) or entry
    thrown = draft.thrown.thrown(entry.offset)
    if current.status is not EntryStatus.ACTIVE or current.expires_at <= draft.now:
        return None
    if draft.thrown.has_seen(entry.offset, consumer):
        return None
    document = arrival_of_entry(thrown, current).document
    if instruction.condition is not None and not holds(instruction.condition, {**names, **names_for(document)}):
        return None
    if thrown.single_consumer:
        consume(draft, thrown, consumer, "consumer")
    else:
        draft.thrown.see(entry.offset, consumer)
    return document
