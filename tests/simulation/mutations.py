"""Planted faults. A simulation that does not find them proves nothing; ``make sim MUTATIONS=1`` plants each in turn.

Most of them change what passes through a port: what the engine writes, reads, sends or is told. The others replace a
rule where the engine calls it; when that place has gone, ``patch`` raises, so a mutation cannot quietly do nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alicia_scheduler.core.overlap import Start
from tests.simulation.planted import (
    Prepare,
    acknowledged_on_arrival,
    acts_first,
    all_at_least_once,
    any_fence,
    around,
    cancels_nothing,
    clock_runs_ahead,
    endless_grace,
    endless_retries,
    executions,
    fires_first,
    impatient,
    instead,
    mark_first,
    misread,
    never_missed,
    newest_first,
    no_outbox,
    no_requests,
    no_requests_seen,
    no_stop,
    nothing_interrupted,
    nothing_sent,
    only_noted,
    oversleeps,
    retries_forgotten,
    sent_and_forgotten,
    swapped_results,
    tampered,
    undelayed,
    volatile_disk,
    without_jitter,
    young_again,
)
from tests.simulation.simulation import Report, simulate

CORE, ENGINE = "alicia_scheduler.core", "alicia_scheduler.engine"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One planted fault.

    Attributes:
        broken: What is wrong.
        harm: What a user would suffer from it.
        prepare: Plants it in the ports of a simulation.
        patched: Plants it in a rule, while the context lasts.
    """

    name: str
    broken: str
    harm: str
    prepare: Prepare = lambda simulation: None
    patched: Callable[[], AbstractContextManager[Any]] = nullcontext

    def simulate(self, seed: int, days: float) -> Report:
        """One simulation with the fault in it."""
        with self.patched():
            return simulate(seed, days, self.prepare)


@dataclass(frozen=True, slots=True)
class Finding:
    """What found a mutation; without a seed nothing did."""

    mutation: Mutation
    seed: int | None
    invariant: str = ""


def find(mutation: Mutation, seeds: int = 50, days: float = 5) -> Finding:
    """The first seed that finds the mutation."""
    for seed in range(seeds):
        report = mutation.simulate(seed, days)
        if report.violations:
            return Finding(mutation, seed, report.violations[0].invariant)
    return Finding(mutation, None)


MUTATIONS = (
    Mutation("advance before insert", "the mark is committed before the executions",
             "a crash between the two loses a fire for ever", mark_first),
    Mutation("no unique key", "executions are committed before the mark, and a second plan of a fire is not refused",
             "the lamp is switched twice for one time", fires_first),
    Mutation("no request id stored", "answers are not kept under their request id",
             "a command that is sent again is carried out again", tampered(no_requests)),
    Mutation("no request id check", "kept answers are not looked up",
             "a command that is sent again is carried out again", misread(no_requests_seen)),
    Mutation("no outbox", "results are sent from memory only",
             "a crash or a broker that is away loses results", tampered(no_outbox)),
    Mutation("outbox never emptied", "acknowledged rows stay", "results are repeated at every start",
             tampered(nothing_sent)),
    Mutation("sent and forgotten", "a message counts as delivered once it is written to the socket",
             "a broken connection loses results", sent_and_forgotten),
    Mutation("results overtake", "the outbox is not sent in order", "a dashboard shows the older state last",
             swapped_results),
    Mutation("early acknowledgement", "commands are acknowledged when they are received",
             "a crash loses commands that the broker has forgotten", acknowledged_on_arrival),
    Mutation("volatile disk", "a commit is reported before it is on the disk",
             "a crash loses commands that were answered", volatile_disk),
    Mutation("no fence", "a report counts whoever's claim it is for",
             "a process that stood still ends the attempt of its successor",
             patched=around(f"{ENGINE}.outcomes.on_outcomes", any_fence)),
    Mutation("acts before the record", "the message of an action leaves before its claim is durable",
             "after a crash nobody knows that the door was opened", acts_first),
    Mutation("early fire", "the clock that is looked at runs ahead", "the heating starts before its time",
             clock_runs_ahead),
    Mutation("no jitter", "fires are due at their nominal time", "a thousand devices wake in the same second",
             tampered(executions(without_jitter))),
    Mutation("oversleeps", "the planner wakes two minutes late", "the bell rings late", oversleeps),
    Mutation("newest first", "waiting executions are claimed in the wrong order",
             "important work waits behind what came later", misread(newest_first)),
    Mutation("no overlap policy", "every fire starts at once", "two backups write to the same file",
             patched=instead(f"{CORE}.firing.overlap_verdict", lambda *facts: Start())),
    Mutation("nothing is held", "waiting fires do not wait for the one before",
             "off overtakes on, and the light stays on", tampered(executions(undelayed))),
    Mutation("held for ever", "the end of an execution lets nobody go", "a queue stands still until somebody looks",
             patched=instead(f"{CORE}.draft.next_held", lambda unfinished: None)),
    Mutation("impatient retries", "a retry does not wait for its delay", "a server in trouble is hammered",
             tampered(executions(impatient))),
    Mutation("endless retries", "the number of retries is not looked at", "a broken action is tried for ever",
             patched=around(f"{CORE}.on_outcome.retry_verdict", endless_retries)),
    Mutation("retries forgotten", "executions that wait to retry are never found again",
             "one failure, and the action is never done", misread(retries_forgotten)),
    Mutation("crash makes young", "attempts and crashes are forgotten at a start",
             "an action that kills the service kills it for ever", tampered(executions(young_again))),
    Mutation("no quarantine", "the number of deaths in a row is not looked at",
             "an action that kills the service kills it for ever",
             patched=instead(f"{CORE}.on_start.MAX_CRASHES", 1_000_000)),
    Mutation("interrupted is lost", "a start does not look for attempts that were under way",
             "an execution is running for ever, and its event never fires again", misread(nothing_interrupted)),
    Mutation("at most once twice", "a start repeats what must not be repeated", "the door is opened twice",
             misread(all_at_least_once)),
    Mutation("missed in silence", "times that are missed for good leave no record", "nobody learns of the outage",
             tampered(executions(never_missed))),
    Mutation("always punctual", "a fire of yesterday counts as one of now",
             "after a night without power every alarm rings at once",
             patched=around(f"{CORE}.plan.grace", endless_grace)),
    Mutation("clock set back fires again", "every small step of the clock counts as a correction",
             "the time service makes events fire twice",
             patched=instead(f"{ENGINE}.planner.CORRECTION", timedelta(seconds=1))),
    Mutation("pause is a note", "a paused timer runs on", "the irrigation runs while somebody repairs it",
             patched=instead(f"{CORE}.on_command.paused", only_noted)),
    Mutation("cancel does not stop", "the action of a cancelled execution goes on",
             "the siren that was called off sounds", patched=instead(f"{CORE}.draft.Draft.stop", no_stop)),
    Mutation("deleted goes on", "what waits of a deleted event still runs", "a deleted alarm rings",
             patched=instead(f"{CORE}.on_command.cancel_all", cancels_nothing)),
)  # fmt: skip
"""Every planted fault."""
