"""When attempts must have ended: one timer for all of them, since a timer for each cost more than a publish."""

from __future__ import annotations

import asyncio
import math
from typing import Any


class Deadlines:
    """Cancels tasks that pass their time, and tells such a cancellation from one that comes from outside."""

    def __init__(self) -> None:
        self._by_task: dict[asyncio.Task[Any], float] = {}
        self._passed: set[asyncio.Task[Any]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = math.inf

    def set(self, task: asyncio.Task[Any], seconds: float) -> None:
        """Cancels the task after so many seconds, unless ``clear`` comes first."""
        deadline_s = asyncio.get_running_loop().time() + seconds
        self._by_task[task] = deadline_s
        if deadline_s < self._alarm_s:
            self._wake_at(deadline_s)

    def clear(self, task: asyncio.Task[Any]) -> None:
        """Forgets the task: it has ended in time, or its deadline was taken note of."""
        self._by_task.pop(task, None)
        self._passed.discard(task)

    def passed(self, task: asyncio.Task[Any]) -> bool:
        """Whether the task is cancelled for its deadline and for nothing else; the cancellation is then undone."""
        return task in self._passed and task.uncancel() == 0

    def _wake_at(self, deadline_s: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_s = deadline_s
        self._alarm = asyncio.get_running_loop().call_at(deadline_s, self._ring)

    def _ring(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self._alarm, self._alarm_s = None, math.inf
        for task in [task for task, deadline_s in self._by_task.items() if deadline_s <= now_s]:
            del self._by_task[task]
            self._passed.add(task)
            task.cancel()
        if self._by_task:
            self._wake_at(min(self._by_task.values()))
