"""``alicia-scheduler backup``: a consistent copy of the store, also while the service runs."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from alicia_scheduler.cli import options, output
from alicia_scheduler.cli.progress import shown_progress
from alicia_scheduler.cli.session import quiet_logging, read_settings


def backup(
    target: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.", metavar="TARGET")],
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Write a consistent copy of the store, while the service goes on."""
    quiet_logging()
    settings = read_settings(config)
    store = settings.store.path.absolute()
    if not store.is_file():
        output.failed(
            f"there is no store at {store}\n{settings.store.url} comes from {settings.file or 'the defaults'}; a "
            "relative one lies below the working directory, so call this where the service was started, or name its "
            "--config"
        )
    from alicia_scheduler.adapters.store.backup import back_up

    whole = target.absolute()
    with shown_progress("copying pages", shown=sys.stderr.isatty() and not json) as progress:
        asyncio.run(back_up(store, whole, lambda left, total: progress(total - left, total)))
    size = whole.stat().st_size
    if json:
        output.print_json({"store": str(store), "target": str(whole), "bytes": size})
    else:
        output.say(f"wrote {whole} ({size / 2**20:.1f} MiB)")
        output.say(f"to go back to it, stop the service and call: alicia-scheduler restore --replace {whole}")
