"""The routes of the first scheduler for thrown events; each is one command, and its answer (docs/events.md)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.wire.answers import error_document

Ask = Callable[[str, Mapping[str, Any]], Awaitable[str]]
"""Has a command answered: its name and fields; the JSON text of the answer."""

MAX_BODY_BYTES = 1 << 20
STATUS = {
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.ALREADY_EXISTS: 409,
    ErrorCode.CONFLICT: 409,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.LIMIT_EXCEEDED: 429,
    ErrorCode.NOT_ALLOWED: 403,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NUMBERS = frozenset({"since_offset", "limit"})
_FLAGS = {"true": True, "false": False}


class ThrownRoutes:
    """Throw, list and clear.

    Args:
        token: The bearer token that every request must show; without one only requests to this machine by its own
            name are answered, so that no page of another site can reach the scheduler through a browser.
    """

    def __init__(self, ask: Ask, token: str | None) -> None:
        self._ask = ask
        self._token = token

    def routes(self) -> list[Route]:
        """The routes, to be served below the root."""
        return [
            Route("/api/schedulers/events/throw", self._throw, methods=["POST"]),
            Route("/api/schedulers/events/{key}", self._clear, methods=["DELETE"]),
            Route("/api/schedulers/{dest_id}/events", self._list, methods=["GET"]),
        ]

    async def _throw(self, request: Request) -> Response:
        return await self._answer(request, "throw_event", {}, has_body=True)

    async def _clear(self, request: Request) -> Response:
        return await self._answer(request, "clear_thrown", {"key": request.path_params["key"]})

    async def _list(self, request: Request) -> Response:
        return await self._answer(request, "list_thrown", {"dest_id": request.path_params["dest_id"]})

    async def _answer(self, request: Request, name: str, fields: dict[str, Any], *, has_body: bool = False) -> Response:
        try:
            self._check_caller(request)
            given = await _body(request) if has_body else _query(request)
        except CommandRejected as error:
            return _refusal(error_document(error))
        answer = json.loads(await self._ask(name, {**given, **fields}))
        return JSONResponse(answer["data"]) if answer["status"] == "ok" else _refusal(answer["error"])

    def _check_caller(self, request: Request) -> None:
        if self._token is None:
            host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
            if host not in LOCAL:
                raise CommandRejected(
                    ErrorCode.NOT_ALLOWED, f"without http.token only {', '.join(sorted(LOCAL))} will do"
                )
        elif not hmac.compare_digest(
            request.headers.get("authorization", "").encode(), f"Bearer {self._token}".encode()
        ):
            raise CommandRejected(ErrorCode.NOT_ALLOWED, "show the token: 'Authorization: Bearer …' (http.token)")


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object in the body; the content type is asked for since no foreign page can send it unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise CommandRejected(ErrorCode.INVALID_REQUEST, "expected the Content-Type application/json")
    text = b""
    async for piece in request.stream():
        text += piece
        if len(text) > MAX_BODY_BYTES:
            raise CommandRejected(ErrorCode.PAYLOAD_TOO_LARGE, f"the body is longer than {MAX_BODY_BYTES} bytes")
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise CommandRejected(ErrorCode.INVALID_JSON, "the body is no JSON") from None
    if not isinstance(found, dict):
        raise CommandRejected(ErrorCode.INVALID_JSON, "expected a JSON object")
    return found


def _query(request: Request) -> dict[str, Any]:
    """The fields in the query string: numbers and truth values as such."""
    given: dict[str, Any] = {}
    for name, value in request.query_params.items():
        number = name in _NUMBERS and value.isascii() and value.isdigit() and len(value) < 20
        given[name] = int(value) if number else _FLAGS.get(value, value)
    return given


def _refusal(error: dict[str, Any]) -> Response:
    code = error["code"]
    return JSONResponse({"error": error}, status_code=STATUS.get(code, 400))


def _no_constant(name: str) -> Any:
    raise ValueError(name)
