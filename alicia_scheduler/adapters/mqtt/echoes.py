"""Telling our own publications from those of others where the broker cannot (MQTT 3.1.1 has no no-local)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

_Key = tuple[str, bytes]


class OwnEchoes:
    """A bounded multiset of what we published and may receive ourselves.

    An entry is forgotten after ``lifetime_s``, since a publication that was lost has no echo and must not hide
    the equal message of someone else for ever.
    """

    def __init__(self, limit: int = 1000, lifetime_s: float = 60.0) -> None:
        self._limit = limit
        self._lifetime_s = lifetime_s
        self._expected: OrderedDict[_Key, tuple[int, float]] = OrderedDict()

    def expect(self, topic: str, payload: bytes, now_s: float) -> None:
        """Notes one publication of ours."""
        key = _key(topic, payload)
        count, _ = self._expected.pop(key, (0, 0.0))
        self._expected[key] = (count + 1, now_s)
        self._forget(now_s)

    def take(self, topic: str, payload: bytes, now_s: float) -> bool:
        """Whether the message is an echo; each expected one is used up once."""
        if not self._expected:
            return False
        self._forget(now_s)
        key = _key(topic, payload)
        count, noted_s = self._expected.get(key, (0, 0.0))
        if count > 1:
            self._expected[key] = (count - 1, noted_s)
        elif count:
            del self._expected[key]
        return count > 0

    def _forget(self, now_s: float) -> None:
        while self._expected:
            oldest = next(iter(self._expected))
            if len(self._expected) <= self._limit and self._expected[oldest][1] + self._lifetime_s >= now_s:
                return
            del self._expected[oldest]


def _key(topic: str, payload: bytes) -> _Key:
    return topic, hashlib.blake2b(payload, digest_size=16).digest()
