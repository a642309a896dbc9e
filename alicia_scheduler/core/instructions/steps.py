"""The record of one instruction: what became of it, kept before the next one begins (docs/instructions.md, crashes)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from alicia_scheduler.core.model.fields import json_text

Json = Any

HEADER = ""
"""The path of the record that belongs to the whole program: which one it was, and from where events count."""

MAX_INPUT_CHARS = 4096
MAX_OUTPUT_CHARS = 65_536
"""Longest output kept, as JSON; of a longer one only its size is."""


class StepStatus(StrEnum):
    """What became of an instruction."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of one execution.

    Attributes:
        path: Where it stands in the definition; a repeat adds its pass, as in ``[2].pass[3][0]``.
        attempt: The attempt of the execution that carried it out; a failed one is carried out again by the next.
        inputs: Its fields as rendered; only where the event's trace is on.
        output: What it gave; for a decision the way that was taken.
        wake_time: Until when an open one waits.
        id: The name under which templates find the outcome.
        since: An open ``wait_for_event`` takes events behind this offset.
    """

    path: str
    action: str
    status: StepStatus
    attempt: int
    started_at: datetime
    ended_at: datetime | None = None
    inputs: Json = None
    output: Json = None
    error: str | None = None
    code: str | None = None
    permanent: bool = False
    wake_time: datetime | None = None
    since: int | None = None
    id: str | None = None

    def stored(self) -> dict[str, Json]:
        """The record as JSON, without what is empty."""
        fields = {
            "action": self.action, "status": self.status.value, "attempt": self.attempt,
            "started": self.started_at.timestamp(), "ended": _seconds(self.ended_at), "inputs": self.inputs,
            "output": self.output, "error": self.error, "code": self.code, "permanent": self.permanent or None,
            "wake": _seconds(self.wake_time), "since": self.since, "id": self.id,
        }  # fmt: skip
        return {name: value for name, value in fields.items() if value is not None}


def restored_step(path: str, stored: dict[str, Json]) -> Step:
    """The step in its stored form."""
    return Step(
        path=path,
        action=stored["action"],
        status=StepStatus(stored["status"]),
        attempt=stored["attempt"],
        started_at=_instant(stored["started"]),
        ended_at=_instant(stored["ended"]) if "ended" in stored else None,
        inputs=stored.get("inputs"),
        output=stored.get("output"),
        error=stored.get("error"),
        code=stored.get("code"),
        permanent=stored.get("permanent", False),
        wake_time=_instant(stored["wake"]) if "wake" in stored else None,
        since=stored.get("since"),
        id=stored.get("id"),
    )


def step_id(execution_id: str, path: str) -> str:
    """The idempotency id of one instruction: equal over crashes and attempts, so a receiver can drop a repeat."""
    return f"{execution_id}{path}"


def bounded(value: Json, limit: int) -> Json:
    """The value, or only its size where it is larger than a record may hold."""
    try:
        size = len(json_text(value))
    except ValueError:
        return {"truncated": True}
    return value if size <= limit else {"truncated": True, "size": size}


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
