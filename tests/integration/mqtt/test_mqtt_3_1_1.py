from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiomqtt
import pytest
import structlog

from alicia_scheduler.adapters.broker import EmbeddedBroker
from alicia_scheduler.adapters.mqtt import MqttBus, dialing
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import ConfigurationError
from tests.integration.mqtt.running_bus import (
    DEADLINE_S,
    Listening,
    eventually,
    next_message,
    options,
    published,
    running,
    running_until_killed,
)
from tests.integration.mqtt.scripted_broker import ScriptedBroker
from tests.mosquitto_process import Mosquitto, free_port

COMMANDS = (("commands/#", 1),)


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker("127.0.0.1", free_port()) as broker:
        yield broker


@pytest.fixture(params=["embedded", "mosquitto"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Listening]:
    if request.param == "embedded":
        async with EmbeddedBroker("127.0.0.1", free_port()) as broker:
            yield broker
    else:
        with Mosquitto() as mosquitto:
            yield mosquitto


async def test_commands_and_answers_pass(either: Listening) -> None:
    async with (
        running(options(either, "client", protocol="3.1.1", subscriptions=(("answers/+", 1),))) as client,
        running(options(either, protocol="3.1.1", subscriptions=COMMANDS)) as bus,
    ):
        assert bus.connection.protocol == "3.1.1"
        messages = bus.messages()
        for number in range(50):
            await published(client, "commands/create", str(number).encode())
            message = await next_message(messages)
            assert message.payload == str(number).encode()
            bus.acknowledge(message)
            await published(bus, "answers/create", message.payload, user_properties=(("left", "out"),), expiry_s=5)
            answer = await next_message(client.messages())
            assert answer.payload == message.payload
            client.acknowledge(answer)


async def test_own_publications_do_not_come_back_and_equal_ones_of_others_do(either: Listening) -> None:
    async with (
        running(options(either, "client", protocol="3.1.1")) as client,
        running(options(either, protocol="3.1.1", subscriptions=COMMANDS)) as bus,
    ):
        for _ in range(3):
            await published(bus, "commands/x", b"same")
        await published(client, "commands/x", b"same")
        await published(client, "commands/x", b"last")
        messages = bus.messages()
        assert [(await next_message(messages)).payload for _ in range(2)] == [b"same", b"last"]


async def test_listening_leaves_out_own_and_retained_messages(either: Listening) -> None:
    async with (
        running(options(either, "client", protocol="3.1.1")) as client,
        running(options(either, protocol="3.1.1")) as bus,
    ):
        await published(client, "r/1", b"retained", retain=True)
        async with bus.listen("r/+") as listener:
            await published(bus, "r/1", b"own")
            await published(client, "r/1", b"live")
            assert (await next_message(listener)).payload == b"live"


async def test_retained_messages_are_marked_so_that_the_service_can_refuse_them(either: Listening) -> None:
    async with running(options(either, "client", protocol="3.1.1")) as client:
        await published(client, "commands/x", b"retained", retain=True)
        async with running(options(either, protocol="3.1.1", subscriptions=COMMANDS)) as bus:
            assert (await next_message(bus.messages())).retain


async def test_a_message_that_was_not_acknowledged_comes_again() -> None:
    with Mosquitto() as broker:
        settings = options(broker, protocol="3.1.1", subscriptions=COMMANDS)
        async with running(options(broker, "client")) as client:
            async with running_until_killed(settings) as bus:
                await published(client, "commands/x", b"interrupted")
                await next_message(bus.messages())
            async with running(settings) as bus:
                assert bus.connection.session_present
                again = await next_message(bus.messages())
                assert (again.payload, again.duplicate) == (b"interrupted", True)


async def test_a_will_goes_out(embedded: EmbeddedBroker) -> None:
    will = OutgoingMessage("availability", b"offline", user_properties=(("left", "out"),))
    settings = options(embedded, "reader", protocol="3.1.1", subscriptions=(("availability", 1),))
    async with running(settings) as reader:
        async with running_until_killed(options(embedded, protocol="3.1.1", will=will)):
            pass
        assert (await next_message(reader.messages())).payload == b"offline"


async def test_another_client_can_use_the_embedded_broker(embedded: EmbeddedBroker) -> None:
    async with (
        aiomqtt.Client(embedded.host, embedded.port) as client,
        running(options(embedded, protocol="3.1.1", subscriptions=COMMANDS)) as bus,
    ):
        await client.subscribe("answers/#", qos=1)
        await client.publish("commands/x", "question", qos=1)
        message = await next_message(bus.messages())
        await published(bus, "answers/x", message.payload)
        async with asyncio.timeout(DEADLINE_S):
            answer = await anext(client.messages)
        assert (str(answer.topic), answer.payload) == ("answers/x", b"question")


async def test_auto_falls_back_with_one_warning(embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "TRY_5_TIMEOUT_S", 0.2)
    with structlog.testing.capture_logs() as logged:
        async with running(options(embedded, protocol="auto")) as bus:
            assert bus.connection.protocol == "3.1.1"
            link = bus._link
            assert link is not None
            link.abandon()
            await eventually(lambda: bus.connection.number == 2 and bus.connection.connected, "it reconnects")
            assert bus.connection.protocol == "3.1.1"
    assert sum("3.1.1" in entry["event"] for entry in logged) == 1


async def test_auto_speaks_5_where_it_can_and_never_falls_back_there(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(options(broker, protocol="auto", connect_timeout_s=0.2)) as bus:
        assert bus.connection.protocol == "5"
        broker.pause()
        assert bus._link is not None
        bus._link.abandon()
        await eventually(lambda: "no answer in time" in bus.connection.problem, "it is tried in vain")
        broker.resume()
        await eventually(lambda: bus.connection.connected, "it reconnects")
        assert bus.connection.protocol == "5"


async def test_auto_does_not_fall_back_for_a_wrong_password() -> None:
    async with ScriptedBroker(connack_code=0x86) as broker:
        with structlog.testing.capture_logs() as logged:
            bus = MqttBus(options(broker, protocol="auto"))
            task = asyncio.create_task(bus.run())
            await eventually(lambda: "wrong user name or password" in bus.connection.problem, "the problem is shown")
            assert broker.levels == {5}
            await bus.stop()
            await task
        assert not any("3.1.1" in entry["event"] for entry in logged)


async def test_a_taken_port_is_an_error_that_says_what_to_do(broker: Mosquitto) -> None:
    advice = rf"127\.0\.0\.1:{broker.port} already.*without --embedded-broker.*mqtt\.port"
    with pytest.raises(ConfigurationError, match=advice):
        async with EmbeddedBroker("127.0.0.1", broker.port):
            pass


async def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1"):
        async with EmbeddedBroker("192.0.2.1", free_port()):
            pass


async def test_a_burst_passes_the_embedded_broker_without_loss(embedded: EmbeddedBroker) -> None:
    settings = options(embedded, "reader", protocol="3.1.1", subscriptions=(("t", 1),), inbox_size=50)
    async with running(settings) as reader, running(options(embedded, protocol="3.1.1")) as bus:
        receipts = [bus.publish(OutgoingMessage("t", str(number).encode())) for number in range(1000)]
        messages = reader.messages()
        received = []
        for _ in range(1000):
            message = await next_message(messages)
            reader.acknowledge(message)
            received.append(int(message.payload))
        assert received == list(range(1000))
        await asyncio.gather(*receipts)
