"""Secrets come from files or the environment, and are shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from alicia_scheduler.errors import ConfigurationError
from alicia_scheduler.settings import Settings, load_settings

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory of the test's own."""
    monkeypatch.chdir(tmp_path)


def private(name: str, text: str, mode: int = 0o600) -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def password(settings: Settings) -> str | None:
    return settings.mqtt.password.get_secret_value() if settings.mqtt.password else None


def test_a_secret_is_the_content_of_its_file_without_white_space() -> None:
    private("pw", f"  {SECRET}\r\n")
    private("tk", "\ufeff" + "t" * 20)
    settings = load_settings(private("s.yaml", "mqtt: {password_file: pw}\nhttp: {token_file: tk}\n"), {}, {})
    assert password(settings) == SECRET
    assert settings.http.token is not None
    assert settings.http.token.get_secret_value() == "t" * 20
    assert settings.warnings == ()


STRONGER = [
    ("mqtt: {password: weak}", {"ALICIA_SCHEDULER_MQTT__PASSWORD_FILE": "pw"}, SECRET),
    ("mqtt: {password_file: pw}", {"ALICIA_SCHEDULER_MQTT__PASSWORD": "strong"}, "strong"),
    ("mqtt: {password_file: pw}", {"MQTT_PASSWORD": "weakest"}, SECRET),
    ("", {"MQTT_PASSWORD": "weakest"}, "weakest"),
]


@pytest.mark.parametrize(("text", "environ", "expected"), STRONGER)
def test_the_stronger_source_of_a_secret_wins(text: str, environ: dict[str, str], expected: str) -> None:
    pw = private("pw", SECRET).absolute()
    names = {name: str(pw) if value == "pw" else value for name, value in environ.items()}
    assert password(load_settings(private("s.yaml", text), names, {})) == expected


BAD_FILES = [
    (b"", "is empty"),
    (b" \n", "is empty"),
    (b"\xff\xfe", "is not UTF-8 text"),
    (b"x" * 20_000, "is larger than 16 KiB"),
    (None, "cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_a_secret_file_that_cannot_be_used_stops_the_start(content: bytes | None, message: str) -> None:
    if content is not None:
        private("pw", "").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(private("s.yaml", "mqtt:\n  password_file: pw\n"), {}, {})
    assert str(caught.value).startswith("s.yaml:2:3: mqtt.password_file: ")
    assert str(caught.value).endswith(message)


def test_a_secret_and_its_file_in_one_source_contradict_each_other() -> None:
    private("pw", SECRET)
    with pytest.raises(ConfigurationError, match=r"s\.yaml:1:23: give mqtt\.password or mqtt\.password_file, not both"):
        load_settings(private("s.yaml", "mqtt: {password: abc, password_file: pw}\n"), {}, {})


def test_files_with_secrets_that_everyone_can_read_are_warned_about() -> None:
    private("pw", SECRET, 0o644)
    (warning,) = load_settings(private("a.yaml", "mqtt: {password_file: pw}"), {}, {}).warnings
    assert warning.startswith(f"mqtt.password_file: {Path('pw').absolute()} can be read by every user of this machine")
    assert warning.endswith(f"run: chmod 600 {Path('pw').absolute()}")
    (warning,) = load_settings(private("b.yaml", "mqtt: {password: abc}", 0o644), {}, {}).warnings
    assert warning.startswith("the settings file with mqtt.password: b.yaml can be read by every user")
    assert load_settings(private("c.yaml", "mqtt: {host: localhost}", 0o644), {}, {}).warnings == ()


def test_a_password_on_an_open_connection_to_another_machine_is_warned_about() -> None:
    environ = {"MQTT_PASSWORD": SECRET, "MQTT_BROKER": "broker.lan"}
    assert load_settings(None, environ, {}).warnings == (
        "the MQTT password travels unencrypted to broker.lan; set mqtt.tls.enabled",
    )
    assert load_settings(None, environ, {"mqtt.tls.enabled": True}).warnings == ()
    assert load_settings(None, environ, {"mqtt.tls.insecure": True}).warnings == ()
    assert load_settings(None, environ, {"mqtt.host": "localhost"}).warnings == ()


def test_a_short_token_is_warned_about() -> None:
    assert "http.token is shorter" in load_settings(None, {}, {"http.token": "short"}).warnings[0]


def test_secrets_are_not_shown_by_the_settings() -> None:
    private("pw", SECRET)
    settings = load_settings(private("s.yaml", f"mqtt: {{password_file: pw}}\nhttp: {{token: {SECRET}}}\n"), {}, {})
    shown = (repr(settings), str(settings), repr(settings.mqtt), str(settings.model_dump()), settings.model_dump_json())
    assert not [text for text in shown if "hunter2" in text]


WRONG_SECRETS = [
    (f"mqtt: {{password: [{SECRET}]}}", {}),
    (f"mqtt: {{passwd: {SECRET}}}", {}),
    (f"mqtt: {SECRET}", {}),
    (f"mqtt:\n  password: {SECRET}\n  password: {SECRET}x\n", {}),
    (f"mqtt:\n  password: '{SECRET}\n", {}),
    (f"mqtt:\n  password: &a {SECRET}\n", {}),
    (f"mqtt:\n  password: {SECRET}: x\n", {}),
    (f"store: {{url: 'postgresql://u:{SECRET}@h/d'}}", {}),
    (f"mqtt: {{host: 'u:{SECRET}@h'}}", {}),
    (f"mqtt: {{port: {SECRET}}}", {}),
    (f"logging: {{level: {SECRET}}}", {}),
    (f"http: {{enabled: {SECRET}}}", {}),
    ("", {"ALICIA_SCHEDULER_MQTT__PORT": SECRET}),
    ("", {"ALICIA_SCHEDULER_MQTT__PASSWRD": SECRET}),
    ("", {"MQTT_PORT": SECRET}),
]


@pytest.mark.parametrize(("text", "environ"), WRONG_SECRETS)
def test_secrets_are_not_repeated_in_complaints(text: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(private("s.yaml", text), environ, {})
    chain = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert "hunter2" not in chain
