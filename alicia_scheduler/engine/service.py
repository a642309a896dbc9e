"""The one door: a command comes in as a request and goes out as an answer, whoever asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.answers import (
    ChangeAnswer,
    ThrownAnswer,
)
from alicia_scheduler.core.commands import (
    CancelExecution,
    Change,
    Command,
    CreateEvent,
    DeleteVariable,
    SetVariable,
    ThrowEvent,
    TriggerEvent,
)
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.state import RequestRecord
from alicia_scheduler.core.thrown.model import ThrownNeeds
from alicia_scheduler.core.thrown.needs import thrown_needs
from alicia_scheduler.core.thrown.on_thrown import ThrownChange
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.answer_documents import change_document
from alicia_scheduler.engine.rate import Allowance
from alicia_scheduler.engine.reading import Reader, Status
from alicia_scheduler.engine.throttle import ThrowThrottle
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.ports import Clock, Store
from alicia_scheduler.wire.answers import answer_error, answer_ok
from alicia_scheduler.wire.codec import encode_text
from alicia_scheduler.wire.commands import Request, command_info, fingerprint, parse_command

log = structlog.get_logger("service")

Identifiers = Callable[[], str]
"""Gives text that nobody has given before."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a request came in.

    Attributes:
        key: Names this delivery; two with the same key are the same message. None when the way in cannot tell.
        repeated: The broker says that it may have delivered this message before.
        origin: What an event made by this request has as its origin.
    """

    key: str | None = None
    repeated: bool = False
    origin: str = "bus"


class Service:
    """Answers requests; every answer to a change is durable before it is returned.

    Attributes:
        on_work: Called before a command is decided that may make an execution: who claims it then does so within the
            same commit, and its start does not wait for another one.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self, writer: Writer, store: Store, clock: Clock, timings: Timings, rules: CommandRules, status: Status,
        identifiers: Identifiers,
    ) -> None:  # fmt: skip
        self._writer = writer
        self._reader = Reader(writer, store, clock, timings, status)
        self._clock = clock
        self._timings = timings
        self._rules = rules
        self._identifiers = identifiers
        self._throttle = ThrowThrottle(clock, rules.thrown)
        self._complaints = Allowance(clock, per_second=20, burst=100)
        self.on_work: Callable[[], None] = lambda: None
        self.requests = 0
        self.refused = 0

    async def answer(self, request: Request, delivery: Delivery = Delivery()) -> str:
        """The JSON text of the answer; a refusal is an answer too."""
        began = self._clock.steady()
        self.requests += 1
        try:
            text, code = await self._answered(request, delivery)
        except CommandRejected as error:
            text, code = self.refusal(request.name, request.request_id, error), error.code.value
        except Exception as error:
            log.exception("request_broke", command=request.name, request_id=request.request_id)
            broken = CommandRejected(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
            text, code = self.refusal(request.name, request.request_id, broken), "internal"
        took_ms = round((self._clock.steady() - began).total_seconds() * 1000, 1)
        log.info("request", command=request.name, request_id=request.request_id, answer=code, took_ms=took_ms)
        return text

    def refusal(self, name: str | None, request_id: str | None, error: CommandRejected) -> str:
        """The JSON text of a refusal, which is also told on the errors topic."""
        self.refused += 1
        self._complain(name, error)
        return encode_text(answer_error(name, request_id, error, self._clock.now()))

    def _complain(self, name: str | None, error: CommandRejected) -> None:
        """Tells the errors topic, as long as complaints do not come so fast that they themselves are the trouble."""
        problems = self._complaint(name, error)
        if problems:
            future = self._writer.submit(Needs(), lambda view, now: Decision(None, announcements=problems))
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _complaint(self, name: str | None, error: CommandRejected) -> tuple[Problem, ...]:
        if not self._complaints.take():
            return ()
        details = tuple((d.field, d.message) for d in error.details)
        return (Problem(error.code.value, f"{name or 'command'}: {error.message}", details=details),)

    async def _answered(self, request: Request, delivery: Delivery) -> tuple[str, str]:
        """The answer's text, and for the log ``ok`` or why it was refused."""
        name = command_info(request.name).name
        fallback = self._event_id_for(request)
        command = parse_command(name, request.fields, self._rules.defaults, fallback_event_id=fallback)
        if isinstance(command, Change):
            return await self._change(name, request, command, delivery)
        data = await self._reader.read(command)
        return encode_text(answer_ok(name, request.request_id, data, self._clock.now())), "ok"

    def _event_id_for(self, request: Request) -> str:
        seed = request.request_id
        return f"event-{fingerprint('event_id', {'seed': seed})[:12]}" if seed else f"event-{self._identifiers()[:12]}"

    # changes

    async def _change(self, name: str, request: Request, command: Change, delivery: Delivery) -> tuple[str, str]:
        if isinstance(command, CreateEvent):
            command = replace(command, origin=delivery.origin)
        key = request.request_id or delivery.key
        request_key = request.request_id or self._identifiers()
        content = fingerprint(name, request.fields)
        heeded = request.request_id is not None or delivery.repeated

        def decide(view: View, now: datetime) -> Decision[tuple[str, str]]:
            before = view.request(key) if key and heeded else None
            if before is not None:
                return Decision((_same_answer(before, content), "repeated"))
            decision = self._decided(view, now, name, request, command, f"{request_key}|{now.isoformat()}")
            record = RequestRecord(key, content, decision.answer[0], now) if key else None
            return replace(decision, requests=(record,)) if record else decision

        if isinstance(command, (ThrowEvent, TriggerEvent)):
            self.on_work()
        text, code = await self._writer.submit(_needs(command, key, self._rules), decide)
        self.refused += code not in ("ok", "repeated")
        return text, code

    def _decided(
        self, view: View, now: datetime, name: str, request: Request, command: Change, request_key: str
    ) -> Decision[tuple[str, str]]:
        """The decision on a change; the complaint about a refusal goes with it, so that it is told once."""
        try:
            if isinstance(command, ThrowEvent):
                self._throttle.check(command)
            decision = on_command(view, now, self._timings, command, self._rules, request_key)
        except CommandRejected as error:
            refusal = encode_text(answer_error(name, request.request_id, error, now))
            return Decision((refusal, error.code.value), announcements=self._complaint(name, error))
        text = encode_text(answer_ok(name, request.request_id, change_document(decision.answer), now))
        decision = _with_dropped(decision, self._complaint) if _dropped(decision.answer) else decision
        return _with_answer(decision, (text, "ok"))


def _needs(command: Command, key: str | None, rules: CommandRules) -> Needs:
    requests = frozenset({key}) if key else frozenset()
    if isinstance(command, ThrownChange):
        return replace(thrown_needs(command, rules.thrown), request_ids=requests)
    if isinstance(command, (SetVariable, DeleteVariable)):
        return Needs(thrown=ThrownNeeds(variables_of=frozenset({command.dest_id})), request_ids=requests)
    if isinstance(command, CancelExecution):
        return Needs(execution_ids=frozenset({command.execution_id}), request_ids=requests)
    event_id = command.event.event_id if isinstance(command, CreateEvent) else getattr(command, "event_id", "")
    return Needs(event_ids=frozenset({event_id}), request_ids=requests)


def _same_answer(before: RequestRecord, content: str) -> str:
    if before.fingerprint != content:
        raise CommandRejected(
            ErrorCode.CONFLICT,
            "this request id was used for another command",
            [FieldProblem("request_id", "was used before, with other content")],
        )
    return before.answer


def _with_answer(decision: Decision[Any], answer: tuple[str, str]) -> Decision[tuple[str, str]]:
    return replace(decision, answer=answer)


def _dropped(answer: ChangeAnswer) -> int:
    return answer.dropped if isinstance(answer, ThrownAnswer) else 0


def _with_dropped(
    decision: Decision[ChangeAnswer], complaint: Callable[[str | None, CommandRejected], tuple[Problem, ...]]
) -> Decision[ChangeAnswer]:
    """The decision with a word about the entries that had to make room."""
    text = f"{_dropped(decision.answer)} entries were dropped from full queues (events.queue_limit)"
    problems = complaint("throw_event", CommandRejected(ErrorCode.LIMIT_EXCEEDED, text))
    return replace(decision, announcements=(*decision.announcements, *problems))
