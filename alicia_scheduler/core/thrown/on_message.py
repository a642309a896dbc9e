"""What a message does that a trigger listens to."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.thrown.arrival import Arrival
from alicia_scheduler.core.thrown.reacting import takers
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.view import View


def on_message(view: View, now: datetime, timings: Timings, arrival: Arrival, rules: ThrowRules) -> Decision[int]:
    """Has the triggers act that listen to the message; answers how many did."""
    draft = Draft(view, now, timings)
    return draft.decision(len(takers(draft, arrival, rules, only_first=False)))
