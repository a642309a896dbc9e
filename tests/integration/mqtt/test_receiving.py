from __future__ import annotations

import asyncio

import pytest

from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import IncomingMessage
from tests.integration.mqtt.running_bus import (
    eventually,
    next_message,
    options,
    published,
    reconnected,
    running,
    running_until_killed,
)
from tests.integration.mqtt.scripted_broker import ScriptedBroker
from tests.mosquitto_process import DEFAULT_CONFIG, Mosquitto

COMMANDS = (("commands/#", 1),)


def payloads(received: list[IncomingMessage]) -> list[bytes]:
    return [message.payload for message in received]


async def test_what_was_sent_while_the_service_was_away_is_delivered_in_order(broker: Mosquitto) -> None:
    async with running(options(broker, subscriptions=COMMANDS)):
        pass
    async with running(options(broker, "client")) as client:
        for number in range(500):
            await published(client, "commands/create", str(number).encode())
    async with running(options(broker, subscriptions=COMMANDS)) as bus:
        assert bus.connection.session_present
        messages = bus.messages()
        received = []
        for _ in range(500):
            message = await next_message(messages)
            bus.acknowledge(message)
            received.append(int(message.payload))
        assert received == list(range(500))


async def test_the_session_outlives_a_restart_of_the_broker_that_keeps_it() -> None:
    config = DEFAULT_CONFIG.replace("persistence false", "persistence true\npersistence_location {directory}")
    with Mosquitto(config) as broker:
        async with running(options(broker, subscriptions=COMMANDS)):
            pass
        async with running(options(broker, "client")) as client:
            await published(client, "commands/create", b"kept")
        broker.restart()
        async with running(options(broker, subscriptions=COMMANDS)) as bus:
            assert (await next_message(bus.messages())).payload == b"kept"


