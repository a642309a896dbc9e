"""Short ways to write schedules and times in the timing tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pydantic import TypeAdapter

from alicia_scheduler.core.model.schedule import DstOverride, Exclusion, parse_schedule
from alicia_scheduler.core.timing import Timing, TimingSpec, compile_timing, local_iso

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
_EXCLUSIONS: TypeAdapter[tuple[Exclusion, ...]] = TypeAdapter(tuple[Exclusion, ...])


def at(text: str) -> datetime:
    """Read an ISO instant; without an offset it is UTC."""
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def timing(kind: str, config: dict[str, Any], zone: str = "UTC", **other: Any) -> Timing:
    """Compile a schedule; ``exclude`` and ``dst`` are given as a user writes them, instants as text."""
    for name in ("created_at", "start_at", "end_at"):
        if isinstance(other.get(name), str):
            other[name] = at(other[name])
    spec = {"event_id": "e", "created_at": CREATED, **other}
    spec["exclude"] = _EXCLUSIONS.validate_python(other.get("exclude", ()))
    spec["dst"] = DstOverride.model_validate(other.get("dst", {}))
    return compile_timing(TimingSpec(schedule=parse_schedule(kind, config), timezone=zone, **spec))


def cron(expression: str, zone: str = "UTC", **other: Any) -> Timing:
    """Compile a cron expression."""
    logic = {"day_logic": other.pop("day_logic")} if "day_logic" in other else {}
    return timing("cron", {"cron_expression": expression, **logic}, zone, **other)


def walk(rule: Timing, after: datetime) -> Any:
    """Yield the nominal times after an instant."""
    nominal = rule.next_time(after)
    while nominal is not None:
        yield nominal
        nominal = rule.next_time(nominal)


def fires(rule: Timing, after: str, count: int, zone: str = "UTC") -> list[str]:
    """Return the first nominal times as local text without offset seconds, such as ``2026-03-01T07:00``."""
    return [local_iso(nominal, zone)[:16] for nominal in islice(walk(rule, at(after)), count)]


def between(rule: Timing, after: datetime, until: datetime) -> list[datetime]:
    """Return the nominal times in a span, found forwards."""
    found = []
    for nominal in walk(rule, after):
        if nominal > until:
            break
        found.append(nominal)
    return found


def between_backwards(rule: Timing, after: datetime, until: datetime) -> list[datetime]:
    """Return the nominal times in a span, found backwards."""
    found: list[datetime] = []
    nominal = rule.previous_time(until)
    while nominal is not None and nominal > after:
        found.append(nominal)
        nominal = rule.previous_time(nominal - TICK)
    return found[::-1]
