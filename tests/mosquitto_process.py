"""A private Mosquitto on a free port, for every test that needs a real broker and for the benchmarks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

DEFAULT_CONFIG = """\
allow_anonymous true
set_tcp_nodelay true
persistence false
max_queued_messages 100000
max_queued_bytes 0
"""


def mosquitto_executable() -> str:
    """The path of the broker; Debian installs it where a plain user's PATH does not lead."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise RuntimeError("mosquitto is not installed: apt install mosquitto, or brew install mosquitto")
    return found


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker process.

    Args:
        config: Lines of mosquitto.conf; without a ``listener`` line one on ``port`` is put in front. ``{directory}``
            and ``{port}`` are filled in.
        config_file: Use this file as it is instead, started in ``working_directory``; ``port`` must be its port.
        port: Listen here; by default on a free port.
        directory: For the log, the config and the persistent store; by default a temporary one.
        working_directory: Where the process starts, for relative paths in a config file.
    """

    def __init__(
        self,
        config: str = DEFAULT_CONFIG,
        *,
        config_file: Path | None = None,
        port: int | None = None,
        directory: Path | None = None,
        working_directory: Path | None = None,
    ) -> None:
        self.host = "127.0.0.1"
        self.port = port or free_port()
        self._may_change_port = port is None
        self._config = config
        self._made_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self.log_file = self.directory / "mosquitto.log"
        self.config_file = config_file or self.directory / "mosquitto.conf"
        self._working_directory = working_directory or self.directory
        self._process: subprocess.Popen[bytes] | None = None
        if config_file is None:
            self.write_config(config)

    def write_config(self, config: str) -> None:
        """Replaces the configuration; ``reload`` or ``restart`` puts it in force."""
        self._config = config
        text = config.replace("{directory}", str(self.directory)).replace("{port}", str(self.port))
        if not any(line.startswith("listener ") for line in text.splitlines()):
            text = f"listener {self.port} 127.0.0.1\n{text}"
        if os.geteuid() == 0 and not any(line.startswith("user ") for line in text.splitlines()):
            text = f"user root\n{text}"  # else it gives up its rights to read the test's directory
        self.config_file.write_text(text)

    def start(self) -> Self:
        """Starts the process and returns once it accepts connections."""
        self._spawn()
        try:
            self._wait_until_ready()
        except RuntimeError:
            if not self._may_change_port or "already in use" not in self.log():
                raise
            # Another test took the free port first.
            self.port = free_port()
            self.write_config(self._config)
            self._spawn()
            self._wait_until_ready()
        self._may_change_port = False
        return self

    def _spawn(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [mosquitto_executable(), "-c", str(self.config_file)],
                stdout=log,
                stderr=log,
                cwd=self._working_directory,
            )

    def _wait_until_ready(self, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"mosquitto ended at once:\n{self.log()}")
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.kill()
        raise RuntimeError(f"mosquitto does not listen on port {self.port}:\n{self.log()}")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process

    def log(self) -> str:
        """What the broker wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def stop(self) -> None:
        """Ends it in order: clients are told, the persistent store is written."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stops and starts it on the same port with the same store."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freezes it (SIGSTOP): connections stay open and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen broker go on."""
        self.process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Makes it read its configuration, passwords and access list again (SIGHUP)."""
        self.process.send_signal(signal.SIGHUP)

    def _end(self, signal_number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal_number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Ends it and removes its temporary directory."""
        self.kill()
        if self._made_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
