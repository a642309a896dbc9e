"""Reads a store file for the history checker: read only, a page of events at a time, beside a service that runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from alicia_scheduler.adapters.store.failures import store_errors
from alicia_scheduler.adapters.store.history_notes import PAUSED, RESUMED, HistoryNotes
from alicia_scheduler.adapters.store.rows import execution_from, instant, record_from, state_from, unpacked
from alicia_scheduler.adapters.store.statements import statements
from alicia_scheduler.core.history import EventCheck, Known, Rest, Subject, Tally
from alicia_scheduler.core.state import EventStatus, Execution
from alicia_scheduler.wire.envelope import unwrap
from alicia_scheduler.wire.recording import Recorded

EVENTS_A_PAGE = 50
"""Events in one read transaction: it sees one moment of the store, and must not hold up the write-ahead log."""

ROWS_A_FETCH = 500
BUSY_TIMEOUT_S = 5.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to check.

    Attributes:
        kept_per_event: How many executions of an event the retention leaves.
        event_id: Only this event; None for all.
    """

    known: Known
    kept_per_event: int
    event_id: str | None = None


def check_history(store: Path, asked: Asked, recording: Iterable[Recorded] | None, progress: Progress) -> Tally:
    """What the checker makes of the store, and of a recording of the bus.

    Args:
        progress: Called with executions looked at and executions in all.

    Raises:
        StoreError: The store cannot be read.
        ValueError: The recording cannot be read.
    """
    tally = Tally()
    with HistoryNotes() as notes:
        if recording is not None:
            notes.take_recording(recording)
            asked = _traced_by(notes, asked)
        with store_errors(store), closing(_opened(store)) as reader:
            _Reading(reader, asked, notes, tally, progress).run()
    return tally


def _traced_by(notes: HistoryNotes, asked: Asked) -> Asked:
    """Pauses are known since the recording began, if that is earlier."""
    spans = notes.coverage.spans if notes.coverage else ()
    if len(spans) != 1:
        return asked
    known = replace(asked.known, traced_since=min(asked.known.traced_since, spans[0][0]))
    return replace(asked, known=known)


def _opened(store: Path) -> sqlite3.Connection:
    uri = f"{store.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


class _Reading:
    """One pass over the store."""

    def __init__(
        self, reader: sqlite3.Connection, asked: Asked, notes: HistoryNotes, tally: Tally, progress: Progress
    ) -> None:
        self._reader = reader
        self._asked = asked
        self._notes = notes
        self._tally = tally
        self._progress = progress
        self._sql = statements("history")
        self._seen = 0
        self._total = 0

    def run(self) -> None:
        """Checks everything that was asked for."""
        self._total = int(self._one("size") or 0)
        self._take_pauses()
        self._take_waiting()
        after: str | None = ""
        while after is not None:
            with self._moment():
                after = self._page(after)

    def _page(self, after: str) -> str | None:
        """Checks a page of events, with the deleted ones between them; the last id, None when it was the last page."""
        rows = self._rows("events", after=after, only=self._asked.event_id, limit=EVENTS_A_PAGE)
        events = [self._subject(unpacked(row[0])) for row in rows]
        last = events[-1].event_id if len(events) == EVENTS_A_PAGE else None
        found = groupby(self._executions(after, last), key=lambda execution: execution.event_id)
        for subject, executions in _side_by_side(events, found):
            self._check(subject, executions)
        return last

    def _check(self, subject: Subject, executions: Iterable[Execution]) -> None:
        check = EventCheck(subject, self._asked.known, self._notes.coverage, self._tally)
        for execution in executions:
            announced = self._notes.announced(execution.execution_id) if self._notes.coverage else None
            check.see(execution, announced, waiting=self._notes.waits(execution.execution_id))
        check.end()

    def _subject(self, row: list[Any]) -> Subject:
        record, state = record_from(row[0]), state_from(row[1])
        oldest = self._one("counted_since", event_id=record.event_id, kept=self._asked.kept_per_event - 1)
        rests = list(self._notes.rests(record.event_id, self._asked.known.traced_since))
        if state.status is EventStatus.PAUSED and state.paused_at:
            rests.append(Rest(state.paused_at, state.paused_until))
        counted = None if oldest is None else instant(oldest)
        return Subject(record.event_id, record, state, counted, tuple(rests))

    def _executions(self, after: str, until: str | None) -> Iterator[Execution]:
        for (row,) in self._rows("executions", after=after, until=until, only=self._asked.event_id):
            self._seen += 1
            if self._seen % ROWS_A_FETCH == 0:
                self._progress(self._seen, max(self._seen, self._total))
            yield execution_from(unpacked(row))

    # --- what the store says about pauses and about messages under way ---

    def _take_pauses(self) -> None:
        for answer, answered in self._rows("pauses"):
            body = json.loads(answer)
            data = body.get("data") if isinstance(body, dict) else None
            event = data.get("event") if isinstance(data, dict) else None
            change = PAUSED if body.get("command") == "pause_event" else RESUMED
            self._notes.take_pause(change, event, answered / 1e6)

    def _take_waiting(self) -> None:
        self._notes.take_waiting(_execution_ids(self._rows("waiting")))

    # --- SQL ---

    @contextmanager
    def _moment(self) -> Iterator[None]:
        self._reader.execute("BEGIN")
        try:
            yield
        finally:
            self._reader.execute("ROLLBACK")

    def _rows(self, name: str, **values: Any) -> Iterator[Any]:
        cursor = self._reader.execute(self._sql[name], values)
        cursor.arraysize = ROWS_A_FETCH
        while rows := cursor.fetchmany():
            yield from rows

    def _one(self, name: str, **values: Any) -> Any:
        row = self._reader.execute(self._sql[name], values).fetchone()
        return row[0] if row else None


def _side_by_side(
    events: Iterable[Subject], found: Iterable[tuple[str, Iterable[Execution]]]
) -> Iterator[tuple[Subject, Iterable[Execution]]]:
    """Every event with its executions, and executions whose event is gone; both come by event id."""
    waiting = iter(events)
    subject = next(waiting, None)
    for event_id, executions in found:
        while subject is not None and subject.event_id < event_id:
            yield subject, ()
            subject = next(waiting, None)
        if subject is not None and subject.event_id == event_id:
            yield subject, executions
            subject = next(waiting, None)
        else:
            yield Subject(event_id), executions
    while subject is not None:
        yield subject, ()
        subject = next(waiting, None)


def _execution_ids(rows: Iterable[Any]) -> Iterator[str]:
    for topic, payload in rows:
        if topic.endswith(("/execution_results", "/execution_failures")):
            body = unwrap(json.loads(payload))[0]
            if isinstance(body, dict) and isinstance(body.get("execution_id"), str):
                yield body["execution_id"]
