"""For other programs: the commands of a running scheduler as typed methods, over the bus."""

from __future__ import annotations

from alicia_scheduler.client.exchange import NoAnswer
from alicia_scheduler.client.scheduler import SchedulerClient
from alicia_scheduler.errors import BusError, CommandRejected, ErrorCode

__all__ = ["BusError", "CommandRejected", "ErrorCode", "NoAnswer", "SchedulerClient"]
