"""The bounded queues of received messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from alicia_scheduler.ports import IncomingMessage


class Inbox(AsyncIterator[IncomingMessage]):
    """Messages that wait for the service, in order; tells when it is full and when there is room again.

    Args:
        size: At this many waiting messages ``on_full`` is called, at half as many ``on_room``. What the connection
            had already read when it paused still comes in, nothing is dropped.
    """

    def __init__(self, size: int, on_full: Callable[[], None], on_room: Callable[[], None]) -> None:
        self._size = size
        self._on_full = on_full
        self._on_room = on_room
        self._messages: deque[IncomingMessage] = deque()
        self._arrival = asyncio.Event()
        self.full = False

    def put(self, message: IncomingMessage) -> None:
        """Adds a message."""
        self._messages.append(message)
        self._arrival.set()
        if not self.full and len(self._messages) >= self._size:
            self.full = True
            self._on_full()

    async def __anext__(self) -> IncomingMessage:
        """The oldest message, as soon as there is one."""
        while not self._messages:
            self._arrival.clear()
            await self._arrival.wait()
        message = self._messages.popleft()
        if self.full and len(self._messages) <= self._size // 2:
            self.full = False
            self._on_room()
        return message


class Listener(AsyncIterator[IncomingMessage]):
    """The messages of one temporary subscription; when nobody reads, the oldest give way.

    Args:
        retained: Also those that the broker had kept.
    """

    def __init__(self, topic_filter: str, size: int = 1000, *, retained: bool = False) -> None:
        self.topic_filter = topic_filter
        self.retained = retained
        self.dropped = 0
        self._messages: deque[IncomingMessage] = deque(maxlen=size)
        self._arrival = asyncio.Event()

    def put(self, message: IncomingMessage) -> None:
        """Adds a message."""
        self.dropped += len(self._messages) == self._messages.maxlen
        self._messages.append(message)
        self._arrival.set()

    async def __anext__(self) -> IncomingMessage:
        """The oldest message, as soon as there is one."""
        while not self._messages:
            self._arrival.clear()
            await self._arrival.wait()
        return self._messages.popleft()
