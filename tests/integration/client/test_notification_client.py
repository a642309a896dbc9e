"""The notification client against the real service and a real broker that is restarted meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alicia_scheduler.client import CommandRejected, Event, NotificationClient, SchedulerClient
from tests.integration.mqtt.running_bus import eventually
from tests.mosquitto_process import Mosquitto
from tests.service_process import ServiceProcess


@pytest.fixture
def service(broker: Mosquitto) -> Iterator[ServiceProcess]:
    with ServiceProcess(broker.port) as process:
        yield process.start()


@asynccontextmanager
async def notifying(broker: Mosquitto, **fields: Any) -> AsyncIterator[NotificationClient]:
    async with NotificationClient(f"mqtt://127.0.0.1:{broker.port}", protocol="5", **fields) as client:
        yield client


class Collector:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def process(self, events: list[Event]) -> None:
        self.events += events

    @property
    def values(self) -> list[Any]:
        return [event.value for event in self.events]

    async def until(self, count: int) -> None:
        await eventually(lambda: len(self.events) >= count, f"{count} events")


class AsyncCollector(Collector):
    async def process(self, events: list[Event]) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.events += events


@pytest.mark.parametrize("processor", [Collector(), AsyncCollector()], ids=["plain", "async"])
async def test_event_holds_key_value_payload_namespace_sender_offset_and_create_time(
    service: ServiceProcess, broker: Mosquitto, processor: Collector
) -> None:
    async with notifying(broker, namespace="flow", sender="task1") as client:
        await client.register_listener(listener_processor=processor, event_keys=["expect_key"])
        sent = await client.send_event("expect_key", "This is a custom message.", payload={"n": [1]})
        await client.send_event("other_key", "not for it")
        await processor.until(1)
        assert processor.events == [sent]
        assert (sent.key, sent.value, sent.payload) == ("expect_key", "This is a custom message.", {"n": [1]})
        assert (sent.namespace, sent.sender) == ("flow", "task1")
        assert (sent.offset, sent.create_time > 1e9) == (1, True)


async def test_namespace_only_is_seen_by_a_listener_without_keys(service: ServiceProcess, broker: Mosquitto) -> None:
    own, other = Collector(), Collector()
    async with notifying(broker, namespace="a") as client:
        await client.register_listener(own)
        await client.register_listener(other, namespace="b")
        for namespace in "abab":
            await client.send_event("k", namespace, namespace=namespace)
        await own.until(2)
        await other.until(2)
        assert (own.values, other.values) == (["a", "a"], ["b", "b"])


async def test_offset_replays_what_lies_behind_it_in_order(service: ServiceProcess, broker: Mosquitto) -> None:
    async with notifying(broker) as client:
        sent = [await client.send_event("k", number) for number in range(5)]
        every, some, none = Collector(), Collector(), Collector()
        await client.register_listener(every, offset=0)
        await client.register_listener(some, offset=sent[2].offset)
        await client.register_listener(none)
        last = await client.send_event("k", "last")
        for collector, count in ((every, 6), (some, 3), (none, 1)):
            await collector.until(count)
        assert every.values == [0, 1, 2, 3, 4, "last"]
        assert some.values == [3, 4, "last"]
        assert none.events == [last]


async def test_process_gets_each_event_once_in_order_over_broken_connections(
    service: ServiceProcess, broker: Mosquitto
) -> None:
    heard = Collector()
    async with notifying(broker) as client, notifying(broker) as sender:
        await client.register_listener(heard)
        for number in range(30):
            await sender.send_event("k", number)
            if number in (9, 19):
                broker.stop()
                broker.start()
        await heard.until(30)
        assert heard.values == list(range(30))


async def test_process_that_raises_is_reported_and_the_listener_goes_on(
    service: ServiceProcess, broker: Mosquitto
) -> None:
    reported: list[tuple[str, str]] = []
    heard: list[Any] = []

    class Fails:
        def process(self, events: list[Event]) -> None:
            heard.extend(event.value for event in events)
            if "bad" in heard and "good" not in heard:
                raise RuntimeError("cannot bear it")

    async with notifying(broker, on_error=lambda name, error: reported.append((name, str(error)))) as client:
        listener_id = await client.register_listener(Fails())
        await client.send_event("k", "bad")
        await eventually(lambda: reported, "a report")
        await client.send_event("k", "good")
        await eventually(lambda: "good" in heard, "the next event")
        assert (heard, reported) == (["bad", "good"], [(listener_id, "cannot bear it")])


async def test_unregister_listener_ends_it(service: ServiceProcess, broker: Mosquitto) -> None:
    gone, stays = Collector(), Collector()
    async with notifying(broker) as client:
        listener_id = await client.register_listener(gone)
        await client.register_listener(stays)
        await client.unregister_listener(listener_id)
        await client.send_event("k", 1)
        await stays.until(1)
        assert gone.events == []
        with pytest.raises(KeyError):
            await client.unregister_listener(listener_id)


async def test_list_events_and_count_events(service: ServiceProcess, broker: Mosquitto) -> None:
    async with notifying(broker) as client:
        for number in range(7):
            await client.send_event(f"k{number % 2}", number)
        assert [event.value for event in await client.list_events(["k0"])] == [0, 2, 4, 6]
        assert [event.value for event in await client.list_events(offset=5)] == [5, 6]
        assert [event.value for event in await client.list_events(limit=3)] == [0, 1, 2]
        assert (await client.count_events(), await client.count_events(["k1"], offset=2)) == (7, 2)


async def test_send_event_that_is_wrong_is_refused(service: ServiceProcess, broker: Mosquitto) -> None:
    async with notifying(broker) as client:
        with pytest.raises(CommandRejected, match="key"):
            await client.send_event("no key")


async def test_a_listener_hears_what_a_trigger_and_another_client_throw(
    service: ServiceProcess, broker: Mosquitto
) -> None:
    async with (
        SchedulerClient(f"mqtt://127.0.0.1:{broker.port}", protocol="5") as scheduler,
        notifying(broker) as client,
    ):
        heard = Collector()
        await client.register_listener(heard)
        answer = await scheduler.throw_event("rain", dest_id="bath", payload={"mm": 3}, single_consumer=True)
        await heard.until(1)
        assert heard.events[0].offset == answer["offset"]
        taken = await scheduler.consume_thrown("bath", consumer="me")
        assert [entry["payload"] for entry in taken["entries"]] == [{"mm": 3}]
        assert (await scheduler.list_thrown(dest_id="bath"))["history"][0]["consumed_by"] == "me"
        assert (await scheduler.clear_thrown())["cleared"] == 0
