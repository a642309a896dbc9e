"""``alicia-scheduler schema`` and ``version``: the public contract, and which one this is."""

from typing import Annotated, Literal

import typer

from alicia_scheduler.cli import output


def schema(
    which: Annotated[
        Literal["event", "commands", "asyncapi"],
        typer.Argument(
            help="event: a scheduled event; commands: each command; asyncapi: the whole bus interface.", metavar="WHICH"
        ),
    ] = "event",
    prefix: Annotated[
        str, typer.Option("--prefix", help="Topic prefix in the asyncapi document.")
    ] = "alicia/scheduler",
) -> None:
    """Print a JSON Schema, or the AsyncAPI document."""
    from alicia_scheduler._version import VERSION
    from alicia_scheduler.wire import schema as schemas
    from alicia_scheduler.wire.commands import COMMANDS
    from alicia_scheduler.wire.topics import Topics

    match which:
        case "event":
            output.print_json(schemas.event_schema())
        case "commands":
            output.print_json({info.name: schemas.command_schema(info) for info in COMMANDS})
        case "asyncapi":
            output.print_json(schemas.asyncapi_document(VERSION, Topics(prefix)))


def version() -> None:
    """Print the version."""
    from alicia_scheduler._version import VERSION

    typer.echo(VERSION)
