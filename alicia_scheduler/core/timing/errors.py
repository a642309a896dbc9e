"""The one error of the timing rules."""

from __future__ import annotations


class InvalidSchedule(ValueError):
    """A schedule cannot be used: ``field`` of the event is wrong, ``message`` says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
