"""The action ``mqtt_publish``: one message for the broker."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alicia_scheduler.core.model.durations import Duration
from alicia_scheduler.core.model.fields import JsonValue, Topic, TopicFilter

FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True)


class Expectation(BaseModel):
    """An answer on the bus that proves the action took effect.

    Attributes:
        match: JSON that the answer must contain: every key given here with an equal value, also nested. Left out, any
            message will do.
        within: How long to wait for it after the broker has taken the message.
    """

    model_config = FROZEN

    topic: TopicFilter
    match: JsonValue = None
    within: Duration = timedelta(seconds=30)


class MqttPublish(BaseModel):
    """Publishes one message. Completed when the broker has acknowledged it, or the expected answer came."""

    model_config = FROZEN

    type: Literal["mqtt_publish"] = "mqtt_publish"
    topic: Topic
    message: JsonValue = Field(default_factory=dict)
    qos: Annotated[int, Field(ge=0, le=2)] = 1
    retain: bool = False
    expiry: Duration | None = None
    metadata: Literal["auto", "merge", "properties", "none"] = "auto"
    expect: Expectation | None = None
    expect_ack: bool = False

    @model_validator(mode="after")
    def _one_expectation(self) -> MqttPublish:
        if self.expect is not None and self.expect_ack:
            raise ValueError("give expect or expect_ack, not both")
        return self
