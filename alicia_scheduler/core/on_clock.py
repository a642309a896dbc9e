"""What a clock that was set back by hours leaves: marks that lie in the future (docs/time-rules.md, clock steps)."""

from __future__ import annotations

from datetime import datetime

from alicia_scheduler.core.decision import Decision
from alicia_scheduler.core.draft import Draft, Timings
from alicia_scheduler.core.resting import started
from alicia_scheduler.core.state import EventStatus
from alicia_scheduler.core.view import View


def on_clock_set_back(view: View, now: datetime, timings: Timings) -> Decision[int]:
    """Recomputes the events whose mark lies ahead of the clock; answers how many were looked at.

    Their nominal times come round again under the right clock, so they get another generation: other execution ids.
    """
    draft = Draft(view, now, timings)
    for event_id in view.ahead:
        event = draft.event(event_id)
        if event is None or event[1].mark_time <= now:
            continue
        record, state = event
        again = state._replace(generation=state.generation + 1, mark_time=now)
        if state.status is EventStatus.ACTIVE and state.next_time is not None:
            again = started(again, timings(record, again), now)
        draft.put_state(again)
    return draft.decision(len(view.ahead))
