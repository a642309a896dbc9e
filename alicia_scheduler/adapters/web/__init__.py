"""The HTTP side: health for supervisors and containers."""

from alicia_scheduler.adapters.web.server import Health, HealthServer
from alicia_scheduler.adapters.web.thrown_routes import ThrownRoutes

__all__ = ["Health", "HealthServer", "ThrownRoutes"]
