"""Identifiers made from what they identify, so that a restart, a retry and a second process all make the same one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from alicia_scheduler.core.state import EventRecord, EventState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def fire_id(record: EventRecord, state: EventState, nominal: datetime) -> str:
    """The execution id of one nominal time of one event; unique for ever, since ``key`` is.

    It begins with the time and not with a hash, so that the fires of one moment lie side by side in every index: a
    commit of a hundred of them writes a few pages of the file instead of a hundred.
    """
    return f"{(nominal - _EPOCH) // _MICROSECOND:013x}-{record.key:07x}-{state.generation:x}"


def missed_id(record: EventRecord, state: EventState, first: datetime) -> str:
    """The id of the record of a range of missed nominal times."""
    return _digest("missed", record.key, state.generation, first.isoformat())


def request_execution_id(record: EventRecord, request_key: str) -> str:
    """The execution id of a fire that a command asked for."""
    return _digest("request", record.key, request_key)


def trigger_execution_id(record: EventRecord, trigger: str, mark: str) -> str:
    """The execution id of what a trigger made of one arrival."""
    return _digest("trigger", record.key, trigger, mark)


def thrown_id(request_key: str) -> str:
    """The unique id of a thrown event; the key names the request that throws it."""
    return _digest("thrown", request_key)


def fraction(*parts: object) -> float:
    """A number in [0, 1) that looks random and is always the same for the same parts."""
    return int.from_bytes(blake2b(_joined(parts), digest_size=8).digest()) / 2**64


def _digest(*parts: object) -> str:
    return blake2b(_joined(parts), digest_size=16).hexdigest()


def _joined(parts: tuple[object, ...]) -> bytes:
    return "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
