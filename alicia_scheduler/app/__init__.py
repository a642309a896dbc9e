"""The service as one process."""

from alicia_scheduler.app.process import run_service

__all__ = ["run_service"]
