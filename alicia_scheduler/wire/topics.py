"""Every topic of the service, and what a topic that arrives is to us."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from alicia_scheduler.core.announcement import EventChange, ExecutionChange
from alicia_scheduler.core.model.fields import topic_problem

__all__ = ["EVENT_TYPES", "Topics"]

EVENT_TYPES: tuple[str, ...] = (*get_args(EventChange), *get_args(ExecutionChange))
"""Lifecycle events; each has a topic of its own name."""

_SINGLE_OUTPUTS = frozenset(
    {"execution_results", "execution_failures", "errors", "recovery", "events", "availability", "status", *EVENT_TYPES}
)
_OUTPUT_BRANCHES = frozenset({"state", "thrown", "response"})
_COMMAND_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one prefix.

    >>> Topics().command_name("alicia/scheduler/command/ping")
    'ping'
    """

    prefix: str = "alicia/scheduler"

    @property
    def command(self) -> str:
        """Where commands arrive."""
        return f"{self.prefix}/command"

    @property
    def execution_results(self) -> str:
        """Every execution that completed."""
        return f"{self.prefix}/execution_results"

    @property
    def execution_failures(self) -> str:
        """Every execution that ended without success after its last attempt."""
        return f"{self.prefix}/execution_failures"

    @property
    def errors(self) -> str:
        """What went wrong outside of executions."""
        return f"{self.prefix}/errors"

    @property
    def recovery(self) -> str:
        """What a gap cost, once it is over."""
        return f"{self.prefix}/recovery"

    @property
    def events(self) -> str:
        """Every lifecycle event."""
        return f"{self.prefix}/events"

    @property
    def availability(self) -> str:
        """``online`` or ``offline``, retained."""
        return f"{self.prefix}/availability"

    @property
    def status(self) -> str:
        """The counters of the service, retained."""
        return f"{self.prefix}/status"

    def event_type(self, name: str) -> str:
        """Where one kind of lifecycle event is published."""
        return f"{self.prefix}/{name}"

    def state(self, event_id: str) -> str:
        """Where the state of one scheduled event is retained."""
        return f"{self.prefix}/state/{event_id}"

    def thrown(self, namespace: str, key: str) -> str:
        """Where the thrown events of one key are published."""
        return f"{self.prefix}/thrown/{namespace}/{key}"

    def response(self, name: str) -> str:
        """Where an answer goes that has no better address; a name no command could have becomes ``unknown``."""
        return f"{self.prefix}/response/{name if _COMMAND_NAME.fullmatch(name) else 'unknown'}"

    def command_name(self, topic: str) -> str | None:
        """What stands behind ``…/command/`` in the topic, or None."""
        return topic[len(self.command) + 1 :] or None if self.is_command(topic) else None

    def is_command(self, topic: str) -> bool:
        """Whether the topic is one of those for commands."""
        return topic == self.command or topic.startswith(f"{self.command}/")

    def is_output(self, topic: str) -> bool:
        """Whether the service itself publishes on the topic, so that nothing on it is ever a command."""
        inside = self._inside(topic)
        return inside is not None and (inside in _SINGLE_OUTPUTS or inside.split("/", 1)[0] in _OUTPUT_BRANCHES)

    def subscriptions(self, *, legacy: bool) -> tuple[str, ...]:
        """The topic filters for commands; they never overlap, since brokers may deliver twice where filters do."""
        return (f"{self.prefix}/#",) if legacy else (f"{self.command}/#",)

    def reply_topic_problem(self, topic: str) -> str | None:
        """Why an answer may not go to the topic, or None.

        Of the topics below the prefix only ``response/…`` will do: on any other an answer, which names its command,
        would be taken for a legacy command or for one of our own messages.
        """
        problem = topic_problem(topic)
        if problem:
            return problem
        if self.is_command(topic):
            return "answers cannot go to a command topic"
        if f"{topic}/".startswith(f"{self.prefix}/") and not topic.startswith(f"{self.prefix}/response/"):
            return f"of the service's own topics only {self.prefix}/response/… takes answers"
        return None

    def _inside(self, topic: str) -> str | None:
        return topic[len(self.prefix) + 1 :] if topic.startswith(f"{self.prefix}/") else None
