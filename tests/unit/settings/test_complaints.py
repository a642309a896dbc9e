"""What the operator is told of a wrong setting: where it was written, what was expected, the nearest right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from alicia_scheduler.errors import ConfigurationError
from alicia_scheduler.settings import load_settings


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory of the test's own."""
    monkeypatch.chdir(tmp_path)


def complaints(
    text: str = "", environ: dict[str, str] | None = None, overrides: dict[str, object] | None = None
) -> list[str]:
    path = Path("s.yaml")
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, environ or {}, overrides or {})
    return str(caught.value).splitlines()


IN_THE_FILE = [
    ("mqt:\n  host: x\n", "s.yaml:1:1: mqt: unknown setting; did you mean 'mqtt'?"),
    ("mqtt:\n  hots: x\n", "s.yaml:2:3: mqtt.hots: unknown setting; did you mean 'hosts'?"),
    ("mqtt:\n  hots:\n", "s.yaml:2:3: mqtt.hots: unknown setting; did you mean 'hosts'?"),
    ("mqtt:\n  tls:\n    cafile: x\n", "s.yaml:3:5: mqtt.tls.cafile: unknown setting; did you mean 'ca_file'?"),
    ("topic_prefix: a\n", "s.yaml:1:1: topic_prefix: unknown setting; did you mean 'mqtt.topic_prefix'?"),
    ("mqtt:\n  retention_days: 3\n", "s.yaml:2:3: mqtt.retention_days: unknown setting; did you mean 'scheduler.ret"),
    ("store:\n  qqq: 3\n", "s.yaml:2:3: store.qqq: unknown setting; known here are url"),
    ("- mqtt\n", "s.yaml:1:1: expected groups such as mqtt: and store:"),
    ("mqtt: x\n", "s.yaml:1:1: mqtt: expected a group of settings"),
    ("mqtt:\n  port: '1883'\n", "s.yaml:2:3: mqtt.port: expected a whole number"),
    ("mqtt:\n  port: 0\n", "s.yaml:2:3: mqtt.port: expected greater than or equal to 1"),
    ("mqtt:\n  port: true\n", "s.yaml:2:3: mqtt.port: expected a whole number"),
    ("mqtt:\n  port: 1.5\n", "s.yaml:2:3: mqtt.port: expected a whole number"),
    ("mqtt:\n  legacy_commands: on\n", "s.yaml:2:3: mqtt.legacy_commands: expected true or false"),
    ("mqtt:\n  legacy_commands: 1\n", "s.yaml:2:3: mqtt.legacy_commands: expected true or false"),
    ("mqtt:\n  username: 7\n", "s.yaml:2:3: mqtt.username: expected text; a number"),
    ("mqtt:\n  host: mqtt://x\n", "s.yaml:2:3: mqtt.host: expected a host name or address"),
    ("mqtt:\n  host: 'a b'\n", "s.yaml:2:3: mqtt.host: expected a host name or an IP address"),
    ("mqtt:\n  hosts: a\n", "s.yaml:2:3: mqtt.hosts: expected a list"),
    ("mqtt:\n  hosts:\n    - a:99999\n", "s.yaml:2:3: mqtt.hosts: expected a port from 1 to 65535"),
    ("mqtt:\n  topic_prefix: a/#\n", "s.yaml:2:3: mqtt.topic_prefix: wildcards"),
    ("mqtt:\n  protocol: 4\n", "s.yaml:2:3: mqtt.protocol: expected 'auto', '5' or '3.1.1'"),
    ("mqtt:\n  keepalive: 5 parsecs\n", "s.yaml:2:3: mqtt.keepalive: expected a number of seconds"),
    ("mqtt:\n  max_payload: 1\n", "s.yaml:2:3: mqtt.max_payload: expected greater than or"),
    ("mqtt:\n  host: a\n  hosts: [b]\n", "s.yaml:3:3: give mqtt.host or mqtt.hosts, not both"),
    ("mqtt:\n  tls:\n    key_file: k\n", "s.yaml:3:5: mqtt.tls.key_file: needs mqtt.tls.cert_file too"),
    ("store:\n  url: x.db\n", "s.yaml:2:3: store.url: expected sqlite:///"),
    ("store:\n  url: postgresql://h/d\n", "s.yaml:2:3: store.url: this version stores"),
    ("scheduler:\n  check_interval: 0\n", "s.yaml:2:3: scheduler.check_interval: expected greater than or equal to"),
    ("scheduler:\n  check_interval: 61\n", "s.yaml:2:3: scheduler.check_interval: expected less than or equal to"),
    ("scheduler:\n  retry_delay: -1\n", "s.yaml:2:3: scheduler.retry_delay: a duration must not be negative"),
    ("scheduler:\n  catch_up: some\n", "s.yaml:2:3: scheduler.catch_up: expected 'last', 'none'"),
    ("scheduler:\n  timezone: Europe/Berln\n", "s.yaml:2:3: scheduler.timezone: 'Europe/Berln' is not the"),
    ("scheduler:\n  timezone: ../../etc/passwd\n", "s.yaml:2:3: scheduler.timezone: '../../etc/passwd' is"),
    ("scheduler:\n  events_dir: 5\n", "s.yaml:2:3: scheduler.events_dir: expected a file name"),
    ("scheduler:\n  max_concurrent_executions: 0\n", "s.yaml:2:3: scheduler.max_concurrent_executions: expected"),
    ("http:\n  host: 0.0.0.0\n", "s.yaml:2:3: http.host: others can reach this address, so http.token"),
    ("logging:\n  level: loud\n", "s.yaml:2:3: logging.level: expected 'debug', 'info'"),
    ("mqtt:\n  host: a\n  host: b\n", "s.yaml:3:3: the key host is already given in line 2"),
    ("mqtt: [a\n", "s.yaml:2:1: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), IN_THE_FILE)
def test_a_wrong_key_of_the_file_is_told_with_its_line(text: str, expected: str) -> None:
    lines = complaints(text)
    assert len(lines) == 1
    assert lines[0].startswith(expected)


IN_THE_ENVIRONMENT = [
    ("ALICIA_SCHEDULER_MQTT__HOTS", "x", "mqtt.hots: unknown setting; did you mean 'hosts'?"),
    ("ALICIA_SCHEDULER_MQTTT__HOST", "x", "mqttt: unknown setting; did you mean 'mqtt'?"),
    ("ALICIA_SCHEDULER_MQTT__PORT", "x", "mqtt.port: expected a whole number"),
    ("ALICIA_SCHEDULER_HTTP__ENABLED", "maybe", "http.enabled: expected true or false"),
    ("ALICIA_SCHEDULER_MQTT__HOSTS", "[1", "mqtt.hosts: expected a list"),
    ("ALICIA_SCHEDULER_MQTT__HOST__X", "1", "mqtt.host: expected text"),
    ("ALICIA_SCHEDULER_MQTT_HOST", "x", "did you mean ALICIA_SCHEDULER_MQTT__HOST (two underscores after the group)?"),
]


@pytest.mark.parametrize(("name", "value", "expected"), IN_THE_ENVIRONMENT)
def test_a_wrong_variable_is_told_by_its_name(name: str, value: str, expected: str) -> None:
    lines = complaints(environ={name: value})
    assert len(lines) == 1
    assert lines[0].startswith(name)
    assert expected in lines[0]


def test_a_value_where_a_group_is_needed_is_told() -> None:
    environ = {"ALICIA_SCHEDULER_MQTT__TLS": "on", "ALICIA_SCHEDULER_MQTT__TLS__A__B": "true"}
    assert complaints(environ=environ) == [
        "ALICIA_SCHEDULER_MQTT__TLS__A__B: its group is given as a plain value too",
        "ALICIA_SCHEDULER_MQTT__TLS: mqtt.tls: expected a group of settings",
    ]


def test_a_wrong_option_is_told_by_its_key() -> None:
    assert complaints(overrides={"http.port": "web"}) == ["option http.port: http.port: expected a whole number"]


def test_every_problem_of_every_source_is_told_at_once() -> None:
    lines = complaints(
        "mqtt:\n  prot: 5\n  keepalive: 1\nstor:\n  url: x\nscheduler:\n  retention_days: 0\n",
        {"ALICIA_SCHEDULER_HTTP__PORT": "70000", "ALICIA_SCHEDULER_LOGGING__LEVEL": "loud"},
        {"mqtt.client_id": ""},
    )
    assert [line.split(": ")[0] for line in lines] == [
        "s.yaml:3:3",
        "s.yaml:2:3",
        "s.yaml:7:3",
        "s.yaml:4:1",
        "ALICIA_SCHEDULER_HTTP__PORT",
        "ALICIA_SCHEDULER_LOGGING__LEVEL",
        "option mqtt.client_id",
    ]


def test_an_address_that_others_reach_is_fine_with_a_token() -> None:
    Path("s.yaml").write_text("http: {host: 0.0.0.0}\n", encoding="utf-8")
    settings = load_settings(Path("s.yaml"), {"ALICIA_SCHEDULER_HTTP__TOKEN": "a-token-of-good-length"}, {})
    assert settings.http.host == "0.0.0.0"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "::1"])
def test_an_address_of_this_machine_needs_no_token(host: str) -> None:
    assert load_settings(None, {"ALICIA_SCHEDULER_HTTP__HOST": host}, {}).http.host == host


def test_a_page_that_is_not_served_needs_no_token() -> None:
    assert not load_settings(None, {}, {"http.host": "0.0.0.0", "http.enabled": False}).http.enabled
