"""Whether a stored history keeps the promises of docs/delivery-guarantees.md. Pure: records in, findings out."""

from alicia_scheduler.core.history.announcements import Announced, Coverage
from alicia_scheduler.core.history.checker import EventCheck
from alicia_scheduler.core.history.findings import Finding, Rule, Tally
from alicia_scheduler.core.history.subject import Known, Rest, Subject

__all__ = ["Announced", "Coverage", "EventCheck", "Finding", "Known", "Rest", "Rule", "Subject", "Tally"]
