"""Jitter: a delay that spreads fires, the same at every computation (docs/time-rules.md, "Jitter")."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from alicia_scheduler.core.timing.seconds import EPOCH, TICK

_SCALE = 1 << 64


def jitter_offset(event_id: str, nominal: datetime, jitter: timedelta, following: datetime | None) -> timedelta:
    """Return the delay of one fire: a hash of event and nominal time, scaled to [0, jitter].

    Args:
        event_id: the event.
        nominal: the nominal time.
        jitter: the greatest delay.
        following: the next nominal time, which the due time stays below; None when there is none.
    """
    greatest = jitter if following is None else min(jitter, following - nominal - TICK)
    micros = greatest // TICK
    if micros <= 0:
        return timedelta(0)
    key = f"{event_id}\0{(nominal - EPOCH) // TICK}"
    place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
    return timedelta(microseconds=place * (micros + 1) // _SCALE)
