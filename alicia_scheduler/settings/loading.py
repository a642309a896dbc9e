"""One `Settings` out of every source: options, environment, settings file, Alicia's variables, defaults.

Every layer is checked by itself first, so each problem is told with the place where it was written, and all of them
at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alicia_scheduler.adapters.files.yaml_reader import YamlProblem
from alicia_scheduler.errors import ConfigurationError
from alicia_scheduler.settings.complaints import complaints_of
from alicia_scheduler.settings.groups import Settings
from alicia_scheduler.settings.layers import (
    PREFIX,
    KeyPath,
    Layer,
    alicia_layer,
    environment_layer,
    file_layer,
    override_layer,
)
from alicia_scheduler.settings.secret_files import SECRETS, exposed_file_warning, read_secret

__all__ = ["DEFAULT_FILE", "load_settings"]

DEFAULT_FILE = Path("config/scheduler.yaml")
_EITHER_OR: tuple[tuple[KeyPath, KeyPath], ...] = (
    (("mqtt", "host"), ("mqtt", "hosts")),
    *((secret, file) for file, secret in SECRETS),
)
_FILES: tuple[KeyPath, ...] = (
    ("mqtt", "tls", "ca_file"),
    ("mqtt", "tls", "cert_file"),
    ("mqtt", "tls", "key_file"),
    ("scheduler", "events_dir"),
    *(file for file, _ in SECRETS),
)


def load_settings(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """The settings of this process.

    Args:
        path: The settings file; None takes ``ALICIA_SCHEDULER_CONFIG``, else ``config/scheduler.yaml`` where it exists.
        environ: The environment variables.
        overrides: Options of the command line by dotted key, stronger than everything else; None means not given.

    Raises:
        ConfigurationError: lists every unknown and wrong key, with the place and what was expected.
    """
    file = _settings_file(path, environ)
    return _Assembly(file or DEFAULT_FILE).settings(file, environ, overrides)


def _settings_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := environ.get(f"{PREFIX}CONFIG"):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


class _Assembly:
    """Lays the sources over each other, weakest first, and collects what is wrong with them."""

    def __init__(self, file: Path) -> None:
        self._directory = file.parent.absolute()
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._origins: dict[KeyPath, str] = {}
        self._merged: dict[str, Any] = {}

    def settings(self, file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
        layers = self._layers(file, environ, overrides)
        for layer in (alicia_layer(environ, _keys_of_mqtt(layers)), *layers):
            self._lay(layer)
        self._stop_if_wrong()
        self._place_defaults()
        settings = Settings.model_validate(self._merged)
        self._check(settings)
        self._stop_if_wrong()
        return settings.with_origin(file, tuple(self._warnings))

    def _layers(self, file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> list[Layer]:
        """Weakest first."""
        layers: list[Layer] = []
        try:
            if file is not None:
                layers.append(self._taken(file_layer(file)))
        except YamlProblem as problem:
            self._problems.append(str(problem))
        layers.append(self._taken(environment_layer(environ)))
        layers.append(self._taken(override_layer(overrides)))
        return layers

    def _taken(self, found: tuple[Layer, list[str]]) -> Layer:
        layer, problems = found
        self._problems.extend(problems)
        return layer

    def _lay(self, layer: Layer) -> None:
        try:
            checked = Settings.model_validate(layer.values, strict=layer.typed)
        except ValidationError as error:
            self._problems.extend(complaints_of(error, layer))
            return
        values = _flat(checked.model_dump(exclude_unset=True), ())
        self._refuse_both(values, layer)
        self._resolve_files(values)
        self._read_secrets(values, layer)
        self._replace_weaker(values)
        for path, value in values.items():
            self._origins[path] = layer.where(path)
            _put(self._merged, path, value)

    def _refuse_both(self, values: dict[KeyPath, Any], layer: Layer) -> None:
        for one, other in _EITHER_OR:
            if one in values and other in values:
                self._problems.append(f"{layer.where(other)}: give {'.'.join(one)} or {'.'.join(other)}, not both")

    def _replace_weaker(self, values: dict[KeyPath, Any]) -> None:
        """Removes what weaker layers gave in place of what this one gives."""
        for one, other in _EITHER_OR:
            for given, weaker in ((one, other), (other, one)):
                if given in values and weaker not in values:
                    _mapping(self._merged.get(weaker[0])).pop(weaker[1], None)

    def _resolve_files(self, values: dict[KeyPath, Any]) -> None:
        """Relative names stand beside the settings file."""
        for path in _FILES:
            if path in values:
                values[path] = self._directory / values[path]

    def _read_secrets(self, values: dict[KeyPath, Any], layer: Layer) -> None:
        for file, secret in SECRETS:
            if file in values:
                self._read_secret(file, secret, values, layer)
            elif secret in values and layer.file is not None:
                self._warn(exposed_file_warning(layer.file, f"the settings file with {'.'.join(secret)}"))

    def _read_secret(self, file: KeyPath, secret: KeyPath, values: dict[KeyPath, Any], layer: Layer) -> None:
        try:
            values[secret] = read_secret(values[file])
        except ConfigurationError as error:
            self._problems.append(f"{layer.where(file)}: {'.'.join(file)}: {error}")
            return
        self._warn(exposed_file_warning(values[file], ".".join(file)))

    def _warn(self, warning: str | None) -> None:
        if warning and warning not in self._warnings:
            self._warnings.append(warning)

    def _place_defaults(self) -> None:
        """The declared events lie beside the settings file by default too."""
        _mapping(self._merged.setdefault("scheduler", {})).setdefault("events_dir", self._directory / "events")

    def _check(self, settings: Settings) -> None:
        """What only shows when all sources are put together."""
        http, mqtt = settings.http, settings.mqtt
        if http.enabled and http.token is None and not _is_this_machine(http.host):
            self._problem(("http", "host"), "others can reach this address, so http.token or http.token_file is needed")
        if http.token is not None and len(http.token.get_secret_value()) < 16:
            self._warn("http.token is shorter than 16 characters and could be guessed")
        if mqtt.tls.key_file and not mqtt.tls.cert_file:
            self._problem(("mqtt", "tls", "key_file"), "needs mqtt.tls.cert_file too")
        self._warn_of_open_password(settings)

    def _warn_of_open_password(self, settings: Settings) -> None:
        mqtt = settings.mqtt
        remote = [host for host, _ in mqtt.addresses if not _is_this_machine(host)]
        if mqtt.password is not None and remote and not mqtt.tls.enabled and not mqtt.tls.insecure:
            self._warn(f"the MQTT password travels unencrypted to {remote[0]}; set mqtt.tls.enabled")

    def _problem(self, path: KeyPath, message: str) -> None:
        origin = self._origins.get(path)
        self._problems.append(f"{origin}: {'.'.join(path)}: {message}" if origin else f"{'.'.join(path)}: {message}")

    def _stop_if_wrong(self) -> None:
        if self._problems:
            raise ConfigurationError("\n".join(dict.fromkeys(self._problems)))


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keys_of_mqtt(layers: Sequence[Layer]) -> frozenset[str]:
    given = (item for layer in layers for item in _mapping(layer.values.get("mqtt")).items())
    return frozenset(key for key, value in given if value is not None)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _flat(values: Mapping[str, Any], above: KeyPath) -> dict[KeyPath, Any]:
    found: dict[KeyPath, Any] = {}
    for name, value in values.items():
        path = (*above, name)
        found.update(_flat(value, path) if isinstance(value, dict) else {path: value})
    return found


def _put(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value
