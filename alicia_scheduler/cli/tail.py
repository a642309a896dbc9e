"""``alicia-scheduler tail``: what the service tells the bus, as it happens."""

import asyncio
import contextlib
import json as json_codec
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from alicia_scheduler.cli import output
from alicia_scheduler.cli.session import Connection, mqtt_options, quiet_logging, takes_connection

if TYPE_CHECKING:
    from alicia_scheduler.adapters.mqtt import MqttBus
    from alicia_scheduler.ports import IncomingMessage
    from alicia_scheduler.wire.recording import Recorded

TOPICS = ("events", "execution_results", "execution_failures", "errors", "recovery", "availability")

TOLD_TWICE = frozenset({"execution_completed", "execution_failed"})
"""Lifecycle events that the durable topics tell as well; a person reads them once."""

STYLES = {
    "execution_results": "green", "execution_failures": "red", "errors": "red", "recovery": "yellow",
    "execution_retry": "yellow", "execution_skipped": "yellow", "execution_missed": "yellow",
}  # fmt: skip


@takes_connection
def tail(
    connection: Connection,
    event_id: Annotated[
        str | None, typer.Option("--event", help="Only what concerns this event.", metavar="EVENT_ID")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", help="Stop after this many messages.", min=1)] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print every message as one line of JSON; a file of them is a recording.")
    ] = False,
) -> None:
    """Follow what happens, line by line; Ctrl-C ends it."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_followed(connection, event_id, count, json=json))


async def _followed(connection: Connection, event_id: str | None, count: int | None, *, json: bool) -> None:
    printed = 0
    async with contextlib.aclosing(_messages(connection, json=json)) as messages:
        async for heard in messages:
            if event_id is not None and _event_of(heard.message) != event_id:
                continue
            if not _print(heard, json=json):
                continue
            printed += 1
            if printed == count:
                return


async def _messages(connection: Connection, *, json: bool) -> "AsyncGenerator[Recorded, None]":
    """Every message, its topic without the prefix and its body as JSON."""
    from alicia_scheduler.cli.definitions import now
    from alicia_scheduler.client.address import unique_name
    from alicia_scheduler.client.connection import connected
    from alicia_scheduler.wire.recording import Recorded

    quiet_logging()
    settings = connection.settings()
    prefix = settings.mqtt.topic_prefix
    chosen = replace(
        mqtt_options(settings),
        client_id=f"alicia-tail-{unique_name()}",
        connect_timeout_s=connection.timeout,
        subscriptions=tuple((f"{prefix}/{name}", 1) for name in TOPICS),
    )
    async with connected(chosen) as bus:
        if sys.stderr.isatty():
            output.say(f"following {prefix} on {bus.connection.broker}; Ctrl-C ends it")
        telling = asyncio.create_task(_tell_of_connection(bus, json=json))
        try:
            async for message in bus.messages():
                bus.acknowledge(message)
                if message.retain:
                    continue  # what was true before, not what happens
                topic = message.topic.removeprefix(f"{prefix}/")
                yield Recorded(now(), topic, _body(message), message.qos, message.retain)
        finally:
            telling.cancel()


async def _tell_of_connection(bus: "MqttBus", *, json: bool) -> None:
    from alicia_scheduler.cli.definitions import now
    from alicia_scheduler.wire.recording import connection_changed

    connection = bus.connection
    while True:
        if connection.problem:
            output.say(f"broker: {connection.problem}")
        connection = await bus.connection_after(connection.number, connection.connected)
        if json:
            change = connection_changed(now(), connected=connection.connected, problem=connection.problem)
            output.print_line(change.document())
        if connection.connected:
            output.say("broker: connected again; what happened meanwhile is in `alicia-scheduler executions list`")


def _body(message: "IncomingMessage") -> Any:
    """The JSON of the message out of its envelope, or its text."""
    from alicia_scheduler.wire.envelope import unwrap

    text = message.payload.decode("utf-8", "replace")
    try:
        body = json_codec.loads(text)
    except (ValueError, RecursionError):
        return text
    return unwrap(body)[0] if isinstance(body, dict) else body


def _data(body: Any) -> dict[str, Any]:
    """What a lifecycle message is about; any other message is about itself."""
    if not isinstance(body, dict):
        return {}
    data = body.get("event_data")
    return data if isinstance(data, dict) else body


def _event_of(body: Any) -> object:
    return _data(body).get("event_id")


def _print(heard: "Recorded", *, json: bool) -> bool:
    """Prints the message; returns whether it did."""
    if json:
        output.print_line(heard.document())
        return True
    kind, body = heard.topic, heard.message
    word = str(body.get("event_type")) if kind == "events" and isinstance(body, dict) else kind
    if word in TOLD_TWICE:
        return False
    line = Text.assemble(
        (_clock(body), "dim"), "  ", (f"{output.printable(word):20}", STYLES.get(word, "bold")), " ", _told(kind, body)
    )
    output.console().print(line, soft_wrap=True)
    sys.stdout.flush()
    return True


def _clock(body: Any) -> str:
    """The time of the message on the wall clock of this terminal."""
    stamp = body.get("timestamp") if isinstance(body, dict) else None
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return "--:--:--"
    try:
        return datetime.fromtimestamp(stamp, UTC).astimezone().strftime("%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return "--:--:--"


def _told(kind: str, body: Any) -> str:
    if not isinstance(body, dict):
        return output.printable(body)
    data = _data(body)
    match kind:
        case "errors":
            parts = [data.get("code"), data.get("event_id"), data.get("error")]
        case "recovery":
            parts = [data.get("cause"), f"missed {data.get('missed')}", f"resumed {data.get('resumed')}"]
        case _ if "execution_id" in data:
            parts = _execution(data)
        case _:
            next_run = output.moment(data.get("next_run_iso"))
            parts = [data.get("event_id"), data.get("state"), f"next run {next_run}" if next_run else None]
    return "  ".join(output.printable(part) for part in parts if part not in (None, ""))


def _execution(data: dict[str, Any]) -> list[object]:
    duration = data.get("duration")
    late = f"{duration:.3f} s" if isinstance(duration, int | float) else None
    attempt = data.get("attempt")
    again = f"attempt {attempt}" if isinstance(attempt, int) and attempt > 1 else None
    reason = data.get("error_message") or data.get("reason")
    return [data.get("event_id"), data.get("execution_id"), data.get("triggered_by"), again, late, reason]
