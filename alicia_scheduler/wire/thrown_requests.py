"""The fields of the commands about thrown events (as in request_models.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from alicia_scheduler.core import commands
from alicia_scheduler.core.model.event import ScheduledEvent
from alicia_scheduler.core.model.fields import Identifier, Text
from alicia_scheduler.core.model.throwing import ThrowFields, canonical_throw
from alicia_scheduler.core.model.trigger import MAX_KEYS, EventKey
from alicia_scheduler.core.thrown.model import EntryStatus, ThrownQuery
from alicia_scheduler.wire.request_models import MAX_PAGE, RequestModel, as_enum, one_of


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Keys = Annotated[list[EventKey], BeforeValidator(_several), Field(max_length=MAX_KEYS)]
Offset = Annotated[int, Field(ge=0, le=2**63 - 1)]
Status = Annotated[str, one_of(EntryStatus), as_enum(EntryStatus)]


class ThrowEventRequest(RequestModel, ThrowFields):
    """Fields of ``throw_event``."""

    @classmethod
    def canonical(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields in their new spelling."""
        return canonical_throw(fields)

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Throw the event."""
        return self.throw()


class _QueueRequest(RequestModel):
    namespace: Identifier | None = Field(None, description="only of this namespace")
    key: Keys | None = Field(None, description="only with this key; a list for several")


class ListThrownRequest(_QueueRequest):
    """Fields of ``list_thrown``."""

    dest_id: Identifier | None = Field(None, description="only of this destination")
    since_offset: Offset | None = Field(
        None, description="only behind this offset, the first `limit` of them; left out: the newest"
    )
    status: Status | None = Field(None, description="only with this status")
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = Field(100, description="how many in all")
    distinct: bool = Field(False, description="one entry for each thrown event, whatever its destinations")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """List thrown events."""
        keys = tuple(self.key or ())
        query = ThrownQuery(
            self.dest_id, self.namespace, keys, self.since_offset, self.status, self.limit, self.distinct
        )
        return commands.ListThrown(query)


class ConsumeThrownRequest(_QueueRequest):
    """Fields of ``consume_thrown``."""

    dest_id: Identifier = Field("default", description="the destination whose queue is read")
    since_offset: Offset = Field(0, description="only behind this offset")
    limit: Annotated[int, Field(ge=1, le=100)] = Field(1, description="at most so many")
    consumer: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        "bus", description="who takes them; an event for several consumers is given to each of them once"
    )

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """Take thrown events."""
        keys = tuple(self.key or ())
        return commands.ConsumeThrown(self.dest_id, self.namespace, keys, self.since_offset, self.limit, self.consumer)


class ClearThrownRequest(_QueueRequest):
    """Fields of ``clear_thrown``."""

    dest_id: Identifier | None = Field(None, description="only of this destination")
    since_offset: Offset = Field(0, description="only behind this offset")

    def command(self, event: ScheduledEvent | None) -> commands.Command:
        """End thrown events."""
        return commands.ClearThrown(self.dest_id, self.namespace, tuple(self.key or ()), self.since_offset)
