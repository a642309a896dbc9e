"""Wall clocks: which instants the local times of a zone are. The only module that knows zones and transitions.

A zone is cut into *spans* of constant UTC offset. The daylight-saving table (docs/time-rules.md) then says, span by
span, which local times count: the start of a span is trimmed where an overlap was already covered, and a gap in front
of it may hand its local times over to the span's first instant. What remains maps local seconds to instants one to
one, so searching, counting and going backwards need no special cases anywhere else.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from alicia_scheduler.core.model.schedule import DstOverride
from alicia_scheduler.core.timing.errors import InvalidSchedule
from alicia_scheduler.core.timing.seconds import DAY, EPOCH, LAST_SECOND, instant_of, local_second_of, naive_of

Overlap = Literal["first", "second", "both"]

LONGEST_SHIFTED_GAP = 3 * 3600
"""A longer gap is a change of the date line, whose local times are dropped, not shifted."""
ANY_GAP = 7 * DAY
REACH = 2 * DAY
"""More than any UTC offset, and less than the shortest stretch between two transitions since 1900 (four days)."""

_END = datetime(9999, 12, 30, tzinfo=UTC)
_CHUNK_BITS = 25
_PROBE = REACH
_NOT_A_PLACE = frozenset({"localtime", "posixrules", "Factory"})
_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,3}", re.ASCII)


class Span(NamedTuple):
    """A stretch of constant offset, seconds from ``start`` to before ``end``, with the local seconds that count.

    ``low`` to before ``high`` count directly; ``first`` to before ``low`` lie in a gap and count at ``start``.
    """

    start: int
    end: int
    offset: int
    before: int
    after: int
    first: int
    low: int
    high: int


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - _NOT_A_PLACE


@lru_cache(maxsize=1024)
def checked_timezone(name: str) -> str:
    """Return the name itself, if it is the name of an IANA zone.

    Raises:
        InvalidSchedule: names the nearest known zone.
    """
    if _NAME.fullmatch(name) and name in _known_names():
        return name
    shown = name if len(name) <= 64 and name.isprintable() else "this"
    near = _nearest_name(name[:64])
    hint = f"; did you mean '{near}'?" if near else ", such as 'Europe/Berlin'"
    raise InvalidSchedule("timezone", f"'{shown}' is not the name of an IANA time zone{hint}")


def _nearest_name(name: str) -> str | None:
    by_lower = {known.lower(): known for known in _known_names()}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return by_lower[close[0]]
    places = {known.rpartition("/")[2].lower(): known for known in sorted(_known_names())}
    close = difflib.get_close_matches(name.rpartition("/")[2].lower(), places, n=1, cutoff=0.75)
    return places[close[0]] if close else None


@lru_cache(maxsize=1024)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(checked_timezone(name))


def _offset(zone: zoneinfo.ZoneInfo, second: int) -> int:
    delta = (EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset() or timedelta(0)
    return delta.days * DAY + delta.seconds


def _transition_between(zone: zoneinfo.ZoneInfo, low: int, high: int) -> int:
    """Return the first second with the offset of ``high``, given that ``low`` has another one."""
    target = _offset(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == target:
            high = middle
        else:
            low = middle
    return high


def _transitions(zone: zoneinfo.ZoneInfo, start: int, end: int) -> list[tuple[int, int]]:
    """Return (second, offset from there on) for the start and every transition up to and including the end."""
    found = [(start, _offset(zone, start))]
    for low, high in pairwise([*range(start, end, _PROBE), end]):
        if _offset(zone, high) != found[-1][1]:
            second = _transition_between(zone, low, high)
            found.append((second, _offset(zone, second)))
    return found


class WallClock:
    """The spans of one zone under one reading of gaps and overlaps; loaded piece by piece and kept."""

    __slots__ = ("_chunks", "_overlap", "_shift_up_to", "_zone", "name")

    def __init__(self, name: str, shift_up_to: int, overlap: Overlap) -> None:
        self.name = name
        self._zone = _zone(name)
        self._shift_up_to = shift_up_to
        self._overlap = overlap
        self._chunks: dict[int, tuple[list[int], list[Span]]] = {}

    def at(self, second: int) -> Span:
        """Return the span that an epoch second lies in."""
        starts, spans = self._chunks.get(second >> _CHUNK_BITS) or self._load(second >> _CHUNK_BITS)
        return spans[bisect_right(starts, second) - 1]

    def local_second(self, second: int) -> int:
        """Return what the wall clock shows at an epoch second."""
        return second + self.at(second).offset

    def second_of_local(self, local: int) -> int | None:
        """Return the first epoch second that a local second counts at, or None when it is dropped."""
        span = self.at(local - REACH)
        while span.start <= local + REACH:
            if span.first <= local < span.high:
                return max(local, span.start + span.offset) - span.offset
            span = self.at(span.end)
        return None

    def overlap_note(self, second: int) -> str:
        """Return which of two equal wall-clock times this is, or nothing."""
        span = self.at(second)
        local = second + span.offset
        clock = f"{naive_of(local):%H:%M}"
        if local < span.start + span.before:
            return f"second of two {clock}"
        return f"first of two {clock}" if local >= span.end + span.after else ""

    def _load(self, chunk: int) -> tuple[list[int], list[Span]]:
        start, end = chunk << _CHUNK_BITS, (chunk + 1) << _CHUNK_BITS
        marks = _transitions(self._zone, start, end)
        if marks[-1][0] != end:
            marks.append((end, marks[-1][1]))
        before = _offset(self._zone, start - 1)
        spans = []
        for (first, offset), (last, after) in pairwise(marks):
            spans.append(self._span(first, last, before, offset, after))
            before = offset
        self._chunks[chunk] = loaded = ([span.start for span in spans], spans)
        return loaded

    def _span(self, start: int, end: int, before: int, offset: int, after: int) -> Span:
        low = start + (max(offset, before) if self._overlap == "first" else offset)
        high = end + (min(offset, after) if self._overlap == "second" else offset)
        shifted = 0 < offset - before <= self._shift_up_to
        return Span(start, end, offset, before, after, start + before if shifted else low, low, high)


@lru_cache(maxsize=1024)
def wall_clock(name: str, shift_up_to: int, overlap: Overlap) -> WallClock:
    """Return the shared wall clock of a zone.

    Args:
        name: a checked IANA name.
        shift_up_to: the longest gap, in seconds, whose local times move to its end; 0 drops them all.
        overlap: which occurrence of a local time that comes twice counts.
    """
    return WallClock(name, shift_up_to, overlap)


def rule_clock(name: str, dst: DstOverride, *, names_wall_clock: bool) -> WallClock:
    """Return the wall clock for a rule: a fixed one shifts gaps and takes overlaps once, a flowing one takes all."""
    gap = dst.gap or ("shift" if names_wall_clock else "skip")
    overlap: Overlap = dst.overlap or ("first" if names_wall_clock else "both")
    return wall_clock(name, LONGEST_SHIFTED_GAP if gap == "shift" else 0, overlap)


def elapsed_clock(name: str) -> WallClock:
    """Return the wall clock that shows every instant as it is, for rules that do not follow the clock."""
    return wall_clock(name, 0, "both")


def resolve_local(naive: datetime, timezone: str, dst: DstOverride) -> tuple[datetime, str]:
    """Return the instant of a single local time, and a note when the clock was changed there.

    A time in a gap becomes the transition instant; one in an overlap the first, unless the override says "second".

    Raises:
        InvalidSchedule: the zone is unknown.
    """
    overlap: Overlap = "second" if dst.overlap == "second" else "first"
    clock = wall_clock(checked_timezone(timezone), ANY_GAP, overlap)
    local = local_second_of(naive)
    if local > LAST_SECOND:
        return min(naive.replace(tzinfo=UTC), _END) - timedelta(seconds=clock.at(LAST_SECOND).offset), ""
    second = clock.second_of_local(local)
    if second is None:
        raise InvalidSchedule("timezone", f"{naive} cannot be read in {timezone}")
    if clock.local_second(second) != local:
        return instant_of(second), gap_note(local)
    return instant_of(second) + timedelta(microseconds=naive.microsecond), clock.overlap_note(second)


def gap_note(local: int) -> str:
    """Return what to tell about a local second that the clock left out."""
    missing = naive_of(local)
    return f"shifted out of a DST gap ({missing:%H:%M} does not exist on {missing:%Y-%m-%d})"


def local_iso(instant: datetime, timezone: str) -> str:
    """Return the instant as ISO text with the offset of the zone.

    >>> local_iso(datetime(2026, 7, 1, 5, tzinfo=UTC), "Europe/Berlin")
    '2026-07-01T07:00:00+02:00'

    Raises:
        InvalidSchedule: the zone is unknown.
    """
    try:
        return instant.astimezone(_zone(timezone)).isoformat()
    except OverflowError:
        return instant.astimezone(UTC).isoformat()
