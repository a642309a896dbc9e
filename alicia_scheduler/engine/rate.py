"""A token bucket: how often something may happen, with a burst."""

from __future__ import annotations

from alicia_scheduler.ports import Clock


class Allowance:
    """Gives out at most ``burst`` at once and ``per_second`` in the long run; counts what it refused."""

    def __init__(self, clock: Clock, *, per_second: float, burst: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = clock.steady()
        self.refused = 0

    def take(self) -> bool:
        """Whether it may happen once more now."""
        now = self._clock.steady()
        self._left = min(self._burst, self._left + (now - self._at).total_seconds() * self._per_second)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True
