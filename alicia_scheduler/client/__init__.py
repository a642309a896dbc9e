"""For other programs: the commands of a running scheduler as typed methods, over the bus."""

from __future__ import annotations

import structlog

from alicia_scheduler.client.exchange import NoAnswer
from alicia_scheduler.client.notification import Event, ListenerProcessor, NotificationClient
from alicia_scheduler.client.scheduler import SchedulerClient
from alicia_scheduler.errors import BusError, CommandRejected, ErrorCode

__all__ = [
    "BusError", "CommandRejected", "ErrorCode", "Event", "ListenerProcessor", "NoAnswer", "NotificationClient",
    "SchedulerClient",
]  # fmt: skip

if not structlog.is_configured():
    # Unconfigured, structlog prints to standard output, which belongs to the program that uses this client.
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger)
