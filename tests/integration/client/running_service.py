"""A service that runs as its own process, and the command line that talks to it."""

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

from tests.mosquitto_process import Mosquitto

READY_S = 30.0


class RunningService:
    """``alicia-scheduler run`` in a directory of its own, on a private broker."""

    def __init__(self, directory: Path, broker: Mosquitto) -> None:
        self.directory = directory
        self.log = directory / "service.log"
        (directory / "config").mkdir()
        (directory / "config" / "scheduler.yaml").write_text(
            f"mqtt: {{host: {broker.host}, port: {broker.port}}}\nhttp: {{enabled: false}}\n"
        )
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self.log.open("a") as log:
            self._process = self.start("run", stdout=log, stderr=log)
        deadline = time.monotonic() + READY_S
        while self.call("events", "list").returncode:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        finally:
            self._process.kill()

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        """The program as a process that goes on."""
        command = [sys.executable, "-m", "alicia_scheduler", *arguments]
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
        return subprocess.Popen(command, cwd=self.directory, env=environment, text=True, **streams)

    def call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """What the program answers."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.start(*arguments, **pipes) as process:
            out, err = process.communicate(stdin, timeout=40)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def data(self, *arguments: str, stdin: str = "") -> Any:
        """What the program prints with ``--json``; it must succeed."""
        answer = self.call(*arguments, "--json", stdin=stdin)
        assert answer.returncode == 0, answer.stderr + answer.stdout
        return json.loads(answer.stdout)
