"""The commands about thrown events that change something."""

from __future__ import annotations

from alicia_scheduler.core.answers import ClearedAnswer, ConsumedAnswer, ThrownChangeAnswer
from alicia_scheduler.core.commands import ClearThrown, ConsumeThrown, ThrowEvent
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.thrown.activation import consume, ended
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, QueueNeed, Thrown
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.thrown.throwing import Source, throw

CONSUME_MAX = 1000
"""Entries looked at by one command."""


ThrownChange = ThrowEvent | ConsumeThrown | ClearThrown


def carried_out(draft: Draft, command: ThrownChange, rules: ThrowRules, request_key: str) -> ThrownChangeAnswer:
    """Does what the command says; raises CommandRejected."""
    match command:
        case ThrowEvent():
            return throw(draft, command, rules, Source(request_key))
        case ConsumeThrown():
            return _consumed(draft, command)
        case ClearThrown():
            return _cleared(draft, command)


def queue_need(command: ConsumeThrown | ClearThrown) -> QueueNeed:
    """The active entries that the command is about."""
    return QueueNeed(command.dest_id, command.namespace, command.keys, command.since_offset, CONSUME_MAX)


def _consumed(draft: Draft, command: ConsumeThrown) -> ConsumedAnswer:
    taken: list[tuple[Thrown, Entry]] = []
    for entry in _active(draft, command):
        if len(taken) == command.limit:
            break
        thrown = draft.thrown.thrown(entry.offset)
        if _takes(draft, thrown, command.consumer):
            taken.append((thrown, draft.thrown.entry(entry.entry_key) or entry))
    return ConsumedAnswer(tuple(taken))


def _takes(draft: Draft, thrown: Thrown, consumer: str) -> bool:
    """Whether the consumer gets the event: one for a single consumer is gone then, others it gets once."""
    if thrown.single_consumer:
        consume(draft, thrown, consumer, "consumer")
        return True
    seer = f"~{consumer}"
    if draft.thrown.has_seen(thrown.offset, seer):
        return False
    draft.thrown.see(thrown.offset, seer)
    return True


def _active(draft: Draft, command: ConsumeThrown) -> list[Entry]:
    """Active entries whose time has come, the oldest first, as earlier steps of this decision left them."""
    found = draft.view.thrown.active(queue_need(command))
    return [entry for entry in found if entry.active_from <= draft.now < entry.expires_at]


def _cleared(draft: Draft, command: ClearThrown) -> ClearedAnswer:
    found = draft.view.thrown.active(queue_need(command))
    for entry in found:
        draft.thrown.put_entry(ended(entry, EntryStatus.EXPIRED, "cleared", draft))
    return ClearedAnswer(len(found), more=len(found) == CONSUME_MAX)
