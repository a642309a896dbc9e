"""The client against a real broker, with a scripted scheduler behind it."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from alicia_scheduler.adapters.broker import EmbeddedBroker
from alicia_scheduler.adapters.mqtt.options import Protocol
from alicia_scheduler.client import BusError, CommandRejected, ErrorCode, NoAnswer, SchedulerClient
from alicia_scheduler.core.outbox import OutgoingMessage
from alicia_scheduler.ports import IncomingMessage
from alicia_scheduler.wire.commands import COMMANDS
from alicia_scheduler.wire.topics import Topics
from tests.integration.client.responder import NOON, PREFIX, Responder, responding
from tests.integration.mqtt.running_bus import eventually, options, published, running
from tests.mosquitto_process import Mosquitto, free_port

ROOT = Path(__file__).resolve().parents[3]
Body = dict[str, Any]


def client(broker: Mosquitto | EmbeddedBroker, protocol: Protocol = "5", timeout_s: float = 10.0) -> SchedulerClient:
    return SchedulerClient(f"mqtt://{broker.host}:{broker.port}", timeout_s=timeout_s, protocol=protocol)


async def silent(_responder: Responder, _message: IncomingMessage, _body: Body) -> None:
    """Never answers."""


# --- the commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", COMMANDS, ids=lambda info: info.name)
def test_every_command_is_a_method_that_takes_its_fields(info: Any) -> None:
    method = getattr(SchedulerClient, info.name)
    parameters = inspect.signature(method).parameters
    fields = set(info.model.model_fields)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    assert takes_any or fields <= parameters.keys()


async def test_what_is_left_out_is_not_sent_and_instants_become_epoch_seconds(broker: Mosquitto) -> None:
    async with responding(broker), client(broker) as scheduler:
        assert (await scheduler.pause_event("lamp", until=NOON))["until"] == NOON.timestamp()
        assert "note" not in await scheduler.pause_event("lamp")
        assert (await scheduler.list_events(tags=["a"], state="paused"))["tags"] == ["a"]
        assert (await scheduler.list_executions(since=NOON, limit=3))["since"] == NOON.timestamp()
        assert (await scheduler.preview("lamp", count=2, start=NOON))["from"] == NOON.timestamp()
        assert (await scheduler.list_events(name="Lamp"))["name"] == "Lamp"
        assert (await scheduler.request("of_another_version", x=1))["x"] == 1
        with pytest.raises(ValueError, match="time zone"):
            await scheduler.pause_event("lamp", until=NOON.replace(tzinfo=None))
        with pytest.raises(ValueError, match="JSON"):
            await scheduler.trigger_event("lamp", payload=float("nan"))


async def test_a_refusal_is_raised_with_code_message_and_every_bad_field(broker: Mosquitto) -> None:
    async def refuse(responder: Responder, message: IncomingMessage, body: Body) -> None:
        details = [{"field": "event.name", "message": "expected text"}, {"field": "x", "message": "unknown field"}]
        error = {"code": "invalid_request", "message": "2 problems", "details": details}
        await responder.answer(message, body, {"status": "error", "error": error})

    async with responding(broker, refuse), client(broker) as scheduler:
        with pytest.raises(CommandRejected, match="2 problems") as caught:
            await scheduler.create_event({"name": 1})
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert [detail.field for detail in caught.value.details] == ["event.name", "x"]


# --- where the answer goes ---------------------------------------------------------------------------------------


async def test_over_mqtt_5_the_answer_goes_to_the_response_topic(broker: Mosquitto) -> None:
    async with responding(broker) as responder, client(broker) as scheduler:
        await scheduler.ping()
        await scheduler.ping()
    message, body = responder.requests[0]
    assert message.topic == f"{PREFIX}/command"
    assert (message.response_topic or "").startswith(f"{PREFIX}/response/client/")
    assert message.correlation_data == body["request_id"].encode()
    assert "reply_to" not in body
    assert not Topics(PREFIX).reply_topic_problem(message.response_topic or "")
    assert responder.requests[1][0].correlation_data != message.correlation_data


async def test_over_mqtt_3_1_1_the_answer_goes_to_reply_to(broker: Mosquitto) -> None:
    async with responding(broker, protocol="3.1.1") as responder, client(broker, "3.1.1") as scheduler:
        assert (await scheduler.get_event("lamp"))["event_id"] == "lamp"
    message, body = responder.requests[0]
    assert message.response_topic is None
    assert body["reply_to"].startswith(f"{PREFIX}/response/client/")


async def test_a_broker_that_keeps_silent_to_mqtt_5_is_not_waited_for() -> None:
    loop = asyncio.get_running_loop()
    async with EmbeddedBroker(port=free_port()) as broker, responding(broker, protocol="3.1.1"):
        began = loop.time()
        async with client(broker, "auto") as scheduler:
            await scheduler.ping()
        assert loop.time() - began < 2.5, "the library waits three seconds for such a broker"


async def test_answers_find_who_asked_in_whatever_order_they_come(broker: Mosquitto) -> None:
    async def all_backwards(responder: Responder, _message: IncomingMessage, _body: Body) -> None:
        if len(responder.requests) == 20:
            for message, body in reversed(responder.requests):
                await responder.ok(message, body, {"event_id": body["event_id"]})

    async with responding(broker, all_backwards), client(broker) as scheduler:
        names = [f"event-{number}" for number in range(20)]
        answers = await asyncio.gather(*(scheduler.get_event(name) for name in names))
    assert [answer["event_id"] for answer in answers] == names


async def test_what_is_no_answer_is_passed_over(broker: Mosquitto) -> None:
    async def noise_first(responder: Responder, message: IncomingMessage, body: Body) -> None:
        topic = message.response_topic or ""
        for payload in (b"", b"[1]", b"\xff", b'"x"', b"[" * 5000, b'{"request_id": "another", "status": "ok"}'):
            await responder.bus.publish(OutgoingMessage(topic, payload))
        await responder.ok(message, body, {"pong": True})

    async with responding(broker, noise_first), client(broker) as scheduler:
        assert await scheduler.ping() == {"pong": True}


async def test_an_answer_is_taken_out_of_its_envelope(broker: Mosquitto) -> None:
    async def wrap(responder: Responder, message: IncomingMessage, body: Body) -> None:
        inner = {"status": "ok", "data": {"pong": True}, "request_id": body["request_id"], "command": "ping"}
        payload = json.dumps({"message_id": "m", "routing": {"hops": 0}, "payload": inner}).encode()
        topic, mark = message.response_topic or body["reply_to"], message.correlation_data
        await responder.bus.publish(OutgoingMessage(topic, payload, correlation_data=mark))

    for protocol in ("5", "3.1.1"):
        async with responding(broker, wrap), client(broker, protocol) as scheduler:
            assert await scheduler.ping() == {"pong": True}


async def test_the_access_list_that_comes_with_the_broker_lets_a_client_ask_and_hear() -> None:
    config = f"allow_anonymous true\nacl_file {ROOT / 'mosquitto' / 'acl'}\n"
    with Mosquitto(config) as broker:
        chosen = options(broker, "service", username="event_scheduler", subscriptions=((f"{PREFIX}/command/#", 1),))
        async with running(chosen) as bus:
            responder = Responder(bus)

            async def answer_one() -> None:
                message = await anext(bus.messages())
                await responder.ok(message, {"command": "ping", "request_id": "x"}, {"pong": True})

            answering = asyncio.create_task(answer_one())
            address = f"mqtt://alicia_client@{broker.host}:{broker.port}"
            async with SchedulerClient(address, protocol="5") as scheduler:
                assert await scheduler.ping() == {"pong": True}
            await answering
            async with SchedulerClient(f"mqtt://monitor@{broker.host}:{broker.port}", protocol="5") as looker:
                with pytest.raises(BusError):
                    await looker.ping()


# --- when something breaks ---------------------------------------------------------------------------------------


async def test_a_request_is_sent_again_with_the_same_id_when_the_connection_goes(broker: Mosquitto) -> None:
    async def answer_the_second(responder: Responder, message: IncomingMessage, body: Body) -> None:
        if len(responder.requests) >= 2:
            await responder.ok(message, body, {"times": len(responder.requests)})

    async with responding(broker, answer_the_second) as responder, client(broker) as scheduler:
        asking = asyncio.create_task(scheduler.create_event({"name": "x"}))
        await eventually(lambda: responder.requests, "the command arrives")
        await asyncio.to_thread(broker.restart)
        async with asyncio.timeout(10):
            await asking
    ids = {body["request_id"] for _, body in responder.requests}
    assert len(responder.requests) >= 2
    assert len(ids) == 1


async def test_a_request_id_of_ones_own_is_used(broker: Mosquitto) -> None:
    async with responding(broker) as responder, client(broker) as scheduler:
        await scheduler.request("create_event", request_id="mine", event={})
    assert responder.requests[0][1]["request_id"] == "mine"


async def test_silence_ends_in_an_error_that_says_what_to_look_at(broker: Mosquitto) -> None:
    async with responding(broker, silent) as responder, client(broker, timeout_s=0.5) as scheduler:
        await published(responder.bus, f"{PREFIX}/availability", b"offline", retain=True)
        with pytest.raises(TimeoutError) as caught:
            await scheduler.ping()
    assert isinstance(caught.value, NoAnswer)
    assert caught.value.request_id == responder.requests[0][1]["request_id"]
    text = str(caught.value)
    assert f"{broker.host}:{broker.port}" in text
    assert "availability says 'offline'" in text
    assert "is running" in text


async def test_nobody_there_is_noticed_before_the_time_is_over(broker: Mosquitto) -> None:
    loop = asyncio.get_running_loop()
    async with client(broker, timeout_s=30) as scheduler:
        began = loop.time()
        with pytest.raises(NoAnswer, match="nobody listens to alicia/scheduler/command"):
            await scheduler.ping()
        assert loop.time() - began < 10


async def test_a_service_that_comes_a_moment_later_is_waited_for(broker: Mosquitto) -> None:
    async with client(broker) as scheduler:
        asking = asyncio.create_task(scheduler.ping())
        async with responding(broker):
            assert (await asking)["command"] == "ping"


async def test_without_a_broker_entering_fails_at_once() -> None:
    with pytest.raises(BusError, match="refused"):
        async with SchedulerClient(f"mqtt://127.0.0.1:{free_port()}"):
            pass


async def test_outside_of_its_block_the_client_says_so(broker: Mosquitto) -> None:
    scheduler = client(broker)
    with pytest.raises(RuntimeError, match="async with"):
        await scheduler.ping()
    async with scheduler:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        await scheduler.ping()


async def test_leaving_ends_every_task(broker: Mosquitto) -> None:
    before = asyncio.all_tasks()
    for protocol in ("5", "auto"):
        async with client(broker, protocol):
            pass
    await eventually(lambda: asyncio.all_tasks() <= before, "all tasks end")


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["localhost", "http://x", "mqtt://", "mqtt://x:99999", "mqtt://x/y", "mqtt://x?y", "mqtt://u:secret@"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match="mqtt://") as caught:
        SchedulerClient(address)
    assert "secret" not in str(caught.value)
