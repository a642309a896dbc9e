"""What becomes of a fire while an execution of the same event is unfinished (docs/delivery-guarantees.md, overlap)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.state import Execution, TriggeredBy


@dataclass(frozen=True, slots=True)
class Start:
    """The fire may run at once."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The fire waits until the one before it has ended."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The fire does not run."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Every unfinished execution of the event is cancelled, and the fire runs."""


OverlapVerdict = Start | Hold | Skip | Replace


def overlap_verdict(
    event: ScheduledEvent, unfinished: Sequence[Execution], triggered_by: TriggeredBy
) -> OverlapVerdict:
    """The verdict on one more fire.

    Caught-up fires of one span wait for each other whatever the policy: ``catch_up: all`` is a promise to run them,
    one after the other.

    Args:
        unfinished: The event's executions that are pending, running or waiting to retry.
    """
    if not unfinished:
        return Start()
    if triggered_by is TriggeredBy.CATCH_UP and all(e.triggered_by is TriggeredBy.CATCH_UP for e in unfinished):
        return Hold()
    match event.overlap_policy:
        case "skip":
            return Skip("overlap")
        case "queue_one":
            return Skip("overlap_queue_full") if any(e.held for e in unfinished) else Hold()
        case "queue_all":
            waiting = sum(e.held for e in unfinished)
            return Hold() if waiting < event.queue_limit else Skip("overlap_queue_full")
        case "cancel_running":
            return Replace()
        case "allow":
            return Start() if len(unfinished) < event.max_concurrent else Skip("max_concurrent")
        case _:
            assert_never(event.overlap_policy)


def next_held(unfinished: Sequence[Execution]) -> Execution | None:
    """The held execution whose turn it is, if nothing else of its event is under way."""
    if any(not e.held for e in unfinished):
        return None
    return min((e for e in unfinished if e.held), key=lambda e: (e.due_time, e.execution_id), default=None)
