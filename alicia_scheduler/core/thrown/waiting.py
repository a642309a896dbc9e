"""Under which keys the triggers of a scheduled event wait: what the store's index of triggers is made from."""

from __future__ import annotations

from collections.abc import Iterator

from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.trigger import ExecutionTrigger, MqttTrigger, Trigger, keys_of, namespace_of
from alicia_scheduler.core.thrown.model import TriggerKey

EVENT, EXECUTION, MQTT = "event", "execution", "mqtt"
RETAINED = "retained"
"""In place of a namespace: the trigger also wants the messages that a broker had kept."""


def trigger_keys(event: ScheduledEvent) -> frozenset[TriggerKey]:
    """Every key under which the event wants to be found."""
    return frozenset(key for trigger in event.triggers for key in keys_of_trigger(trigger, event.namespace))


def keys_of_trigger(trigger: Trigger, namespace: str) -> Iterator[TriggerKey]:
    """The keys of one trigger of an event in that namespace."""
    match trigger:
        case ExecutionTrigger(value=event_id):
            yield TriggerKey(EXECUTION, "", event_id)
        case MqttTrigger(value=topic_filter, retained=retained):
            yield TriggerKey(MQTT, RETAINED if retained else "", topic_filter)
        case _:
            for key in keys_of(trigger):
                yield TriggerKey(EVENT, namespace_of(trigger, namespace), key)


def event_keys(event: ScheduledEvent) -> frozenset[TriggerKey]:
    """The keys of thrown events among them."""
    return frozenset(key for key in trigger_keys(event) if key.kind == EVENT)
