"""Definitions of events as people hand them in, and what they say about times."""

import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from alicia_scheduler.core.answers import FireTime
    from alicia_scheduler.core.model.event import EventDefaults, ScheduledEvent


def read_object(source: str, what: str) -> dict[str, Any]:
    """The JSON object in a file, or on stdin for ``-``.

    Raises:
        BadParameter: It cannot be read, or is no JSON object.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise typer.BadParameter(
            f"{source} cannot be read: {reason}; {what} is a file of JSON, or - for stdin"
        ) from None
    return parse_object(text, "stdin" if source == "-" else source)


def parse_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object in the text; raises BadParameter."""
    found = parse_value(text, name)
    if not isinstance(found, dict):
        raise typer.BadParameter(f'{name}: expected a JSON object, such as {{"name": "…"}}')
    return found


def parse_value(text: str, name: str) -> Any:
    """The JSON value in the text; raises BadParameter."""
    try:
        return json.loads(text, parse_constant=_refused_constant)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{name} is not JSON: {error}") from None


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def definition(raw: Mapping[str, Any], defaults: "EventDefaults") -> "ScheduledEvent":
    """The definition in canonical form.

    Raises:
        CommandRejected: Names every bad field.
    """
    from alicia_scheduler.core.model.event import parse_event
    from alicia_scheduler.core.model.problems import InvalidDefinition
    from alicia_scheduler.errors import CommandRejected, ErrorCode

    try:
        return parse_event({"event_id": "preview", **raw}, defaults)
    except InvalidDefinition as error:
        raise CommandRejected(ErrorCode.INVALID_REQUEST, "the event is not right", error.problems) from None


def fires(event: "ScheduledEvent", start: datetime, count: int) -> "tuple[FireTime, ...]":
    """The next fires strictly after ``start``, as if the event were created now.

    Raises:
        InvalidSchedule: The schedule never fires.
    """
    from alicia_scheduler.core.event_answers import fires_after
    from alicia_scheduler.core.model.event import compiled_timing

    return fires_after(compiled_timing(event, now()), start, count)


def now() -> datetime:
    """The wall clock, aware UTC."""
    from alicia_scheduler.adapters.clock import SystemClock

    return SystemClock().now()


def instant(text: str, option: str) -> datetime:
    """The instant, or the local time without a zone, that the text names; raises BadParameter."""
    from alicia_scheduler.core.model.instants import parse_instant

    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        text = f"{text}T00:00"
    try:
        return parse_instant(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def exact_instant(text: str | None, option: str) -> datetime | None:
    """An instant that needs no zone to be understood; raises BadParameter."""
    if text is None:
        return None
    found = instant(text, option)
    if found.tzinfo is None:
        raise typer.BadParameter(f"which zone? add an offset, such as {text}+02:00, or Z for UTC", param_hint=option)
    return found


def schedule_text(event: Mapping[str, Any]) -> str:
    """The schedule of an event in a few words.

    >>> schedule_text({"schedule_type": "interval", "schedule_config": {"every": 5400.0, "mode": "fixed_rate"}})
    'every 1h 30m'
    """
    config = event.get("schedule_config")
    given = {key: value for key, value in (config or {}).items() if value not in (None, [], {}, False, "fixed_rate")}
    words = [str(event.get("schedule_type"))]
    if "every" in given:
        words = [f"every {duration_text(given.pop('every'))}"]
    if "cron_expression" in given:
        words.append(str(given.pop("cron_expression")))
    words += [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()]
    return " ".join(words)


def duration_text(value: object) -> str:
    """Seconds in larger units, where it is a number of them.

    >>> duration_text(90061), duration_text(0.5), duration_text("5m")
    ('1d 1h 1m 1s', '0.5s', '5m')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    rest, parts = float(value), []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        whole, rest = divmod(rest, seconds)
        parts += [f"{whole:g}{unit}"] if whole else []
    if rest or not parts:
        parts.append(f"{rest:g}s")
    return " ".join(parts)
