"""Logging: coloured lines for people, JSON lines for programs, and nothing secret in either.

The service's own lines and those of libraries (standard `logging`) end in one stream, redacted and bounded alike.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from io import TextIOWrapper
from itertools import islice
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

__all__ = ["LogFormat", "LogLevel", "configure_logging", "redacted"]

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "console", "json"]

MAX_TEXT = 2000
MAX_TRACEBACK = 20_000
MAX_ENTRIES = 50
MAX_DEPTH = 6
MAX_KEY = 400
HIDDEN = "***"

_OWN = "alicia_scheduler"
_LIBRARIES = ("aiomqtt", "amqtt", "asyncio", "transitions", "uvicorn", "uvicorn.access", "uvicorn.error", "watchfiles")
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_encoder = json.JSONEncoder(ensure_ascii=False, default=str)
_SECRET_KEY = re.compile(r"passw(or)?d|token|secret|authorization|api[_-]?key|cookie|credential", re.IGNORECASE)
_URL_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/@]{0,256}:[^\s\"'<>]{0,1024}@")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"\b([a-z_-]{0,40}(?:passw(?:or)?d|token|secret|api[_-]?key))(['\"]?\s?[=:]\s?)(\"[^\"]{1,1024}\"|'[^']{1,1024}'|[^\s&,;'\"]{1,1024})",
    re.IGNORECASE,
)
_PLAIN = frozenset({type(None), bool, int, float})
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_HARMLESS = re.compile(r"[A-Za-z0-9_.+-]*", re.ASCII)
"""A single plain word: no pattern above can match in it."""
_LINE_BREAK = re.compile(r"[\n\t]")


@dataclass(slots=True)
class _Sink:
    """Where lines go, and how; one for the process, so that loggers made before a change follow it."""

    stream: TextIO
    level: int
    render: Processor
    shown_by: asyncio.AbstractEventLoop | None = None


_sink = _Sink(sys.stderr, logging.INFO, structlog.processors.JSONRenderer())


def configure_logging(level: LogLevel, format: LogFormat, stream: TextIO) -> None:
    """Sends everything that is logged to ``stream``; libraries from WARNING on. Calling it again replaces what was set.

    Args:
        format: ``auto`` is ``console`` on a terminal, else ``json``.
    """
    human = format == "console" or (format == "auto" and stream.isatty())
    _show()
    _sink.stream, _sink.level = stream, getattr(logging, level.upper())
    _sink.render = _renderer(human=human, colors=stream.isatty())
    structlog.configure(
        processors=[
            _with_origin,
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            _rendered,
        ],
        wrapper_class=_BoundLogger,
        logger_factory=_OwnLogger,
        cache_logger_on_first_use=True,
    )
    if isinstance(stream, TextIOWrapper) and not stream.isatty():
        stream.reconfigure(line_buffering=False)  # ``_show`` says when: a system call a line is costly
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_library_formatter())
    _route(handler, _sink.level)


class _OwnLogger:
    """The end of the service's own lines: a name, and a way to write.

    They do not pass through the standard ``logging`` module, which made a line cost more than the fire it tells of.
    """

    def __init__(self, name: str = "service", *_: Any) -> None:
        self.name = name.removeprefix(f"{_OWN}.")

    def write(self, line: str) -> None:
        """Writes one line, which is seen when the event loop has done what it is at, with the others of that turn."""
        _sink.stream.write(line + "\n")
        _show_soon()

    def write_now(self, line: str) -> None:
        """Writes one line, and has it seen at once: the process may be about to end."""
        _sink.stream.write(line + "\n")
        _show()

    debug = info = warning = write
    error = critical = write_now


def _show_soon() -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # there is no loop
        _show()
        return
    if _sink.shown_by is not loop:
        _sink.shown_by = loop
        loop.call_soon(_show)


def _show() -> None:
    _sink.shown_by = None
    if not _sink.stream.closed:
        _sink.stream.flush()


class _BoundLogger(structlog.BoundLogger):
    """The service's logger; ``exception`` adds the traceback by itself."""

    def _proxy_to_logger(self, method_name: str, event: str | None = None, **event_kw: Any) -> Any:
        """Does nothing for a line that is not wanted, before anything is built for it."""
        return super()._proxy_to_logger(method_name, event, **event_kw) if _LEVELS[method_name] >= _sink.level else None

    def exception(self, event: str, **fields: Any) -> Any:
        """Logs an error with the traceback of the exception that is being handled."""
        return self._proxy_to_logger("error", event, **{"exc_info": True, **fields})


