"""Logging: coloured lines for people, JSON lines for programs, and nothing secret in either.

Both `structlog` and the standard `logging` module end in one handler, so libraries are redacted and bounded as well.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

__all__ = ["LogFormat", "LogLevel", "configure_logging", "redacted"]

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "console", "json"]

MAX_TEXT = 2000
MAX_TRACEBACK = 20_000
MAX_ENTRIES = 50
MAX_DEPTH = 6
HIDDEN = "***"

_OWN = "alicia_scheduler"
_LIBRARIES = ("aiomqtt", "amqtt", "asyncio", "transitions", "uvicorn", "uvicorn.access", "uvicorn.error", "watchfiles")
_FIRST = ("timestamp", "level", "logger", "event")
_SECRET_KEY = re.compile(r"passw(or)?d|token|secret|authorization|api[_-]?key|cookie|credential", re.IGNORECASE)
_URL_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/@]{0,256}:[^\s\"'<>]{0,1024}@")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"\b([a-z_-]{0,40}(?:passw(?:or)?d|token|secret|api[_-]?key))(['\"]?\s?[=:]\s?)(\"[^\"]{1,1024}\"|'[^']{1,1024}'|[^\s&,;'\"]{1,1024})",
    re.IGNORECASE,
)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_BREAK = re.compile(r"[\n\t]")


def configure_logging(level: LogLevel, format: LogFormat, stream: TextIO) -> None:
    """Sends everything that is logged to ``stream``; libraries from WARNING on. Calling it again replaces what was set.

    Args:
        format: ``auto`` is ``console`` on a terminal, else ``json``.
    """
    human = format == "console" or (format == "auto" and stream.isatty())
    structlog.configure(
        processors=[*_enrichment(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=_own_logger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(human=human, colors=stream.isatty()))
    _route(handler, getattr(logging, level.upper()))


def _own_logger(name: str = "service", *_: Any) -> logging.Logger:
    """The service's own loggers stand below one name, so that their level is theirs and not that of the libraries."""
    return logging.getLogger(f"{_OWN}.{name.removeprefix(f'{_OWN}.')}")


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


def _enrichment() -> list[Processor]:
    return [
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(*, human: bool, colors: bool) -> logging.Formatter:
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        if human
        else structlog.processors.JSONRenderer(serializer=_json_line)
    )
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
            renderer,
        ],
    )


def _json_line(value: Any, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redacts and bounds every value of the line; the traceback keeps its line breaks."""
    traceback = event.pop("exception", None)
    clean: EventDict = redacted({**{name: event.pop(name, "") for name in _FIRST}, **event})
    clean["logger"] = clean["logger"].removeprefix(f"{_OWN}.")
    if traceback is not None:
        clean["exception"] = _safe_text(str(traceback), MAX_TRACEBACK, one_line=False)
    return clean


def redacted(value: Any, depth: int = 0) -> Any:
    """The value as it may be shown: secrets hidden by key and pattern, sizes bounded, control characters escaped.

    >>> redacted({"url": "mqtt://me:pw@lamp", "headers": {"Authorization": "x"}})
    {'url': 'mqtt://***@lamp', 'headers': {'Authorization': '***'}}
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if depth >= MAX_DEPTH and isinstance(value, (Mapping, Sequence, Set)) and not isinstance(value, str):
        return "…"
    if isinstance(value, Mapping):
        return _redacted_mapping(value, depth)
    if isinstance(value, (Sequence, Set)) and not isinstance(value, str):
        return [redacted(item, depth + 1) for item in list(value)[:MAX_ENTRIES]]
    return _safe_text(str(value), MAX_TEXT)


def _redacted_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for key, item in list(value.items())[:MAX_ENTRIES]:
        name = _safe_text(str(key), 200)
        clean[name] = HIDDEN if item is not None and _SECRET_KEY.search(name) else redacted(item, depth + 1)
    return clean


def _safe_text(text: str, limit: int, *, one_line: bool = True) -> str:
    """Redacts a longer piece than it keeps, so that no cut goes through the middle of a secret that is kept."""
    clean = _URL_LOGIN.sub(rf"\1{HIDDEN}@", text[: 2 * limit])
    clean = _BEARER.sub(rf"\1 {HIDDEN}", clean)
    clean = _ASSIGNED.sub(rf"\1\2{HIDDEN}", clean)
    clean = clean if len(clean) <= limit else f"{clean[:limit]}… ({len(text)} characters)"
    clean = _UNPRINTABLE.sub(_escaped, clean)
    return _LINE_BREAK.sub(_escaped, clean) if one_line else clean


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")
