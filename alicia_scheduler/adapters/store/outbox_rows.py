"""How waiting messages become rows and rows become messages."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from alicia_scheduler.adapters.store.rows import Row, instant, micros, packed_object
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage


def outbox_row(row: OutboxRow) -> Row:
    """The row of a waiting message."""
    message = row.message
    payload, encoded = _text_of(message.payload)
    return [row.sequence, message.topic, payload, encoded, micros(row.created_at), packed_object(_detail(message))]


def outbox_from(row: Row) -> OutboxRow:
    """The waiting message in a row."""
    sequence, topic, payload, encoded, created, detail = row
    correlation = detail.get("correlation_data")
    message = OutgoingMessage(
        topic=topic,
        payload=b64decode(payload) if encoded else payload.encode(),
        qos=detail.get("qos", 1),
        retain=detail.get("retain", False),
        expiry_s=detail.get("expiry_s"),
        response_topic=detail.get("response_topic"),
        correlation_data=None if correlation is None else b64decode(correlation),
        user_properties=tuple((name, value) for name, value in detail.get("user_properties", ())),
    )
    return OutboxRow(sequence, message, instant(created))


def _text_of(payload: bytes) -> tuple[str, int]:
    """The payload as text, and whether it had to be encoded: not UTF-8, or with a zero that SQL text cannot carry."""
    if b"\0" not in payload:
        try:
            return payload.decode(), 0
        except UnicodeDecodeError:
            pass
    return b64encode(payload).decode(), 1


def _detail(message: OutgoingMessage) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if message.qos != 1:
        detail["qos"] = message.qos
    if message.retain:
        detail["retain"] = True
    if message.expiry_s is not None:
        detail["expiry_s"] = message.expiry_s
    if message.response_topic is not None:
        detail["response_topic"] = message.response_topic
    if message.correlation_data is not None:
        detail["correlation_data"] = b64encode(message.correlation_data).decode()
    if message.user_properties:
        detail["user_properties"] = [list(pair) for pair in message.user_properties]
    return detail
