"""The MQTT 5 properties of a publish as bytes (MQTT 5.0, sections 2.2.2 and 3.3.2.3).

The library's own property objects cost more than the rest of a publish together.
"""

from __future__ import annotations

from alicia_scheduler.core.outbox import OutgoingMessage

_MESSAGE_EXPIRY = 0x02
_RESPONSE_TOPIC = 0x08
_CORRELATION_DATA = 0x09
_USER_PROPERTY = 0x26
_MAX_EXPIRY_S = 0xFFFF_FFFF


class EncodedProperties:
    """Properties that are bytes already; stands in for the library's where only ``pack`` is called."""

    __slots__ = ("_encoded",)

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded

    def __len__(self) -> int:
        return len(self._encoded)

    def pack(self) -> bytes:
        """The properties with their length in front."""
        return self._encoded


NO_PROPERTIES = EncodedProperties(b"\x00")


def encoded_properties(message: OutgoingMessage) -> EncodedProperties:
    """The properties of the message; its texts are known to be valid."""
    body = bytearray()
    if message.expiry_s is not None:
        body.append(_MESSAGE_EXPIRY)
        body += min(max(message.expiry_s, 0), _MAX_EXPIRY_S).to_bytes(4)
    if message.response_topic is not None:
        _append(body, _RESPONSE_TOPIC, message.response_topic.encode())
    if message.correlation_data is not None:
        _append(body, _CORRELATION_DATA, message.correlation_data)
    for name, value in message.user_properties:
        _append(body, _USER_PROPERTY, name.encode())
        _append(body, None, value.encode())
    return EncodedProperties(_variable_length(len(body)) + body) if body else NO_PROPERTIES


def packet_size(message: OutgoingMessage, properties: EncodedProperties) -> int:
    """The bytes of the message on the wire."""
    remaining = 2 + len(message.topic.encode()) + len(properties) + len(message.payload)
    if message.qos:
        remaining += 2
    return 1 + len(_variable_length(remaining)) + remaining


def _append(body: bytearray, identifier: int | None, value: bytes) -> None:
    if identifier is not None:
        body.append(identifier)
    body += len(value).to_bytes(2)
    body += value


def _variable_length(length: int) -> bytes:
    encoded = bytearray()
    while length > 127:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)
