"""What scheduled events do about something that has come: their triggers, one after the other."""

from __future__ import annotations

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.firing import cancel_all, start
from alicia_scheduler.core.identity import trigger_execution_id
from alicia_scheduler.core.model.trigger import ExecutionTrigger, Trigger, trigger_id
from alicia_scheduler.core.state import EventRecord, EventStatus, Execution, ExecutionStatus, TriggeredBy
from alicia_scheduler.core.templates import TemplateError
from alicia_scheduler.core.thrown.arrival import LINK, Arrival
from alicia_scheduler.core.thrown.conditions import holds
from alicia_scheduler.core.thrown.model import Json
from alicia_scheduler.core.thrown.progress import advanced
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.thrown.waiting import keys_of_trigger


def takers(draft: Draft, arrival: Arrival, rules: ThrowRules, *, only_first: bool) -> tuple[str, ...]:
    """Has every trigger that waits for the arrival act, the oldest scheduled event first; answers whose did.

    Args:
        only_first: Nobody gets what the first one has taken.
    """
    took: list[str] = []
    for record in _waiting(draft, arrival):
        for trigger in record.definition.triggers:
            if _concerns(trigger, record, arrival) and reacts(draft, record, trigger, arrival, rules):
                took.append(record.event_id)
                if only_first:
                    return tuple(took)
    return tuple(took)


def reacts(draft: Draft, record: EventRecord, trigger: Trigger, arrival: Arrival, rules: ThrowRules) -> bool:
    """Has one trigger act on what concerns it; False when it has had it before, or its condition is not true."""
    name = trigger_id(trigger)
    seer = f"{record.key}/{name}"
    if arrival.offset is not None and draft.thrown.has_seen(arrival.offset, seer):
        return False
    if len(arrival.chain) > rules.max_hops + 1:
        _stopped_loop(draft, record, arrival, rules)
        return False
    if not _condition_holds(draft, record, trigger, arrival):
        return False
    if arrival.offset is not None:
        draft.thrown.see(arrival.offset, seer)
    before = draft.thrown.progress((record.key, name))
    progress = advanced(trigger, before, arrival, draft.now)
    if progress.state != before:
        draft.thrown.put_progress((record.key, name), progress.state)
    if progress.complete:
        _act(draft, record, trigger, arrival, progress.events)
    return True


def _waiting(draft: Draft, arrival: Arrival) -> list[EventRecord]:
    """The scheduled events that may act now, in the order of their creation."""
    found = (draft.event(event_id) for event_id in draft.view.thrown.triggered(arrival.key))
    records = [
        record for record, state in filter(None, found)
        if state.status is EventStatus.ACTIVE
        and arrival.dest_id in (None, record.definition.dest_id)
        and _in_its_time(record, draft)
    ]  # fmt: skip
    return sorted(records, key=lambda record: record.key)


def _in_its_time(record: EventRecord, draft: Draft) -> bool:
    starts_at, ends_at = record.definition.starts_at, record.definition.ends_at
    return (starts_at is None or starts_at <= draft.now) and (ends_at is None or draft.now <= ends_at)


def _concerns(trigger: Trigger, record: EventRecord, arrival: Arrival) -> bool:
    if arrival.key not in keys_of_trigger(trigger, record.definition.namespace):
        return False
    return not isinstance(trigger, ExecutionTrigger) or arrival.status in trigger.status


def _condition_holds(draft: Draft, record: EventRecord, trigger: Trigger, arrival: Arrival) -> bool:
    variables = draft.thrown.variables(record.definition.dest_id)
    try:
        return holds(trigger.condition, record, arrival, variables, draft.now.timestamp())
    except TemplateError as error:
        message = f"a trigger of {record.event_id} did not fire on {arrival.document['key']}: {error}"
        draft.announce(Problem("condition_failed", message, event_id=record.event_id))
        return False


def _stopped_loop(draft: Draft, record: EventRecord, arrival: Arrival, rules: ThrowRules) -> None:
    message = (
        f"{record.event_id} was not started: the chain that leads to it is longer than {rules.max_hops} "
        f"(events.max_hops): {LINK.join(arrival.chain)}"
    )
    draft.announce(Problem("limit_exceeded", message, event_id=record.event_id))


def _act(draft: Draft, record: EventRecord, trigger: Trigger, arrival: Arrival, events: tuple[Json, ...]) -> None:
    if trigger.do != "start":
        cancel_all(draft, draft.unfinished(record.event_id), "stopped_by_trigger")
        _forget_progress(draft, record)
    if trigger.do != "stop":
        start(draft, record, _execution(draft, record, trigger, arrival, events))


def _forget_progress(draft: Draft, record: EventRecord) -> None:
    """Has every trigger of an event that was stopped begin anew: half of what is over must not count for the next."""
    for trigger in record.definition.triggers:
        name = (record.key, trigger_id(trigger))
        if draft.thrown.progress(name) is not None:
            draft.thrown.put_progress(name, None)


def _execution(
    draft: Draft, record: EventRecord, trigger: Trigger, arrival: Arrival, events: tuple[Json, ...]
) -> Execution:
    name = trigger_id(trigger)
    seen = {**arrival.document, "trigger": name, "chain": list(arrival.chain)}
    return Execution(
        execution_id=trigger_execution_id(record, name, arrival.mark),
        event_key=record.key,
        event_id=record.event_id,
        name=record.definition.name,
        status=ExecutionStatus.PENDING,
        triggered_by=TriggeredBy.EVENT,
        scheduled_time=draft.now,
        due_time=draft.now,
        created_at=draft.now,
        priority=record.definition.priority,
        trigger_event={**seen, "events": list(events)} if events else seen,
    )
