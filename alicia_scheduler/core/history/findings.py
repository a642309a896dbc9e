"""The rules that a history is held to, and what is noted about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MOST_KEPT = 100
"""Findings of one rule that are kept; the others are only counted."""


class Rule(StrEnum):
    """What must be so in every history (docs/delivery-guarantees.md, the promises)."""

    CONSERVATION = "conservation"
    PLANNED_ONCE = "planned_once"
    NEVER_EARLY = "never_early"
    ORDER = "order"
    OVERLAP = "overlap"
    RETRY_TIMES = "retry_times"
    RESULTS_ANNOUNCED = "results_announced"


MEANING: Mapping[Rule, str] = {
    Rule.CONSERVATION: "every nominal time has a record",
    Rule.PLANNED_ONCE: "no nominal time has two",
    Rule.NEVER_EARLY: "no attempt began before its due time",
    Rule.ORDER: "executions of an event began, and were told of, in the order of their times",
    Rule.OVERLAP: "not more of an event ran at once than its overlap policy allows",
    Rule.RETRY_TIMES: "no attempt came before its retry time, or after the last one allowed",
    Rule.RESULTS_ANNOUNCED: "every end was told on the bus, as the store has it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the history breaks a rule.

    Attributes:
        time: The nominal time, or the instant, that it is about.
        sentence: What is wrong, for people.
    """

    rule: Rule
    event_id: str
    execution_id: str | None
    time: datetime
    sentence: str


@dataclass(slots=True)
class Tally:
    """How much was checked, what was found, and what could not be checked; bounded, however long the history is.

    Attributes:
        unchecked: By rule and reason, how many could not be judged.
    """

    checked: Counter[Rule] = field(default_factory=Counter)
    broken: Counter[Rule] = field(default_factory=Counter)
    unchecked: dict[Rule, Counter[str]] = field(default_factory=lambda: {rule: Counter() for rule in Rule})
    findings: list[Finding] = field(default_factory=list)

    def found(self, finding: Finding) -> None:
        """Notes a finding."""
        self.broken[finding.rule] += 1
        if self.broken[finding.rule] <= MOST_KEPT:
            self.findings.append(finding)

    def skipped(self, rule: Rule, reason: str, count: int = 1) -> None:
        """Notes what could not be judged, and why."""
        self.unchecked[rule][reason] += count

    @property
    def clean(self) -> bool:
        """Whether no rule was found broken."""
        return not self.broken
