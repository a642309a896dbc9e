"""The public contract as documents for people and programs, all made from the code."""

from __future__ import annotations

from alicia_scheduler.wire.asyncapi import asyncapi_document
from alicia_scheduler.wire.json_schemas import body_schema, command_schema, event_schema, json_schemas
from alicia_scheduler.wire.reference import refreshed_page, topics_markdown

__all__ = [
    "asyncapi_document", "body_schema", "command_schema", "event_schema", "json_schemas", "refreshed_page",
    "topics_markdown",
]  # fmt: skip
