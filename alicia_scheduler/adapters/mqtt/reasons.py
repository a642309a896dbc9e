"""MQTT 5 reason codes in words, and what they mean for the sender (MQTT 5.0, section 2.4)."""

from __future__ import annotations

from alicia_scheduler.errors import PublishRefused

KEEP_ALIVE_TIMEOUT = 0x8D
SESSION_TAKEN_OVER = 0x8E
UNSUPPORTED_PROTOCOL = 0x84
TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95
RETAIN_NOT_SUPPORTED = 0x9A

_WORDS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "the broker does not speak this protocol version",
    0x85: "the client identifier is not allowed",
    0x86: "wrong user name or password (check mqtt.username and mqtt.password)",
    0x87: "not authorised (check the access list of the broker for this user)",
    0x88: "the broker is unavailable",
    0x89: "the broker is busy",
    0x8A: "this client is banned",
    0x8B: "the broker is shutting down",
    0x8D: "the broker heard nothing from us in time",
    0x8E: "another client connected with the same client id (is a second scheduler running?)",
    0x8F: "the topic filter is not allowed",
    0x90: "the topic name is not allowed",
    0x91: "the packet identifier is in use",
    0x93: "too many unacknowledged messages",
    0x95: "the packet is larger than the broker allows",
    0x96: "too many messages in too little time",
    0x97: "a quota of the broker is exceeded",
    0x98: "closed by an administrator",
    0x99: "the payload is not what its format indicator says",
    0x9A: "the broker does not keep retained messages",
    0x9B: "the broker does not support this QoS",
    0x9C: "use another server for now",
    0x9D: "the server has moved",
    0x9F: "too many connects in too little time",
}

_PERMANENT = frozenset({0x87, TOPIC_NAME_INVALID, PACKET_TOO_LARGE, 0x99, RETAIN_NOT_SUPPORTED})


def reason_in_words(code: int) -> str:
    """What the code says, with the code itself behind it."""
    return f"{_WORDS.get(code, 'refused')} (0x{code:02x})"


def refusal(topic: str, code: int) -> PublishRefused:
    """The error for a publish that was answered with ``code``; permanent where the same message cannot succeed."""
    message = f"the message to '{topic[:200]}' was refused: {reason_in_words(code)}"
    return PublishRefused(message, code, permanent=code in _PERMANENT)
