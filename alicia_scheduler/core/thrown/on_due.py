"""What time does to entries: some become active, some expire.

Scheduled events that are new or changed are laid against what waits already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.state import EventRecord, EventStatus
from alicia_scheduler.core.thrown.activation import activate, consume, ended
from alicia_scheduler.core.thrown.arrival import arrival_of_entry
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, QueueNeed
from alicia_scheduler.core.thrown.reacting import reacts
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.thrown.waiting import event_keys, keys_of_trigger
from alicia_scheduler.core.view import View

LATE_MAX = 1000
"""Waiting entries that one changed scheduled event is laid against."""


@dataclass(frozen=True, slots=True)
class Ripe:
    """How much one look dealt with: as many as were asked for means that there may be more."""

    due: int
    expired: int
    looks: int

    def more(self, limit: int) -> bool:
        """Whether another look is worth it."""
        return max(self.due, self.expired, self.looks) >= limit


def on_due(view: View, now: datetime, timings: Timings, rules: ThrowRules) -> Decision[Ripe]:
    """Deals with the entries and scheduled events of the view whose time has come."""
    draft = Draft(view, now, timings)
    seen = view.thrown
    for key in seen.expired:
        entry = draft.thrown.entry(key)
        if entry is not None and entry.status is EntryStatus.ACTIVE and entry.expires_at <= now:
            draft.thrown.put_entry(ended(entry, EntryStatus.EXPIRED, "ttl", draft))
    for offset in dict.fromkeys(offset for offset, _ in seen.due):
        activate(draft, seen.thrown(offset), rules)
    for event_id in seen.looks:
        _look(draft, event_id, rules)
    return draft.decision(Ripe(len(seen.due), len(seen.expired), len(seen.looks)))


def _look(draft: Draft, event_id: str, rules: ThrowRules) -> None:
    event = draft.event(event_id)
    if event is None:
        return
    record, state = event
    draft.thrown.look(record.key, wanted=False)
    if state.status is EventStatus.ACTIVE:
        for entry in _waiting(draft, record):
            _match_late(draft, record, entry, rules)


def _waiting(draft: Draft, record: EventRecord) -> list[Entry]:
    keys = event_keys(record.definition)
    need = QueueNeed(record.definition.dest_id, None, tuple(key.key for key in keys), 0, LATE_MAX)
    found = (draft.thrown.entry(entry.entry_key) for entry in draft.view.thrown.active(need))
    return [e for e in found if e and e.status is EntryStatus.ACTIVE and e.matched and e.expires_at > draft.now]


def _match_late(draft: Draft, record: EventRecord, entry: Entry, rules: ThrowRules) -> None:
    thrown = draft.thrown.thrown(entry.offset)
    arrival = arrival_of_entry(thrown, entry)
    for trigger in record.definition.triggers:
        current = draft.thrown.entry(entry.entry_key)
        if current is None or current.status is not EntryStatus.ACTIVE:
            return
        if arrival.key in keys_of_trigger(trigger, record.definition.namespace):
            took = reacts(draft, record, trigger, arrival, rules)
            if took and thrown.single_consumer:
                consume(draft, thrown, record.event_id, "trigger")
