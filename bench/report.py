"""Medians, ranges and ratios of the runs, as a table or as JSON."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.mosquitto_process import mosquitto_executable

Run = Mapping[str, Mapping[str, float]]
"""Figures by name, by measurement, of one run."""

_PACKAGES = ("alicia-scheduler", "APScheduler", "SQLAlchemy", "aiomqtt", "paho-mqtt")
_UNITS = {"_per_s": "{:,.0f}/s", "_s": "{:.3f} s", "_bytes": "{:,.0f} B", "_ratio": "{:.2f}×"}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = next((line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")), "unknown")
    broker = subprocess.run([mosquitto_executable(), "-h"], capture_output=True, text=True, check=False).stdout
    memory = psutil.virtual_memory().total  # type: ignore[no-untyped-call]
    return {
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "broker": broker.splitlines()[0] if broker else "unknown",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    }


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def with_ratios(run: Run, pairs: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, float]]:
    """The run with a further figure for each (measurement, peer, figure): how many times the peer's it is."""
    whole = {name: dict(values) for name, values in run.items()}
    for ours, theirs, figure in pairs:
        if ours in whole and theirs in whole:
            whole[ours][f"{figure} against APScheduler_ratio"] = whole[ours][figure] / whole[theirs][figure]
    return whole


def as_table(runs: Sequence[Run]) -> str:
    """Markdown: one line for every figure, median and range over the runs."""
    lines = ["| measurement | figure | median | range |", "|---|---|---|---|"]
    for measurement, figures in runs[0].items():
        for figure in figures:
            values = [run[measurement][figure] for run in runs]
            unit, label = _unit(figure)
            low, high = unit.format(min(values)), unit.format(max(values))
            lines.append(f"| {measurement} | {label} | {unit.format(statistics.median(values))} | {low} – {high} |")
    return "\n".join(lines)


def _unit(figure: str) -> tuple[str, str]:
    for ending, unit in _UNITS.items():
        if figure.endswith(ending):
            return unit, figure.removesuffix(ending).replace("_", " ")
    return "{:g}", figure


def as_json(runs: Sequence[Run]) -> str:
    """Everything, for programs."""
    return json.dumps({"machine": machine(), "runs": runs}, indent=1)
