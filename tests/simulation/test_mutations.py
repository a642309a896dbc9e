"""The simulation finds planted faults; here some of them, with ``make sim MUTATIONS=1`` all."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation, find

MOST_SEEDS = 50
DAYS = 5.0
NAMES = (
    "advance before insert", "no unique key", "no request id check", "no outbox", "early acknowledgement", "no fence",
    "early fire", "results overtake", "missed in silence", "cancel does not stop",
)  # fmt: skip


def some() -> list[Mutation]:
    """The mutations that stand for what matters most."""
    return [mutation for mutation in MUTATIONS if mutation.name in NAMES]


@pytest.mark.parametrize("mutation", some(), ids=lambda mutation: mutation.name)
def test_a_planted_fault_is_found(mutation: Mutation) -> None:
    finding = find(mutation, MOST_SEEDS, DAYS)
    assert finding.seed is not None, f"{mutation.broken}: {MOST_SEEDS} seeds saw nothing wrong"


def test_every_mutation_says_what_is_broken_and_whom_it_harms() -> None:
    assert len(MUTATIONS) >= 20
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert all(mutation.broken and mutation.harm for mutation in MUTATIONS)
    assert {mutation.name for mutation in some()} == set(NAMES)
