"""Making and changing definitions: ``create_event`` and ``update_event``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from alicia_scheduler.core.answers import EventAnswer
from alicia_scheduler.core.commands import CreateEvent, UpdateEvent
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.event_answers import event_answer, existing, next_fires
from alicia_scheduler.core.firing import cancel_all
from alicia_scheduler.core.model.action import Instructions, MqttPublish, plain_actions
from alicia_scheduler.core.model.event import EventDefaults, InvalidSchedule, ScheduledEvent, parse_event
from alicia_scheduler.core.model.problems import InvalidDefinition
from alicia_scheduler.core.plan import TICK
from alicia_scheduler.core.resting import TIMED, paused, started, stopped
from alicia_scheduler.core.state import EventRecord, EventState, EventStatus, ExecutionStatus
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem

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
    thrown: ThrowRules = field(default_factory=ThrowRules)


def create(draft: Draft, command: CreateEvent, rules: CommandRules) -> EventAnswer:
    """Stores a new event, or does with a taken id what ``on_conflict`` says; raises CommandRejected."""
    taken = draft.event(command.event.event_id)
    if taken and command.on_conflict == "error":
        raise CommandRejected(
            ErrorCode.ALREADY_EXISTS,
            f"an event '{command.event.event_id}' exists already; use on_conflict or update_event",
            [FieldProblem("event.event_id", "is taken")],
        )
    if taken and command.on_conflict == "skip":
        return event_answer(draft, taken[0].event_id)
    if taken:
        return _changed(draft, *taken, command.event, rules, origin=command.origin)
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
    return replace(event_answer(draft, event.event_id), created=True)


def update(draft: Draft, command: UpdateEvent, rules: CommandRules) -> EventAnswer:
    """Applies a merge patch to a definition; raises CommandRejected."""
    record, state = existing(draft, command.event_id)
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
    changed = record._replace(revision=record.revision + 1, definition=event, origin=origin, updated_at=draft.now)
    draft.put_record(changed)
    draft.put_state(_state_after_edit(draft, record, changed, state, rules))
    if not event.enabled:
        _drop_waiting(draft, event.event_id, "event_disabled")
    draft.announce_event("event_updated", event.event_id)
    return replace(event_answer(draft, event.event_id), previous_fires=before)


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
        fresh = state._replace(anchor_time=anchor, mark_time=draft.now, fired_count=0 if retimed else state.fired_count)
        if state.status in ENDED and not retimed and not relimited:
            return state
        ready = _first_state(draft, new, fresh, rules)
        if state.status is EventStatus.PAUSED:
            return paused(
                state._replace(anchor_time=anchor, mark_time=ready.mark_time),
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
    if event.schedule_type == "once" and not state.fired_count:
        after = min(after, _once_mark(event, timing, draft.now, rules))
    if not event.enabled:
        return stopped(state._replace(mark_time=after), EventStatus.DISABLED)
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
    for place, topic in topics_of(event):
        problem = topic_not_allowed(topic, rules)
        if problem:
            raise CommandRejected(ErrorCode.NOT_ALLOWED, problem, [FieldProblem(f"event.{place}.topic", problem)])
    every = getattr(event.schedule_config, "every", None)
    if every is not None and every < rules.defaults.min_interval:
        least = rules.defaults.min_interval / timedelta(seconds=1)
        raise CommandRejected(
            ErrorCode.INVALID_REQUEST,
            f"an interval is at least {least:g} s (scheduler.min_interval)",
            [FieldProblem("event.schedule_config.every", f"expected {least:g} s or more")],
        )


def topics_of(event: ScheduledEvent) -> Iterator[tuple[str, str]]:
    """Every topic that the event would publish to, with the place of its action; also those inside of instructions."""
    actions = [("action", event.action)]
    for number, trigger in enumerate(event.triggers):
        if trigger.trigger_actions is not None:
            block = Instructions.model_construct(instructions_block=trigger.trigger_actions.instructions_block)
            actions.append((f"triggers[{number}].trigger_actions", block))
    for place, action in actions:
        for path, plain in plain_actions(action):
            if isinstance(plain, MqttPublish):
                yield ".".join(filter(None, (place, path))), plain.topic


def topic_not_allowed(topic: str, rules: CommandRules) -> str | None:
    """Why the service may not publish to the topic, or None."""
    if topic == rules.command_prefix or topic.startswith(f"{rules.command_prefix}/"):
        return "the service does not take its own messages for commands, so a command topic would be silent"
    if rules.allow_topics is not None and not topic.startswith(rules.allow_topics):
        allowed = ", ".join(rules.allow_topics) or "nothing"
        return f"allowed are topics that start with: {allowed} (setting actions.mqtt_publish.allow_topics)"
    return None


def _drop_waiting(draft: Draft, event_id: str, reason: str) -> None:
    """Ends what waits for a retry; what runs may finish."""
    waiting = [e for e in draft.unfinished(event_id) if e.status is ExecutionStatus.RETRYING]
    cancel_all(draft, waiting, reason)
