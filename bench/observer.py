"""Watches the bus from outside and notes when which message arrived."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bench.wire import WireClient

FIRES = "bench/fire/"
PREFIX = "alicia/scheduler"
RESULTS = f"{PREFIX}/execution_results"
AVAILABILITY = f"{PREFIX}/availability"


class Observer:
    """Times of arrival, by event.

    Attributes:
        fires: Epoch seconds of the first message of every event's action, by event id.
        repeats: Further messages of an action that had fired; a repeat is allowed after a fault, and there is none.
        results: Epoch seconds at which every result arrived, with the result.
    """

    def __init__(self, port: int) -> None:
        self.fires: dict[str, float] = {}
        self.repeats = 0
        self.results: list[tuple[float, bytes]] = []
        self.online_at: float | None = None
        self._client = WireClient(port, "bench-observer", (f"{FIRES}+", RESULTS, AVAILABILITY))
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._thread.join()
        self._client.close()

    def wait_until(self, reached: Callable[[Self], bool], what: str, timeout_s: float) -> None:
        """Returns once the condition holds; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not reached(self):
            if time.monotonic() > deadline:
                seen = f"{len(self.fires)} fires, {len(self.results)} results"
                raise TimeoutError(f"{what}: not within {timeout_s:g} s ({seen})")
            time.sleep(0.02)

    def completed(self) -> set[str]:
        """Ids of the events whose execution was reported as completed."""
        documents = [json.loads(payload) for _, payload in self.results]
        return {document["event_id"] for document in documents if document["status"] == "completed"}

    def _watch(self) -> None:
        while not self._stopping:
            messages = self._client.received()
            now = time.time()
            for message in messages:
                self._note(message.topic, message.payload, now)

    def _note(self, topic: str, payload: bytes, now: float) -> None:
        if topic == RESULTS:
            self.results.append((now, payload))
        elif topic == AVAILABILITY:
            self.online_at = now if payload == b"online" else None
        elif topic in self.fires:
            self.repeats += 1
        else:
            self.fires[topic] = now
