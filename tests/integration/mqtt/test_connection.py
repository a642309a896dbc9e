from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import structlog

from alicia_scheduler.adapters.mqtt import MqttBus, TlsOptions
from alicia_scheduler.adapters.mqtt import bus as bus_module
from alicia_scheduler.adapters.mqtt.dialing import Backoff
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusUnavailable, ConfigurationError
from tests.integration.mqtt.running_bus import (
    DEADLINE_S,
    eventually,
    next_message,
    options,
    published,
    reconnected,
    running,
    running_until_killed,
)
from tests.integration.mqtt.scripted_broker import ScriptedBroker
from tests.mosquitto_process import DEFAULT_CONFIG, Mosquitto, free_port

COMMANDS = (("commands/#", 1),)


async def test_it_waits_for_a_broker_that_is_not_there_yet_and_says_so() -> None:
    broker = Mosquitto()
    bus = MqttBus(options(broker), jitter=lambda: 0.0)
    task = asyncio.create_task(bus.run())
    await eventually(lambda: "refused" in bus.connection.problem.lower(), "the problem is shown")
    assert not bus.connection.connected
    with broker:
        async with asyncio.timeout(DEADLINE_S):
            connection = await bus.connection_after(0, False)
        assert (connection.connected, connection.number, connection.problem) == (True, 1, "")
        assert (connection.protocol, connection.broker) == ("5", f"127.0.0.1:{broker.port}")
        await bus.stop()
        await task