def _with_origin(logger: Any, method: str, event: EventDict) -> EventDict:
    event["level"] = method
    event["logger"] = logger.name
    return event


def _rendered(logger: Any, method: str, event: EventDict) -> Any:
    return _sink.render(logger, method, event)


def _renderer(*, human: bool, colors: bool) -> Processor:
    if human:
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(serializer=_json_line)


def _route(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(_OWN).setLevel(level)
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.NOTSET)


def _library_formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact,
            _rendered,
        ],
    )


def _json_line(value: Any, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # an integer of more than 64 bits
        return _encoder.encode(value)


def _redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redacts and bounds every value of the line; the traceback keeps its line breaks."""
    traceback = event.pop("exception", None)
    clean: EventDict = {name: event.pop(name, "") for name in ("timestamp", "level", "logger")}
    clean["logger"] = clean["logger"].removeprefix(f"{_OWN}.")
    clean["event"] = redacted(event.pop("event", ""), 1)
    clean.update(_redacted_mapping(event, 0))
    if traceback is not None:
        clean["exception"] = _safe_text(str(traceback), MAX_TRACEBACK, one_line=False)
    return clean


def redacted(value: Any, depth: int = 0) -> Any:
    """The value as it may be shown: secrets hidden by key and pattern, sizes bounded, control characters escaped.

    >>> redacted({"url": "mqtt://me:pw@lamp", "headers": {"Authorization": "x"}})
    {'url': 'mqtt://***@lamp', 'headers': {'Authorization': '***'}}
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return _safe_text(value, MAX_TEXT)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if depth >= MAX_DEPTH and isinstance(value, (Mapping, Sequence, Set)):
        return "…"
    if isinstance(value, Mapping):
        return _redacted_mapping(value, depth)
    if isinstance(value, (Sequence, Set)):
        return [redacted(item, depth + 1) for item in list(value)[:MAX_ENTRIES]]
    return _safe_text(str(value), MAX_TEXT)


def _redacted_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for key, item in islice(value.items(), MAX_ENTRIES):
        name, secret = _judged_key(key if type(key) is str and len(key) <= MAX_KEY else str(key)[:MAX_KEY])
        clean[name] = HIDDEN if secret and item is not None else redacted(item, depth + 1)
    return clean


@lru_cache(maxsize=1024)
def _judged_key(key: str) -> tuple[str, bool]:
    """The key as it may be shown, and whether its value may not."""
    name = _safe_text(key, 200)
    return name, bool(_SECRET_KEY.search(name))


def _safe_text(text: str, limit: int, *, one_line: bool = True) -> str:
    """Redacts a longer piece than it keeps, so that no cut goes through the middle of a secret that is kept."""
    if len(text) <= limit and _HARMLESS.fullmatch(text):
        return text
    clean = _URL_LOGIN.sub(rf"\1{HIDDEN}@", text[: 2 * limit])
    clean = _BEARER.sub(rf"\1 {HIDDEN}", clean)
    clean = _ASSIGNED.sub(rf"\1\2{HIDDEN}", clean)
    clean = clean if len(clean) <= limit else f"{clean[:limit]}… ({len(text)} characters)"
    clean = _UNPRINTABLE.sub(_escaped, clean)
    return _LINE_BREAK.sub(_escaped, clean) if one_line else clean


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")
