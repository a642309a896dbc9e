"""What a command that changes something does: one function a command, found by its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from alicia_scheduler.core.answers import ChangeAnswer, DeletedAnswer, EventAnswer, ExecutionAnswer, FireTime
from alicia_scheduler.core.commands import (
    CancelEvent,
    CancelExecution,
    Change,
    CreateEvent,
    DeleteEvent,
    PauseEvent,
    ResumeEvent,
    TriggerEvent,
    UpdateEvent,
)
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.firing import cancel_all, start
from alicia_scheduler.core.identity import request_execution_id
from alicia_scheduler.core.lifecycle import is_finished
from alicia_scheduler.core.model.event import EventDefaults, InvalidSchedule, ScheduledEvent, parse_event
from alicia_scheduler.core.model.problems import InvalidDefinition
from alicia_scheduler.core.on_outcome import count_from_end
from alicia_scheduler.core.plan import TICK
from alicia_scheduler.core.resting import TIMED, paused, resume, started, stopped
from alicia_scheduler.core.state import (
    EventRecord,
    EventState,
    EventStatus,
    Execution,
    ExecutionStatus,
    TriggeredBy,
)
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem

NEXT_FIRES = 5
ENDED = frozenset({EventStatus.COMPLETED, EventStatus.EXPIRED, EventStatus.CANCELLED})
TIMING_FIELDS = ("schedule_type", "schedule_config", "timezone", "start_at", "end_at", "jitter", "exclude", "dst")


@dataclass(frozen=True, slots=True)
class CommandRules:
    """What the settings allow.

    Attributes:
        command_prefix: Topics under it are commands; an action that published there would go unheard.
    """

    defaults: EventDefaults = field(default_factory=EventDefaults)
    allow_past: bool = False
    max_events: int = 1_000_000
    command_prefix: str = "alicia/scheduler/command"
    allow_topics: tuple[str, ...] | None = None


def on_command(
    view: View, now: datetime, timings: Timings, command: Change, rules: CommandRules, request_key: str
) -> Decision[ChangeAnswer]:
    """Carries the command out.

    Args:
        request_key: Text that this request alone has; execution ids follow from it.

    Raises:
        CommandRejected: The command cannot be carried out; nothing changes.
    """
    draft = Draft(view, now, timings)
    return draft.decision(_carried_out(draft, command, rules, request_key))


def _carried_out(draft: Draft, command: Change, rules: CommandRules, request_key: str) -> ChangeAnswer:
    match command:
        case CreateEvent():
            return _create(draft, command, rules)
        case UpdateEvent():
            return _update(draft, command, rules)
        case DeleteEvent():
            return _delete(draft, command)
        case CancelEvent():
            return _cancel(draft, command)
        case PauseEvent():
            return _pause(draft, command)
        case ResumeEvent():
            return _resume(draft, command)
        case TriggerEvent():
            return _trigger(draft, command, request_key)
        case CancelExecution():
            return _cancel_execution(draft, command)
        case _:
            assert_never(command)


# create and update


def _create(draft: Draft, command: CreateEvent, rules: CommandRules) -> EventAnswer:
    existing = draft.event(command.event.event_id)
    if existing and command.on_conflict == "error":
        raise CommandRejected(
            ErrorCode.ALREADY_EXISTS,
            f"an event '{command.event.event_id}' exists already; use on_conflict or update_event",
            [FieldProblem("event.event_id", "is taken")],
        )
    if existing and command.on_conflict == "skip":
        return _answer(draft, existing[0].event_id)
    if existing:
        return _changed(draft, *existing, command.event, rules, origin=command.origin)
    if draft.view.total_events >= rules.max_events:
        raise CommandRejected(ErrorCode.LIMIT_EXCEEDED, f"{rules.max_events} events are stored (scheduler.max_events)")
    return _created(draft, command, rules)


def _created(draft: Draft, command: CreateEvent, rules: CommandRules) -> EventAnswer:
    event = command.event
    _check_allowed(event, rules)
    key = draft.draw_key()
    record = EventRecord(key, event.event_id, 1, event, command.origin, draft.now, draft.now)
    state = EventState(key, event.event_id, EventStatus.ACTIVE, draft.now, draft.now)
    draft.put_record(record)
    draft.put_state(_first_state(draft, record, state, rules))
    draft.announce_event("event_created", event.event_id)
    return replace(_answer(draft, event.event_id), created=True)


def _update(draft: Draft, command: UpdateEvent, rules: CommandRules) -> EventAnswer:
    record, state = _existing(draft, command.event_id)
    if command.revision is not None and command.revision != record.revision:
        raise CommandRejected(
            ErrorCode.CONFLICT,
            f"the event is at revision {record.revision}, the change was made for {command.revision}",
            [FieldProblem("revision", f"is {record.revision} now")],
        )
    event = _patched(record.definition, command, rules.defaults)
    return _changed(draft, record, state, event, rules, origin=record.origin)


def _patched(current: ScheduledEvent, command: UpdateEvent, defaults: EventDefaults) -> ScheduledEvent:
    if command.changes.get("event_id", current.event_id) != current.event_id:
        raise CommandRejected(
            ErrorCode.INVALID_REQUEST,
            "an event keeps its id",
            [FieldProblem("changes.event_id", "cannot be changed; create another event")],
        )
    document = current.model_dump(mode="json", exclude_none=True)
    changes = dict(command.changes)
    if changes.get("schedule_type", current.schedule_type) != current.schedule_type or _replaces(current, changes):
        document.pop("schedule_config")
    try:
        return parse_event(merge_patch(document, changes), defaults)
    except InvalidDefinition as error:
        details = [FieldProblem(f"changes.{p.field}", p.message) for p in error.problems]
        raise CommandRejected(ErrorCode.INVALID_REQUEST, "the changed event is not valid", details) from None


def _replaces(current: ScheduledEvent, changes: Mapping[str, Any]) -> bool:
    """Whether the patch writes the schedule in another spelling, which cannot be merged with the stored one."""
    config = changes.get("schedule_config")
    stored = current.schedule_config.model_dump(mode="json", exclude_none=True)
    return isinstance(config, Mapping) and bool(config) and not set(config) & set(stored)


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch applied, as RFC 7396 says: null removes, objects merge, anything else replaces.

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _changed(
    draft: Draft, record: EventRecord, state: EventState, event: ScheduledEvent, rules: CommandRules, *, origin: str
) -> EventAnswer:
    """Stores another definition of an event; its timer goes on where the timing is the same, else starts anew."""
    _check_allowed(event, rules)
    before = next_fires(draft.timings(record, state), state, draft.now)
    changed = replace(record, revision=record.revision + 1, definition=event, origin=origin, updated_at=draft.now)
    draft.put_record(changed)
    draft.put_state(_state_after_edit(draft, record, changed, state, rules))
    if not event.enabled:
        _drop_waiting(draft, event.event_id, "event_disabled")
    draft.announce_event("event_updated", event.event_id)
    return replace(_answer(draft, event.event_id), previous_fires=before)


def _state_after_edit(
    draft: Draft, old: EventRecord, new: EventRecord, state: EventState, rules: CommandRules
) -> EventState:
    event = new.definition
    if not event.enabled:
        _checked_timing(draft, new, state)
        return stopped(state, EventStatus.DISABLED)
    retimed = any(getattr(event, name) != getattr(old.definition, name) for name in TIMING_FIELDS)
    relimited = event.max_executions != old.definition.max_executions
    if retimed or state.status is EventStatus.DISABLED or state.status in ENDED or state.status is EventStatus.ERROR:
        anchor = draft.now if retimed and event.schedule_type == "once" else state.anchor_time
        fresh = replace(state, anchor_time=anchor, mark_time=draft.now, fired_count=0 if retimed else state.fired_count)
        if state.status in ENDED and not retimed and not relimited:
            return state
        ready = _first_state(draft, new, fresh, rules)
        if state.status is EventStatus.PAUSED:
            return paused(
                replace(state, anchor_time=anchor, mark_time=ready.mark_time),
                draft.now,
                state.pause_note,
                state.paused_until,
                state.pause_cause or "user",
            )
        return ready
    return state


def _first_state(draft: Draft, record: EventRecord, state: EventState, rules: CommandRules) -> EventState:
    """The state of an event whose timer has never run: refused when it could never fire."""
    event = record.definition
    timing = _checked_timing(draft, record, state)
    after = draft.now
    if event.schedule_type == "once":
        after = min(after, _once_mark(event, timing, draft.now, rules))
    if not event.enabled:
        return stopped(replace(state, mark_time=after), EventStatus.DISABLED)
    begun = started(state, timing, after)
    if begun.next_time is None and event.schedule_type in TIMED:
        raise CommandRejected(
            ErrorCode.PAST_TIME,
            "the event has no fire ahead of it",
            [FieldProblem("event.end_at" if event.end_at else "event.schedule_config", "lies in the past")],
        )
    return begun


def _checked_timing(draft: Draft, record: EventRecord, state: EventState) -> Timing:
    try:
        return draft.timings(record, state)
    except InvalidSchedule as error:
        raise CommandRejected(
            ErrorCode.INVALID_REQUEST, str(error), [FieldProblem(f"event.{error.field}", error.message)]
        ) from None


def _once_mark(event: ScheduledEvent, timing: Timing, now: datetime, rules: CommandRules) -> datetime:
    """The high-water mark of a one-time event: just before its time where that lies behind and is allowed to."""
    nominal = timing.previous_time(now)
    if nominal is None:
        return now
    if not (event.past_allowed or rules.allow_past):
        raise CommandRejected(
            ErrorCode.PAST_TIME,
            f"the time {nominal.isoformat()} lies in the past; allow_past runs it all the same, by its misfire rules",
            [FieldProblem("event.schedule_config.run_at", "lies in the past")],
        )
    return nominal - TICK


def _check_allowed(event: ScheduledEvent, rules: CommandRules) -> None:
    """Refuses an action that the settings do not allow or that would talk to the service itself."""
    topic = event.action.topic
    problem = topic_not_allowed(topic, rules)
    if problem:
        raise CommandRejected(ErrorCode.NOT_ALLOWED, problem, [FieldProblem("event.action.topic", problem)])
    every = getattr(event.schedule_config, "every", None)
    if every is not None and every < rules.defaults.min_interval:
        least = rules.defaults.min_interval / timedelta(seconds=1)
        raise CommandRejected(
            ErrorCode.INVALID_REQUEST,
            f"an interval is at least {least:g} s (scheduler.min_interval)",
            [FieldProblem("event.schedule_config.every", f"expected {least:g} s or more")],
        )


def topic_not_allowed(topic: str, rules: CommandRules) -> str | None:
    """Why the service may not publish to the topic, or None."""
    if topic == rules.command_prefix or topic.startswith(f"{rules.command_prefix}/"):
        return "the service does not take its own messages for commands, so a command topic would be silent"
    if rules.allow_topics is not None and not topic.startswith(rules.allow_topics):
        allowed = ", ".join(rules.allow_topics) or "nothing"
        return f"allowed are topics that start with: {allowed} (setting actions.mqtt_publish.allow_topics)"
    return None


# the timer


def _pause(draft: Draft, command: PauseEvent) -> EventAnswer:
    record, state = _existing(draft, command.event_id)
    if state.status in ENDED or state.status is EventStatus.DISABLED:
        raise CommandRejected(ErrorCode.CONFLICT, f"the event is {state.status}: there is no timer to pause")
    if command.until is not None and command.until <= draft.now:
        raise CommandRejected(
            ErrorCode.PAST_TIME, "until lies in the past", [FieldProblem("until", "lies in the past")]
        )
    draft.put_state(paused(state, draft.now, command.note, command.until, command.cause))
    draft.announce_event("event_paused", record.event_id)
    return _answer(draft, record.event_id)


def _resume(draft: Draft, command: ResumeEvent) -> EventAnswer:
    record, state = _existing(draft, command.event_id)
    if state.status in ENDED:
        raise CommandRejected(
            ErrorCode.CONFLICT, f"the event is {state.status}; update_event with another time revives it"
        )
    if state.status is EventStatus.DISABLED:
        record = replace(
            record,
            revision=record.revision + 1,
            definition=record.definition.model_copy(update={"enabled": True}),
            updated_at=draft.now,
        )
        draft.put_record(record)
    if state.status is not EventStatus.ACTIVE:
        resume(draft, record, state)
    return _answer(draft, record.event_id)


def _delete(draft: Draft, command: DeleteEvent) -> DeletedAnswer:
    record, _ = _existing(draft, command.event_id)
    cancel_all(draft, draft.unfinished(record.event_id), "event_deleted")
    draft.announce_event("event_deleted", record.event_id)
    draft.delete(record.event_id)
    return DeletedAnswer(record.event_id)


def _cancel(draft: Draft, command: CancelEvent) -> EventAnswer:
    record, state = _existing(draft, command.event_id)
    if state.status is not EventStatus.CANCELLED:
        draft.put_state(stopped(state, EventStatus.CANCELLED))
        cancel_all(draft, draft.unfinished(record.event_id), "event_cancelled")
        draft.announce_event("event_cancelled", record.event_id)
    return _answer(draft, record.event_id)


def _drop_waiting(draft: Draft, event_id: str, reason: str) -> None:
    """Ends what waits for a retry; what runs may finish."""
    waiting = [e for e in draft.unfinished(event_id) if e.status is ExecutionStatus.RETRYING]
    cancel_all(draft, waiting, reason)


# executions


def _trigger(draft: Draft, command: TriggerEvent, request_key: str) -> ExecutionAnswer:
    record, state = _existing(draft, command.event_id)
    if state.status is EventStatus.CANCELLED:
        raise CommandRejected(ErrorCode.CONFLICT, "the event is cancelled")
    execution = Execution(
        execution_id=request_execution_id(record, request_key),
        event_key=record.key,
        event_id=record.event_id,
        name=record.definition.name,
        status=ExecutionStatus.PENDING,
        triggered_by=TriggeredBy.MANUAL,
        scheduled_time=draft.now,
        due_time=draft.now,
        created_at=draft.now,
        priority=record.definition.priority,
        payload=command.payload,
    )
    return ExecutionAnswer(start(draft, record, execution))


def _cancel_execution(draft: Draft, command: CancelExecution) -> ExecutionAnswer:
    execution = draft.execution(command.execution_id)
    if execution is None:
        raise CommandRejected(
            ErrorCode.NOT_FOUND,
            f"there is no execution '{command.execution_id}'",
            [FieldProblem("execution_id", "is not known")],
        )
    if is_finished(execution):
        raise CommandRejected(ErrorCode.CONFLICT, f"the execution has ended already: {execution.status}")
    cancel_all(draft, [execution], "cancelled_by_command")
    count_from_end(draft, execution.event_id, draft.now)
    return ExecutionAnswer(draft.execution(execution.execution_id) or execution)


# what every command needs


def _existing(draft: Draft, event_id: str) -> tuple[EventRecord, EventState]:
    event = draft.event(event_id)
    if event is None:
        raise CommandRejected(
            ErrorCode.NOT_FOUND, f"there is no event '{event_id}'", [FieldProblem("event_id", "is not known")]
        )
    return event


def _answer(draft: Draft, event_id: str) -> EventAnswer:
    record, state = _existing(draft, event_id)
    return EventAnswer(record, state, next_fires(draft.timings(record, state), state, draft.now))


def next_fires(timing: Timing, state: EventState, now: datetime, count: int = NEXT_FIRES) -> tuple[FireTime, ...]:
    """The next fires of an event as it stands; none while its timer rests."""
    if state.status is not EventStatus.ACTIVE:
        return ()
    return fires_after(timing, max(state.mark_time, now) if state.next_time is None else state.next_time - TICK, count)


def fires_after(timing: Timing, after: datetime, count: int) -> tuple[FireTime, ...]:
    """The next ``count`` fires strictly after an instant."""
    fires: list[FireTime] = []
    nominal = timing.next_time(after)
    while nominal is not None and len(fires) < count:
        fires.append(FireTime(nominal, timing.due_time(nominal), timing.note(nominal)))
        nominal = timing.next_time(nominal)
    return tuple(fires)
