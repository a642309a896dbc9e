"""How thrown events and their entries become rows, and rows become them (as in rows.py)."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.adapters.store.rows import Row, instant, instant_or_none, micros, micros_or_none
from alicia_scheduler.core.state import EventRecord
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, Thrown
from alicia_scheduler.core.thrown.waiting import trigger_keys

THROWN_ROW = (
    "json_array(t.log_offset, t.unique_id, t.namespace, t.key, t.scope, t.created_time, t.active_time, t.expires_time, "
    "t.single, json(t.detail))"
)
ENTRY_ROW = (
    "json_array(n.log_offset, n.dest_id, n.place, n.namespace, n.key, n.active_time, n.expires_time, n.status, "
    "n.matched, n.reason, n.consumed_by, n.consumed_time)"
)

_DETAIL = ("group_id", "display_name", "value", "payload", "sender", "event_id", "execution_id")
_STATUS = {str(status): status for status in EntryStatus}


def thrown_row(thrown: Thrown) -> Row:
    """The row of a thrown event."""
    detail: dict[str, Any] = {name: value for name in _DETAIL if (value := getattr(thrown, name)) is not None}
    if thrown.chain:
        detail["chain"] = list(thrown.chain)
    return [
        thrown.offset, thrown.unique_id, thrown.namespace, thrown.key, thrown.scope, micros(thrown.created_at),
        micros(thrown.active_from), micros(thrown.expires_at), int(thrown.single_consumer), detail,
    ]  # fmt: skip


def thrown_from(row: Row) -> Thrown:
    """The thrown event in a row."""
    offset, unique_id, namespace, key, scope, created, active, expires, single, detail = row
    detail["chain"] = tuple(detail.get("chain", ()))
    return Thrown(
        offset, unique_id, namespace, key, scope, instant(created), instant(active), instant(expires), bool(single),
        **detail,
    )  # fmt: skip


def entry_row(entry: Entry) -> Row:
    """The row of an entry."""
    return [
        entry.offset, entry.dest_id, entry.place, entry.namespace, entry.key, micros(entry.active_from),
        micros(entry.expires_at), entry.status, int(entry.matched), entry.reason, entry.consumed_by,
        micros_or_none(entry.consumed_at),
    ]  # fmt: skip


def entry_from(row: Row) -> Entry:
    """The entry in a row."""
    offset, dest_id, place, namespace, key, active, expires, status, matched, reason, by, at = row
    return Entry(
        offset, dest_id, place, namespace, key, instant(active), instant(expires), _STATUS[status], bool(matched),
        reason, by, instant_or_none(at),
    )  # fmt: skip


def index_rows(record: EventRecord) -> list[Row]:
    """What the triggers of a scheduled event wait for."""
    dest_id = record.definition.dest_id
    return [[record.key, *key, dest_id] for key in sorted(trigger_keys(record.definition))]
