"""``alicia-scheduler restore``: a backup becomes the store again, and what was the store is kept."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alicia_scheduler.cli import options, output
from alicia_scheduler.cli.progress import shown_progress
from alicia_scheduler.cli.session import quiet_logging, read_settings

if TYPE_CHECKING:
    from alicia_scheduler.app.restoring import Restored


def restore(
    source: Annotated[
        Path, typer.Argument(help="A copy that `alicia-scheduler backup` has written.", metavar="SOURCE")
    ],
    config: options.Config = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the store that is there aside, under a dated name.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Put a backup in place of the store, while the service is stopped."""
    quiet_logging()
    settings = read_settings(config)
    from alicia_scheduler.app import restoring

    with shown_progress("copying pages", shown=sys.stderr.isatty() and not json) as progress:
        whole = source.absolute()
        done = asyncio.run(
            restoring.restore(settings, whole, lambda left, total: progress(total - left, total), replace=replace)
        )
    if json:
        output.print_json(
            {
                "store": str(done.store),
                "source": str(whole),
                "kept": None if done.kept is None else str(done.kept),
                "bytes": done.store.stat().st_size,
                "last_written_iso": done.backed_up_at.isoformat() if done.backed_up_at else None,
                "closed": done.settled.closed,
                "resumed": done.settled.resumed,
                "missed": done.settled.missed,
            }
        )
    else:
        _tell(done)


def _tell(done: "Restored") -> None:
    since = f", last written {done.backed_up_at:%Y-%m-%d %H:%M:%S} UTC" if done.backed_up_at else ""
    output.say(f"restored {done.store} ({done.store.stat().st_size / 2**20:.1f} MiB{since})")
    if done.kept is not None:
        output.say(f"the store before is kept as {done.kept}")
    settled = done.settled
    if settled.closed or settled.resumed or settled.missed:
        output.say(
            f"of its unfinished executions {settled.closed} are closed, since what became of them is not known, and "
            f"{settled.resumed} run at the next start"
        )
    output.say("what came due since then is caught up, or recorded as missed, at the next start")
