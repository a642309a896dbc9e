from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from alicia_scheduler.adapters.store import SqliteStore

ROOT = Path(__file__).parents[3]
Child = subprocess.Popen[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, ballast_bytes=0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def child(path: Path) -> Iterator[Callable[[str], Child]]:
    """Starts a process that has the store open when the call returns; killed at the end."""
    started: list[Child] = []

    def start(task: str) -> Child:
        command = [sys.executable, "-m", "tests.integration.store.child_writer", str(path), task]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
