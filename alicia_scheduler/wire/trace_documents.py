"""The trace of an execution as other programs read it: what became of each instruction, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alicia_scheduler.core.instructions.steps import HEADER, Json, Step, bounded, restored_step
from alicia_scheduler.core.model.fields import json_text
from alicia_scheduler.wire.documents import timestamps

TRACE_STEPS = 500
"""Instructions in one answer: the newest of a longer trace."""

TRACE_CHARS = 200_000
"""Inputs and outputs in one answer, as JSON; what comes behind them is named without."""


def trace_document(steps: Mapping[str, Json]) -> dict[str, Any]:
    """``trace`` and, where it was too long, how many instructions are left out at its beginning."""
    every = [restored_step(path, step) for path, step in steps.items() if path != HEADER]
    left_out = max(0, len(every) - TRACE_STEPS)
    room = TRACE_CHARS
    documents: list[dict[str, Any]] = []
    for step in every[left_out:]:
        document = _step_document(step)
        data = {"inputs": step.inputs, "output": step.output}
        size = len(json_text(data))
        room -= size
        documents.append(document | (data if room >= 0 else {"inputs": None, "output": bounded(data, 0)}))
    return {"trace": documents, "trace_left_out": left_out}


def _step_document(step: Step) -> dict[str, Any]:
    duration = None if step.ended_at is None else (step.ended_at - step.started_at).total_seconds()
    return {
        "path": step.path,
        "id": step.id,
        "action": step.action,
        "status": step.status.value,
        "attempt": step.attempt,
        **timestamps("start_time", step.started_at),
        **timestamps("end_time", step.ended_at),
        **timestamps("wake_time", step.wake_time),
        "duration": duration,
        "error_message": step.error,
        "error_code": step.code,
    }
