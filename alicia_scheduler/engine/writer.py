"""The one writer. Decisions that arrive while a commit is under way share the next one (group commit).

Durable work is bounded by commits, not by decisions: one commit costs a flush of the disk whether it holds one row or a
thousand. So nothing here writes a row of its own; everything goes through ``submit``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import structlog

from alicia_scheduler.core.announcement import Announcement, Problem
from alicia_scheduler.core.decision import Changes, Decision, Needs, merged_needs
from alicia_scheduler.core.outbox import OutboxRow, OutgoingMessage
from alicia_scheduler.core.state import EventRecord, EventState, ServiceMark
from alicia_scheduler.core.thrown.model import EntryStatus, Thrown, ThrownChanges
from alicia_scheduler.core.view import View
from alicia_scheduler.errors import StoreDamaged, StoreInUse, StoreUnavailable
from alicia_scheduler.ports import Clock, Store, Transaction

Answer = TypeVar("Answer")
Decide = Callable[[View, datetime], Decision[Answer]]

BATCH_MAX = 2000
"""Decisions in one commit; more wait for the next one."""

LAZY_DELAY = timedelta(milliseconds=500)
"""How long an acknowledged outbox row may wait for a commit to ride along with."""

RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (0.1, 0.2, 0.5, 1, 2, 5))
"""Waits between tries while the store is unavailable; the last one repeats."""

SWEEP = timedelta(seconds=1)
"""How long an entry that has expired may wait for others, so that many are dealt with at once."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger("writer")


@dataclass(slots=True)
class Proposal(Generic[Answer]):
    """A decision that waits for its turn.

    Attributes:
        last: Decides after every other proposal of the commit, and sees what they wrote.
        asks_wake: Wants ``Writer.next_wake_time`` read at the end of the commit.
    """

    needs: Needs | Callable[[], Needs]
    decide: Decide[Answer]
    last: bool
    asks_wake: bool
    future: asyncio.Future[Answer]


@dataclass(slots=True)
class Committed:
    """What one commit made durable, for those who act on it."""

    outbox: list[OutboxRow] = field(default_factory=list)
    volatile: list[OutgoingMessage] = field(default_factory=list)
    stop: list[str] = field(default_factory=list)
    changed: dict[str, tuple[EventRecord, EventState] | None] = field(default_factory=dict)
    wake_time: datetime | None = None
    ready: bool = False
    thrown: list[Thrown] = field(default_factory=list)


@dataclass(slots=True)
class _Attempt:
    """A transaction on its way: what it decided, and what follows once it is durable.

    Attributes:
        sent: The acknowledged outbox rows that it takes out.
        wake: The next wake time, if somebody asked for it.
    """

    view: View
    sent: list[int]
    answers: list[tuple[Proposal[Any], Any]] = field(default_factory=list)
    committed: Committed = field(default_factory=Committed)
    wake: tuple[datetime | None] | None = None


class Announcer(Protocol):
    """Turns announcements into messages: those for the outbox, and those that may get lost."""

    def __call__(
        self, announcements: Iterable[Announcement], now: datetime
    ) -> tuple[list[OutgoingMessage], list[OutgoingMessage]]:
        """The durable messages and the volatile ones, in order."""
        ...


class Follower(Protocol):
    """Makes the decision that follows, within the same transaction, from what another one announces."""

    def __call__(self, view: View, now: datetime, announcements: Sequence[Announcement]) -> Decision[None] | None:
        """The decision, or None where nothing follows."""
        ...


