"""The fields of each command, as pydantic models whose ``command`` gives the typed value for the rules.

The descriptions are what docs/topics.md and the JSON Schemas show.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from alicia_scheduler.core import commands
from alicia_scheduler.core.model.event import ScheduledEvent, ScheduleType
from alicia_scheduler.core.model.fields import EventId, Identifier, Tag, Text
from alicia_scheduler.core.model.instants import parse_instant
from alicia_scheduler.core.queries import EventQuery, ExecutionQuery
from alicia_scheduler.core.state import EventStatus, ExecutionStatus, TriggeredBy

MAX_PAGE = 1000


def _instant(value: object) -> datetime:
    found = parse_instant(value)
    if found.tzinfo is None:
        raise ValueError('expected epoch seconds or an instant with an offset, such as "2026-03-29T02:30:00+02:00"')
    return found


def _object(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    return value


def one_of(values: Iterable[str]) -> AfterValidator:
    """Takes only these."""
    known = tuple(map(str, values))

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return value

    return AfterValidator(check)


def as_enum(values: Iterable[str]) -> Any:
    """Shows them in the schema."""
    return Field(json_schema_extra={"enum": [str(value) for value in values]})


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "format": "date-time"}]}),
]
EventState = Annotated[str, one_of(EventStatus), as_enum(EventStatus)]
Status = Annotated[str, one_of(ExecutionStatus), as_enum(ExecutionStatus)]
Cause = Annotated[str, one_of(TriggeredBy), as_enum(TriggeredBy)]
ExecutionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
RawObject = Annotated[dict[str, Any], BeforeValidator(_object)]
Note = Annotated[Text, Field(max_length=1000, description="why, for people")]
ShortText = Annotated[Text, Field(min_length=1, max_length=200)]
Cursor = Annotated[Text, Field(min_length=1, max_length=512, description="`next_cursor` of the page before")]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="how many to a page")]


class RequestModel(BaseModel):
    """The fields of one command; nothing else may stand beside them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def canonical(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields with old spellings made new."""
        return fields

    @abstractmethod
    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """The typed command; ``event`` is the definition in the request, already read."""


class OneEventRequest(RequestModel):
    """Names a scheduled event."""

    event_id: EventId = Field(description="the scheduled event")


class CreateEventRequest(RequestModel):
    """Fields of ``create_event``."""

    event: RawObject = Field(description="the definition (section “A scheduled event”)")
    on_conflict: commands.OnConflict = Field("error", description="what to do when the id is taken")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Create the event."""
        assert event is not None
        return commands.CreateEvent(event, self.on_conflict)


class UpdateEventRequest(OneEventRequest):
    """Fields of ``update_event``."""

    changes: RawObject = Field(description="a JSON merge patch (RFC 7396): null removes a field")
    revision: Annotated[int, Field(ge=1)] | None = Field(None, description="refuse if the event has another revision")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Update the event."""
        return commands.UpdateEvent(self.event_id, self.changes, self.revision)


class DeleteEventRequest(OneEventRequest):
    """Fields of ``delete_event``."""

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Delete the event."""
        return commands.DeleteEvent(self.event_id)


class CancelEventRequest(OneEventRequest):
    """Fields of ``cancel_event``."""

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Cancel the event."""
        return commands.CancelEvent(self.event_id)


class PauseEventRequest(OneEventRequest):
    """Fields of ``pause_event``."""

    note: Note | None = None
    until: Instant | None = Field(None, description="when it resumes by itself")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Pause the event."""
        return commands.PauseEvent(self.event_id, self.note, self.until)


class ResumeEventRequest(OneEventRequest):
    """Fields of ``resume_event``."""

    note: Note | None = None

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Resume the event."""
        return commands.ResumeEvent(self.event_id, self.note)


class TriggerEventRequest(OneEventRequest):
    """Fields of ``trigger_event``."""

    payload: Any = Field(None, description="the execution sees it as `_event.payload`")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Trigger the event."""
        return commands.TriggerEvent(self.event_id, self.payload)


class GetEventRequest(OneEventRequest):
    """Fields of ``get_event``."""

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Read the event."""
        return commands.GetEvent(self.event_id)


class ListEventsRequest(RequestModel):
    """Fields of ``list_events``."""

    tags: Annotated[list[Tag], Field(max_length=64)] = Field([], description="only events that carry all of these")
    namespace: Identifier | None = None
    module_id: Annotated[Text, Field(max_length=128)] | None = None
    state: EventState | None = None
    schedule_type: ScheduleType | None = None
    name: ShortText | None = None
    origin: ShortText | None = Field(None, description="`bus`, or `file:<name>` of a declared event")
    limit: Limit = 100
    cursor: Cursor | None = None

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """List events."""
        return commands.ListEvents(EventQuery(**{**dict(self), "tags": tuple(self.tags)}))


class ListExecutionsRequest(RequestModel):
    """Fields of ``list_executions``."""

    event_id: EventId | None = None
    status: Status | None = None
    triggered_by: Cause | None = None
    since: Instant | None = Field(None, description="scheduled at this time or later")
    until: Instant | None = Field(None, description="scheduled before this time")
    limit: Limit = 100
    cursor: Cursor | None = None

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """List executions."""
        return commands.ListExecutions(ExecutionQuery(**dict(self)))


class CancelExecutionRequest(RequestModel):
    """Fields of ``cancel_execution``."""

    execution_id: ExecutionId

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Cancel the execution."""
        return commands.CancelExecution(self.execution_id)


class PreviewRequest(RequestModel):
    """Fields of ``preview``."""

    event_id: EventId | None = Field(None, description="a stored event, or")
    event: RawObject | None = Field(None, description="a definition")
    count: Annotated[int, Field(ge=1, le=MAX_PAGE)] = Field(5, description="how many fires")
    start: Instant | None = Field(None, alias="from", description="fires strictly after this; default now")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.event_id is None) == (self.event is None):
            raise ValueError("give either event_id or event")
        return self

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Preview the next fires."""
        return commands.Preview(self.event_id, event, self.count, self.start)


class GetStatsRequest(RequestModel):
    """``get_stats`` has no fields."""

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Read the counters."""
        return commands.GetStats()


class PingRequest(RequestModel):
    """``ping`` has no fields."""

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Ask for a sign of life."""
        return commands.Ping()
