"""Thrown events and their entries as other programs read them."""

from __future__ import annotations

from typing import Any, assert_never

from alicia_scheduler.core.answers import ClearedAnswer, ConsumedAnswer, ThrownAnswer, ThrownChangeAnswer
from alicia_scheduler.core.thrown.model import Entry, Thrown
from alicia_scheduler.wire.documents import timestamps

__all__ = ["entry_document", "thrown_answer_document", "thrown_document"]

Document = dict[str, Any]


def thrown_document(thrown: Thrown, dest_ids: tuple[str, ...]) -> Document:
    """What listeners hear of a thrown event."""
    return {
        **_who_and_what(thrown),
        "group_id": thrown.group_id,
        "dest_ids": list(dest_ids),
        **timestamps("created_at", thrown.created_at),
        **timestamps("active_from", thrown.active_from),
        **timestamps("expires", thrown.expires_at),
    }


def entry_document(thrown: Thrown, entry: Entry) -> Document:
    """A thrown event in the queue or the history of one destination."""
    return {
        **_who_and_what(thrown),
        "dest_id": entry.dest_id,
        **timestamps("created_at", thrown.created_at),
        **timestamps("active_from", entry.active_from),
        **timestamps("expires", entry.expires_at),
        "status": entry.status.value,
        "reason": entry.reason,
        "consumed_by": entry.consumed_by,
        **timestamps("consumed_at", entry.consumed_at),
    }


def thrown_answer_document(answer: ThrownChangeAnswer) -> Document:
    """The ``data`` of the answer to a command about thrown events."""
    match answer:
        case ThrownAnswer(thrown, entries):
            return {
                "unique_id": thrown.unique_id,
                "offset": thrown.offset,
                **timestamps("created_at", thrown.created_at),
                "entries": [_brief(entry) for entry in entries],
                "dropped": answer.dropped,
            }
        case ConsumedAnswer(entries=taken):
            return {"entries": [entry_document(thrown, entry) for thrown, entry in taken]}
        case ClearedAnswer(cleared, more):
            return {"cleared": cleared, "more": more}
        case _:
            assert_never(answer)


def _who_and_what(thrown: Thrown) -> Document:
    return {
        "unique_id": thrown.unique_id,
        "offset": thrown.offset,
        "key": thrown.key,
        "namespace": thrown.namespace,
        "value": thrown.value,
        "payload": thrown.payload,
        "sender": thrown.sender,
        "display_name": thrown.display_name,
        "scope": thrown.scope,
        "single_consumer": thrown.single_consumer,
    }


def _brief(entry: Entry) -> Document:
    return {
        "dest_id": entry.dest_id,
        **timestamps("active_from", entry.active_from),
        **timestamps("expires", entry.expires_at),
        "status": entry.status.value,
        "consumed_by": entry.consumed_by,
    }
