"""The seeded adversary: what goes wrong, and when. Everything it draws follows from the seed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alicia_scheduler.adapters.actions.mqtt_publish import MqttPublishRunner
from alicia_scheduler.errors import ActionFailed
from alicia_scheduler.ports import Attempt
from tests.simulation.machine import Process

SECOND = timedelta(seconds=1)
POINTS = ("load", "apply", "commit", "committed")
STEPS = (-4 * 3600, -900, -20, -3, 3, 20, 900, 4 * 3600)
"""Clock steps in seconds; beyond three hours they are corrections."""

FAULTS = (
    "crash",
    "crash_at",
    "crash_later",
    "crash_loop",
    "stop",
    "take_over",
    "full",
    "slow",
    "cut",
    "swallow",
    "forget",
    "late_acks",
    "clock",
)

BEYOND = ("uncertain", "two_owners", "instant")
"""Faults that a careful store does not have, and that the engine withstands all the same (docs/simulation.md)."""

WITHSTOOD: frozenset[str] = frozenset(BEYOND)
"""Those of them that the engine withstands, and that every simulation therefore contains."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault, with what it needs to know."""

    kind: str
    seconds: float = 0.0
    steps: int = 0
    point: str = ""


class Adversary:
    """Draws faults. Each seed has its own mix of them: what always happens together would hide what does not."""

    def __init__(self, seed: int, beyond: frozenset[str]) -> None:
        self.chance = random.Random(seed)
        self.beyond = beyond
        weights = [self.chance.choice([0, 1, 1, 3]) for _ in FAULTS]
        faults = [fault for fault, weight in zip(FAULTS, weights, strict=True) for _ in range(weight)]
        self._faults = [*faults, *["uncertain"] * (6 if "uncertain" in beyond else 0)] or ["crash"]
        self.sick_actions = self.chance.choice([0.1, 0.3, 0.6])
        self.slow_actions = self.chance.choice([(0, 0.01), (0, 1, 8), (0, 3, 45)])
        self.in_storm = False
        self.over = False
        self.armed: str | None = None
        self.steps_waited = 0

    def strike(self) -> Strike:
        """The next fault of a storm."""
        chance = self.chance
        kind = chance.choice(self._faults)
        return Strike(
            kind,
            seconds=chance.choice(STEPS) if kind == "clock" else chance.choice([0, 0.05, 2, 15, 70, 400]),
            steps=chance.randrange(60),
            point=chance.choice(POINTS),
        )

    def pause(self) -> timedelta:
        """How long until the next fault of a storm."""
        return timedelta(seconds=self.chance.choice([0.002, 0.2, 2, 7, 20, 60]))

    async def point(self, process: Process, name: str) -> None:
        """Where a process waits for the disk: here it may die, or others may go first."""
        await process.gate()
        if self.armed == name and not self.over:
            self.armed = None
            process.kill()
            await asyncio.sleep(0)
        elif self.in_storm and self.chance.random() < 0.3:
            await asyncio.sleep(0)

    async def act(self, process: Process, attempt: Attempt, runner: MqttPublishRunner) -> Any:
        """What an action does: mostly its work, sometimes late, sometimes not."""
        chance = self.chance
        storm = self.in_storm and not self.over
        if chance.random() < 0.5:
            attempt.begin()
        seconds = chance.choice(self.slow_actions) if storm or chance.random() < 0.05 else 0
        if seconds and not self.over:
            await asyncio.sleep(seconds)
        await process.gate()
        fate = 1.0 if self.over else chance.random()
        if fate < (self.sick_actions if storm else 0.02):
            if fate < 0.02:
                raise ActionFailed("never", "never", permanent=True)
            raise ActionFailed("not now", "not_now")
        return await runner(attempt)
