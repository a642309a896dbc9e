"""The version of the installed package; pyproject.toml is the only place that states it."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["VERSION"]


def _installed_version() -> str:
    """The version as installed, or ``0+source`` for a source tree that was never installed."""
    try:
        return version("alicia-scheduler")
    except PackageNotFoundError:
        return "0+source"


VERSION = _installed_version()
