"""What the rules answer, as the documents of the contract."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.core.answers import (
    ChangeAnswer,
    DeletedAnswer,
    EventAnswer,
    ExecutionAnswer,
    FireTime,
    VariablesAnswer,
)
from alicia_scheduler.wire.documents import event_document, execution_document, fire_document
from alicia_scheduler.wire.thrown_documents import thrown_answer_document


def change_document(answer: ChangeAnswer) -> dict[str, Any]:
    """The ``data`` of the answer to a change."""
    match answer:
        case EventAnswer():
            return answered_event(answer)
        case DeletedAnswer(event_id):
            return {"event_id": event_id, "deleted": True}
        case ExecutionAnswer(execution):
            return {
                "execution_id": execution.execution_id,
                "status": execution.status.value,
                "reason": execution.reason,
                "execution": execution_document(execution),
            }
        case VariablesAnswer(dest_id, variables):
            return {"dest_id": dest_id, "variables": dict(variables)}
        case _:
            return thrown_answer_document(answer)


def answered_event(answer: EventAnswer) -> dict[str, Any]:
    """A scheduled event with its next fires."""
    zone = answer.record.definition.timezone
    document: dict[str, Any] = {
        "event": event_document(answer.record, answer.state),
        "next_fires": [fire(time, zone) for time in answer.next_fires],
    }
    if answer.previous_fires is not None:
        document["previous_fires"] = [fire(time, zone) for time in answer.previous_fires]
    return document


def fire(time: FireTime, zone: str) -> dict[str, Any]:
    """One fire to come."""
    return fire_document(time.due, zone, time.note or None)
