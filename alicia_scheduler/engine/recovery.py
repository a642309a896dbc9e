"""What a start does before anything else: takes the store over, and deals with what the process before left."""

from __future__ import annotations

from datetime import datetime

import structlog

from alicia_scheduler.core.clock_step import CORRECTION
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.on_start import Interrupted, on_interrupted, opened, recovery
from alicia_scheduler.core.state import ServiceMark
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.planner import Planner
from alicia_scheduler.engine.writer import Writer

FOUND_LIMIT = 1000
"""Interrupted executions in one transaction."""

log = structlog.get_logger("recovery")


class Recovery:
    """The start sequence; needs a writer that runs."""

    def __init__(self, writer: Writer, planner: Planner, timings: Timings) -> None:
        self._writer = writer
        self._planner = planner
        self._timings = timings

    async def run(self, left: ServiceMark) -> None:
        """Makes the store whole: interrupted executions wait again, missed times are judged, one message tells."""
        now = await self._take_over(left)
        resumed = await self._resume(crashed=not left.clean)
        if left.alive_at is not None and now < left.alive_at - CORRECTION:
            await self._planner.catch_up_with_clock(left.alive_at)
        planned = await self._planner.plan(now)
        announcement = recovery(left, now, planned.missed, resumed)
        if announcement is not None:
            log.info("recovered", clean=left.clean, missed=planned.missed, resumed=resumed, since=str(left.alive_at))
            await self._writer.submit(Needs(), lambda view, at: Decision(None, announcements=(announcement,)))

    async def leave(self) -> None:
        """Notes that the stop was in order."""
        await self._writer.submit(Needs(), lambda view, now: Decision(None, mark=view.mark._replace(clean=True)))

    async def _take_over(self, left: ServiceMark) -> datetime:
        def decide(view: View, now: datetime) -> Decision[datetime]:
            return Decision(now, mark=opened(left, now))

        self._writer.mark = left  # what follows it is refused if somebody has written since it was read
        return await self._writer.submit(Needs(), decide)

    async def _resume(self, *, crashed: bool) -> int:
        resumed = 0
        while True:
            found: Interrupted = await self._writer.submit(
                Needs(interrupted=True, interrupted_limit=FOUND_LIMIT),
                lambda view, now: on_interrupted(view, now, self._timings, crashed=crashed),
            )
            resumed += found.resumed
            if found.found < FOUND_LIMIT:
                return resumed
