"""Triggers that wait for more than one thrown event: what they have, and whether it is enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alicia_scheduler.core.model.trigger import AllOfTrigger, CountTrigger, Trigger
from alicia_scheduler.core.thrown.arrival import Arrival
from alicia_scheduler.core.thrown.model import Json


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a trigger stands after one more event.

    Attributes:
        complete: Whether it fires now.
        state: What to keep; None begins anew.
        events: All the events that made it fire, where they were several.
    """

    complete: bool
    state: Json = None
    events: tuple[Json, ...] = ()


def advanced(trigger: Trigger, state: Json, arrival: Arrival, now: datetime) -> Progress:
    """The trigger after what has come; one that waits for a single event fires at once."""
    match trigger:
        case AllOfTrigger():
            return _all_of(trigger, state or {}, arrival, now)
        case CountTrigger():
            return _count(trigger, state or [], now)
        case _:
            return Progress(complete=True)


def _all_of(trigger: AllOfTrigger, state: dict[str, Any], arrival: Arrival, now: datetime) -> Progress:
    at = now.timestamp()
    document = {name: arrival.document[name] for name in ("key", "value", "payload", "unique_id", "sender")}
    since = _since(trigger.within, at)
    kept = {key: found for key, found in state.items() if found["at"] >= since and key in trigger.value}
    kept[arrival.key.key] = {"at": at, **document}
    if len(kept) < len(trigger.value):
        return Progress(complete=False, state=kept)
    events = [{name: value for name, value in kept[key].items() if name != "at"} for key in trigger.value]
    return Progress(complete=True, events=tuple(events))


def _count(trigger: CountTrigger, state: list[float], now: datetime) -> Progress:
    at = now.timestamp()
    since = _since(trigger.within, at)
    times = [*(time for time in state if time >= since), at]
    if len(times) < trigger.count:
        return Progress(complete=False, state=times)
    return Progress(complete=True)


def _since(within: timedelta | None, at: float) -> float:
    return at - within.total_seconds() if within is not None else float("-inf")
