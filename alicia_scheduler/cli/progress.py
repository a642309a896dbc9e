"""A bar on stderr for work that takes a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alicia_scheduler.cli import output


@contextmanager
def shown_progress(what: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A callable that takes how much is done and how much there is in all; drawn only if ``shown``."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.console(sys.stderr), disable=not shown, transient=True) as bar:
        work = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(work, total=total, completed=done)

        yield advance
