"""Every test in this folder runs against every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alicia_scheduler.adapters.store import MemoryStore, SqliteStore
from alicia_scheduler.ports import Store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "s.db", ballast_bytes=0)
    await made.open()
    yield made
    await made.close()
