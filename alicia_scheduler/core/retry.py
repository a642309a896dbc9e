"""Whether a failed attempt is followed by another one, and when (docs/delivery-guarantees.md, retries)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alicia_scheduler.core.identity import fraction
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.state import EventStatus, Execution

ENDED_BY_PEOPLE = frozenset({EventStatus.DISABLED, EventStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Attributes:
        permanent: Another attempt cannot help.
        retry_after: The delay the other side asked for.
        timed_out: The attempt passed its ``timeout``.
    """

    message: str
    code: str
    permanent: bool = False
    retry_after: timedelta | None = None
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class RetryVerdict:
    """``retry_time`` of the next attempt; None when there is none, and then ``reason`` says why."""

    retry_time: datetime | None
    reason: str | None = None


def retry_delay(event: ScheduledEvent, execution: Execution) -> timedelta:
    """The wait after the attempt that ``execution`` has just failed: exponential, capped, with jitter by hash."""
    ceiling = event.retry_max_delay.total_seconds()
    try:
        delay = event.retry_delay.total_seconds() * event.retry_backoff ** (execution.attempt - 1)
    except OverflowError:
        delay = ceiling
    jitter = event.retry_jitter * fraction("retry", execution.execution_id, execution.attempt)
    return timedelta(seconds=min(ceiling, delay)) + jitter


def retry_verdict(
    event: ScheduledEvent,
    status: EventStatus,
    execution: Execution,
    failure: Failure,
    now: datetime,
    next_fire: datetime | None,
) -> RetryVerdict:
    """What follows the failed attempt ``execution.attempt``.

    Args:
        status: The event's state as it is now; people may have ended it meanwhile.
        now: When the attempt failed.
        next_fire: Due time of the event's next fire, if it has one.
    """
    if failure.permanent:
        return RetryVerdict(None, "permanent_error")
    if status in ENDED_BY_PEOPLE:
        return RetryVerdict(None, f"event_{status}")
    if execution.attempt > event.max_retries:
        return RetryVerdict(None, "retries_used_up" if event.max_retries else "no_retries")
    delay = max(retry_delay(event, execution), failure.retry_after or timedelta(0))
    if event.until_next_fire and next_fire is not None and next_fire <= now + delay:
        return RetryVerdict(None, "next_fire_is_the_retry")
    return RetryVerdict(now + delay)
