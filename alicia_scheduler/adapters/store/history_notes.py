"""What a recording and the store's own messages say about executions, looked up by id.

It lies in a temporary database, which SQLite keeps on the disk once it grows: a recording may be larger than memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from alicia_scheduler.adapters.store.rows import instant
from alicia_scheduler.core.history import Announced, Coverage, Rest
from alicia_scheduler.wire.recording import CONNECTION, Recorded

PAUSED, RESUMED = "event_paused", "event_resumed"

_TABLES = """
CREATE TABLE announced (execution_id TEXT PRIMARY KEY, topic TEXT, status TEXT, place INTEGER) WITHOUT ROWID;
CREATE TABLE waiting (execution_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE pauses (event_id TEXT, at INTEGER, change TEXT, until INTEGER, UNIQUE (event_id, at, change));
"""
_TOPICS = ("execution_results", "execution_failures")


class HistoryNotes:
    """Announcements, waiting messages and pauses; closed with its ``with`` block.

    Attributes:
        coverage: What the recording heard; None without a recording.
    """

    def __init__(self) -> None:
        self._notes = sqlite3.connect("", isolation_level=None)
        self._notes.executescript(_TABLES)
        self.coverage: Coverage | None = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Removes everything."""
        self._notes.close()

    def take_recording(self, messages: Iterable[Recorded]) -> None:
        """Reads a recording to its end."""
        spans: list[tuple[datetime, datetime]] = []
        since = last = None
        self._notes.execute("BEGIN")
        for place, heard in enumerate(messages):
            if heard.topic == CONNECTION:
                if since and last:
                    spans.append((since, last))
                since = heard.time if _connected(heard.message) else None
            since, last = (since or heard.time) if heard.topic != CONNECTION else since, heard.time
            self._take(heard, place)
        self._notes.execute("COMMIT")
        if since and last:
            spans.append((since, last))
        self.coverage = Coverage(tuple(spans))

    def _take(self, heard: Recorded, place: int) -> None:
        body = heard.message if isinstance(heard.message, dict) else {}
        if heard.topic in _TOPICS:
            row = (body.get("execution_id"), heard.topic, body.get("status"), place)
            self._notes.execute("INSERT OR IGNORE INTO announced VALUES (?, ?, ?, ?)", [_plain(value) for value in row])
        elif heard.topic == "events" and body.get("event_type") in (PAUSED, RESUMED):
            self.take_pause(body["event_type"], body.get("event_data"), body.get("timestamp"))

    def take_pause(self, change: str, event: Any, at: Any) -> None:
        """Notes that the timer of the event was stopped or started at ``at``, epoch seconds."""
        if not isinstance(event, dict) or not isinstance(at, int | float):
            return
        paused_at, until = event.get("paused_at"), event.get("paused_until")
        if change == PAUSED and isinstance(paused_at, int | float):
            at = paused_at
        end = round(until * 1e6) if isinstance(until, int | float) else None
        row = (_plain(event.get("event_id")), round(at * 1e6), change, end)
        self._notes.execute("INSERT OR IGNORE INTO pauses VALUES (?, ?, ?, ?)", row)

    def take_waiting(self, execution_ids: Iterable[str]) -> None:
        """Notes executions whose message still stands in the outbox."""
        self._notes.executemany("INSERT OR IGNORE INTO waiting VALUES (?)", ((id_,) for id_ in execution_ids))

    def announced(self, execution_id: str) -> Announced | None:
        """What the recording has of the execution's end."""
        found = self._notes.execute(
            "SELECT topic, status, place FROM announced WHERE execution_id = ?", (execution_id,)
        )
        row = found.fetchone()
        return Announced(row[0], str(row[1]), row[2]) if row else None

    def waits(self, execution_id: str) -> bool:
        """Whether the message about the execution's end still stands in the outbox."""
        found = self._notes.execute("SELECT 1 FROM waiting WHERE execution_id = ?", (execution_id,))
        return found.fetchone() is not None

    def rests(self, event_id: str, traced_since: datetime) -> Iterator[Rest]:
        """The spans in which the event is known to have been paused, oldest first."""
        since: datetime | None = None
        until: datetime | None = None
        found = self._notes.execute(
            "SELECT at, change, until FROM pauses WHERE event_id = ? ORDER BY at, change DESC", (event_id,)
        )
        for at, change, end in found.fetchall():
            time = instant(at)
            if change == PAUSED:
                since, until = since or time, None if end is None else instant(end)
            else:
                yield Rest(since or min(traced_since, time), time if until is None else min(time, until))
                since = until = None
        if since is not None:
            yield Rest(since, until)


def _plain(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) or value is None else str(value)


def _connected(message: Any) -> bool:
    return isinstance(message, dict) and message.get("connected") is True


__all__ = ["PAUSED", "RESUMED", "HistoryNotes"]
