"""The rows of the store in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from alicia_scheduler.core.outbox import OutboxRow
from alicia_scheduler.core.state import EventRecord, EventState, Execution, RequestRecord, ServiceMark
from alicia_scheduler.core.thrown.model import Entry, EntryKey, Json, ProgressKey, Thrown


@dataclass(slots=True)
class ThrownRows:
    """The rows about thrown events; ``looks`` holds event keys, ``waiting`` the events that have triggers."""

    waiting: dict[str, EventRecord] = field(default_factory=dict)
    thrown: dict[int, Thrown] = field(default_factory=dict)
    entries: dict[EntryKey, Entry] = field(default_factory=dict)
    seen: set[tuple[int, str]] = field(default_factory=set)
    progress: dict[ProgressKey, Json] = field(default_factory=dict)
    looks: set[int] = field(default_factory=set)
    variables: dict[str, dict[str, Json]] = field(default_factory=dict)
    steps: dict[str, dict[str, Json]] = field(default_factory=dict)

    def copy(self) -> ThrownRows:
        """The same rows in tables of their own."""
        return ThrownRows(
            waiting=self.waiting.copy(),
            thrown=self.thrown.copy(),
            entries=self.entries.copy(),
            seen=self.seen.copy(),
            progress=self.progress.copy(),
            looks=self.looks.copy(),
            variables={dest_id: found.copy() for dest_id, found in self.variables.items()},
            steps={execution_id: found.copy() for execution_id, found in self.steps.items()},
        )


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
    thrown: ThrownRows = field(default_factory=ThrownRows)

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
            thrown=self.thrown.copy(),
        )
