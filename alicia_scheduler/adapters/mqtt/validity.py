"""What a broker would answer by closing the connection, found before it is sent.

One bad message must not disconnect everybody else's: Mosquitto drops the connection on control characters, on more
than 200 topic levels and on oversized packets.
"""

from __future__ import annotations

import re
from functools import lru_cache

from alicia_scheduler.core.outbox import OutgoingMessage

MAX_STRING_BYTES = 65_535
MAX_TOPIC_LEVELS = 200
SHORT_TOPIC = 256

# Control characters, halves of surrogate pairs, and the code points that Unicode sets aside as no characters.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)
_WILDCARD = re.compile("[+#]")


def topic_problem(topic: str) -> str | None:
    """Why no message can be published on the topic, or None."""
    return _known_topic_problem(topic) if len(topic) <= SHORT_TOPIC else _topic_problem(topic)


@lru_cache(maxsize=4096)
def _known_topic_problem(topic: str) -> str | None:
    """The same topics come at every fire; long ones are left out, so that the memory for this is bounded."""
    return _topic_problem(topic)


def _topic_problem(topic: str) -> str | None:
    if not topic:
        return "the topic is empty"
    if _WILDCARD.search(topic):
        return "the topic contains a wildcard ('+' or '#')"
    if topic.count("/") >= MAX_TOPIC_LEVELS:
        return f"the topic has more than {MAX_TOPIC_LEVELS} levels"
    problem = _text_problem(topic)
    return f"the topic {problem}" if problem else None


def filter_problem(topic_filter: str) -> str | None:
    """Why nobody can subscribe to the topic filter, or None."""
    levels = topic_filter.split("/")
    if not topic_filter:
        return "the topic filter is empty"
    if any(len(level) > 1 and _WILDCARD.search(level) for level in levels) or "#" in levels[:-1]:
        return "the topic filter has a wildcard where none can be"
    if len(levels) > MAX_TOPIC_LEVELS:
        return f"the topic filter has more than {MAX_TOPIC_LEVELS} levels"
    problem = _text_problem(topic_filter)
    return f"the topic filter {problem}" if problem else None


def message_problem(message: OutgoingMessage) -> str | None:
    """Why the message cannot be sent over MQTT at all, or None."""
    problem = topic_problem(message.topic)
    if problem is None and message.qos not in (0, 1, 2):
        return "the QoS is not 0, 1 or 2"
    if problem is None and (message.response_topic is not None or message.user_properties or message.correlation_data):
        return _properties_problem(message)
    return problem


def _properties_problem(message: OutgoingMessage) -> str | None:
    if message.response_topic is not None and (problem := topic_problem(message.response_topic)):
        return f"in the response topic, {problem}"
    if len(message.correlation_data or b"") > MAX_STRING_BYTES:
        return "the correlation data is too long"
    texts = (text for pair in message.user_properties for text in pair)
    problem = next((found for text in texts if (found := _text_problem(text))), None)
    return f"a user property {problem}" if problem else None


def _text_problem(text: str) -> str | None:
    if _FORBIDDEN.search(text):
        return "contains a control character or something that is no character"
    return f"is longer than {MAX_STRING_BYTES} bytes" if _length(text) > MAX_STRING_BYTES else None


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
