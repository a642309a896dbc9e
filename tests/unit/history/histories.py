"""A history of one event that keeps every promise, for tests that then break one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from alicia_scheduler.core.history import Announced, Coverage, EventCheck, Finding, Known, Rest, Rule, Subject, Tally
from alicia_scheduler.core.identity import fire_id
from alicia_scheduler.core.model.event import EventDefaults, parse_event
from alicia_scheduler.core.state import (
    AttemptRecord,
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    TriggeredBy,
)

S = ExecutionStatus
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LONG_AGO = T0 - timedelta(days=100)
ALL_KNOWN = Known(kept_since=LONG_AGO, traced_since=LONG_AGO)
DEAF: tuple[Announced, ...] = ()


def event(**fields: Any) -> EventRecord:
    """An event that fires every minute from T0 on."""
    raw = {
        "event_id": "a",
        "schedule_type": "interval",
        "schedule_config": {"every": "1m"},
        "action": {"topic": "out"},
        "max_retries": 2,
        "retry_delay": 10,
        "until_next_fire": False,
        **fields,
    }
    return EventRecord(1, "a", 1, parse_event(raw, EventDefaults()), "bus", T0, T0)


def state_after(minutes: int, **fields: Any) -> EventState:
    return EventState(1, "a", fields.pop("status", EventStatus.ACTIVE), T0 + minutes * MINUTE, T0, **fields)


def fire(minute: int, record: EventRecord | None = None, **fields: Any) -> Execution:
    """The execution of one minute: it ran for a second and completed."""
    nominal = T0 + minute * MINUTE
    start, end = nominal + SECOND / 10, nominal + SECOND
    made = Execution(
        execution_id=fire_id(record or event(), state_after(0), nominal),
        event_key=1,
        event_id="a",
        name="a",
        status=S.COMPLETED,
        triggered_by=TriggeredBy.SCHEDULER,
        scheduled_time=nominal,
        due_time=nominal,
        created_at=nominal + SECOND / 20,
        attempt=1,
        fence=minute,
        start_time=start,
        end_time=end,
        attempts=(AttemptRecord(1, start, end, S.COMPLETED),),
    )
    return made._replace(**fields)


def missed(first: int, last: int, count: int) -> Execution:
    """One record for the minutes from the first to the last."""
    nominal, created = T0 + first * MINUTE, T0 + last * MINUTE + HOUR
    return Execution(
        execution_id=f"missed-{first}",
        event_key=1,
        event_id="a",
        name="a",
        status=S.MISSED,
        triggered_by=TriggeredBy.SCHEDULER,
        scheduled_time=nominal,
        due_time=nominal,
        created_at=created,
        end_time=created,
        reason="misfire",
        missed_count=count,
        last_missed_time=T0 + last * MINUTE,
    )


def retried(minute: int, *waits: float) -> Execution:
    """The execution of one minute whose attempts failed at once; each next one came after so many seconds."""
    made = fire(minute)
    at, attempts = made.attempts[0].start_time, list[AttemptRecord]()
    for wait in (*waits, 0):
        attempts.append(AttemptRecord(len(attempts) + 1, at, at, S.FAILED, "refused"))
        at += timedelta(seconds=wait)
    ended = attempts[-1].start_time
    return made._replace(status=S.FAILED, attempts=tuple(attempts), attempt=len(attempts), end_time=ended)


def told(executions: Iterable[Execution]) -> dict[str, Announced]:
    """What a recording has of the executions, told in their order."""
    topics = {S.COMPLETED: "execution_results", S.FAILED: "execution_failures", S.TIMED_OUT: "execution_failures"}
    ended = [execution for execution in executions if execution.status in topics]
    return {e.execution_id: Announced(topics[e.status], e.status, n) for n, e in enumerate(ended)}


def checked(
    executions: Sequence[Execution],
    *,
    record: EventRecord | None = None,
    state: EventState | None = None,
    announced: dict[str, Announced] | None = None,
    rests: tuple[Rest, ...] = (),
    known: Known = ALL_KNOWN,
    counted_since: datetime | None = None,
    waiting: frozenset[str] = frozenset(),
) -> Tally:
    """What the checker makes of the event's executions; by default up to the last one, all of them told."""
    tally = Tally()
    ordered = sorted(executions, key=lambda execution: execution.scheduled_time)
    last = max((e.last_missed_time or e.scheduled_time for e in ordered), default=T0)
    state = state or state_after((last - T0) // MINUTE)
    subject = Subject("a", record or event(), state, counted_since, rests)
    check = EventCheck(subject, known, Coverage(((LONG_AGO, T0 + 1000 * HOUR),)), tally)
    heard = told(ordered) if announced is None else announced
    for execution in ordered:
        check.see(execution, heard.get(execution.execution_id), waiting=execution.execution_id in waiting)
    check.end()
    return tally


def found(tally: Tally) -> list[tuple[Rule, datetime]]:
    """Rule and time of every finding."""
    return [(finding.rule, finding.time) for finding in tally.findings]


def only(tally: Tally, rule: Rule) -> Finding:
    """The one finding, which is about that rule."""
    assert [finding.rule for finding in tally.findings] == [rule], tally.findings
    return tally.findings[0]
