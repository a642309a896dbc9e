"""From options to a client: the settings, the connection, and the words for what goes wrong."""

import asyncio
import contextlib
import difflib
import inspect
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alicia_scheduler.cli import options, output

if TYPE_CHECKING:
    from alicia_scheduler.adapters.mqtt import MqttOptions
    from alicia_scheduler.client import SchedulerClient
    from alicia_scheduler.errors import CommandRejected
    from alicia_scheduler.settings import Settings


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the service; what is None comes from the settings."""

    config: Path | None = None
    host: str | None = None
    port: int | None = None
    username: str | None = None
    password_file: Path | None = None
    prefix: str | None = None
    protocol: str | None = None
    timeout: float = 10.0

    def settings(self) -> "Settings":
        """The settings with the options laid over them; raises ConfigurationError."""
        overrides = {
            "mqtt.host": self.host,
            "mqtt.port": self.port,
            "mqtt.username": self.username,
            "mqtt.password_file": self.password_file.absolute() if self.password_file else None,
            "mqtt.topic_prefix": self.prefix,
            "mqtt.protocol": self.protocol,
        }
        return read_settings(self.config, overrides)


CONNECTION_OPTIONS = {
    "config": options.Config,
    "host": options.Host,
    "port": options.Port,
    "username": options.Username,
    "password_file": options.PasswordFile,
    "prefix": options.Prefix,
    "protocol": options.Protocol,
    "timeout": options.Timeout,
}
"""The options of every command that speaks to the service, by field of Connection."""


def read_settings(config: Path | None, overrides: dict[str, Any] | None = None) -> "Settings":
    """The settings as the service reads them.

    Raises:
        ConfigurationError: They are wrong, or the file that was asked for does not exist.
    """
    from alicia_scheduler.settings import load_settings

    return load_settings(config, os.environ, overrides or {})


def mqtt_options(settings: "Settings") -> "MqttOptions":
    """The connection to the broker that the settings describe, for a program that comes and goes."""
    from alicia_scheduler.adapters.mqtt import MqttOptions, TlsOptions

    mqtt = settings.mqtt
    ca_file, cert_file, key_file = (
        str(file) if file else None for file in (mqtt.tls.ca_file, mqtt.tls.cert_file, mqtt.tls.key_file)
    )
    tls = TlsOptions(ca_file, cert_file, key_file, insecure=mqtt.tls.insecure)
    return MqttOptions(
        hosts=mqtt.addresses,
        username=mqtt.username,
        password=mqtt.password.get_secret_value() if mqtt.password else None,
        tls=tls if mqtt.tls.enabled else None,
        protocol=mqtt.protocol,
        session_expiry_s=0,
    )


def quiet_logging() -> None:
    """Keeps the logs of the libraries off stdout; what matters of them is told by the commands themselves."""
    from alicia_scheduler.log import configure_logging

    configure_logging("error", "console", sys.stderr)


@contextlib.asynccontextmanager
async def opened(connection: Connection) -> "AsyncIterator[SchedulerClient]":
    """A client that is connected; raises ConfigurationError or BusUnavailable."""
    from alicia_scheduler.client import SchedulerClient

    quiet_logging()
    settings = connection.settings()
    client = SchedulerClient.with_options(mqtt_options(settings), settings.mqtt.topic_prefix, connection.timeout)
    async with client:
        yield client


def takes_connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the connection options; it gets them as its first argument, a Connection."""

    def run(**given: Any) -> Any:
        chosen = {field.name: given.pop(field.name) for field in fields(Connection)}
        return command(Connection(**chosen), **given)

    own = list(inspect.signature(command).parameters.values())[1:]
    defaults = {field.name: field.default for field in fields(Connection)}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation)
        for name, annotation in CONNECTION_OPTIONS.items()
    ]
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*keyword_only, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    return run


def on_bus(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The command with the connection options; it gets a connected client as its first argument."""

    def run(connection: Connection, **given: Any) -> None:
        asyncio.run(_on_bus(command, connection, given))

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.signature(command)  # type: ignore[attr-defined]
    return takes_connection(run)


async def _on_bus(
    command: Callable[..., Coroutine[Any, Any, None]], connection: Connection, given: dict[str, Any]
) -> None:
    from alicia_scheduler.errors import CommandRejected

    async with opened(connection) as client:
        try:
            await command(client, **given)
        except CommandRejected as rejected:
            output.failed(await rejection_with_hint(client, rejected, given.get("event_id")))


async def rejection_with_hint(client: "SchedulerClient", rejected: "CommandRejected", event_id: object) -> str:
    """The refusal; of an event that does not exist with the names of those that do and look like it."""
    return rejection_text(rejected) + await _nearest_event(client, rejected, event_id)


async def _nearest_event(client: "SchedulerClient", rejected: "CommandRejected", event_id: object) -> str:
    if rejected.code.value != "not_found" or not isinstance(event_id, str):
        return ""
    answer = await client.list_events(limit=1000)
    known = [str(event["event_id"]) for event in answer.get("events", ())]
    close = difflib.get_close_matches(event_id, known, n=3, cutoff=0.5)
    if close:
        return f"\ndid you mean {' or '.join(close)}?"
    return "\n`alicia-scheduler events list` shows those that exist"


def rejection_text(rejected: "CommandRejected") -> str:
    """The refusal with every bad field on a line of its own."""
    lines = [f"{rejected.message} ({rejected.code.value})"]
    lines += [f"{detail.field}: {detail.message}" for detail in rejected.details]
    return "\n".join(lines)
