"""The single checks of ``alicia-scheduler doctor``."""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from alicia_scheduler._version import VERSION
from alicia_scheduler.adapters.store.connection import Connection as Reader
from alicia_scheduler.adapters.store.connection import connect_reader, finished
from alicia_scheduler.adapters.store.schema import check_file, check_library
from alicia_scheduler.cli.check import Report, check_events
from alicia_scheduler.cli.definitions import now
from alicia_scheduler.cli.session import Connection, mqtt_options
from alicia_scheduler.client import CommandRejected, NoAnswer, SchedulerClient
from alicia_scheduler.client.address import unique_name
from alicia_scheduler.client.connection import connected
from alicia_scheduler.errors import BusError, ConfigurationError, SchedulerError, StoreError
from alicia_scheduler.settings import Settings

SMALLEST_PYTHON = (3, 11)
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
CLOCK_DIFFERENCE_S = 2.0
LITTLE_ROOM_BYTES = 64 * 2**20
SOME_ROOM_BYTES = 512 * 2**20
ANSWER_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it."""

    check: str
    status: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


async def examined(connection: Connection) -> list[Finding]:
    """What all checks found; those that need the settings are left out when these are wrong."""
    findings = [_python(), await _sqlite(), _clock()]
    try:
        settings = connection.settings()
    except ConfigurationError as error:
        return [
            *findings,
            Finding(
                "settings",
                "fail",
                "; ".join(str(error).splitlines()),
                "correct the file; docs/settings.md lists every key",
            ),
        ]
    findings.append(_settings(settings))
    findings.append(_events(settings))
    findings += await _bus(settings, min(connection.timeout, ANSWER_TIMEOUT_S))
    path = settings.store.path.absolute()
    findings.append(await _store(path))
    findings.append(_room(path))
    return findings


# --- the machine ---------------------------------------------------------------------------------------------


def _python() -> Finding:
    found = f"Python {platform.python_version()}, alicia-scheduler {VERSION}"
    if sys.version_info[:2] < SMALLEST_PYTHON:
        return Finding("python", "fail", found, "install Python 3.11 or newer")
    return Finding("python", "ok", found)


async def _sqlite() -> Finding:
    try:
        check_library()
        version = await _sqlite_version()
    except StoreError as error:
        return Finding("sqlite", "fail", str(error), "install a Python with a newer SQLite")
    return Finding("sqlite", "ok", f"SQLite {version}")


async def _sqlite_version() -> str:
    """Asks a database without anything in it, since only the store's own module speaks SQL by itself."""
    with tempfile.NamedTemporaryFile(suffix=".db") as empty:
        async with _reading(Path(empty.name)) as reader:
            row = await reader.row("SELECT sqlite_version()")
    return str(row[0]) if row else "?"


def _clock() -> Finding:
    shown = now()
    found = f"{shown:%Y-%m-%d %H:%M:%S} UTC"
    if not EARLIEST <= shown <= LATEST:
        return Finding("clock", "fail", found, "set the clock, and let NTP keep it; events fire by it")
    return Finding("clock", "ok", found)


def _room(store: Path) -> Finding:
    place = next((folder for folder in store.parents if folder.is_dir()), Path("/"))
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free for {place}"
    if free < LITTLE_ROOM_BYTES:
        return Finding("disk", "fail", found, "free some room; without it nothing can be stored")
    if not os.access(place, os.W_OK):
        return Finding("disk", "fail", f"{place} cannot be written", "give the service's user the right to write there")
    return Finding("disk", "warn" if free < SOME_ROOM_BYTES else "ok", found)


# --- the files -----------------------------------------------------------------------------------------------


def _settings(settings: Settings) -> Finding:
    found = str(settings.file) if settings.file else "no file, the defaults"
    if settings.warnings:
        return Finding("settings", "warn", f"{found}: {'; '.join(settings.warnings)}", "see docs/settings.md")
    return Finding("settings", "ok", found)


