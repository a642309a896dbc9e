"""``alicia-scheduler run``: the service itself."""

import asyncio
import sys
from typing import Annotated, Literal

import typer

from alicia_scheduler.cli import options
from alicia_scheduler.cli.session import read_settings


def run(
    config: options.Config = None,
    embedded_broker: Annotated[
        bool, typer.Option("--embedded-broker", help="Bring a broker along, for a first try and small homes.")
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option("--log-level", help="Least severe level that is logged; default from the settings."),
    ] = None,
) -> None:
    """Start the service; Ctrl-C or SIGTERM stops it in order."""
    settings = read_settings(config, {"logging.level": log_level})
    from alicia_scheduler.app import run_service
    from alicia_scheduler.log import configure_logging

    configure_logging(settings.logging.level, settings.logging.format, sys.stderr)
    raise typer.Exit(asyncio.run(run_service(settings, embedded_broker=embedded_broker)))
