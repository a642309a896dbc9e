from __future__ import annotations

import asyncio
from functools import partial

import pytest

from alicia_scheduler.adapters.mqtt import MqttBus
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.errors import BusUnavailable, PublishRefused
from tests.integration.mqtt.running_bus import (
    DEADLINE_S,
    eventually,
    next_message,
    options,
    published,
    reconnected,
    running,
)
from tests.integration.mqtt.scripted_broker import ScriptedBroker
from tests.mosquitto_process import DEFAULT_CONFIG, Mosquitto


async def test_the_receipt_tells_whether_anybody_is_subscribed(broker: Mosquitto) -> None:
    async with (
        running(options(broker, "reader", subscriptions=(("heard", 1),))),
        running(options(broker)) as bus,
    ):
        assert await published(bus, "heard") == 0
        assert await published(bus, "unheard") == 0x10


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_topic_that_the_access_list_forbids_is_refused_for_good_and_the_connection_stays(qos: int) -> None:
    broker = Mosquitto(DEFAULT_CONFIG + "acl_file {directory}/acl\n")
    (broker.directory / "acl").write_text("topic readwrite open/#\n")
    with broker:
        async with running(options(broker)) as bus:
            with pytest.raises(PublishRefused, match="not authorised") as refused:
                await published(bus, "closed/x", qos=qos)
            assert (refused.value.reason_code, refused.value.permanent) == (0x87, True)
            assert await published(bus, "open/x", qos=qos) in (0, 0x10)
            assert bus.connection.number == 1


@pytest.mark.parametrize(
    ("code", "permanent"),
    [(0x80, False), (0x83, False), (0x87, True), (0x90, True), (0x91, False), (0x97, False), (0x99, True)],
)
async def test_each_refusal_says_whether_trying_again_can_help(code: int, permanent: bool) -> None:
    async with ScriptedBroker(puback_code=code) as broker, running(options(broker)) as bus:
        with pytest.raises(PublishRefused) as refused:
            await published(bus, "t")
        assert (refused.value.reason_code, refused.value.permanent) == (code, permanent)
        assert f"0x{code:02x}" in str(refused.value)


async def test_messages_arrive_in_the_order_of_publishing_though_the_window_is_small(broker: Mosquitto) -> None:
    async with (
        running(options(broker, "reader", subscriptions=(("t", 1),))) as reader,
        running(options(broker, publish_window=3)) as bus,
    ):
        receipts = [bus.publish(OutgoingMessage("t", str(number).encode())) for number in range(300)]
        messages = reader.messages()
        received = []
        for _ in range(300):
            message = await next_message(messages)
            reader.acknowledge(message)
            received.append(int(message.payload))
        assert received == list(range(300))
        await asyncio.gather(*receipts)


@pytest.mark.parametrize(
    ("connack_properties", "window"),
    [(b"", 7), (b"\x21\x00\x04", 4)],
    ids=["the window of the settings", "the smaller Receive Maximum of the broker"],
)
async def test_never_more_than_the_window_is_unacknowledged(connack_properties: bytes, window: int) -> None:
    async with (
        ScriptedBroker(acknowledges=False, connack_properties=connack_properties) as broker,
        running(options(broker, publish_window=7)) as bus,
    ):
        receipts = [bus.publish(OutgoingMessage("t", bytes([number]))) for number in range(20)]
        for done in range(20):
            expected = min(20, done + window)
            await eventually(partial(_has_published, broker, expected), "the window fills")
            assert len(broker.published) == expected
            broker.acknowledge_one()
            await receipts[done]
        assert broker.published == [bytes([number]) for number in range(20)]


def _has_published(broker: ScriptedBroker, count: int) -> bool:
    return len(broker.published) >= count


