"""Options that several commands have. Command modules keep their annotations unquoted, since typer reads them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file; default config/scheduler.yaml.", metavar="FILE")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Host = Annotated[str | None, typer.Option("--host", help="Host of the broker; default from the settings.")]
Port = Annotated[int | None, typer.Option("--port", help="Port of the broker.", min=1, max=65535)]
Username = Annotated[str | None, typer.Option("--username", help="User name for the broker.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="File that holds the password.", metavar="FILE")
]
Prefix = Annotated[str | None, typer.Option("--prefix", help="Where the service's topics begin.")]
Protocol = Annotated[
    Literal["auto", "5", "3.1.1"] | None, typer.Option("--protocol", help="MQTT version; auto finds out.")
]
Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait for an answer.", min=0.1, max=3600, metavar="SECONDS")
]
EventId = Annotated[str, typer.Argument(help="Id of the scheduled event.", metavar="EVENT_ID")]
ExecutionId = Annotated[str, typer.Argument(help="Id of the execution.", metavar="EXECUTION_ID")]
Limit = Annotated[int, typer.Option("--limit", help="How many to a page.", min=1, max=1000)]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Where the next page begins, from the page before.")]
