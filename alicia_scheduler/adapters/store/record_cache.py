"""Parsed definitions of the events that were used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from alicia_scheduler.core.state import EventRecord

CAPACITY = 16_384


class RecordCache:
    """A bounded map from key to record, least recently used out first.

    It always holds what is committed: this process is the only writer, every commit passes through ``committed``, and
    keys are never used twice. So a hit needs no look at the wide row, not even at its revision.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: OrderedDict[int, EventRecord] = OrderedDict()
        self._capacity = capacity

    def get(self, key: int) -> EventRecord | None:
        """The record, if it was used lately."""
        record = self._records.get(key)
        if record is not None:
            self._records.move_to_end(key)
        return record

    def put(self, record: EventRecord) -> None:
        """Keeps a committed record."""
        self._records[record.key] = record
        self._records.move_to_end(record.key)
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def committed(self, written: Mapping[int, EventRecord | None]) -> None:
        """Takes on what a transaction wrote; None for a key that was removed."""
        for key, record in written.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self.put(record)

    def clear(self) -> None:
        """Forgets everything."""
        self._records.clear()
