"""Reads back the canonical form of a definition that was validated when it was stored.

A fire whose definition is not in memory pays for reading it, so what was checked once is not checked again: only types
that JSON does not have are made anew. Anything that does not look exactly as this version would have written it goes
through the whole validation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

from alicia_scheduler.core.model.action import MqttPublish
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.schedule import (
    CronSchedule,
    DstOverride,
    EventSchedule,
    IntervalSchedule,
    ManualSchedule,
    OnceSchedule,
    Schedule,
    parse_schedule,
)

Model = TypeVar("Model", bound=BaseModel)
Document = dict[str, Any]

_FIELDS = frozenset(ScheduledEvent.model_fields)
_ACTION_FIELDS = frozenset(MqttPublish.model_fields)
_DURATIONS = ("jitter", "misfire_grace", "retry_delay", "retry_max_delay", "retry_jitter", "timeout")
_PLAIN_DST = DstOverride()


def restored_event(text: str) -> ScheduledEvent:
    """The definition in the JSON text.

    Raises:
        pydantic.ValidationError: This version cannot read it.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:  # it is stricter than what may have written the text
        document = None
    if not _is_canonical(document):
        return ScheduledEvent.model_validate_json(text)
    document["schedule_config"] = _schedule(document["schedule_type"], document["schedule_config"])
    document["action"] = _action(document["action"])
    for name in _DURATIONS:
        document[name] = timedelta(seconds=document[name])
    document["catch_up_window"] = _duration(document["catch_up_window"])
    document["start_at"] = _instant(document["start_at"])
    document["end_at"] = _instant(document["end_at"])
    document["tags"] = tuple(document["tags"])
    document["exclude"], document["triggers"], document["dst"] = (), (), _PLAIN_DST
    return _trusted(ScheduledEvent, document)


def _is_canonical(document: Any) -> bool:
    """Whether every part is one that is restored here; the seldom ones are left to the validation."""
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        return False
    action = document["action"]
    seldom = document["exclude"] or document["dst"] or document["triggers"]
    return not seldom and isinstance(action, dict) and action.keys() == _ACTION_FIELDS and action["expect"] is None


def _trusted(model: type[Model], values: Document) -> Model:
    """The model with these values, which are complete, in order and of the right types.

    pydantic's own ``model_construct`` takes ten times longer, most of a fire's share in reading its definition.
    """
    made = model.__new__(model)
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", set(values))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


def _action(document: Document) -> MqttPublish:
    document["expiry"] = _duration(document["expiry"])
    return _trusted(MqttPublish, document)


def _schedule(kind: str, config: Document) -> Schedule:
    match kind, config:
        case "once", {"run_at": str(run_at), "allow_past": bool(allow_past)} if len(config) == 2:
            return _trusted(OnceSchedule, {"run_at": _instant(run_at), "delay": None, "allow_past": allow_past})
        case "interval", {"every": float() | int() as every, "align": bool(align), "mode": str()} if len(config) == 3:
            length = {"every": timedelta(seconds=every), "months": None}
            return _trusted(IntervalSchedule, {**length, "align": align, "mode": config["mode"]})
        case "cron", {"cron_expression": str(), "day_logic": str()} if len(config) == 2:
            return _trusted(CronSchedule, config)
        case "manual", {} if not config:
            return _trusted(ManualSchedule, {})
        case "event", {} if not config:
            return _trusted(EventSchedule, {})
        case _:
            return parse_schedule(kind, config)


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _instant(text: str | None) -> datetime | None:
    """The instant as it was written: UTC with ``Z``, or a local time without an offset."""
    return None if text is None else datetime.fromisoformat(text)
