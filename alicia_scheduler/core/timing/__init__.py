"""When events fire: schedules in, instants out. Pure; the rules are told in docs/time-rules.md."""

from alicia_scheduler.core.timing.compile import Timing, TimingSpec, compile_timing
from alicia_scheduler.core.timing.errors import InvalidSchedule
from alicia_scheduler.core.timing.zones import checked_timezone, local_iso, resolve_local

__all__ = [
    "InvalidSchedule",
    "Timing",
    "TimingSpec",
    "checked_timezone",
    "compile_timing",
    "local_iso",
    "resolve_local",
]
