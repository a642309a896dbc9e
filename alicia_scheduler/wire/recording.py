"""The lines of a recording of the bus: what ``tail --json`` writes, and ``doctor --history --recording`` reads.

One JSON object a line: ``time`` (when it was received, epoch seconds), ``topic`` (below the prefix), ``qos``,
``retain`` and ``message`` (the payload, out of its envelope). A lost connection is a line with the topic
``connection``, so that nobody takes what was missed for what was not sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message as it was heard."""

    time: datetime
    topic: str
    message: Any
    qos: int = 0
    retain: bool = False

    def document(self) -> dict[str, Any]:
        """The line as JSON."""
        return {
            "time": self.time.timestamp(),
            "topic": self.topic,
            "qos": self.qos,
            "retain": self.retain,
            "message": self.message,
        }


def connection_changed(time: datetime, *, connected: bool, problem: str = "") -> Recorded:
    """The note that the connection went, or came back."""
    return Recorded(time, CONNECTION, {"connected": connected, "problem": problem or None})


def recorded(line: str) -> Recorded:
    """The message in a line.

    >>> recorded('{"time": 0, "topic": "errors", "message": {}}').topic
    'errors'

    Raises:
        ValueError: It is not a line of a recording.
    """
    try:
        found = json.loads(line)
        time = datetime.fromtimestamp(found["time"], UTC)
        topic, message = found["topic"], found["message"]
        qos, retain = int(found.get("qos", 0)), bool(found.get("retain", False))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise ValueError("expected a line of `alicia-scheduler tail --json`") from error
    return Recorded(time, str(topic), message, qos, retain)
