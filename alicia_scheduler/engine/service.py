"""The one door: a command comes in as a request and goes out as an answer, whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

import structlog

from alicia_scheduler.core.announcement import Problem
from alicia_scheduler.core.answers import ChangeAnswer, DeletedAnswer, EventAnswer, ExecutionAnswer, FireTime
from alicia_scheduler.core.commands import (
    CancelExecution,
    Change,
    Command,
    CreateEvent,
    GetEvent,
    GetExecution,
    GetStats,
    ListEvents,
    ListExecutions,
    Ping,
    Preview,
    Read,
)
from alicia_scheduler.core.decision import Decision, Needs
from alicia_scheduler.core.draft import Timings
from alicia_scheduler.core.editing import CommandRules
from alicia_scheduler.core.event_answers import fires_after, next_fires
from alicia_scheduler.core.model.event import InvalidSchedule, compiled_timing
from alicia_scheduler.core.on_command import on_command
from alicia_scheduler.core.state import RequestRecord
from alicia_scheduler.core.timing import Timing
from alicia_scheduler.core.view import View
from alicia_scheduler.engine.rate import Allowance
from alicia_scheduler.engine.writer import Writer
from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem
from alicia_scheduler.ports import Clock, Store
from alicia_scheduler.wire.answers import answer_error, answer_ok
from alicia_scheduler.wire.codec import encode_text
from alicia_scheduler.wire.commands import Request, command_info, fingerprint, parse_command
from alicia_scheduler.wire.documents import event_document, execution_document, fire_document
from alicia_scheduler.wire.messages import ServiceStatus, status_document

log = structlog.get_logger("service")

FIRES_AT_A_TIME = 5
"""Fires of a preview that are computed in one go."""

ROWS_AT_A_TIME = 50
"""Documents of a page that are made in one go."""

Status = Callable[[], Awaitable[ServiceStatus]]
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
    """Answers requests; every answer to a change is durable before it is returned."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self, writer: Writer, store: Store, clock: Clock, timings: Timings, rules: CommandRules, status: Status,
        identifiers: Identifiers,
    ) -> None:  # fmt: skip
        self._writer = writer
        self._store = store
        self._clock = clock
        self._timings = timings
        self._rules = rules
        self._status = status
        self._identifiers = identifiers
        self._complaints = Allowance(clock, per_second=20, burst=100)
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
        data = await self._read(command)
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

        text, code = await self._writer.submit(_needs(command, key), decide)
        self.refused += code not in ("ok", "repeated")
        return text, code

    def _decided(
        self, view: View, now: datetime, name: str, request: Request, command: Change, request_key: str
    ) -> Decision[tuple[str, str]]:
        """The decision on a change; the complaint about a refusal goes with it, so that it is told once."""
        try:
            decision = on_command(view, now, self._timings, command, self._rules, request_key)
        except CommandRejected as error:
            refusal = encode_text(answer_error(name, request.request_id, error, now))
            return Decision((refusal, error.code.value), announcements=self._complaint(name, error))
        text = encode_text(answer_ok(name, request.request_id, _change_document(decision.answer), now))
        return _with_answer(decision, (text, "ok"))

    # reads

    async def _read(self, command: Read) -> Mapping[str, Any]:
        match command:
            case GetEvent(event_id):
                return await self._seen(Needs(event_ids=frozenset({event_id})), self._event(event_id))
            case GetExecution(execution_id):
                return await self._seen(Needs(execution_ids=frozenset({execution_id})), _execution(execution_id))
            case Preview():
                return await self._preview(command)
            case ListEvents(query):
                await self._writer.barrier()
                events, cursor = await self._store.events(query)
                return {"events": await _documents(event_document, events), "next_cursor": cursor}
            case ListExecutions(execution_query):
                await self._writer.barrier()
                executions, cursor = await self._store.executions(execution_query)
                rows = ((execution,) for execution in executions)
                return {"executions": await _documents(execution_document, rows), "next_cursor": cursor}
            case GetStats():
                await self._writer.barrier()
                return status_document(await self._status(), self._clock.now())
            case Ping():
                return {"pong": True, "time": self._clock.now().timestamp()}
            case _:
                assert_never(command)

    async def _seen(self, needs: Needs, read: Callable[[View, datetime], dict[str, Any]]) -> dict[str, Any]:
        """Reads in turn with the changes, so that a caller finds what it has just made, and nothing later."""
        return await self._writer.submit(needs, lambda view, now: Decision(read(view, now)))

    def _event(self, event_id: str) -> Callable[[View, datetime], dict[str, Any]]:
        def read(view: View, now: datetime) -> dict[str, Any]:
            event = view.event(event_id)
            if event is None:
                raise _no_event(event_id)
            record, state = event
            fires = next_fires(self._timings(record, state), state, now)
            return _event_document(EventAnswer(record, state, fires))

        return read

    async def _preview(self, command: Preview) -> dict[str, Any]:
        if command.event is not None:
            now, zone = self._clock.now(), command.event.timezone
            return await _preview_document(command, _compiled(command, now), zone, command.start or now)
        event_id = command.event_id or ""

        def read(view: View, now: datetime) -> tuple[Timing, str, datetime]:
            event = view.event(event_id)
            if event is None:
                raise _no_event(event_id)
            return self._timings(*event), event[0].definition.timezone, command.start or now

        needs = Needs(event_ids=frozenset({event_id}))
        found = await self._writer.submit(needs, lambda view, now: Decision(read(view, now)))
        return await _preview_document(command, *found)


