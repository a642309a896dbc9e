from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bus_probe import BusProbe
from tests.mosquitto_process import Mosquitto
from tests.service_process import ServiceProcess

DURABLE = """\
allow_anonymous true
set_tcp_nodelay true
persistence true
persistence_location {directory}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 100000
max_queued_bytes 0
"""
"""A broker that forgets nothing, neither in a restart nor in a crash."""


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto(DURABLE) as running:
        yield running


@pytest.fixture
def probe(broker: Mosquitto) -> Iterator[BusProbe]:
    with BusProbe(broker.port) as listening:
        yield listening


@pytest.fixture
def service(broker: Mosquitto) -> Iterator[ServiceProcess]:
    """Not started yet."""
    with ServiceProcess(broker.port, settings={"scheduler": {"shutdown_grace": 2}}) as process:
        yield process
