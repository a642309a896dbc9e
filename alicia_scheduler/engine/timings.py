"""Keeps compiled timing rules, so that a fire does not pay for reading its rule again."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from alicia_scheduler.core.model.event import compiled_timing
from alicia_scheduler.core.state import EventRecord, EventState
from alicia_scheduler.core.timing import Timing

KEPT = 8192
"""Compiled rules in memory; an event beyond them is compiled again when it fires."""


class TimingCache:
    """Compiled rules by (event key, revision, anchor); the least recently used ones go."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._rules: OrderedDict[tuple[int, int, datetime], Timing] = OrderedDict()

    def __call__(self, record: EventRecord, state: EventState) -> Timing:
        """The compiled rule of the event.

        Raises:
            InvalidSchedule: The rule can never fire.
        """
        name = (record.key, record.revision, state.anchor_time)
        rule = self._rules.get(name)
        if rule is None:
            rule = self._rules[name] = compiled_timing(record.definition, state.anchor_time)
            if len(self._rules) > self._kept:
                self._rules.popitem(last=False)
        else:
            self._rules.move_to_end(name)
        return rule
