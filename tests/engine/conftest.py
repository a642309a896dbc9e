"""Engine tests run on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tests.engine.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here gets a loop whose time jumps."""
    return {"virtual": VirtualTimeLoop}