def _needs(command: Command, key: str | None) -> Needs:
    requests = frozenset({key}) if key else frozenset()
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


def _change_document(answer: ChangeAnswer) -> dict[str, Any]:
    match answer:
        case EventAnswer():
            return _event_document(answer)
        case DeletedAnswer(event_id):
            return {"event_id": event_id, "deleted": True}
        case ExecutionAnswer(execution):
            return {
                "execution_id": execution.execution_id,
                "status": execution.status.value,
                "reason": execution.reason,
                "execution": execution_document(execution),
            }
        case _:
            assert_never(answer)


def _event_document(answer: EventAnswer) -> dict[str, Any]:
    zone = answer.record.definition.timezone
    document: dict[str, Any] = {
        "event": event_document(answer.record, answer.state),
        "next_fires": [_fire(fire, zone) for fire in answer.next_fires],
    }
    if answer.previous_fires is not None:
        document["previous_fires"] = [_fire(fire, zone) for fire in answer.previous_fires]
    return document


def _fire(fire: FireTime, zone: str) -> dict[str, Any]:
    return fire_document(fire.due, zone, fire.note or None)


def _execution(execution_id: str) -> Callable[[View, datetime], dict[str, Any]]:
    def read(view: View, _now: datetime) -> dict[str, Any]:
        execution = view.execution(execution_id)
        if execution is None:
            raise CommandRejected(
                ErrorCode.NOT_FOUND,
                f"there is no execution '{execution_id}'",
                [FieldProblem("execution_id", "is not known")],
            )
        return {"execution": execution_document(execution)}

    return read


def _no_event(event_id: str) -> CommandRejected:
    return CommandRejected(
        ErrorCode.NOT_FOUND, f"there is no event '{event_id}'", [FieldProblem("event_id", "is not known")]
    )


def _compiled(command: Preview, now: datetime) -> Timing:
    assert command.event is not None
    try:
        return compiled_timing(command.event, now)
    except InvalidSchedule as error:
        raise CommandRejected(
            ErrorCode.INVALID_REQUEST, str(error), [FieldProblem(f"event.{error.field}", error.message)]
        ) from None


async def _preview_document(command: Preview, timing: Timing, zone: str, start: datetime) -> dict[str, Any]:
    """The next fires; a rare rule searches centuries for a thousand of them, so the others get their turn meanwhile."""
    fires: list[FireTime] = []
    while len(fires) < command.count:
        piece = fires_after(timing, start, min(FIRES_AT_A_TIME, command.count - len(fires)))
        if not piece:
            break
        fires += piece
        start = piece[-1].nominal
        await asyncio.sleep(0)
    warnings = [] if len(fires) == command.count else [f"only {len(fires)} fires follow"]
    return {"fires": [_fire(fire, zone) for fire in fires], "warnings": warnings}


async def _documents(document: Callable[..., dict[str, Any]], rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """A document for every row of a page; a long page lets the others have their turn meanwhile."""
    documents: list[dict[str, Any]] = []
    for row in rows:
        documents.append(document(*row))
        if len(documents) % ROWS_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return documents
