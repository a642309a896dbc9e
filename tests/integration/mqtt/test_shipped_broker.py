"""The broker configuration in ``mosquitto/`` starts as it is and lets each user do what its README says."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alicia_scheduler.adapters.mqtt import MqttBus, MqttOptions
from alicia_scheduler.errors import PublishRefused
from tests.integration.mqtt.running_bus import eventually, next_message, options, published, running
from tests.mosquitto_process import Mosquitto, free_port

SHIPPED = Path(__file__).parents[3] / "mosquitto"
README = (SHIPPED / "README.md").read_text(encoding="utf-8")
PASSWORDS = dict(re.findall(r"^\| `(\w+)` \|.*\| `([\w-]+)` \|$", README, re.MULTILINE))


def copied(root: Path) -> Path:
    """A copy of the shipped directory below ``root``, since the broker writes its data there."""
    for source in SHIPPED.rglob("*"):
        target = root / "mosquitto" / source.relative_to(SHIPPED)
        if source.is_file() and source.suffix != ".db":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return root / "mosquitto"


def started(root: Path, config: Path) -> Mosquitto:
    """The broker with the shipped configuration, only on another port, and as root where the test is."""
    port = free_port()
    text, changes = re.subn(r"^listener 1883", f"listener {port}", config.read_text(), flags=re.MULTILINE)
    assert changes == 1
    config.write_text(text + ("\nuser root\n" if os.geteuid() == 0 else ""))
    return Mosquitto(config_file=config, port=port, directory=root, working_directory=root).start()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    root = tmp_path_factory.mktemp("shipped")
    directory = copied(root)
    subprocess.run(["mosquitto_passwd", "-b", "passwords", "anybody", "anybody"], cwd=directory, check=True)
    with (directory / "acl").open("a") as access_list:
        access_list.write("\nuser anybody\ntopic write #\n")
    with started(root, directory / "mosquitto.conf") as broker:
        yield broker


def user(broker: Mosquitto, name: str, **changes: Any) -> MqttOptions:
    password = PASSWORDS.get(name, "anybody")
    return options(broker, f"test-{name}", username=name, password=password, session_expiry_s=0, **changes)


WRITE = [
    ("event_scheduler", "alicia/scheduler/execution_results", True),
    ("event_scheduler", "alicia/scheduler/availability", True),
    ("event_scheduler", "alicia/system/discovery/register", True),
    ("event_scheduler", "alicia/event/morning-lights", True),
    ("event_scheduler", "zigbee2mqtt/lamp/set", True),
    ("event_scheduler", "doors/front/open", False),
    ("event_scheduler", "$CONTROL/dynamic-security/v1", False),
    ("event_scheduler", "$SYS/broker/log", False),
    ("alicia_client", "alicia/scheduler/command", True),
    ("alicia_client", "alicia/scheduler/command/create_event", True),
    ("alicia_client", "alicia/scheduler/execution_results", False),
    ("alicia_client", "alicia/scheduler/response/create_event", False),
    ("alicia_client", "alicia/scheduler/commander", False),
    ("alicia_client", "alicia/system/health/check", False),
    ("alicia_client", "zigbee2mqtt/lamp/set", False),
    ("monitor", "alicia/scheduler/command", False),
    ("monitor", "alicia/scheduler/command/create_event", False),
    ("monitor", "alicia/anything", False),
    ("monitor", "$SYS/broker/log", False),
]

READABLE_BY_ALL = "alicia/scheduler/events"

READ = [
    ("event_scheduler", "alicia/scheduler/command/create_event", True),
    ("event_scheduler", "alicia/events/execution_complete", True),
    ("event_scheduler", "zigbee2mqtt/lamp", True),
    ("alicia_client", "alicia/scheduler/response/create_event", True),
    ("alicia_client", "alicia/scheduler/execution_results", True),
    ("alicia_client", "alicia/scheduler/event_created", True),
    ("alicia_client", "alicia/scheduler/thrown/default/doorbell", True),
    ("alicia_client", "alicia/scheduler/state/morning-lights", True),
    ("alicia_client", "alicia/scheduler/command/create_event", False),
    ("alicia_client", "alicia/voice/transcript", False),
    ("alicia_client", "zigbee2mqtt/lamp", False),
    ("monitor", "alicia/scheduler/command/create_event", True),
    ("monitor", "alicia/voice/transcript", True),
    ("monitor", "zigbee2mqtt/lamp", False),
]


@pytest.mark.parametrize(("name", "topic", "allowed"), WRITE)
async def test_each_user_may_write_only_what_it_needs(shipped: Mosquitto, name: str, topic: str, allowed: bool) -> None:
    async with running(user(shipped, name)) as bus:
        if allowed:
            await published(bus, topic)
        else:
            with pytest.raises(PublishRefused, match="not authorised") as refused:
                await published(bus, topic)
            assert (refused.value.reason_code, refused.value.permanent) == (0x87, True)
        assert bus.connection.number == 1


@pytest.mark.parametrize(("name", "topic", "allowed"), READ)
async def test_each_user_may_read_only_what_it_needs(shipped: Mosquitto, name: str, topic: str, allowed: bool) -> None:
    reader = user(shipped, name, subscriptions=((topic, 1), (READABLE_BY_ALL, 1)))
    async with running(reader) as bus, running(user(shipped, "anybody")) as anybody:
        assert bus.connection.problem == ""  # Mosquitto lets everybody subscribe, and delivers what may be read
        await published(anybody, topic)
        await published(anybody, READABLE_BY_ALL)
        messages = bus.messages()
        received = [(await next_message(messages)).topic]
        while received[-1] != READABLE_BY_ALL:
            received.append((await next_message(messages)).topic)
        assert received == ([topic] if allowed else []) + [READABLE_BY_ALL]


@pytest.mark.parametrize(
    ("name", "password"), [(None, None), ("alicia_client", None), ("alicia_client", "wrong"), ("nobody", "x")]
)
async def test_nobody_comes_in_without_a_password(shipped: Mosquitto, name: str | None, password: str | None) -> None:
    await _is_refused(options(shipped, "intruder", username=name, password=password))


async def _is_refused(settings: MqttOptions) -> None:
    bus = MqttBus(settings)
    task = asyncio.create_task(bus.run())
    await eventually(lambda: "not authorised" in bus.connection.problem, "the problem is shown")
    await bus.stop()
    await task


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    sent = [f"command {number:03}".encode() for number in range(50)]
    with started(tmp_path, copied(tmp_path) / "mosquitto.conf") as broker:
        settings = user(broker, "event_scheduler", subscriptions=(("alicia/scheduler/command/#", 1),))
        settings = dataclasses.replace(settings, session_expiry_s=3600)
        async with running(settings):
            pass
        async with running(user(broker, "alicia_client")) as client:
            for payload in sent:
                await published(client, "alicia/scheduler/command/ping", payload)
        store = tmp_path / "mosquitto" / "data" / "mosquitto.db"
        await eventually(lambda: sent[-1] in _payloads(store), "the last command is on the disk")
        broker.kill()
        broker.start()
        async with running(settings) as bus:
            messages = bus.messages()
            assert [(await next_message(messages)).payload for _ in sent] == sent


def _payloads(store: Path) -> bytes:
    return store.read_bytes() if store.exists() else b""


async def test_the_access_list_is_read_again_on_sighup(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    with started(tmp_path, directory / "mosquitto.conf") as broker:
        async with running(user(broker, "event_scheduler")) as bus:
            with pytest.raises(PublishRefused):
                await published(bus, "shellies/lamp")
            access_list = (directory / "acl").read_text()
            (directory / "acl").write_text(
                access_list.replace("# topic readwrite shellies/#", "topic readwrite shellies/#")
            )
            broker.reload()
            await eventually(lambda: "Reloading config" in broker.log(), "it reloads")
            assert await published(bus, "shellies/lamp") == 0x10


def test_the_readme_names_every_user_of_the_access_list_and_every_file() -> None:
    users = set(re.findall(r"^user (\w+)$", (SHIPPED / "acl").read_text(), re.MULTILINE))
    assert set(PASSWORDS) == users
    for name in ("mosquitto.conf", "docker.conf", "common.d/scheduler.conf", "acl", "passwords", "new-passwords"):
        assert (SHIPPED / name).exists()
        assert f"`{name}`" in README


def test_only_this_machine_is_let_in_with_the_development_passwords() -> None:
    listeners = re.findall(r"^listener .*$", (SHIPPED / "mosquitto.conf").read_text(), re.MULTILINE)
    assert listeners == ["listener 1883 127.0.0.1"]


def test_the_container_gets_the_same_files() -> None:
    one, other = ((SHIPPED / name).read_text() for name in ("mosquitto.conf", "docker.conf"))
    settings = re.compile(r"^(password_file|acl_file|persistence_location|include_dir) (\S+)$", re.MULTILINE)
    in_container = {
        key: f"/mosquitto/config/{value.removeprefix('mosquitto/')}" for key, value in settings.findall(one)
    }
    in_container["persistence_location"] = "/mosquitto/data"
    assert dict(settings.findall(other)) == in_container


async def test_new_passwords_are_random_hashed_readable_by_the_owner_only_and_work(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    made = _new_passwords(directory)
    stored = (directory / "passwords").read_text()
    assert made.keys() == PASSWORDS.keys()
    assert len(set(made.values())) == len(made)
    assert not any(password in stored for password in made.values())
    assert stat.S_IMODE((directory / "passwords").stat().st_mode) == 0o600
    assert sorted(path.name for path in directory.iterdir() if path.name.startswith("passwords")) == ["passwords"]
    with started(tmp_path, directory / "mosquitto.conf") as broker:
        settings = options(broker, username="monitor", password=made["monitor"])
        async with running(settings) as bus:
            assert bus.connection.connected
        await _is_refused(dataclasses.replace(settings, password=PASSWORDS["monitor"]))


def _new_passwords(directory: Path) -> dict[str, str]:
    shown = subprocess.run([directory / "new-passwords"], check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^  (\w+)  (\S+)$", shown, re.MULTILINE))
