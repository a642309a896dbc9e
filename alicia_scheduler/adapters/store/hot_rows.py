"""The rows that the fire path touches again and again, kept in memory beside the file.

It always shows what is committed: this process is the only writer (the process lock sees to that), every commit passes
through ``committed``, and keys are never used twice. So a hit needs no look at the file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from alicia_scheduler.core.state import UNFINISHED, EventRecord, EventState, Execution

CAPACITY = 16_384
"""So many definitions and so many states, least recently used out first; and so many executions, newcomers stay out."""

Row = TypeVar("Row")


@dataclass(slots=True)
class Written:
    """What one transaction has written so far; None for an event that was removed, by its key."""

    records: dict[int, EventRecord | None] = field(default_factory=dict)
    states: dict[int, EventState] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)


class HotRows:
    """Definitions and states of the events used last, and executions that have not ended."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: OrderedDict[int, EventRecord] = OrderedDict()
        self._states: OrderedDict[int, EventState] = OrderedDict()
        self._executions: dict[str, Execution] = {}
        self._capacity = capacity

    def record(self, key: int) -> EventRecord | None:
        """The definition, if it was used lately."""
        record = self._records.get(key)
        if record is not None:
            self._records.move_to_end(key)
        return record

    def state(self, key: int) -> EventState | None:
        """The state, if it was written lately."""
        return self._states.get(key)

    def execution(self, execution_id: str) -> Execution | None:
        """The execution, if it is kept and unfinished."""
        return self._executions.get(execution_id)

    def keep_record(self, record: EventRecord) -> None:
        """Keeps a committed definition."""
        self._keep(self._records, record.key, record)

    def committed(self, written: Written) -> None:
        """Takes on what a transaction wrote."""
        for key, state in written.states.items():
            self._keep(self._states, key, state)
        for key, record in written.records.items():
            if record is None:
                self._records.pop(key, None)
                self._states.pop(key, None)
            else:
                self.keep_record(record)
        self._take_executions(written.executions)

    def clear(self) -> None:
        """Forgets everything."""
        self._records.clear()
        self._states.clear()
        self._executions.clear()

    def _keep(self, rows: OrderedDict[int, Row], key: int, row: Row) -> None:
        rows[key] = row
        rows.move_to_end(key)
        if len(rows) > self._capacity:
            rows.popitem(last=False)

    def _take_executions(self, written: Mapping[str, Execution]) -> None:
        """One that does not fit is read from the file when its turn comes; the oldest ones run first, so they stay."""
        kept = self._executions
        for execution_id, execution in written.items():
            if execution.status not in UNFINISHED:
                kept.pop(execution_id, None)
            elif execution_id in kept or (len(kept) < self._capacity and execution.payload is None):
                kept[execution_id] = execution
