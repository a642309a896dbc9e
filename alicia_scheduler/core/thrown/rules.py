"""What the settings allow of thrown events (settings group ``events``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

QueuePolicy = Literal["refuse", "drop_oldest"]

DEFAULT_DESTINATION = "default"
"""The destination of a scheduled event that names none; global events always reach it."""


@dataclass(frozen=True, slots=True)
class ThrowRules:
    """Limits and defaults.

    Attributes:
        groups: Destinations by group id.
        max_hops: How many executions may lie in the chain behind a thrown event.
        max_payload_bytes: Of payload and value together, as JSON.
        queue_limit: Active entries in the queue of one destination.
        queue_policy: What becomes of one more.
        max_fan_out: Destinations of one thrown event.
        timezone: The zone of a local ``future_time``.
        rate_per_sender: Throws a second, in the long run; 0 is no limit.
        rate_per_key: The same for each key, and for each topic filter of a trigger.
    """

    default_ttl: timedelta = timedelta(seconds=60)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    max_hops: int = 16
    max_payload_bytes: int = 32 * 1024
    queue_limit: int = 10_000
    queue_policy: QueuePolicy = "refuse"
    max_fan_out: int = 1000
    timezone: str = "UTC"
    rate_per_sender: float = 5000
    rate_per_key: float = 5000