def _events(settings: Settings) -> Finding:
    report = Report()
    check_events(Path(settings.scheduler.events_dir), settings.event_defaults(), report)
    if report.problems:
        more = f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
        return Finding("events", "fail", report.problems[0] + more, "alicia-scheduler check lists every problem")
    return Finding("events", "ok", f"{len(report.events)} declared in {settings.scheduler.events_dir}")


# --- the bus -------------------------------------------------------------------------------------------------


async def _bus(settings: Settings, timeout_s: float) -> list[Finding]:
    options = replace(mqtt_options(settings), client_id=f"alicia-doctor-{unique_name()}", connect_timeout_s=timeout_s)
    try:
        async with connected(options) as bus:
            broker = _broker(bus.connection.broker, bus.connection.protocol)
    except (BusError, ConfigurationError) as error:
        advice = "start the broker, or correct mqtt.host, mqtt.port, user and password; see mosquitto/README.md"
        return [Finding("broker", "fail", str(error), advice)]
    return [broker, *await _service(settings, timeout_s)]


def _broker(address: str, protocol: str) -> Finding:
    found = f"{address} speaks MQTT {protocol}"
    if protocol == "5":
        return Finding("broker", "ok", found)
    return Finding(
        "broker", "warn", found, "with MQTT 5 refused messages are noticed, and user properties travel along"
    )


async def _service(settings: Settings, timeout_s: float) -> list[Finding]:
    client = SchedulerClient.with_options(mqtt_options(settings), settings.mqtt.topic_prefix, timeout_s)
    try:
        async with client:
            began = now()
            answer = await client.ping()
            stats = await client.get_stats()
    except NoAnswer as error:
        return [Finding("service", "fail", str(error), "start it: alicia-scheduler run")]
    except CommandRejected as error:
        return [Finding("service", "fail", str(error), "look into its log")]
    except BusError as error:
        return [Finding("service", "fail", str(error), "does the broker's access list let this user send commands?")]
    return [_answering(stats), _same_clock(answer, began)]


def _answering(stats: dict[str, Any]) -> Finding:
    found = f"version {stats.get('version')}, {stats.get('events')} events, {stats.get('outbox')} messages waiting"
    lag = stats.get("lag_seconds") or 0
    if lag > CLOCK_DIFFERENCE_S:
        return Finding("service", "warn", f"{found}, {lag:.1f} s late", "raise scheduler.max_concurrent_executions")
    return Finding("service", "ok", found)


def _same_clock(answer: dict[str, Any], began: datetime) -> Finding:
    """The service's clock against ours: it read its own between our question and its answer."""
    there = float(answer.get("time") or 0)
    ahead = max(began.timestamp() - there, there - now().timestamp(), 0.0)
    if ahead > CLOCK_DIFFERENCE_S:
        return Finding("service clock", "warn", f"{ahead:.1f} s apart from this machine's", "let NTP keep both clocks")
    return Finding("service clock", "ok", "agrees with this machine's")


# --- the store -----------------------------------------------------------------------------------------------


async def _store(path: Path) -> Finding:
    size = await asyncio.to_thread(_size_bytes, path)
    if size is None:
        advice = "it is made at the first start; is the working directory the service's?"
        return Finding("store", "warn", f"{path} does not exist", advice)
    try:
        async with _reading(path) as reader:
            await check_file(reader, path)
            row = await reader.row("PRAGMA quick_check(1)")
    except (SchedulerError, OSError) as error:
        return Finding(
            "store",
            "fail",
            str(error),
            "the message says what to do; a copy of `alicia-scheduler backup` can take its place: "
            "alicia-scheduler restore --replace BACKUP",
        )
    if row is None or row[0] != "ok":
        found = f"{path}: {row[0] if row else 'no answer'}"
        return Finding("store", "fail", found, "stop the service and call: alicia-scheduler restore --replace BACKUP")
    return Finding("store", "ok", f"{path} is whole, {size / 2**20:.1f} MiB")


def _size_bytes(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


@asynccontextmanager
async def _reading(path: Path) -> AsyncIterator[Reader]:
    """A connection that cannot change the file and takes no lock that the service would notice."""
    reader = await connect_reader(path)
    try:
        yield reader
    finally:
        await finished(reader.close())
