"""A publish as bytes (MQTT 5.0, sections 2.2.2 and 3.3; MQTT 3.1.1, section 3.3).

In the library one publish costs as much as everything else that a fire does to the bus; here it is a few additions.
"""

from __future__ import annotations

from alicia_scheduler.core.outbox import OutgoingMessage

_MESSAGE_EXPIRY = 0x02
_RESPONSE_TOPIC = 0x08
_CORRELATION_DATA = 0x09
_USER_PROPERTY = 0x26
_MAX_EXPIRY_S = 0xFFFF_FFFF
_PUBLISH = 0x30
_NO_PROPERTIES = b"\x00"


def publish_packet(message: OutgoingMessage, packet_id: int, *, v5: bool) -> bytes:
    """The PUBLISH packet of the message, whose texts are known to be valid.

    Args:
        packet_id: Is left out with QoS 0.
        v5: With properties; a 3.1.1 packet has none.
    """
    topic = message.topic.encode()
    head = len(topic).to_bytes(2) + topic
    if message.qos:
        head += packet_id.to_bytes(2)
    if v5:
        head += _properties(message)
    first = _PUBLISH | message.qos << 1 | message.retain
    return first.to_bytes(1) + _variable_length(len(head) + len(message.payload)) + head + message.payload


def _properties(message: OutgoingMessage) -> bytes:
    """The properties with their length in front."""
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
    return _variable_length(len(body)) + body if body else _NO_PROPERTIES


def _append(body: bytearray, identifier: int | None, value: bytes) -> None:
    if identifier is not None:
        body.append(identifier)
    body += len(value).to_bytes(2)
    body += value


def _variable_length(length: int) -> bytes:
    if length < 128:
        return length.to_bytes(1)
    encoded = bytearray()
    while length > 127:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)
