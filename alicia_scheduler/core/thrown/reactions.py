"""What follows from a decision within its transaction: triggers on executions, and a look at what waits already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alicia_scheduler.core.announcement import Announcement, EventChanged, ExecutionChanged
from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.thrown.arrival import arrival_of_change
from alicia_scheduler.core.thrown.reacting import takers
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.core.thrown.waiting import event_keys
from alicia_scheduler.core.view import View

_WAKING = frozenset({"event_created", "event_updated", "event_resumed"})


class Reactions:
    """Makes the decision that follows from what another one announces; None where nothing does."""

    def __init__(self, timings: Timings, rules: ThrowRules) -> None:
        self._timings = timings
        self._rules = rules

    def __call__(self, view: View, now: datetime, announcements: Sequence[Announcement]) -> Decision[None] | None:
        """The decision that follows, for the same transaction."""
        draft: Draft | None = None
        for announcement in announcements:
            if isinstance(announcement, ExecutionChanged) and view.thrown.watched:
                draft = draft or Draft(view, now, self._timings)
                arrival = arrival_of_change(announcement.execution, announcement.change, now)
                takers(draft, arrival, self._rules, only_first=False)
            elif isinstance(announcement, EventChanged) and _may_be_late(announcement):
                draft = draft or Draft(view, now, self._timings)
                draft.thrown.look(announcement.record.key, wanted=True)
        return draft.decision(None) if draft is not None else None


def _may_be_late(announcement: EventChanged) -> bool:
    """Whether thrown events may be waiting already for what has become of the scheduled event."""
    event = announcement.record.definition
    return announcement.change in _WAKING and bool(event.triggers) and bool(event_keys(event))