async def test_it_reconnects_after_a_restart_and_subscribes_again(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client, running(options(broker, subscriptions=COMMANDS)) as bus:
        waiters = [asyncio.create_task(bus.connection_after(1, True)) for _ in range(3)]
        broker.kill()
        async with asyncio.timeout(DEADLINE_S):
            seen = await asyncio.gather(*waiters)
        assert {connection.connected for connection in seen} == {False}
        broker.start()
        await reconnected(bus, 1)
        await reconnected(client, 1)
        assert not bus.connection.session_present  # this broker keeps nothing
        assert await published(client, "commands/x", b"again") == 0
        assert (await next_message(bus.messages())).payload == b"again"


async def test_a_broker_that_stops_answering_is_noticed_by_the_keepalive(broker: Mosquitto) -> None:
    async with running(options(broker, keepalive_s=1, connect_timeout_s=0.5)) as bus:
        broker.pause()
        receipt = bus.publish(OutgoingMessage("t", b""))
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(BusUnavailable):
                await receipt
        broker.resume()
        await reconnected(bus, 1)


async def test_the_next_address_is_used_when_the_first_is_dead(broker: Mosquitto) -> None:
    dead = free_port()
    settings = dataclasses.replace(options(broker), hosts=(("127.0.0.1", dead), ("127.0.0.1", broker.port)))
    async with running(settings) as bus:
        assert bus.connection.broker == f"127.0.0.1:{broker.port}"


async def test_all_addresses_are_named_when_none_answers(broker: Mosquitto) -> None:
    broker.close()
    hosts = (("127.0.0.1", broker.port), ("broker.invalid", 1))
    bus = MqttBus(dataclasses.replace(options(broker), hosts=hosts))
    task = asyncio.create_task(bus.run())
    await eventually(lambda: bus.connection.problem.count(":") > 2, "the problem is shown")
    assert f"127.0.0.1:{broker.port}" in bus.connection.problem
    assert "broker.invalid:1" in bus.connection.problem
    await bus.stop()
    await task


async def test_a_wrong_password_is_named_and_never_written_down() -> None:
    with (
        Mosquitto(DEFAULT_CONFIG.replace("allow_anonymous true", "allow_anonymous false")) as broker,
        structlog.testing.capture_logs() as logged,
    ):
        settings = options(broker, username="u", password="hunter2")
        bus = MqttBus(settings)
        task = asyncio.create_task(bus.run())
        await eventually(lambda: "not authorised" in bus.connection.problem, "the problem is shown")
        await bus.stop()
        await task
    assert logged
    assert "hunter2" not in f"{logged} {settings} {bus.connection}"


async def test_a_refused_subscription_is_shown_while_the_connection_goes_on() -> None:
    async with ScriptedBroker(suback_code=0x87) as broker, running(options(broker, subscriptions=COMMANDS)) as bus:
        assert bus.connection.connected
        assert "'commands/#': not authorised" in bus.connection.problem
        await published(bus, "t")
        with pytest.raises(BusUnavailable, match="refuses the subscription to 'x'"):
            async with bus.listen("x"):
                pass


async def test_a_subscription_with_a_lower_qos_than_wanted_is_shown() -> None:
    async with ScriptedBroker(suback_code=0) as broker, running(options(broker, subscriptions=COMMANDS)) as bus:
        assert "'commands/#' with QoS 0 only" in bus.connection.problem


async def test_a_will_that_no_broker_takes_is_an_error_of_the_settings(broker: Mosquitto) -> None:
    with pytest.raises(ConfigurationError, match=r"last will.*wildcard"):
        MqttBus(options(broker, will=OutgoingMessage("a/#", b"")))


@pytest.mark.parametrize(
    "topic_filter", ["", "a/#/b", "a+", "a/b#", "a\x00b", "a\nb", "a\ud800", "x" * 65_536, "/".join("x" * 201)]
)
async def test_listening_to_what_is_no_filter_is_refused_and_the_connection_goes_on(
    broker: Mosquitto, topic_filter: str
) -> None:
    async with running(options(broker)) as bus:
        with pytest.raises(BusUnavailable, match="subscribe"):
            async with bus.listen(topic_filter):
                pass
        await published(bus, "t")
        assert bus.connection.number == 1


async def test_listening_without_a_connection_is_unavailable(broker: Mosquitto) -> None:
    bus = MqttBus(options(broker))
    with pytest.raises(BusUnavailable, match="not connected"):
        async with bus.listen("x"):
            pass


async def test_two_clients_with_one_id_do_not_throw_each_other_out_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert bus_module.TAKEN_OVER_PAUSE_S >= 5
    monkeypatch.setattr(bus_module, "TAKEN_OVER_PAUSE_S", 0.5)
    loop = asyncio.get_running_loop()
    async with ScriptedBroker() as broker, running(options(broker)) as bus:
        lost_at = loop.time()
        broker.disconnect(0x8E)
        await eventually(lambda: not bus.connection.connected, "the connection ends")
        assert "another client connected with the same client id" in bus.connection.problem
        await reconnected(bus, 1)
        assert loop.time() - lost_at >= 0.5


async def test_a_second_client_with_the_same_id_is_suggested_when_the_broker_gives_no_reason(broker: Mosquitto) -> None:
    async with running(options(broker, reconnect_min_s=5, reconnect_max_s=5)) as first, running(options(broker)):
        await eventually(lambda: not first.connection.connected, "the first is thrown out")
        assert "another client use the client id 'service'" in first.connection.problem


async def test_the_will_goes_out_after_a_crash_and_not_after_a_stop(broker: Mosquitto) -> None:
    will = OutgoingMessage("availability", b"offline", retain=True, user_properties=(("why", "crash"),), expiry_s=60)
    async with running(options(broker, "reader", subscriptions=(("availability", 1),))) as reader:
        messages = reader.messages()
        async with running(options(broker, will=will)):
            pass
        async with running(options(broker, "client")) as client:
            await published(client, "availability", b"nothing before this")
        assert (await next_message(messages)).payload == b"nothing before this"
        async with running_until_killed(options(broker, will=will)):
            pass
        message = await next_message(messages)
        assert (message.payload, message.user_properties) == (b"offline", (("why", "crash"),))


async def test_a_stop_while_it_tries_to_connect_ends_at_once() -> None:
    async with ScriptedBroker(greets=False) as broker:
        bus = MqttBus(options(broker, connect_timeout_s=60))
        task = asyncio.create_task(bus.run())
        await eventually(lambda: broker.connects, "it greets")
        await bus.stop()
        async with asyncio.timeout(2):
            await task
        assert not bus.connection.connected


async def test_a_broker_that_does_not_answer_the_greeting_is_given_up_and_tried_again() -> None:
    async with ScriptedBroker(greets=False) as broker:
        bus = MqttBus(options(broker, connect_timeout_s=0.1))
        task = asyncio.create_task(bus.run())
        await eventually(lambda: broker.connects >= 2, "it tries again")
        assert "no answer in time" in bus.connection.problem
        broker.greets = True
        await eventually(lambda: bus.connection.connected, "it connects")
        await bus.stop()
        await task


async def test_a_cancelled_connect_leaves_no_connection_behind(broker: Mosquitto) -> None:
    at_rest = _sockets(broker)
    for turn in range(20):
        bus = MqttBus(options(broker, f"client{turn}"))
        task = asyncio.create_task(bus.run())
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not bus.connection.connected
    async with running(options(broker, "reader", subscriptions=(("t", 1),))) as reader:
        await published(reader, "u")
    await eventually(lambda: _sockets(broker) == at_rest, "every connection is closed")


def _sockets(broker: Mosquitto) -> int:
    return sum(os.readlink(path).startswith("socket:") for path in Path(f"/proc/{broker.process.pid}/fd").iterdir())


def test_pauses_double_up_to_the_limit_with_jitter_and_begin_again() -> None:
    backoff = Backoff(0.5, 30, lambda: 1.0)
    assert [backoff.next_pause_s() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next_pause_s() == 0.5
    assert Backoff(0.5, 30, lambda: 0.0).next_pause_s() == 0.25


TLS_CONFIG = """\
listener {port} 127.0.0.1
cafile {directory}/ca.pem
certfile {directory}/server.pem
keyfile {directory}/server.key
require_certificate true
use_identity_as_username true
allow_anonymous true
"""


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of the test's own, and what it signed for the server 127.0.0.1 and for a client."""
    directory = tmp_path_factory.mktemp("certificates")
    new_key = ("-newkey", "rsa:2048", "-nodes", "-subj")
    _openssl(directory, "req", "-x509", *new_key, "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        _openssl(directory, "req", *new_key, f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        _openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *sign)
    return directory


def _tls(directory: Path, **changes: Any) -> TlsOptions:
    plain = TlsOptions(str(directory / "ca.pem"), str(directory / "client.pem"), str(directory / "client.key"))
    return dataclasses.replace(plain, **changes)


async def test_tls_with_a_client_certificate_carries_large_bursts_both_ways(certificates: Path) -> None:
    with Mosquitto(TLS_CONFIG, directory=certificates) as broker:
        tls = _tls(certificates)
        async with (
            running(options(broker, "reader", tls=tls, subscriptions=(("t", 1),), inbox_size=10)) as reader,
            running(options(broker, tls=tls)) as bus,
        ):
            receipts = [bus.publish(OutgoingMessage("t", bytes([number]) * 20_000)) for number in range(200)]
            messages = reader.messages()
            for number in range(200):
                message = await next_message(messages)
                reader.acknowledge(message)
                assert message.payload == bytes([number]) * 20_000
            await asyncio.gather(*receipts)


@pytest.mark.parametrize(
    ("changes", "host"),
    [({"ca_file": None}, "127.0.0.1"), ({}, "localhost")],
    ids=["an authority that is not trusted", "a name that is not in the certificate"],
)
async def test_a_certificate_that_does_not_hold_is_refused_unless_told_otherwise(
    certificates: Path, changes: dict[str, Any], host: str
) -> None:
    with Mosquitto(TLS_CONFIG, directory=certificates) as broker:
        settings = dataclasses.replace(options(broker, tls=_tls(certificates, **changes)), hosts=((host, broker.port),))
        bus = MqttBus(settings)
        task = asyncio.create_task(bus.run())
        await eventually(lambda: "certificate verify failed" in bus.connection.problem, "the problem is shown")
        await bus.stop()
        await task
        insecure = dataclasses.replace(settings, tls=_tls(certificates, insecure=True, **changes))
        async with running(insecure) as trusting:
            await published(trusting, "t")


async def test_a_missing_certificate_file_is_an_error_of_the_settings(certificates: Path, broker: Mosquitto) -> None:
    with pytest.raises(ConfigurationError, match=r"no-such-file\.pem"):
        MqttBus(options(broker, tls=_tls(certificates, ca_file="no-such-file.pem")))