async def test_a_message_that_was_not_acknowledged_comes_again_marked_as_duplicate(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client:
        async with running_until_killed(options(broker, subscriptions=COMMANDS)) as bus:
            await published(client, "commands/1", b"done")
            await published(client, "commands/2", b"interrupted")
            messages = bus.messages()
            bus.acknowledge(await next_message(messages))
            interrupted = await next_message(messages)
            assert not interrupted.duplicate
            # The acknowledgement of the first is out once a later publish was answered.
            await published(bus, "t")
        async with running(options(broker, subscriptions=COMMANDS)) as bus:
            again = await next_message(bus.messages())
            assert (again.payload, again.duplicate) == (b"interrupted", True)


async def test_acknowledgements_given_out_of_order_are_sent_in_order_of_arrival(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client:
        async with running_until_killed(options(broker, subscriptions=COMMANDS)) as bus:
            for number in range(4):
                await published(client, "commands/x", bytes([number]))
            messages = bus.messages()
            received = [await next_message(messages) for _ in range(4)]
            for index in (3, 1, 0):  # 2 stays open, so 3 may not be acknowledged either
                bus.acknowledge(received[index])
            await published(bus, "t")
        async with running(options(broker, subscriptions=COMMANDS)) as bus:
            messages = bus.messages()
            again = [await next_message(messages), await next_message(messages)]
            assert payloads(again) == [b"\x02", b"\x03"]


async def test_an_acknowledgement_of_an_old_connection_does_nothing_on_the_new_one(broker: Mosquitto) -> None:
    settings = options(broker, subscriptions=COMMANDS)
    async with running(options(broker, "client")) as client:
        async with running_until_killed(settings) as bus:
            messages = bus.messages()
            await published(client, "commands/1", b"first")
            old = await next_message(messages)
            broker.restart()
            await reconnected(bus, 1)
            await reconnected(client, 1)
            await published(client, "commands/2", b"second")  # on the new connection it has the packet id of the first
            new = await next_message(messages)
            assert new.payload == b"second"
            bus.acknowledge(old)
            await published(bus, "t")
        async with running(settings) as bus:
            again = await next_message(bus.messages())
            assert (again.payload, again.duplicate) == (b"second", True)


async def test_a_wait_for_messages_that_was_cancelled_can_be_taken_up_again(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client, running(options(broker, subscriptions=COMMANDS)) as bus:
        messages = bus.messages()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(messages)
        await published(client, "commands/x", b"later")
        assert (await next_message(messages)).payload == b"later"


async def test_own_publications_do_not_come_back(broker: Mosquitto) -> None:
    async with (
        running(options(broker, "client")) as client,
        running(options(broker, subscriptions=COMMANDS)) as bus,
        bus.listen("commands/+") as listener,
    ):
        await published(bus, "commands/x", b"own")
        await published(client, "commands/x", b"foreign")
        assert (await next_message(bus.messages())).payload == b"foreign"
        assert (await next_message(listener)).payload == b"foreign"


async def test_retained_messages_are_not_delivered_on_subscribing(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client:
        await published(client, "commands/x", b"retained", retain=True)
        async with running(options(broker, subscriptions=COMMANDS)) as bus, bus.listen("commands/+") as listener:
            await published(client, "commands/x", b"live")
            assert (await next_message(bus.messages())).payload == b"live"
            assert (await next_message(listener)).payload == b"live"


async def test_a_slow_reader_loses_none_of_5000_messages_and_the_inbox_stays_small(broker: Mosquitto) -> None:
    settings = options(broker, subscriptions=COMMANDS, inbox_size=20, receive_maximum=65_535)
    async with running(options(broker, "client")) as client, running(settings) as bus:
        receipts = [client.publish(OutgoingMessage("commands/x", str(number).encode())) for number in range(5000)]
        await asyncio.gather(*receipts)
        messages = bus.messages()
        received: list[int] = []
        longest = 0
        while len(received) < 5000:
            message = await next_message(messages)
            bus.acknowledge(message)
            received.append(int(message.payload))
            longest = max(longest, len(bus._inbox._messages))
            await asyncio.sleep(0)
        assert received == list(range(5000))
        assert longest < 20 + 10
        assert bus.connection.number == 1


async def test_the_receive_maximum_bounds_what_the_broker_sends_unacknowledged() -> None:
    with Mosquitto(DEFAULT_CONFIG + "max_inflight_messages 0\n") as broker:
        settings = options(broker, subscriptions=COMMANDS, receive_maximum=7)
        async with running(options(broker, "client")) as client, running(settings) as bus:
            await asyncio.gather(*(client.publish(OutgoingMessage("commands/x", b"")) for _ in range(50)))
            await eventually(lambda: len(bus._inbox._messages) == 7, "the first seven arrive")
            await published(bus, "t")
            assert len(bus._inbox._messages) == 7


async def test_a_flood_of_qos_0_pauses_the_reading_and_the_connection_goes_on(broker: Mosquitto) -> None:
    settings = options(broker, subscriptions=COMMANDS, inbox_size=50)
    async with running(options(broker, "client")) as client, running(settings) as bus:
        flood = [client.publish(OutgoingMessage("commands/x", b"x" * 1000, qos=0)) for _ in range(5000)]
        await asyncio.gather(*flood)
        await published(client, "t")
        await eventually(lambda: bus._inbox.full, "the inbox fills")
        assert len(bus._inbox._messages) < 60
        messages = bus.messages()
        while len(bus._inbox._messages):
            await next_message(messages)
            await asyncio.sleep(0)
        await published(bus, "t")
        assert bus.connection.number == 1


async def test_while_reading_is_paused_missing_ping_answers_do_not_end_the_connection() -> None:
    async with ScriptedBroker() as broker:
        settings = options(broker, subscriptions=COMMANDS, inbox_size=1, keepalive_s=1)
        async with running(settings) as bus:
            broker.send_publish(b"commands/x", b"")
            await eventually(lambda: bus._inbox.full, "the inbox fills")
            before = broker.pings
            await eventually(lambda: broker.pings >= before + 4, "four pings")
            assert bus.connection == bus.connection.__class__(True, 1, False, "5", f"127.0.0.1:{broker.port}", "")
            await next_message(bus.messages())
            await published(bus, "t")


async def test_listening_gets_what_matches_until_it_ends_and_leaves_the_inbox_alone(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client, running(options(broker, subscriptions=COMMANDS)) as bus:
        async with bus.listen("devices/+/state") as listener:
            assert await published(client, "devices/lamp/state", b"on") == 0
            message = await next_message(listener)
            assert (message.topic, message.payload) == ("devices/lamp/state", b"on")
            bus.acknowledge(message)
        assert await published(bus, "t") == 0x10
        assert await published(client, "devices/lamp/state", b"off") == 0x10
        await published(client, "commands/x", b"after")
        assert (await next_message(bus.messages())).payload == b"after"


async def test_listeners_of_one_filter_share_the_subscription_until_the_last_one_ends(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client, running(options(broker)) as bus:
        async with bus.listen("r/+") as first:
            async with bus.listen("r/+") as second:
                await published(client, "r/1", b"both")
                assert (await next_message(first)).payload == b"both"
                assert (await next_message(second)).payload == b"both"
            await published(client, "r/1", b"one")
            assert (await next_message(first)).payload == b"one"
        await published(bus, "t")
        assert await published(client, "r/1") == 0x10


async def test_a_message_for_a_listener_and_for_the_service_reaches_each_once(broker: Mosquitto) -> None:
    async with running(options(broker, "client")) as client, running(options(broker, subscriptions=COMMANDS)) as bus:
        async with bus.listen("commands/+") as listener, bus.listen("commands/#") as same_as_own:
            for name in (b"1", b"2", b"3"):
                await published(client, "commands/x", name)
            for queue in (listener, same_as_own, bus.messages()):
                got = [await next_message(queue) for _ in range(3)]
                assert payloads(got) == [b"1", b"2", b"3"]
            await published(bus, "t")
            assert not bus._inbox._messages
        await published(bus, "t")
        await published(client, "commands/x", b"still subscribed")
        assert (await next_message(bus.messages())).payload == b"still subscribed"


async def test_listening_goes_on_after_a_reconnect(broker: Mosquitto) -> None:
    async with (
        running(options(broker, "client")) as client,
        running(options(broker)) as bus,
        bus.listen("r/+") as listener,
    ):
        broker.restart()
        await reconnected(bus, 1)
        await reconnected(client, 1)
        assert await published(client, "r/1", b"later") == 0
        assert (await next_message(listener)).payload == b"later"


async def test_a_listener_that_nobody_reads_forgets_the_oldest_messages_and_counts_them(broker: Mosquitto) -> None:
    async with (
        running(options(broker, "client")) as client,
        running(options(broker)) as bus,
        bus.listen("r/+") as listener,
    ):
        receipts = [client.publish(OutgoingMessage("r/1", str(number).encode())) for number in range(1200)]
        await asyncio.gather(*receipts)
        await eventually(lambda: bus._subscriptions.listeners("r/1")[0].dropped == 200, "200 messages are dropped")
        assert (await next_message(listener)).payload == b"200"


async def test_messages_for_nobody_are_acknowledged_so_that_they_do_not_block_the_others(broker: Mosquitto) -> None:
    """A crash in ``listen`` leaves its subscription in the session."""
    async with running_until_killed(options(broker, subscriptions=COMMANDS)) as bus:
        link = bus._link
        assert link is not None
        await link.subscribe_to("orphan/#", 1, 9)
    settings = options(broker, subscriptions=COMMANDS, receive_maximum=5)
    async with running(options(broker, "client")) as client, running(settings) as bus:
        for _ in range(20):
            assert await published(client, "orphan/x") == 0
        await published(client, "commands/x", b"through")
        assert (await next_message(bus.messages())).payload == b"through"
