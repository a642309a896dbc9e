"""The HTTP side: health for supervisors and containers."""

from alicia_scheduler.adapters.web.server import Health, HealthServer

__all__ = ["Health", "HealthServer"]
