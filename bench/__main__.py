"""``make bench``: the service beside APScheduler, on one machine, in one run, with a private Mosquitto.

Every measurement has its own empty broker, its own files and its own processes; the contestants take turns within a
run, so that a slow moment of the machine meets all of them. Ratios are taken within a run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import report, scenarios
from bench.scenarios import LEAN, PLACES, Figures

Measurement = tuple[str, Callable[[], Figures]]

PEER = "APScheduler"
_FIRES = ("service", "service, 10 places", "service, results only")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--quick", action="store_true", help="one run, 20,000 instead of 100,000 stored")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", default="", help="only measurements whose name contains this text")
    return parser.parse_args()


def _fires(count: int) -> Iterator[Measurement]:
    yield f"{count:,} due: service", lambda: scenarios.service_fires(count, PLACES)
    yield f"{count:,} due: service, 10 places", lambda: scenarios.service_fires(count, {})
    yield f"{count:,} due: service, results only", lambda: scenarios.service_fires(count, LEAN)
    yield f"{count:,} due: {PEER}", lambda: scenarios.apscheduler_fires(count)


def _measurements(stored: int, directory: Path) -> Iterator[Measurement]:
    yield from _fires(1000)
    yield from _fires(10_000)
    yield "create: service, 50 callers", lambda: scenarios.service_creates(5000)
    yield f"create: {PEER}", lambda: scenarios.apscheduler_adds(2000)
    yield "start: empty store", lambda: scenarios.service_start(None)
    yield f"start: {stored:,} stored", lambda: _start_with(directory, stored)


def _start_with(directory: Path, stored: int) -> Figures:
    database = directory / "resting.db"
    if not database.exists():
        scenarios.stored_events(directory, stored)
    return scenarios.service_start(database)


def _pairs() -> list[tuple[str, str, str]]:
    fires = [
        (f"{count} due: {name}", f"{count} due: {PEER}", figure)
        for count in ("1,000", "10,000")
        for name in _FIRES
        for figure in ("fires_per_s", "late_p99_s")
    ]
    return [("create: service, 50 callers", f"create: {PEER}", "commands_per_s"), *fires]


def _measured(options: argparse.Namespace, directory: Path) -> dict[str, dict[str, float]]:
    stored = 20_000 if options.quick else 100_000
    found: dict[str, dict[str, float]] = {}
    for name, measure in _measurements(stored, directory):
        if options.only in name:
            began = time.monotonic()
            found[name] = measure().values
            print(f"  {name}: {_in_short(found[name])} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    _add_memory(found, stored)
    return report.with_ratios(found, _pairs())


def _in_short(values: dict[str, float]) -> str:
    return ", ".join(f"{figure} {value:.4g}" for figure, value in values.items())


def _add_memory(found: dict[str, dict[str, float]], stored: int) -> None:
    full, empty = found.get(f"start: {stored:,} stored"), found.get("start: empty store")
    if full and empty:
        full["rss per event_bytes"] = (full["rss_bytes"] - empty["rss_bytes"]) / stored


def main() -> None:
    """Measures and prints."""
    options = _options()
    runs = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for number in range(1 if options.quick else options.runs):
            print(f"run {number + 1}", file=sys.stderr)
            runs.append(_measured(options, Path(directory)))
    if options.json:
        print(report.as_json(runs))
        return
    for name, value in report.machine().items():
        print(f"{name}: {value}")
    print()
    print(report.as_table(runs))


if __name__ == "__main__":
    main()
