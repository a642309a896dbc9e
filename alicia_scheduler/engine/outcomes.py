"""Has the ends of attempts recorded: all that have come since the last commit in one decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.on_claim import Claim
from alicia_scheduler.core.on_outcome import Attempted, Failed, HandedBack, Outcome, Succeeded, Waits, on_outcomes
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.writer import Writer

log = structlog.get_logger("dispatcher")


@dataclass(frozen=True, slots=True)
class Report:
    """One attempt that has ended, and the claim it was made under."""

    claim: Claim
    attempted: Attempted


@dataclass(slots=True)
class _Batch:
    """Reports for one decision; ``closed`` once its commit has begun."""

    reports: list[Report] = field(default_factory=list)
    closed: bool = False


class OutcomeRecorder:
    """Records outcomes; what ends while a commit is under way shares the next one.

    Args:
        fenced: Called for each attempt whose claim was no longer current.
    """

    def __init__(self, writer: Writer, timings: Timings, fenced: Callable[[], None], *, retries: bool) -> None:
        self._writer = writer
        self._timings = timings
        self._fenced = fenced
        self._retries = retries
        self._open: _Batch | None = None
        self.pending: set[asyncio.Future[tuple[bool, ...]]] = set()

    def record(self, claim: Claim, outcome: Outcome, end_time: datetime) -> None:
        """Has the end of an attempt recorded."""
        execution = claim.execution
        report = Report(claim, Attempted(execution.execution_id, execution.fence, outcome, end_time))
        if self._open is None or self._open.closed:
            self._open = _Batch()
            self._submit(self._open)
        self._open.reports.append(report)

    def _submit(self, batch: _Batch) -> None:
        def needs() -> Needs:
            batch.closed = True
            return Needs(execution_ids=frozenset(report.attempted.execution_id for report in batch.reports))

        def decide(view: View, now: datetime) -> Decision[tuple[bool, ...]]:
            attempts = [report.attempted for report in batch.reports]
            return on_outcomes(view, now, self._timings, attempts, retries=self._retries)

        future = self._writer.submit(needs, decide)
        self.pending.add(future)
        future.add_done_callback(lambda ended: self._ended(batch.reports, ended))

    def _ended(self, reports: Sequence[Report], future: asyncio.Future[tuple[bool, ...]]) -> None:
        """Tells what was recorded; of several that could not be, each has another try by itself."""
        self.pending.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            for report, current in zip(reports, future.result(), strict=True):
                if not current:
                    self._fenced()
                _log_attempt(report)
        elif len(reports) > 1:
            for report in reports:
                self._submit(_Batch([report]))
        else:
            log.error("outcome_not_recorded", execution_id=reports[0].attempted.execution_id, exc_info=error)


def _log_attempt(report: Report) -> None:
    execution, attempted = report.claim.execution, report.attempted
    began = execution.attempts[-1].start_time
    fields = {
        "event_id": execution.event_id,
        "execution_id": execution.execution_id,
        "attempt": execution.attempt,
        "late_ms": round((began - execution.due_time).total_seconds() * 1000, 1),
        "took_ms": round((attempted.end_time - began).total_seconds() * 1000, 1),
    }
    match attempted.outcome:
        case Succeeded():
            log.info("execution_completed", triggered_by=execution.triggered_by.value, **fields)
        case Failed(failure):
            log.warning("attempt_failed", error=failure.message, code=failure.code, **fields)
        case HandedBack():
            log.info("execution_handed_back", **fields)
        case Waits(wake_time):
            log.info("execution_waits", until=wake_time.isoformat(), **fields)
