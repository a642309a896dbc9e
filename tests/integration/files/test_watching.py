"""The watch tells of every change that matters, whatever happens to the directory, and ends when told to."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from alicia_scheduler.adapters.files import watch_declared

DEADLINE_S = 20
EVENTS = "events: []\n"


class Watch:
    """A watch under way; counts what it says."""

    def __init__(self, directory: Path) -> None:
        self.stop = asyncio.Event()
        self.said = 0
        self._news = asyncio.Condition()
        self.task = asyncio.create_task(self._run(directory))

    async def _run(self, directory: Path) -> None:
        async for _ in watch_declared(directory, self.stop):
            async with self._news:
                self.said += 1
                self._news.notify_all()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: self.said >= count)

    async def notices(self, change: Callable[[], object]) -> None:
        before = self.said
        change()
        await self.until(before + 1)


@asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[Watch]:
    watch = Watch(directory)
    try:
        await watch.until(1)
        yield watch
    finally:
        watch.stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await watch.task


async def test_it_says_once_that_it_watches_and_ends_when_stopped(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        assert watch.said == 1
    assert watch.said == 1


async def test_a_file_that_is_made_changed_renamed_and_removed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    async with watching(tmp_path) as watch:
        await watch.notices(lambda: path.write_text(EVENTS, encoding="utf-8"))
        await watch.notices(lambda: path.write_text(EVENTS + "\n", encoding="utf-8"))
        await watch.notices(lambda: path.rename(tmp_path / "b.yml"))
        await watch.notices((tmp_path / "b.yml").unlink)


async def test_a_file_that_is_replaced_as_editors_do_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(EVENTS, encoding="utf-8")
    (tmp_path / ".a.yaml.new").write_text("events: [ ]\n", encoding="utf-8")
    async with watching(tmp_path) as watch:
        await watch.notices(lambda: (tmp_path / ".a.yaml.new").replace(tmp_path / "a.yaml"))


async def test_a_directory_that_is_made_later_is_noticed_and_then_watched(tmp_path: Path) -> None:
    directory = tmp_path / "config" / "events"
    async with watching(directory) as watch:
        before = watch.said
        await watch.notices(directory.parent.mkdir)
        await watch.until(before + 2)
        before = watch.said
        await watch.notices(directory.mkdir)
        await watch.until(before + 2)
        await watch.notices(lambda: (directory / "a.yaml").write_text(EVENTS, encoding="utf-8"))


async def test_a_directory_that_is_removed_and_made_again_is_watched_again(tmp_path: Path) -> None:
    directory = tmp_path / "events"
    directory.mkdir()
    async with watching(directory) as watch:
        before = watch.said
        await watch.notices(lambda: shutil.rmtree(directory))
        await watch.until(before + 2)
        before = watch.said
        await watch.notices(directory.mkdir)
        await watch.until(before + 2)
        await watch.notices(lambda: (directory / "a.yaml").write_text(EVENTS, encoding="utf-8"))


async def test_a_mounted_config_map_that_is_swapped_is_noticed(tmp_path: Path) -> None:
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(EVENTS, encoding="utf-8")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "..data_tmp").symlink_to("..2")
    async with watching(tmp_path) as watch:
        await watch.notices(lambda: (tmp_path / "..data_tmp").replace(tmp_path / "..data"))


async def test_other_files_are_not_worth_a_word(tmp_path: Path) -> None:
    directory = tmp_path / "events"
    directory.mkdir()
    async with watching(directory) as watch:
        for name in (".a.yaml.swp", "a.yaml~", "notes.txt"):
            (directory / name).write_text("x", encoding="utf-8")
        (tmp_path / "scheduler.db").write_text("x", encoding="utf-8")
        await watch.notices(lambda: (directory / "a.yaml").write_text(EVENTS, encoding="utf-8"))
        assert watch.said == 2


async def test_a_watch_that_is_cancelled_ends_and_leaves_the_stop_of_others_alone(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    await watch.until(1)
    watch.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watch.task
    assert not watch.stop.is_set()


async def test_a_watch_that_is_stopped_before_it_starts_says_nothing(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    assert [_ async for _ in watch_declared(tmp_path, stop)] == []
