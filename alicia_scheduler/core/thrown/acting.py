"""What an execution does: the action of its event, or what the trigger that made it brings along."""

from __future__ import annotations

from alicia_scheduler.core.model.action import Action, Instructions
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.trigger import trigger_id
from alicia_scheduler.core.state import Execution


def chosen_action(event: ScheduledEvent, execution: Execution) -> Action | None:
    """The action; None when its trigger is gone from the definition and the event has none of its own."""
    made_by = execution.trigger_event.get("trigger") if isinstance(execution.trigger_event, dict) else None
    if made_by is not None:
        for trigger in event.triggers:
            if trigger.trigger_actions is not None and trigger_id(trigger) == made_by:
                return Instructions(instructions_block=trigger.trigger_actions.instructions_block)
    return event.action
