"""The simulated broker: one session of the service, cuts, swallowed messages, late and reordered acknowledgements."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusUnavailable
from alicia_scheduler.ports import Connection, IncomingMessage, PublishReceipt
from tests.simulation.machine import Process

if TYPE_CHECKING:
    from tests.simulation.ledger import Ledger

Receipt = asyncio.Future[PublishReceipt]


class Broker:
    """Keeps the commands that the service has not acknowledged, and tells the ledger what it hears."""

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self.ledger = ledger
        self.chance = chance
        self.up = True
        self.swallows = False
        self.ack_delays: tuple[float, ...] = (0.0,)
        self.waiting: list[IncomingMessage] = []
        self.unacknowledged: dict[tuple[int, int], IncomingMessage] = {}
        self.session: BusHandle | None = None
        self.connects = 0
        self._marks = 0
        self.on_publish: Callable[[OutgoingMessage], OutgoingMessage | None] = lambda message: message
        self.on_arrival: Callable[[BusHandle, IncomingMessage], None] = lambda handle, message: None
        self.trusts_the_network = False

    def handle(self, process: Process) -> BusHandle:
        return BusHandle(self, process)

    def connect(self, handle: BusHandle, *, session_present: bool = True) -> None:
        """The process has the session now; whoever had it before is cut off, as the protocol has it."""
        self.disconnect()
        if not session_present:
            self.waiting.clear()
        self.connects += 1
        self.swallows = False
        self.session = handle
        handle.connected(session_present)
        self.pump()

    def disconnect(self) -> None:
        """Cuts the connection; what is not acknowledged will come again, marked as a repeat."""
        session, self.session = self.session, None
        self.waiting[:0] = [replace(m, duplicate=True, delivery=None) for m in self.unacknowledged.values()]
        self.unacknowledged.clear()
        if session is not None:
            session.cut()

    def deliver(self, message: IncomingMessage) -> None:
        """A command reaches the broker."""
        self.waiting.append(message)
        self.pump()

    def pump(self) -> None:
        """Passes on what waits."""
        if self.session is None:
            return
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            self._marks += 1
            mark = (self.connects, self._marks)
            marked = replace(message, delivery=mark)
            self.unacknowledged[mark] = marked
            self.session.inbox.put_nowait(marked)
            self.on_arrival(self.session, marked)

    def acknowledged(self, handle: BusHandle, message: IncomingMessage) -> None:
        """The service is done with a command."""
        mark = message.delivery
        if handle is self.session and isinstance(mark, tuple) and self.unacknowledged.pop(mark, None) is not None:
            self.ledger.command_acknowledged(message)


class BusHandle:
    """The Bus port as one process has it."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._connection = Connection(connected=False, number=0, problem="not yet")
        self._changed = asyncio.Event()
        self._open: dict[Receipt, OutgoingMessage] = {}
        self.inbox: asyncio.Queue[IncomingMessage] = asyncio.Queue()

    @property
    def connection(self) -> Connection:
        return self._connection

    async def connection_after(self, number: int, connected: bool) -> Connection:
        while self._connection.number == number and self._connection.connected is connected:
            await self._changed.wait()
            await self._process.gate()
        return self._connection

    def publish(self, message: OutgoingMessage) -> Receipt:
        loop = asyncio.get_running_loop()
        receipt: Receipt = loop.create_future()
        broker = self._broker
        if self._process.dead or not self._connection.connected:
            receipt.set_exception(BusUnavailable("no connection"))
            return receipt
        broker.ledger.leaving(self._process, message)
        if broker.trusts_the_network:
            receipt.set_result(PublishReceipt())
        if broker.swallows:
            self._open[receipt] = message
            return receipt
        passed = broker.on_publish(message)
        if passed is not None:
            broker.ledger.arrived(passed)
        self._open[receipt] = message
        delay = broker.chance.choice(broker.ack_delays) if len(broker.ack_delays) > 1 else 0.0
        if delay:
            loop.call_later(delay, self._acknowledge, receipt)
        else:
            loop.call_soon(self._acknowledge, receipt)
        return receipt

    def send(self, message: OutgoingMessage) -> bool:
        receipt = self.publish(message)
        return not receipt.done() or receipt.exception() is None

    async def messages(self) -> AsyncIterator[IncomingMessage]:
        while True:
            message = await self.inbox.get()
            await self._process.gate()
            yield message

    def acknowledge(self, message: IncomingMessage) -> None:
        if not self._process.dead:
            self._broker.acknowledged(self, message)

    @asynccontextmanager
    async def listen(
        self, topic_filter: str, *, retained: bool = False
    ) -> AsyncIterator[AsyncIterator[IncomingMessage]]:
        """Nobody answers here."""
        if topic_filter:
            raise BusUnavailable(f"nobody answers on {topic_filter} here")
        yield self.messages()

    def connected(self, session_present: bool) -> None:
        self._set(Connection(True, self._connection.number + 1, session_present, "5", "simulated"))

    def cut(self) -> None:
        """What is not acknowledged fails, whether the broker had it or not."""
        self._set(replace(self._connection, connected=False, problem="cut"))
        waiting, self._open = list(self._open), {}
        for receipt in waiting:
            if not receipt.done():
                receipt.set_exception(BusUnavailable("the connection went"))
                receipt.exception()

    def _acknowledge(self, receipt: Receipt) -> None:
        message = self._open.pop(receipt, None)
        if message is not None:
            self._broker.ledger.took(message)
            if not receipt.done():
                receipt.set_result(PublishReceipt())

    def _set(self, connection: Connection) -> None:
        self._connection = connection
        self._changed.set()
        self._changed.clear()
