from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.bus_probe import BusProbe
from tests.mosquitto_process import Mosquitto
from tests.service_process import ServiceProcess


@pytest.fixture(scope="session")
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as running:
        yield running


@pytest.fixture(scope="session")
def service(broker: Mosquitto) -> Iterator[ServiceProcess]:
    """One service for every test that leaves it running; each test makes events of its own."""
    with ServiceProcess(broker.port) as running:
        yield running.start()


@pytest.fixture
def probe(broker: Mosquitto, service: ServiceProcess) -> Iterator[BusProbe]:
    with BusProbe(broker.port, service.prefix) as listening:
        yield listening


_numbers = itertools.count(1)


@pytest.fixture
def new_id(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Gives event ids that no other test uses."""
    test = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60].strip("-")
    return lambda: f"{test}-{next(_numbers)}"


@pytest.fixture
def broker_port(broker: Mosquitto) -> int:
    return broker.port
