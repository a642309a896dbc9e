"""The address of a broker as people write it: ``mqtt://[user:password@]host[:port]``."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from alicia_scheduler.adapters.mqtt import MqttOptions, TlsOptions
from alicia_scheduler.adapters.mqtt.options import Protocol

_SCHEMES = {"mqtt": 1883, "mqtts": 8883}
_EXPECTED = "expected mqtt://[user:password@]host[:port], or mqtts:// for an encrypted connection"


def mqtt_options(url: str, protocol: Protocol = "auto", tls: TlsOptions | None = None) -> MqttOptions:
    """The connection that the address stands for; the name and password in it are percent-encoded.

    >>> mqtt_options("mqtts://me:p%40ss@broker.lan").hosts
    (('broker.lan', 8883),)

    Args:
        tls: How to check the broker's certificate; only with ``mqtts://``, which trusts the system's authorities
            without it.

    Raises:
        ValueError: The address is none; the message does not repeat it, since it may hold a password.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or _SCHEMES.get(parts.scheme, 0)
    except ValueError:
        raise ValueError(f"the port of the broker is none; {_EXPECTED}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_EXPECTED)
    if tls is not None and parts.scheme != "mqtts":
        raise ValueError("a certificate needs mqtts:// in front of the address")
    return MqttOptions(
        hosts=((parts.hostname, port),),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password is not None else None,
        tls=(tls or TlsOptions()) if parts.scheme == "mqtts" else None,
        protocol=protocol,
    )


def unique_name() -> str:
    """A name that no other client has."""
    return os.urandom(8).hex()
