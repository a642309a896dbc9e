"""Puts a backup in place of the store, so that the next start runs only what the event's own policies would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from alicia_scheduler.adapters.clock import SystemClock, new_identifier
from alicia_scheduler.adapters.store import SqliteStore
from alicia_scheduler.adapters.store.process_lock import ProcessLock
from alicia_scheduler.adapters.store.restore import Unsettled, discard, put_in_place, stage, staging_place, unsettled
from alicia_scheduler.core.announcement import Recovered
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.on_restore import Settled, drop_due, on_restored, restored_mark
from alicia_scheduler.core.state import ServiceMark
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.outward import BusAnnouncer, Outward
from alicia_scheduler.engine.timings import TimingCache
from alicia_scheduler.engine.writer import Decide, Writer
from alicia_scheduler.errors import StoreError
from alicia_scheduler.settings import Settings
from alicia_scheduler.wire.topics import Topics

A_TIME = 200
"""Executions or events in one transaction."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Attributes:
        kept: Where the replaced store lies now; None when there was none.
        backed_up_at: When the service last wrote into the copy; None for an empty one.
    """

    store: Path
    kept: Path | None
    backed_up_at: datetime | None
    settled: Settled


async def restore(settings: Settings, source: Path, progress: Progress, *, replace: bool) -> Restored:
    """Checks the source, settles a copy of it, and makes that the store.

    Args:
        progress: Called with pages left and pages in all while the source is copied.
        replace: A store that is there may be put aside.

    Raises:
        StoreInUse: A service runs on the store.
        StoreDamaged: The source is none that this version can use.
        StoreError: The source cannot be read, or there is a store and ``replace`` was not given.
    """
    store = settings.store.path.absolute()
    _check_names(source, store, replace=replace)
    lock = ProcessLock(store)
    lock.acquire()
    staged = staging_place(store)
    try:
        await stage(source, staged, progress)
        left, settled = await _settle(settings, staged)
        kept = put_in_place(staged, store, SystemClock().now())
    finally:
        with suppress(StoreError):
            discard(staged)
        lock.release()
    return Restored(store, kept, left.alive_at, settled)


def _check_names(source: Path, store: Path, *, replace: bool) -> None:
    if not source.is_file():
        raise StoreError(f"there is no file {source}")
    if store.exists() and store.samefile(source):
        raise StoreError(f"{source} is the store itself")
    if store.exists() and not replace:
        raise StoreError(f"there is a store at {store}; with --replace it is put aside and kept under a dated name")
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{store.parent}: {error}") from error


async def _settle(settings: Settings, staged: Path) -> tuple[ServiceMark, Settled]:
    """Brings the copy to the newest schema, and closes what its policies do not run any more."""
    clock, topics = SystemClock(), Topics(settings.mqtt.topic_prefix)
    outward = Outward(clock, new_identifier, envelope=settings.mqtt.envelope == "alicia")
    store = SqliteStore(staged, ballast_bytes=0)
    left = await store.open()
    try:
        writer = Writer(store, clock, BusAnnouncer(topics, outward, lifecycle=settings.publish.lifecycle_events))
        writer.mark = restored_mark(left)
        settled = Settled()
        for needs, decide in _steps(unsettled(staged, clock.now())):
            settled += await _committed(writer, needs, decide)
        await _committed(writer, Needs(), lambda view, now: _last_word(view, now, left, settled))
    finally:
        await store.close()
    return left, settled


def _steps(found: Unsettled) -> Iterator[tuple[Needs, Decide[Settled]]]:
    """First the executions, then what has come due since of events that never run anything twice."""
    timings = TimingCache()
    for ids in _in_turn(found.executions):
        yield Needs(execution_ids=frozenset(ids)), partial(on_restored, timings=timings, execution_ids=ids)
    for ids in _in_turn(found.once_only):
        yield Needs(event_ids=frozenset(ids)), partial(drop_due, timings=timings, event_ids=ids)


def _in_turn(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(ids), A_TIME):
        yield ids[begin : begin + A_TIME]


async def _committed(writer: Writer, needs: Needs, decide: Decide[Settled]) -> Settled:
    future = writer.submit(needs, decide)
    await writer.drain()
    return await future


def _last_word(view: View, now: datetime, left: ServiceMark, settled: Settled) -> Decision[Settled]:
    """Leaves the mark of a stop in order, and one message that tells what the restore cost."""
    told = Recovered("restore", left.alive_at, now, left.clean, settled.missed, settled.resumed)
    return Decision(settled, announcements=(told,), mark=view.mark._replace(clean=True))
