"""The states of an execution and of a scheduled event, and the only ways between them.

An execution::

    (new) ─→ pending ─→ running ─→ completed
      │         │        │   ↑ └─→ failed · timed_out · cancelled
      │         │        ↓   │
      │         │      retrying ─→ failed · timed_out · cancelled
      │         └─→ cancelled · skipped · missed · failed (not run: its event has gone)
      ├─→ skipped   (overlap policy)
      └─→ missed    (misfire)

An execution whose instructions wait for long stands in ``retrying`` too, with the reason ``waiting``: it leaves its
place to others, and goes on with the same attempt. ``running → pending`` is the way back for an attempt that a stop of
the service kept from beginning, or that a crash interrupted. A transition that is not listed raises.
"""

from __future__ import annotations

from typing import Any

from alicia_scheduler.core.state import UNFINISHED, EventStatus, Execution, ExecutionStatus

S = ExecutionStatus
E = EventStatus

TRANSITIONS: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    S.PENDING: frozenset({S.RUNNING, S.CANCELLED, S.SKIPPED, S.MISSED, S.FAILED}),
    S.RUNNING: frozenset({S.COMPLETED, S.FAILED, S.TIMED_OUT, S.CANCELLED, S.RETRYING, S.PENDING}),
    S.RETRYING: frozenset({S.RUNNING, S.FAILED, S.TIMED_OUT, S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.TIMED_OUT: frozenset(),
    S.CANCELLED: frozenset(),
    S.SKIPPED: frozenset(),
    S.MISSED: frozenset(),
}
"""Which status may follow which."""

BEGINNINGS = frozenset({S.PENDING, S.SKIPPED, S.MISSED})
"""Statuses a new execution may have."""

EVENT_TRANSITIONS: dict[EventStatus, frozenset[EventStatus]] = {
    E.ACTIVE: frozenset({E.PAUSED, E.DISABLED, E.COMPLETED, E.EXPIRED, E.CANCELLED, E.ERROR}),
    E.PAUSED: frozenset({E.ACTIVE, E.DISABLED, E.COMPLETED, E.EXPIRED, E.CANCELLED, E.ERROR}),
    E.DISABLED: frozenset({E.ACTIVE, E.PAUSED, E.COMPLETED, E.EXPIRED, E.CANCELLED, E.ERROR}),
    E.COMPLETED: frozenset({E.ACTIVE, E.PAUSED, E.DISABLED, E.CANCELLED}),
    E.EXPIRED: frozenset({E.ACTIVE, E.PAUSED, E.DISABLED, E.CANCELLED}),
    E.CANCELLED: frozenset({E.ACTIVE, E.PAUSED, E.DISABLED}),
    E.ERROR: frozenset({E.ACTIVE, E.PAUSED, E.DISABLED, E.CANCELLED}),
}
"""An ended event lives again only through an edit of its definition."""


WAITING = "waiting"
"""The reason of a ``retrying`` execution that waits in the midst of an attempt (docs/instructions.md, waits)."""


class IllegalTransition(AssertionError):
    """A rule tried a transition that the table does not list: a defect of the program, never of its input."""


def moved(execution: Execution, status: ExecutionStatus, **changes: Any) -> Execution:
    """The execution in its new status.

    Raises:
        IllegalTransition: The table does not list this step.
    """
    if status not in TRANSITIONS[execution.status]:
        raise IllegalTransition(f"execution {execution.execution_id}: {execution.status} → {status}")
    return execution._replace(status=status, **changes)


def is_waiting(execution: Execution) -> bool:
    """Whether the execution waits in the midst of an attempt."""
    return execution.status is ExecutionStatus.RETRYING and execution.reason == WAITING


def is_finished(execution: Execution) -> bool:
    """Whether nothing will follow."""
    return execution.status not in UNFINISHED
