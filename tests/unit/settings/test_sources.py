"""Where a setting may come from, which source wins, and what each source understands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alicia_scheduler.errors import ConfigurationError
from alicia_scheduler.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def from_yaml(text: str) -> Settings:
    return load_settings(written(Path("scheduler.yaml"), text), {}, {})


def from_environment(**variables: str) -> Settings:
    return load_settings(None, {f"ALICIA_SCHEDULER_{name}": value for name, value in variables.items()}, {})


def value_at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for part in path.split("."):
        value = getattr(value, part)
    return value


def test_without_any_source_there_are_the_defaults() -> None:
    settings = load_settings(None, {}, {})
    assert settings.mqtt.addresses == (("127.0.0.1", 1883),)
    assert settings.store.path == Path("data/scheduler.db")
    assert settings.http.port == 8025
    assert settings.file is None
    assert settings.warnings == ()


PRECEDENCE = [
    ({}, "", {}, "127.0.0.1"),
    ({"MQTT_BROKER": "alicia"}, "", {}, "alicia"),
    ({"MQTT_BROKER": "alicia"}, "mqtt: {host: file}", {}, "file"),
    ({"MQTT_BROKER": "alicia"}, "mqtt: {host: }", {}, "alicia"),
    ({"ALICIA_SCHEDULER_MQTT__HOST": "env"}, "mqtt: {host: file}", {}, "env"),
    ({"ALICIA_SCHEDULER_MQTT__HOST": ""}, "mqtt: {host: file}", {}, "file"),
    ({"ALICIA_SCHEDULER_MQTT__HOST": "env"}, "mqtt: {host: file}", {"mqtt.host": "option"}, "option"),
    ({"ALICIA_SCHEDULER_MQTT__HOST": "env"}, "mqtt: {host: file}", {"mqtt.host": None}, "env"),
    ({"ALICIA_SCHEDULER_MQTT__HOST": "env"}, "", {"mqtt": {"host": "option"}}, "option"),
]


@pytest.mark.parametrize(("environ", "text", "overrides", "host"), PRECEDENCE)
def test_the_strongest_source_wins(
    environ: dict[str, str], text: str, overrides: dict[str, Any], host: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "scheduler.yaml", text)
    assert load_settings(path, environ, overrides).mqtt.host == host


def test_sources_are_merged_key_by_key(tmp_path: Path) -> None:
    path = written(tmp_path / "s.yaml", "mqtt:\n  host: file\n  tls:\n    enabled: true\n    ca_file: /ca.pem\n")
    environ = {"ALICIA_SCHEDULER_MQTT__PORT": "8883", "ALICIA_SCHEDULER_MQTT__TLS__INSECURE": "yes"}
    mqtt = load_settings(path, environ, {"mqtt.client_id": "me"}).mqtt
    assert (mqtt.host, mqtt.port, mqtt.client_id) == ("file", 8883, "me")
    assert (mqtt.tls.enabled, mqtt.tls.insecure, mqtt.tls.ca_file) == (True, True, Path("/ca.pem"))


def test_the_file_is_the_option_then_the_variable_then_the_default_place(tmp_path: Path) -> None:
    option = written(tmp_path / "option.yaml", "mqtt: {host: option}")
    variable = written(tmp_path / "variable.yaml", "mqtt: {host: variable}")
    environ = {"ALICIA_SCHEDULER_CONFIG": str(variable)}
    written(tmp_path / "config/scheduler.yaml", "mqtt: {host: default}")
    assert load_settings(option, environ, {}).mqtt.host == "option"
    assert load_settings(None, environ, {}).mqtt.host == "variable"
    settings = load_settings(None, {}, {})
    assert settings.mqtt.host == "default"
    assert settings.file == Path("config/scheduler.yaml")


def test_a_named_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.yaml: cannot be read"):
        load_settings(tmp_path / "gone.yaml", {}, {})
    with pytest.raises(ConfigurationError, match=r"gone\.yaml: cannot be read"):
        load_settings(None, {"ALICIA_SCHEDULER_CONFIG": "gone.yaml"}, {})


TEXTS = [
    ("HTTP__ENABLED", "false", "http.enabled", False),
    ("HTTP__ENABLED", "0", "http.enabled", False),
    ("HTTP__ENABLED", "on", "http.enabled", True),
    ("HTTP__PORT", "9000", "http.port", 9000),
    ("http__port", "9000", "http.port", 9000),
    ("SCHEDULER__EXECUTION_TIMEOUT", "90", "scheduler.execution_timeout", timedelta(seconds=90)),
    ("SCHEDULER__EXECUTION_TIMEOUT", "1h 30m", "scheduler.execution_timeout", timedelta(minutes=90)),
    ("SCHEDULER__CHECK_INTERVAL", "0.5", "scheduler.check_interval", timedelta(milliseconds=500)),
    ("SCHEDULER__CLEANUP_INTERVAL_HOURS", "0.5", "scheduler.cleanup_interval_hours", 0.5),
    ("MQTT__PROTOCOL", "5", "mqtt.protocol", "5"),
    ("MQTT__HOSTS", "a:1, b", "mqtt.hosts", ("a:1", "b")),
    ("MQTT__HOSTS", '["a:1"]', "mqtt.hosts", ("a:1",)),
    ("MQTT__USERNAME", "007", "mqtt.username", "007"),
    ("ACTIONS__MQTT_PUBLISH__ALLOW_TOPICS", "home/,alicia/", "actions.mqtt_publish.allow_topics", ("home/", "alicia/")),
    ("LOGGING__LEVEL", "debug", "logging.level", "debug"),
    ("SCHEDULER__EVENTS_DIR", "/srv/events", "scheduler.events_dir", Path("/srv/events")),
]


@pytest.mark.parametrize(("name", "text", "path", "value"), TEXTS)
def test_text_from_the_environment_is_parsed(name: str, text: str, path: str, value: Any) -> None:
    assert value_at(from_environment(**{name: text}), path) == value


YAML_VALUES = [
    ("scheduler: {retry_delay: 5m}", "scheduler.retry_delay", timedelta(minutes=5)),
    ("scheduler: {retry_delay: 90}", "scheduler.retry_delay", timedelta(seconds=90)),
    ("scheduler: {cleanup_interval_hours: 12}", "scheduler.cleanup_interval_hours", 12.0),
    ("scheduler: {catch_up_window: 2h}", "scheduler.catch_up_window", timedelta(hours=2)),
    ("scheduler: {catch_up_window: null}", "scheduler.catch_up_window", None),
    ("scheduler: {timezone: Europe/Berlin}", "scheduler.timezone", "Europe/Berlin"),
    ("mqtt: {protocol: 5}", "mqtt.protocol", "5"),
    ("mqtt: {protocol: 3.1.1}", "mqtt.protocol", "3.1.1"),
    ("mqtt: {hosts: ['[::1]:1884', b.lan]}", "mqtt.addresses", (("::1", 1884), ("b.lan", 1883))),
    ("mqtt: {port: 1885, hosts: [b.lan]}", "mqtt.addresses", (("b.lan", 1885),)),
    ("mqtt:\nstore:\n", "mqtt.host", "127.0.0.1"),
    ("store: {url: 'sqlite:////var/lib/a.db'}", "store.path", Path("/var/lib/a.db")),
    ("store: {url: 'sqlite:///a.db'}", "store.path", Path("a.db")),
    ("actions: {mqtt_publish: {allow_topics: []}}", "actions.mqtt_publish.allow_topics", ()),
    ("{}", "actions.mqtt_publish.allow_topics", None),
]


@pytest.mark.parametrize(("text", "path", "value"), YAML_VALUES)
def test_a_value_of_the_file_is_read(text: str, path: str, value: Any) -> None:
    assert value_at(from_yaml(text), path) == value


def test_relative_file_names_stand_beside_the_settings_file(tmp_path: Path) -> None:
    text = "scheduler: {events_dir: mine}\nmqtt: {tls: {enabled: true, ca_file: ca.pem}}\n"
    settings = load_settings(written(tmp_path / "etc/s.yaml", text), {}, {})
    assert settings.scheduler.events_dir == tmp_path / "etc/mine"
    assert settings.mqtt.tls.ca_file == tmp_path / "etc/ca.pem"


def test_the_declared_events_lie_beside_the_settings_file_by_default(tmp_path: Path) -> None:
    path = written(tmp_path / "etc/s.yaml", "")
    assert load_settings(path, {}, {}).scheduler.events_dir == tmp_path / "etc/events"
    assert load_settings(None, {}, {}).scheduler.events_dir == tmp_path / "config/events"


def test_alicias_variables_fill_what_nothing_else_gives(tmp_path: Path) -> None:
    environ = {"MQTT_BROKER": "alicia", "MQTT_PORT": "1999", "MQTT_USERNAME": "u", "MQTT_PASSWORD": "pw-of-alicia"}
    path = written(tmp_path / "s.yaml", "mqtt: {username: mine}")
    mqtt = load_settings(path, environ, {}).mqtt
    assert mqtt.addresses == (("alicia", 1999),)
    assert mqtt.username == "mine"
    assert mqtt.password is not None
    assert mqtt.password.get_secret_value() == "pw-of-alicia"


def test_alicias_variables_do_not_disturb_where_they_are_not_needed(tmp_path: Path) -> None:
    kubernetes = {"MQTT_BROKER": "mqtt://wrong", "MQTT_PORT": "tcp://10.0.0.1:1883"}
    assert load_settings(written(tmp_path / "a.yaml", "mqtt: {host: b, port: 1}"), kubernetes, {}).mqtt.port == 1
    hosts = load_settings(written(tmp_path / "b.yaml", "mqtt: {hosts: [c]}"), kubernetes, {}).mqtt
    assert hosts.addresses == (("c", 1883),)
    with pytest.raises(ConfigurationError, match=r"^MQTT_PORT: mqtt\.port: expected a whole number$"):
        load_settings(None, {"MQTT_PORT": "tcp://10.0.0.1:1883"}, {})


def test_a_stronger_host_replaces_weaker_hosts_and_the_reverse(tmp_path: Path) -> None:
    hosts = written(tmp_path / "a.yaml", "mqtt: {hosts: [a, b]}")
    assert load_settings(hosts, {"ALICIA_SCHEDULER_MQTT__HOST": "c"}, {}).mqtt.addresses == (("c", 1883),)
    host = written(tmp_path / "b.yaml", "mqtt: {host: a}")
    assert load_settings(host, {"ALICIA_SCHEDULER_MQTT__HOSTS": "c:1,d:2"}, {}).mqtt.addresses == (("c", 1), ("d", 2))


def test_variables_of_other_programs_are_left_alone() -> None:
    environ = {
        "ALICIA_SCHEDULER_SERVICE_HOST": "10.0.0.1",
        "ALICIA_SCHEDULER_PORT": "tcp://10.0.0.1:8025",
        "ALICIA_SCHEDULER_PORT_8025_TCP": "tcp://10.0.0.1:8025",
        "PATH": "/bin",
    }
    assert load_settings(None, environ, {}) == load_settings(None, {}, {})


def test_what_events_leave_out_comes_from_the_settings() -> None:
    defaults = from_yaml(
        "scheduler: {timezone: Asia/Tokyo, misfire_grace: 5m, catch_up: all, catch_up_window: 3h,"
        " max_retry_attempts: 7, retry_delay: 10s, execution_timeout: 1m,"
        " trace_enabled_by_default: false, min_interval: 5s}"
    ).event_defaults()
    assert (defaults.timezone, defaults.catch_up, defaults.max_retries) == ("Asia/Tokyo", "all", 7)
    assert (defaults.misfire_grace, defaults.catch_up_window) == (timedelta(minutes=5), timedelta(hours=3))
    assert (defaults.retry_delay, defaults.timeout) == (timedelta(seconds=10), timedelta(minutes=1))
    assert (defaults.trace_enabled, defaults.min_interval) == (False, timedelta(seconds=5))


def test_without_retry_failed_events_the_default_is_no_retry() -> None:
    assert from_yaml("scheduler: {retry_failed_events: false}").event_defaults().max_retries == 0
