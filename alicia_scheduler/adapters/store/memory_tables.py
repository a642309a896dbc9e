"""The rows of the store in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from alicia_scheduler.core.outbox import OutboxRow
from alicia_scheduler.core.state import EventRecord, EventState, Execution, RequestRecord, ServiceMark


@dataclass(slots=True)
class Tables:
    """Every row; ``unfinished`` holds the executions of ``executions`` that are not ended, oldest first."""

    records: dict[str, EventRecord] = field(default_factory=dict)
    states: dict[str, EventState] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    unfinished: dict[str, Execution] = field(default_factory=dict)
    requests: dict[str, RequestRecord] = field(default_factory=dict)
    outbox: dict[int, OutboxRow] = field(default_factory=dict)
    mark: ServiceMark = field(default_factory=ServiceMark)

    def copy(self) -> Tables:
        """The same rows in tables of their own."""
        return Tables(
            records=self.records.copy(),
            states=self.states.copy(),
            executions=self.executions.copy(),
            unfinished=self.unfinished.copy(),
            requests=self.requests.copy(),
            outbox=self.outbox.copy(),
            mark=self.mark,
        )
