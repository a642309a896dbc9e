"""``python -m tests.simulation``: a seed again, many seeds, or the mutation check."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.adversary import BEYOND, WITHSTOOD
from tests.simulation.mutations import MUTATIONS, find
from tests.simulation.simulation import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="only this seed")
    parser.add_argument("--seeds", type=int, default=50, help="how many seeds, from 0 on (50)")
    parser.add_argument(
        "--days", type=float, default=None, help="simulated days for each seed (10; 5 with --mutations)"
    )
    parser.add_argument("--mutations", action="store_true", help="plant faults, and show which seed finds each")
    parser.add_argument("--beyond", nargs="*", choices=BEYOND, default=WITHSTOOD, help="faults beyond what is promised")
    given = parser.parse_args()
    if given.mutations:
        return mutations(given.seeds, given.days or 5)
    seeds = [given.seed] if given.seed is not None else list(range(given.seeds))
    return simulations(seeds, given.days or 10, frozenset(given.beyond))


def simulations(seeds: list[int], days: float, beyond: frozenset[str]) -> int:
    began, broken = time.perf_counter(), 0
    for seed in seeds:
        report = simulate(seed, days, beyond=beyond)
        broken += bool(report.violations)
        print(report, flush=True)
    minutes = (time.perf_counter() - began) / 60
    print(f"{len(seeds)} seeds, {broken} broken, {len(seeds) * days / minutes:.0f} simulated days a minute")
    return bool(broken)


def mutations(seeds: int, days: float) -> int:
    """The table of the mutation check."""
    missed = 0
    for mutation in MUTATIONS:
        finding = find(mutation, seeds, days)
        missed += finding.seed is None
        seed = "NOT FOUND" if finding.seed is None else f"seed {finding.seed}"
        print(f"| {mutation.name} | {mutation.broken} | {mutation.harm} | {seed} | {finding.invariant} |", flush=True)
    print(f"{len(MUTATIONS)} mutations, {missed} not found within {seeds} seeds of {days:g} days")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
