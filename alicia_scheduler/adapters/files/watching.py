"""Word of changes in the directory of declared events, from the operating system: nothing is polled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from pathlib import Path

from watchfiles import awatch
from watchfiles.main import FileChange

from alicia_scheduler.adapters.files.declared import is_declared_file

__all__ = ["watch_declared"]

DEBOUNCE_MS = 500
QUIET_MS = 100
_MOUNTED = "..data"
"""The link that Kubernetes swaps when a mounted ConfigMap changes."""


async def watch_declared(directory: Path, stop: asyncio.Event) -> AsyncIterator[None]:
    """Yields when the watch is in force, and then after every burst of changes, until ``stop`` is set.

    The first item is there so that nothing is missed between a first reading and the watch. The directory may be
    missing, be made later, be removed or replaced: what lies above it is watched too.

    Args:
        directory: Absolute, or relative to the working directory as it is now.

    Raises:
        OSError: The operating system grants no more watches.
    """
    directory = _absolute(directory)
    while not stop.is_set():
        with suppress(FileNotFoundError):  # it went between the look and the watch: look again
            async with aclosing(_watch_as_it_stands(directory, stop)) as bursts:
                async for _ in bursts:
                    yield


async def _watch_as_it_stands(directory: Path, stop: asyncio.Event) -> AsyncGenerator[None, None]:
    """Like ``watch_declared``, until the directory appears, goes or is replaced.

    The library sets the event it is given when it is cancelled, so it gets one of its own.
    """
    ended = asyncio.Event()
    link = asyncio.create_task(_pass_on(stop, ended))
    watched = _watched(directory)
    changes = _changes(watched, directory, ended)
    burst = asyncio.ensure_future(anext(changes, None))
    try:
        await asyncio.sleep(0)  # the task has run up to its first wait: the watch is in force, or has failed
        if burst.done():
            burst.result()
        yield
        while await burst is not None:
            yield
            if _watched(directory) != watched:
                return
            burst = asyncio.ensure_future(anext(changes, None))
    finally:
        ended.set()
        link.cancel()
        await asyncio.wait({burst})
        await changes.aclose()


async def _pass_on(stop: asyncio.Event, ended: asyncio.Event) -> None:
    await stop.wait()
    ended.set()


def _changes(watched: Iterable[Path], directory: Path, ended: asyncio.Event) -> AsyncGenerator[set[FileChange], None]:
    return awatch(
        *watched,
        watch_filter=lambda _, path: _matters(Path(path), directory),
        stop_event=ended,
        debounce=DEBOUNCE_MS,
        step=QUIET_MS,
        recursive=False,
    )


def _absolute(directory: Path) -> Path:
    return directory.absolute()


def _watched(directory: Path) -> dict[Path, tuple[int, int]]:
    """The directory and the nearest one above it, as far as they exist, with what tells them from later namesakes."""
    above = next(parent for parent in directory.parents if parent.is_dir())
    found = {path: path.stat() for path in (above, directory) if path.is_dir()}
    return {path: (status.st_dev, status.st_ino) for path, status in found.items()}


def _matters(path: Path, directory: Path) -> bool:
    if path.parent == directory:
        return is_declared_file(path.name) or path.name == _MOUNTED
    return path == directory or path in directory.parents
