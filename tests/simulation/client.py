"""The people and programs that send commands: twice, out of order, and again when nobody answers."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import datetime, timedelta
from typing import Any

from alicia_scheduler.ports import IncomingMessage
from tests.simulation.broker import Broker
from tests.simulation.events import guest
from tests.simulation.ledger import ANSWERS, Ledger

PREFIX = "alicia/scheduler/command"
GUESTS = tuple(f"guest-{n}" for n in range(1, 4))
GIVES_UP = timedelta(hours=12)
"""A request id is good for 24 hours."""

REPEATS = (0.0, 0.0, 0.01, 1.0, 30.0, 600.0)


class Client:
    """Sends commands with request ids that are never used for anything else."""

    def __init__(self, broker: Broker, ledger: Ledger, chance: random.Random, events: list[str]) -> None:
        self._broker = broker
        self._ledger = ledger
        self._chance = chance
        self._events = events
        self._numbers = 0
        self.sent: dict[str, IncomingMessage] = {}
        self._sent_at: dict[str, datetime] = {}

    def send(self, name: str, **fields: Any) -> str:
        """Sends one command now; answers its request id."""
        self._numbers += 1
        request_id = f"r{self._numbers}"
        body = {"request_id": request_id, **fields}
        message = self.sent[request_id] = self._message(name, body, request_id)
        self._sent_at[request_id] = self._ledger.clock.now()
        self._broker.deliver(message)
        return request_id

    def send_nameless(self) -> None:
        """Sends a command without a request id, once: only the broker repeats it."""
        self._numbers += 1
        body = {"event_id": "by-hand", "payload": {"number": self._numbers}}
        self._broker.deliver(self._message("trigger_event", body, f"n{self._numbers}"))

    def burst(self) -> None:
        """Some commands about the same time, some of them twice."""
        loop = asyncio.get_running_loop()
        for _ in range(self._chance.randrange(1, 4)):
            loop.call_later(self._chance.choice(REPEATS), self._something)

    def repeat_unanswered(self) -> int:
        """Sends what has no answer again, but not for ever; answers how much that was."""
        now, answers = self._ledger.clock.now(), self._ledger.answers
        young = [id_ for id_, at in self._sent_at.items() if abs(now - at) < GIVES_UP]
        silent = [self.sent[id_] for id_ in young if id_ not in answers]
        for message in silent:
            self._broker.deliver(message)
        return len(silent)

    def _something(self) -> None:
        chance = self._chance
        if chance.random() < 0.15:
            self.send_nameless()
            return
        request_id = self._one_of_many(chance)
        if request_id and chance.random() < 0.4:
            again = self.sent[request_id]
            asyncio.get_running_loop().call_later(chance.choice(REPEATS), self._broker.deliver, again)

    def _one_of_many(self, chance: random.Random) -> str | None:
        event_id, stranger = chance.choice(self._events), chance.choice(GUESTS)
        match chance.randrange(10):
            case 0 | 1:
                return self.send("trigger_event", event_id=chance.choice([event_id, "by-hand", stranger]))
            case 2 | 3:
                conflict = chance.choice(["error", "replace", "replace"])
                return self.send("create_event", event=guest(chance, stranger), on_conflict=conflict)
            case 4:
                return self.send("delete_event", event_id=stranger)
            case 5:
                return self.send("pause_event", event_id=chance.choice([event_id, stranger]))
            case 6 | 7:
                return self.send("resume_event", event_id=chance.choice([event_id, *paused(self._ledger)]))
            case 8:
                changes = {"retry_delay": chance.choice([3, 9]), "description": f"edit {self._numbers}"}
                return self.send("update_event", event_id=chance.choice([event_id, stranger]), changes=changes)
            case _:
                return self._cancel(chance, stranger)

    def _cancel(self, chance: random.Random, stranger: str) -> str | None:
        waiting = sorted(e for mates in self._ledger.unfinished.values() for e in mates)
        if waiting and chance.random() < 0.8:
            return self.send("cancel_execution", execution_id=chance.choice(waiting))
        return self.send("cancel_event", event_id=stranger)

    @staticmethod
    def _message(name: str, body: dict[str, Any], correlation: str) -> IncomingMessage:
        return IncomingMessage(
            f"{PREFIX}/{name}", json.dumps(body).encode(), qos=1, response_topic=ANSWERS,
            correlation_data=correlation.encode(),
        )  # fmt: skip


def paused(ledger: Ledger) -> list[str]:
    """The events that are paused."""
    return [event_id for event_id, state in sorted(ledger.states.items()) if state.status == "paused"]
