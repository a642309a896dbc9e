"""Field types of the settings; a refusal says what was expected and never repeats a value that may be secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from alicia_scheduler.core.model.fields import topic_problem
from alicia_scheduler.core.timing import InvalidSchedule, checked_timezone

__all__ = [
    "Addresses", "FilePath", "Group", "Host", "PlainText", "Protocol", "Secret", "StoreUrl", "Texts", "TopicPrefix",
    "ZoneName", "duration", "split_address",
]  # fmt: skip

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9]+)?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_SQLITE = "sqlite:///"


class Group(BaseModel):
    """A group of settings. A key without a value (``host:``) counts as left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or name not in cls.model_fields}


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port`` or ``[v6]:port``; raises ValueError.

    >>> split_address("broker.lan:1884", 1883), split_address("[::1]", 1883)
    (('broker.lan', 1884), ('::1', 1883))
    """
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port_text = rest.removeprefix(":") if rest else ""
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
    else:
        host, port_text = text, ""
    port = _checked_port(port_text) if port_text else default_port
    return _checked_host(host), port


def _checked_port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise ValueError("expected a port from 1 to 65535 after the colon")
    return int(text)


def _checked_host(value: str) -> str:
    if "://" in value:
        raise ValueError("expected a host name or address without a scheme, such as 192.168.1.10")
    if not _HOST.fullmatch(value):
        raise ValueError("expected a host name or an IP address")
    return value


def _checked_address(value: str) -> str:
    split_address(value, 1)
    return value


def _checked_prefix(value: str) -> str:
    problem = topic_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def _checked_zone(value: str) -> str:
    try:
        return checked_timezone(value)
    except InvalidSchedule as error:
        raise ValueError(error.message) from None


def _checked_store_url(value: str) -> str:
    if value.startswith(("postgresql:", "postgres:")):
        raise ValueError("this version stores in SQLite only: sqlite:///relative.db or sqlite:////absolute.db")
    path = value.removeprefix(_SQLITE)
    if path == value or not path.strip("/") or path.endswith("/") or any(c in path for c in "?#%\0"):
        raise ValueError("expected sqlite:///relative.db or sqlite:////absolute.db")
    return value


def _checked_plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("expected text without control characters and without spaces around it")
    return value


def _path_of_text(value: object) -> object:
    return Path(value) if isinstance(value, str) and value and "\0" not in value else value


def _tuple_of_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _protocol_text(value: object) -> object:
    return "5" if value == 5 and not isinstance(value, bool) else value


def duration(least: timedelta, most: timedelta) -> Any:
    """The bounds of a duration field."""
    return Field(ge=least, le=most)


Host = Annotated[str, AfterValidator(_checked_host)]
Address = Annotated[str, AfterValidator(_checked_address)]
TopicPrefix = Annotated[str, AfterValidator(_checked_prefix)]
ZoneName = Annotated[str, AfterValidator(_checked_zone)]
StoreUrl = Annotated[str, AfterValidator(_checked_store_url)]
PlainText = Annotated[str, AfterValidator(_checked_plain)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=65_535)]
FilePath = Annotated[Path, BeforeValidator(_path_of_text)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_tuple_of_list)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple_of_list)]
Protocol = Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_protocol_text)]
