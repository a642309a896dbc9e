"""Secrets that lie in files of their own (``*_file`` settings)."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import SecretStr

from alicia_scheduler.errors import ConfigurationError

__all__ = ["SECRETS", "exposed_file_warning", "read_secret"]

MAX_SECRET_BYTES = 16 * 1024
SECRETS = (
    (("mqtt", "password_file"), ("mqtt", "password")),
    (("http", "token_file"), ("http", "token")),
)
"""The setting that names a file, and the setting that its content becomes."""


def read_secret(path: Path) -> SecretStr:
    """The content without the white space around it; raises ConfigurationError, which never repeats it."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
        text = content.decode("utf-8-sig").strip()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigurationError(f"{path} is larger than {MAX_SECRET_BYTES // 1024} KiB")
    if not text:
        raise ConfigurationError(f"{path} is empty")
    return SecretStr(text)


def exposed_file_warning(path: Path, what: str) -> str | None:
    """What to tell the operator of a file with a secret that every user of the machine can read, or None."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if mode & stat.S_IROTH:
        return f"{what}: {path} can be read by every user of this machine; run: chmod 600 {path}"
    return None
