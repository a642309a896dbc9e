"""The installed service as a process of its own, with its own settings, store and directory of declared events."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bus_probe import DEADLINE_S, BusProbe
from tests.mosquitto_process import free_port

START_DEADLINE_S = 30.0


class ServiceProcess:
    """One service on one broker.

    Args:
        prefix: The topic prefix, so that several services can share a broker; it names the client too.
        settings: Groups of settings, laid over those of the tests.
        broker_port: Port of the broker; with ``embedded`` the service listens there itself.
    """

    def __init__(
        self,
        broker_port: int,
        prefix: str = "alicia/scheduler",
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self.prefix = prefix
        self.broker_port = broker_port
        self.http_port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="scheduler-"))
        self.config_file = self.directory / "scheduler.yaml"
        self.events_directory = self.directory / "events"
        self.log_file = self.directory / "service.log"
        self.database = self.directory / "scheduler.db"
        self.events_directory.mkdir()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0
        self.write_settings(settings or {})

    # its files

    def write_settings(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes the settings file; JSON is YAML too."""
        settings: dict[str, dict[str, Any]] = {
            "mqtt": {
                "port": self.broker_port,
                "topic_prefix": self.prefix,
                "client_id": self.prefix.replace("/", "-"),
            },
            "store": {"url": f"sqlite:///{self.database}"},
            "http": {"port": self.http_port},
            "logging": {"format": "json"},
        }
        for group, keys in changes.items():
            settings.setdefault(group, {}).update(keys)
        self.config_file.write_text(json.dumps(settings, indent=1))

    def write_events(self, name: str, text: str) -> None:
        """Puts a file of declared events in place at once, as an editor does."""
        draft = self.directory / f"{name}.draft"
        draft.write_text(text)
        draft.replace(self.events_directory / name)

    def log(self) -> list[dict[str, Any]]:
        """What it has logged so far, one dictionary a line; a line that is no JSON stands under ``text``."""
        lines = self.log_text().splitlines()
        return [json.loads(line) if line.startswith("{") else {"text": line} for line in lines]

    def log_text(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # its life

    def spawn(self) -> subprocess.Popen[bytes]:
        """Starts the command and does not wait for anything."""
        self._seen = len(self.log_text())
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "alicia_scheduler", "run", "--config", str(self.config_file), *self._options],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={key: value for key, value in os.environ.items() if not key.startswith(("ALICIA_", "MQTT_"))}
                | {"PYTHONPATH": str(Path(__file__).parents[1])},
            )
        return self._process

    def start(self, probe: BusProbe | None = None) -> Self:
        """Starts it and returns once it has told the bus that it is online."""
        if probe is not None:
            return self._start_heard_by(probe)
        with BusProbe(self.broker_port, self.prefix, topic_filter=f"{self.prefix}/availability") as watcher:
            return self._start_heard_by(watcher)

    def _start_heard_by(self, probe: BusProbe) -> Self:
        since = len(probe.messages)
        self.spawn()
        self.until(lambda: '"connected"' in self.log_text()[self._seen :], "it connects", START_DEADLINE_S)
        probe.wait_for(
            lambda m: m.topic == f"{self.prefix}/availability" and m.payload == b"online",
            START_DEADLINE_S,
            since=since,
            what="availability",
        )
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "the service was not started"
        return self._process

    def until(self, condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Returns when the condition holds; fails at the deadline, or when the process is gone."""
        deadline = time.monotonic() + deadline_s
        while not condition():
            if self.process.poll() is not None and not condition():
                raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")
            assert time.monotonic() < deadline, f"never happened: {what}\n{self.log_text()[-4000:]}"
            time.sleep(0.01)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self._process = None

    def terminate(self, grace_s: float = 30.0) -> int:
        """Asks it to stop and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended(grace_s)

    def ended(self, within_s: float = 30.0) -> int:
        """The exit code of the process, which ends by itself."""
        code = self.process.wait(within_s)
        self._process = None
        return code

    def reload(self) -> None:
        """Has it read the declared events again."""
        self.process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        """Kills what still runs and removes the directory."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
