"""Reads back the canonical form of a definition that was validated when it was stored.

A fire whose definition is not in memory pays for reading it, so what was checked once is not checked again: only types
that JSON does not have are made anew. Anything that does not look exactly as this version would have written it goes
through the whole validation.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from alicia_scheduler.core.model.action import MqttPublish
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.schedule import DstOverride, parse_instant, parse_schedule

_FIELDS = frozenset(ScheduledEvent.model_fields)
_ACTION_FIELDS = frozenset(MqttPublish.model_fields)
_DURATIONS = ("jitter", "misfire_grace", "retry_delay", "retry_max_delay", "retry_jitter", "timeout")
_PLAIN_DST = DstOverride()


def restored_event(text: str) -> ScheduledEvent:
    """The definition in the JSON text.

    Raises:
        pydantic.ValidationError: This version cannot read it.
    """
    document = json.loads(text)
    if not _is_canonical(document):
        return ScheduledEvent.model_validate_json(text)
    values = dict(document)
    for name in _DURATIONS:
        values[name] = timedelta(seconds=document[name])
    values["catch_up_window"] = _duration(document["catch_up_window"])
    values["start_at"] = _instant(document["start_at"])
    values["end_at"] = _instant(document["end_at"])
    values["tags"] = tuple(document["tags"])
    values["exclude"], values["triggers"], values["dst"] = (), (), _PLAIN_DST
    values["schedule_config"] = parse_schedule(document["schedule_type"], document["schedule_config"])
    values["action"] = _action(document["action"])
    return ScheduledEvent.model_construct(**values)


def _is_canonical(document: Any) -> bool:
    """Whether every part is one that is restored here; the seldom ones are left to the validation."""
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        return False
    action = document["action"]
    seldom = document["exclude"] or document["dst"] or document["triggers"]
    return not seldom and isinstance(action, dict) and action.keys() == _ACTION_FIELDS and action["expect"] is None


def _action(document: dict[str, Any]) -> MqttPublish:
    return MqttPublish.model_construct(**{**document, "expiry": _duration(document["expiry"])})


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)
