"""How often each of many may do something: a token bucket by name, for so many names as memory is meant for."""

from __future__ import annotations

from collections import OrderedDict

from alicia_scheduler.core.commands import ThrowEvent
from alicia_scheduler.core.thrown.rules import ThrowRules
from alicia_scheduler.engine.rate import Allowance
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.ports import Clock

KEPT = 10_000
"""Names remembered; the one that was heard of least recently goes, with a bucket that is full by then or nearly so."""

BURST_S = 2.0
"""How many seconds' worth may come at once."""


class Throttle:
    """Gives out at most ``per_second`` to each name, in bursts of twice as many; 0 is no limit."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._buckets: OrderedDict[str, Allowance] = OrderedDict()
        self.refused = 0

    def take(self, name: str) -> bool:
        """Whether it may happen once more now."""
        if not self._per_second:
            return True
        bucket = self._buckets.get(name)
        if bucket is None:
            burst = max(1.0, self._per_second * BURST_S)
            bucket = self._buckets[name] = Allowance(self._clock, per_second=self._per_second, burst=burst)
            if len(self._buckets) > KEPT:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        taken = bucket.take()
        self.refused += not taken
        return taken


class ThrowThrottle:
    """The rates of thrown events: by sender and by key."""

    def __init__(self, clock: Clock, rules: ThrowRules) -> None:
        self._rules = rules
        self._by_sender = Throttle(clock, rules.rate_per_sender)
        self._by_key = Throttle(clock, rules.rate_per_key)

    @property
    def refused(self) -> int:
        """How many throws were too many."""
        return self._by_sender.refused + self._by_key.refused

    def check(self, command: ThrowEvent) -> None:
        """Counts the throw.

        Raises:
            CommandRejected: It is one too many.
        """
        if not self._by_sender.take(command.sender or ""):
            who = f"'{command.sender}'" if command.sender else "senders without a name"
            raise _too_many(f"{who} may throw {self._rules.rate_per_sender:g} events a second", "sender")
        if not self._by_key.take(f"{command.namespace}/{command.key}"):
            raise _too_many(f"'{command.key}' may be thrown {self._rules.rate_per_key:g} times a second", "key")


def _too_many(message: str, which: str) -> CommandRejected:
    return CommandRejected(
        ErrorCode.LIMIT_EXCEEDED,
        f"{message} (events.rate_per_{which}); throw it again a little later",
        [FieldProblem(which, "comes too often")],
    )
