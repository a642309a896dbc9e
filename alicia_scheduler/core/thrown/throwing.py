"""Throwing: from a command to a thrown event in the queues of its destinations, matched at once where it is active."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime, timedelta

from alicia_scheduler.core.announcement import EventThrown
from alicia_scheduler.core.answers import ThrownAnswer
from alicia_scheduler.core.commands import ThrowEvent
from alicia_scheduler.core.draft import Draft
from alicia_scheduler.core.identity import thrown_id
from alicia_scheduler.core.model.exclusion import DstOverride
from alicia_scheduler.core.model.fields import json_text
from alicia_scheduler.core.state import Execution
from alicia_scheduler.core.thrown.activation import activate
from alicia_scheduler.core.thrown.arrival import LINK, chain_of
from alicia_scheduler.core.thrown.model import Entry, EntryStatus, QueueNeed, Thrown
from alicia_scheduler.core.thrown.rules import DEFAULT_DESTINATION, ThrowRules
from alicia_scheduler.core.timing import resolve_local
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem

PAST_TOLERANCE = timedelta(seconds=60)
"""How late a ``future_time`` may be: clocks differ, and messages take their time."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who throws.

    Attributes:
        request_key: Text that this throw alone has; its unique id follows from it.
        chain: What led to the execution that throws.
    """

    request_key: str
    chain: tuple[str, ...] = ()
    event_id: str | None = None
    execution_id: str | None = None


def source_of(execution: Execution, path: str) -> Source:
    """An instruction of an execution throws."""
    request_key = f"{execution.execution_id}/{path}"
    return Source(request_key, chain_of(execution), execution.event_id, execution.execution_id)


def throw(draft: Draft, command: ThrowEvent, rules: ThrowRules, source: Source) -> ThrownAnswer:
    """Puts the event into the queues of its destinations; where it is active at once, the triggers act in this step.

    Raises:
        CommandRejected: It may not be thrown; nothing changes.
    """
    chain = _chain(command, rules, source)
    _check_size(command, rules)
    active_from = _active_from(command, rules, draft.now)
    dest_ids = destinations(draft, command, rules)
    dropped = _make_room(draft, dest_ids, rules)
    thrown = Thrown(
        offset=draft.draw_offset(),
        unique_id=thrown_id(source.request_key),
        namespace=command.namespace,
        key=command.key,
        scope=command.scope,
        created_at=draft.now,
        active_from=active_from,
        expires_at=active_from + (command.ttl or rules.default_ttl),
        single_consumer=command.single_consumer,
        group_id=command.group_id,
        display_name=command.display_name,
        value=command.value,
        payload=command.payload,
        sender=command.sender or source.event_id,
        chain=chain,
        event_id=source.event_id,
        execution_id=source.execution_id,
    )
    draft.thrown.put_thrown(thrown)
    for place, dest_id in enumerate(dest_ids):
        draft.thrown.add_entry(_entry(thrown, dest_id, place))
    draft.announce(EventThrown(thrown, dest_ids))
    if active_from <= draft.now:
        activate(draft, thrown, rules)
    return ThrownAnswer(thrown, tuple(draft.thrown.entries_of(thrown.offset)), dropped)


def destinations(draft: Draft, command: ThrowEvent, rules: ThrowRules) -> tuple[str, ...]:
    """Where the event goes, each once; raises CommandRejected for a group that nobody defined."""
    match command.scope:
        case "dest":
            return (command.dest_id or DEFAULT_DESTINATION,)
        case "group":
            return _members(command.group_id or "", rules)
        case _:
            known = {dest_id for dest_id, found in draft.view.thrown.destinations.items() if found.events}
            named = {dest_id for members in rules.groups.values() for dest_id in members}
            every = sorted(known | named | {DEFAULT_DESTINATION})
    if len(every) > rules.max_fan_out:
        raise CommandRejected(
            ErrorCode.LIMIT_EXCEEDED,
            f"it would go to {len(every)} destinations, {rules.max_fan_out} are allowed (events.max_fan_out)",
            [FieldProblem("scope", "throw it to a group or a destination")],
        )
    return tuple(every)


def _members(group_id: str, rules: ThrowRules) -> tuple[str, ...]:
    members = rules.groups.get(group_id)
    if members:
        return tuple(dict.fromkeys(members))
    close = difflib.get_close_matches(group_id, rules.groups, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known are: {', '.join(sorted(rules.groups)[:20]) or 'none'}"
    raise CommandRejected(
        ErrorCode.NOT_FOUND, f"there is no group '{group_id}' (events.groups)", [FieldProblem("group_id", hint)]
    )


def _chain(command: ThrowEvent, rules: ThrowRules, source: Source) -> tuple[str, ...]:
    chain = (*source.chain, f"{command.namespace}/{command.key}")
    if len(source.chain) > rules.max_hops:
        raise CommandRejected(
            ErrorCode.LIMIT_EXCEEDED,
            f"events that throw each other: the chain is longer than {rules.max_hops} (events.max_hops): "
            f"{LINK.join(chain)}",
            [FieldProblem("key", "was not thrown, since it would go on like this for ever")],
        )
    return chain


def _check_size(command: ThrowEvent, rules: ThrowRules) -> None:
    size = sum(len(json_text(part).encode("utf-8", "surrogatepass")) for part in (command.payload, command.value))
    if size > rules.max_payload_bytes:
        raise CommandRejected(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"payload and value are {size} bytes, {rules.max_payload_bytes} are allowed (events.max_payload_bytes)",
            [FieldProblem("payload", "is too large; store the data elsewhere and throw where it is")],
        )


def _active_from(command: ThrowEvent, rules: ThrowRules, now: datetime) -> datetime:
    if command.future_time is None:
        return now + (command.delay or timedelta(0))
    at = command.future_time
    if at.tzinfo is None:
        at = resolve_local(at, rules.timezone, DstOverride())[0]
    if at < now - PAST_TOLERANCE:
        raise CommandRejected(
            ErrorCode.PAST_TIME,
            f"the time {at.isoformat()} has passed",
            [FieldProblem("future_time", "lies in the past")],
        )
    return max(at, now)


def _make_room(draft: Draft, dest_ids: tuple[str, ...], rules: ThrowRules) -> int:
    """Lets the oldest entries of full queues go, if that is the policy; raises CommandRejected if it is not."""
    full = [dest_id for dest_id in dest_ids if draft.thrown.queued(dest_id) >= rules.queue_limit]
    for dest_id in full:
        oldest = _oldest(draft, dest_id) if rules.queue_policy == "drop_oldest" else None
        if oldest is None:
            raise CommandRejected(
                ErrorCode.LIMIT_EXCEEDED,
                f"the queue of '{dest_id}' is full: {rules.queue_limit} events are active (events.queue_limit)",
                [FieldProblem("dest_id", "consume or clear some, throw with a shorter ttl, or raise the limit")],
            )
        ended = oldest._replace(status=EntryStatus.EXPIRED, reason="queue_full", consumed_at=draft.now)
        draft.thrown.put_entry(ended)
    return len(full)


def _oldest(draft: Draft, dest_id: str) -> Entry | None:
    for entry in draft.view.thrown.active(QueueNeed(dest_id, None, (), 0, 1000)):
        current = draft.thrown.entry(entry.entry_key) or entry
        if current.status is EntryStatus.ACTIVE:
            return current
    return None


def _entry(thrown: Thrown, dest_id: str, place: int) -> Entry:
    return Entry(thrown.offset, dest_id, place, thrown.namespace, thrown.key, thrown.active_from, thrown.expires_at)