class Writer:
    """Takes decisions in turn, commits them in groups, and tells the others what has become durable."""

    def __init__(self, store: Store, clock: Clock, announcer: Announcer, reactions: Follower | None = None) -> None:
        self._reactions = reactions
        self._store = store
        self._clock = clock
        self._announcer = announcer
        self._waiting: list[Proposal[Any]] = []
        self._sent: list[int] = []
        self._arrived = asyncio.Event()
        self._followers: list[Callable[[Committed], None]] = []
        self._relief: list[Callable[[], None]] = []
        self._lost: _Attempt | None = None
        self.mark = ServiceMark()
        self.problem: str | None = None
        self.commits = 0
        self.next_wake_time: datetime | None = None

    def follow(self, follower: Callable[[Committed], None]) -> None:
        """Has the follower called after every commit, in the order of registration."""
        self._followers.append(follower)

    def when_unavailable(self, relief: Callable[[], None]) -> None:
        """Has the callable called after every commit that the store could not take."""
        self._relief.append(relief)

    @property
    def queued(self) -> int:
        """Decisions that wait for a commit."""
        return len(self._waiting)

    def submit(
        self,
        needs: Needs | Callable[[], Needs],
        decide: Decide[Answer],
        *,
        last: bool = False,
        asks_wake: bool = False,
    ) -> asyncio.Future[Answer]:
        """Queues a decision; the future ends with its answer once it is durable.

        The queue is first in, first out, from the moment of the call. The future raises what ``decide`` raises.

        Args:
            needs: A function is asked when the commit begins, so that more can be added to the decision till then.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Proposal(needs, decide, last, asks_wake, future))
        self._arrived.set()
        return future

    def sent(self, sequence: int) -> None:
        """Notes that the broker has an outbox row; it goes with the next commit, or soon."""
        self._sent.append(sequence)
        if len(self._sent) == 1:
            self._arrived.set()

    async def barrier(self) -> None:
        """Returns once everything that was submitted before is durable."""
        await self.submit(Needs(), lambda view, now: Decision(None))

    async def run(self) -> None:
        """Commits until cancelled.

        Raises:
            StoreDamaged: The store cannot be trusted any more.
            StoreInUse: Another process has taken it over.
        """
        while True:
            await self._work_arrives()
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            await self._commit_until_durable(batch)

    async def drain(self) -> None:
        """Commits what still waits; for the end of the service, when ``run`` has been cancelled."""
        while self._waiting or self._sent:
            batch, self._waiting = self._waiting, []
            await self._commit(batch)

    async def _work_arrives(self) -> None:
        """Waits for a decision; acknowledged outbox rows alone wait a moment for company."""
        while not self._waiting:
            self._arrived.clear()
            if not self._sent:
                await self._arrived.wait()
                continue
            try:
                async with asyncio.timeout(LAZY_DELAY.total_seconds()):
                    await self._arrived.wait()
            except TimeoutError:
                return

    async def _commit_until_durable(self, batch: Sequence[Proposal[Any]]) -> None:
        tries = 0
        while True:
            try:
                await self._commit_or_isolate(batch)
            except StoreUnavailable as error:
                self._report(str(error))
                for relief in self._relief:
                    relief()
                await self._clock.sleep(RETRY_DELAYS[min(tries, len(RETRY_DELAYS) - 1)])
                tries += 1
            else:
                self._report(None)
                return

    async def _commit_or_isolate(self, batch: Sequence[Proposal[Any]]) -> None:
        """Commits the batch; a batch that cannot be committed is taken apart, so that only the culprit fails."""
        try:
            await self._commit(batch)
        except (StoreUnavailable, StoreDamaged, StoreInUse):
            raise
        except Exception as error:
            log.exception("commit_failed", decisions=len(batch))
            if len(batch) <= 1:
                _refuse(batch, error)
                return
            for proposal in batch:
                await self._commit_or_isolate([proposal])

    async def _commit(self, batch: Sequence[Proposal[Any]]) -> None:
        """Commits the batch; one that the store may have committed without saying so is looked up, not done again."""
        async with self._store.transaction() as transaction:
            lost, written = self._lost, await self._has_happened(transaction)
            if not written:
                lost = _Attempt(View(self.mark), sent=list(self._sent))
                await self._decide(transaction, batch, lost)
            self._lost = lost
        assert lost is not None
        self._lost = None
        self._conclude(lost)
        if any(not proposal.future.done() for proposal in batch):
            await self._commit(batch)

    async def _has_happened(self, transaction: Transaction) -> bool:
        """Whether the attempt whose end nobody heard of has been committed: its serial is the one in the store."""
        if self._lost is None:
            return False
        stored, tried = await transaction.mark(), self._lost.view.mark
        if (stored.starts, stored.serial) == (tried.starts, tried.serial):
            return True
        self._lost = None
        return False

    async def _decide(self, transaction: Transaction, batch: Sequence[Proposal[Any]], attempt: _Attempt) -> None:
        now = self._clock.now()
        attempt.view.changes.sent = list(attempt.sent)
        for last in (False, True):
            turn = [p for p in batch if p.last is last and not p.future.done()]
            attempt.answers += await self._round(transaction, attempt.view, turn, now, attempt.committed)
        if any(p.asks_wake for p in batch):
            attempt.wake = (await transaction.next_wake_time(now),)

    def _conclude(self, attempt: _Attempt) -> None:
        self.mark = attempt.view.mark
        del self._sent[: len(attempt.sent)]
        self.commits += 1
        if attempt.wake is not None:
            (self.next_wake_time,) = attempt.wake
        for proposal, answer in attempt.answers:
            if not proposal.future.done():
                proposal.future.set_result(answer)
        self._tell(attempt.committed)

    def _tell(self, committed: Committed) -> None:
        """Tells the followers; what they do wrong cannot undo the commit."""
        for follower in self._followers:
            try:
                follower(committed)
            except Exception:
                log.exception("follower_broke")

    async def _round(
        self,
        transaction: Transaction,
        view: View,
        batch: Sequence[Proposal[Any]],
        now: datetime,
        committed: Committed,
    ) -> list[tuple[Proposal[Any], Any]]:
        """Loads, decides and writes for one half of a commit."""
        needs = merged_needs(p.needs() if callable(p.needs) else p.needs for p in batch)
        if needs != Needs():
            view.load(await transaction.load(needs))
        answers: list[tuple[Proposal[Any], Any]] = []
        announcements: list[Announcement] = []
        for proposal in batch:
            decision = _decided(proposal, view, now)
            if decision is not None:
                view.absorb(decision)
                announcements += decision.announcements
                committed.stop += decision.stop
                answers.append((proposal, decision.answer))
                announcements += self._followed(view, now, decision.announcements, committed)
        self._announce(view, announcements, now, committed)
        await self._write(transaction, view, now, committed)
        return answers

    def _followed(
        self, view: View, now: datetime, announced: Sequence[Announcement], committed: Committed
    ) -> list[Announcement]:
        """Takes the decisions that follow from one, and from those in turn; answers what they announce.

        A rule that breaks here is told, and does not take the decision with it that it follows from.
        """
        announcements: list[Announcement] = []
        while announced and self._reactions is not None:
            try:
                following = self._reactions(view, now, announced)
            except Exception as error:
                log.exception("reaction_broke")
                following = Decision(None, announcements=(Problem("internal", f"a trigger broke: {error}"),))
            if following is None:
                break
            view.absorb(following)
            committed.stop += following.stop
            announced = following.announcements
            announcements += announced
        return announcements

    def _announce(self, view: View, announcements: list[Announcement], now: datetime, committed: Committed) -> None:
        durable, volatile = self._announcer(announcements, now) if announcements else ([], [])
        first = view.counters.sequence
        rows = [OutboxRow(first + i, message, now) for i, message in enumerate(durable)]
        if rows:
            view.draw(view.counters._replace(sequence=first + len(rows)))
        view.changes.outbox += rows
        committed.outbox += rows
        committed.volatile += volatile

    async def _write(self, transaction: Transaction, view: View, now: datetime, committed: Committed) -> None:
        changes = view.changes
        if not changes:
            return
        view.mark = changes.mark = (changes.mark or view.mark)._replace(alive_at=now, serial=self.mark.serial + 1)
        await transaction.apply(changes)
        _note(committed, changes, view)
        view.written()

    def _report(self, problem: str | None) -> None:
        if problem != self.problem:
            log.error("store_unavailable", problem=problem) if problem else log.info("store_available_again")
        self.problem = problem


def _decided(proposal: Proposal[Any], view: View, now: datetime) -> Decision[Any] | None:
    """The decision; what a rule raises goes to its caller and to nobody else."""
    try:
        return proposal.decide(view, now)
    except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what to make of it
        if not proposal.future.done():
            proposal.future.set_exception(error)
        return None


def _refuse(batch: Sequence[Proposal[Any]], error: Exception) -> None:
    for proposal in batch:
        if not proposal.future.done():
            proposal.future.set_exception(error)


def _note(committed: Committed, changes: Changes, view: View) -> None:
    """Adds to the report what the followers act on: changed events, the earliest wake, executions that may run."""
    for event_id in changes.deleted:
        committed.changed[event_id] = None
    for event_id in changes.states:
        committed.changed[event_id] = view.event(event_id)
    wakes = [s.wake_time for s in changes.states.values() if s.wake_time]
    wakes += [e.retry_time for e in changes.executions.values() if e.retry_time]
    wakes += _thrown_wakes(changes.thrown) if changes.thrown else []
    wakes += [committed.wake_time] if committed.wake_time else []
    committed.wake_time = min(wakes, default=None)
    committed.thrown += changes.thrown.thrown.values()
    committed.ready = committed.ready or any(e.status == "pending" and not e.held for e in changes.executions.values())


def _thrown_wakes(changes: ThrownChanges) -> list[datetime]:
    """When entries need the planner: as they become active, in the second after they expire, and at once for a look."""
    active = [entry for entry in changes.entries.values() if entry.status is EntryStatus.ACTIVE]
    wakes = [entry.active_from for entry in active if not entry.matched]
    wakes += [entry.expires_at.replace(microsecond=0) + SWEEP for entry in active]
    return [*wakes, EPOCH] if any(changes.looks.values()) else wakes
