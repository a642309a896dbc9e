"""Starts and stops what is measured, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

ROOT = Path(__file__).parent.parent

Settings = dict[str, dict[str, Any]]


class Program:
    """A Python program in its own process; its output goes to a file."""

    def __init__(self, arguments: list[str], log_file: Path) -> None:
        self.log_file = log_file
        self.started_at = time.time()
        with log_file.open("ab") as log:
            self.process = subprocess.Popen(  # the interpreter that runs the benchmark
                [sys.executable, *arguments], cwd=ROOT, stdout=log, stderr=log, env=_environment()
            )
        self.seen = psutil.Process(self.process.pid)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it in order, or after a while at once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def check(self) -> None:
        """Raises RuntimeError when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.log_file.name}: ended with {self.process.returncode}\n{self.log()[-3000:]}")

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait_until_idle(self, timeout_s: float = 180) -> None:
        """Returns once it has used next to no processor time for half a second."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            before = self._cpu_s()
            time.sleep(0.5)
            self.check()
            if self._cpu_s() - before <= 0.02:
                return
        raise TimeoutError("it does not come to rest")

    def memory(self) -> int:
        """Resident bytes."""
        return int(self.seen.memory_info().rss)

    def _cpu_s(self) -> float:
        times = self.seen.cpu_times()
        return float(times.user + times.system)


def service(directory: Path, port: int, database: Path, extra: Settings) -> Program:
    """Starts the service as a user would: ``python -m alicia_scheduler run``."""
    settings: Settings = {
        "mqtt": {"host": "127.0.0.1", "port": port},
        "store": {"url": f"sqlite:///{database}"},
        "http": {"enabled": False},
    }
    for group, values in extra.items():
        settings.setdefault(group, {}).update(values)
    file = directory / "config" / "scheduler.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(settings))  # JSON is YAML
    return Program(["-m", "alicia_scheduler", "run", "--config", str(file)], directory / "service.log")


def peer(directory: Path, *arguments: str) -> Program:
    """Starts the same work on APScheduler."""
    return Program(["-m", "bench.apscheduler_peer", *arguments], directory / "apscheduler.log")


def _environment() -> dict[str, str]:
    """The environment without settings for the service."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ALICIA_", "MQTT_"))}