async def test_too_many_waiting_messages_fail_at_once_instead_of_filling_the_memory() -> None:
    async with (
        ScriptedBroker(acknowledges=False) as broker,
        running(options(broker, publish_window=2, publish_queue=5)) as bus,
    ):
        receipts = [bus.publish(OutgoingMessage("t", b"")) for _ in range(6)]
        assert [receipt.done() for receipt in receipts] == [False] * 5 + [True]
        with pytest.raises(BusUnavailable, match="5 messages wait"):
            await receipts[5]


async def test_a_message_whose_caller_gave_up_while_it_waited_is_not_sent() -> None:
    async with ScriptedBroker(acknowledges=False) as broker, running(options(broker, publish_window=1)) as bus:
        first, second, third = (bus.publish(OutgoingMessage("t", name)) for name in (b"1", b"2", b"3"))
        second.cancel()
        await eventually(lambda: broker.published, "the first is sent")
        broker.acknowledge_one()
        await first
        await eventually(lambda: len(broker.published) == 2, "the next is sent")
        broker.acknowledge_one()
        await third
        assert broker.published == [b"1", b"3"]


async def test_a_publish_under_way_fails_at_once_when_the_broker_is_killed(broker: Mosquitto) -> None:
    async with running(options(broker, publish_window=2)) as bus:
        broker.pause()
        receipts = [bus.publish(OutgoingMessage("t", b"x")) for _ in range(5)]
        await asyncio.sleep(0)
        assert not any(receipt.done() for receipt in receipts)
        broker.kill()
        async with asyncio.timeout(2):
            outcomes = await asyncio.gather(*receipts, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [BusUnavailable] * 5


async def test_nothing_unacknowledged_is_sent_again_behind_our_back_after_a_reconnect(broker: Mosquitto) -> None:
    async with running(options(broker)) as bus:
        broker.pause()
        receipt = bus.publish(OutgoingMessage("t", b"old", qos=2))
        broker.kill()
        with pytest.raises(BusUnavailable):
            await receipt
        broker.start()
        async with running(options(broker, "reader", subscriptions=(("t", 1),))) as reader:
            await reconnected(bus, 1)
            await published(bus, "t", b"new")
            assert (await next_message(reader.messages())).payload == b"new"


async def test_without_a_connection_a_publish_fails_at_once(broker: Mosquitto) -> None:
    bus = MqttBus(options(broker))
    with pytest.raises(BusUnavailable, match="not connected"):
        await bus.publish(OutgoingMessage("t", b""))


@pytest.mark.parametrize(
    "message",
    [
        OutgoingMessage("", b""),
        OutgoingMessage("alicia/#", b""),
        OutgoingMessage("alicia/+/x", b""),
        OutgoingMessage("a\x00b", b""),
        OutgoingMessage("a\x01b", b""),
        OutgoingMessage("a\x7fb", b""),
        OutgoingMessage("a\ud800b", b""),
        OutgoingMessage("a\ufffeb", b""),
        OutgoingMessage("x" * 65_536, b""),
        OutgoingMessage("ä" * 32_768, b""),
        OutgoingMessage("/".join("x" * 201), b""),
        OutgoingMessage("t", b"", qos=3),
        OutgoingMessage("t", b"", qos=-1),
        OutgoingMessage("t", b"", response_topic="a/#"),
        OutgoingMessage("t", b"", response_topic=""),
        OutgoingMessage("t", b"", correlation_data=b"x" * 65_536),
        OutgoingMessage("t", b"", user_properties=(("name", "two\nlines"),)),
        OutgoingMessage("t", b"", user_properties=(("n\x00", "v"),)),
        OutgoingMessage("t", b"", user_properties=(("n", "x" * 65_536),)),
    ],
)
async def test_what_would_make_the_broker_hang_up_is_refused_here(broker: Mosquitto, message: OutgoingMessage) -> None:
    async with running(options(broker)) as bus:
        receipt = bus.publish(message)
        assert receipt.done()
        with pytest.raises(PublishRefused, match="was not sent") as refused:
            await receipt
        assert refused.value.permanent
        await published(bus, "t")
        assert bus.connection.number == 1


@pytest.mark.parametrize(
    "message",
    [
        OutgoingMessage("/", b""),
        OutgoingMessage(" a//b/ ", b""),
        OutgoingMessage("grüße/🏠", b""),
        OutgoingMessage("x" * 65_535, b""),
        OutgoingMessage("/".join("x" * 200), b""),
        OutgoingMessage("t", b"", qos=2, retain=True, expiry_s=0),
        OutgoingMessage("t", b"x" * 100_000, expiry_s=10**12, response_topic="r/t", correlation_data=b"\x00\xff"),
        OutgoingMessage("t", b"", user_properties=(("n", "x" * 65_535), ("n", ""))),
    ],
)
async def test_what_is_allowed_is_accepted_by_the_broker(broker: Mosquitto, message: OutgoingMessage) -> None:
    async with running(options(broker)) as bus:
        async with asyncio.timeout(DEADLINE_S):
            await bus.publish(message)
        assert bus.connection.number == 1


async def test_every_field_of_a_message_arrives(broker: Mosquitto) -> None:
    properties = (("execution_id", "e1"), ("grüße", "🏠"), ("execution_id", "e2"))
    sent = OutgoingMessage("t", b"\x00\xff", 1, False, 60, "r/t", b"\x00\x01", properties)
    async with (
        running(options(broker, "reader", subscriptions=(("t", 1),))) as reader,
        running(options(broker)) as bus,
    ):
        await bus.publish(sent)
        got = await next_message(reader.messages())
        assert (got.topic, got.payload, got.qos, got.retain, got.duplicate) == ("t", b"\x00\xff", 1, False, False)
        assert (got.response_topic, got.correlation_data) == ("r/t", b"\x00\x01")
        assert got.user_properties == sent.user_properties


async def test_a_packet_above_the_brokers_maximum_is_refused_and_one_at_it_is_sent() -> None:
    with Mosquitto(DEFAULT_CONFIG + "max_packet_size 2000\n") as broker:
        async with running(options(broker)) as bus:
            overhead = 1 + 2 + 2 + 1 + 2 + 1  # fixed header, topic length, topic, packet id, properties
            assert await published(bus, "t", b"x" * (2000 - overhead)) == 0x10
            with pytest.raises(PublishRefused, match="larger than the broker allows") as refused:
                await published(bus, "t", b"x" * (2000 - overhead + 1))
            assert (refused.value.reason_code, refused.value.permanent) == (0x95, True)
            assert bus.connection.number == 1


async def test_a_broker_without_retained_messages_gets_none() -> None:
    async with ScriptedBroker(connack_properties=b"\x25\x00") as broker, running(options(broker)) as bus:
        with pytest.raises(PublishRefused, match="retained") as refused:
            await published(bus, "t", retain=True)
        assert refused.value.permanent
        assert await published(bus, "t") == 0


@pytest.mark.parametrize("maximum", [0, 1])
async def test_a_broker_with_a_maximum_qos_gets_no_higher_one(maximum: int) -> None:
    async with ScriptedBroker(connack_properties=bytes([0x24, maximum])) as broker, running(options(broker)) as bus:
        await published(bus, "t", qos=2)
        await eventually(lambda: broker.qos, "the message arrives")
        assert broker.qos == [maximum]


async def test_qos_0_keeps_its_place_behind_waiting_messages() -> None:
    async with ScriptedBroker(acknowledges=False) as broker, running(options(broker, publish_window=1)) as bus:
        receipts = [bus.publish(OutgoingMessage("t", bytes([i]), qos=qos)) for i, qos in enumerate((1, 1, 0))]
        await eventually(lambda: broker.published, "the first is sent")
        assert [receipt.done() for receipt in receipts] == [False, False, False]
        broker.acknowledge_one()
        await receipts[2]
        await eventually(lambda: len(broker.published) == 3, "the others are sent")
        assert broker.published == [b"\x00", b"\x01", b"\x02"]
        broker.acknowledge_one()
        await asyncio.gather(*receipts)
