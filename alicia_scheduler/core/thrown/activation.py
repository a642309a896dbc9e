"""An entry becomes active: the triggers that wait for it act; one for a single consumer is gone with the first."""

from __future__ import annotations

from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.thrown.arrival import arrival_of_entry
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, Thrown
from alicia_scheduler.core.thrown.reacting import takers
from alicia_scheduler.core.thrown.rules import ThrowRules


def activate(draft: Draft, thrown: Thrown, rules: ThrowRules) -> None:
    """Lays the entries of a thrown event that are active and new against the triggers, in the order of the fan-out."""
    for known in draft.thrown.entries_of(thrown.offset):
        entry = draft.thrown.entry(known.entry_key) or known
        if entry.status is EntryStatus.ACTIVE and not entry.matched and entry.active_from <= draft.now:
            draft.thrown.put_entry(entry._replace(matched=True))
            _match(draft, thrown, entry, rules)


def consume(draft: Draft, thrown: Thrown, consumer: str, reason: str) -> None:
    """Ends every active entry of a thrown event: it had one consumer, and has found it."""
    for entry in draft.thrown.entries_of(thrown.offset):
        if entry.status is EntryStatus.ACTIVE:
            draft.thrown.put_entry(ended(entry, EntryStatus.CONSUMED, reason, draft, consumer))


def ended(entry: Entry, status: EntryStatus, reason: str, draft: Draft, consumer: str | None = None) -> Entry:
    """The entry as the history keeps it."""
    return entry._replace(status=status, matched=True, reason=reason, consumed_by=consumer, consumed_at=draft.now)


def _match(draft: Draft, thrown: Thrown, entry: Entry, rules: ThrowRules) -> None:
    took = takers(draft, arrival_of_entry(thrown, entry), rules, only_first=thrown.single_consumer)
    if took and thrown.single_consumer:
        consume(draft, thrown, took[0], "trigger")
