"""What the decisions about thrown events must see."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.commands import ClearThrown, ConsumeThrown, ThrowEvent
from alicia_scheduler.core.decision import Needs
from alicia_scheduler.core.thrown.model import ThrownNeeds, TriggerKey
from alicia_scheduler.core.thrown.on_thrown import ThrownChange, queue_need
from alicia_scheduler.core.thrown.rules import DEFAULT_DESTINATION, ThrowRules
from alicia_scheduler.core.thrown.waiting import EVENT


def throw_needs(command: ThrowEvent, rules: ThrowRules) -> Needs:
    """For ``throw``."""
    named: frozenset[str] = frozenset()
    if command.scope == "dest":
        named = frozenset({command.dest_id or DEFAULT_DESTINATION})
    elif command.scope == "group":
        named = frozenset(rules.groups.get(command.group_id or "", ()))
    else:
        named = frozenset({DEFAULT_DESTINATION}).union(*rules.groups.values())
    return Needs(
        thrown=ThrownNeeds(
            keys=frozenset({TriggerKey(EVENT, command.namespace, command.key)}),
            destinations=command.scope == "global",
            queues_of=named,
            full_at=rules.queue_limit if rules.queue_policy == "drop_oldest" else 0,
        )
    )


def thrown_needs(command: ThrownChange, rules: ThrowRules) -> Needs:
    """For any of the commands."""
    match command:
        case ThrowEvent():
            return throw_needs(command, rules)
        case ConsumeThrown() | ClearThrown():
            return Needs(thrown=ThrownNeeds(queues=frozenset({queue_need(command)})))


def due_needs(at: datetime, limit: int) -> Needs:
    """For ``on_due``."""
    return Needs(thrown=ThrownNeeds(due_at=at, due_limit=limit, looks=limit))


def message_needs(key: TriggerKey) -> Needs:
    """For a message that a trigger listens to."""
    return Needs(thrown=ThrownNeeds(keys=frozenset({key})))
