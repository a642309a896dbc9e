"""``alicia-scheduler doctor``: looks at everything the service needs, and says what to do about what is wrong."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from alicia_scheduler.cli import options, output
from alicia_scheduler.cli.session import Connection, quiet_logging, takes_connection


@takes_connection
def doctor(
    connection: Connection,
    history: Annotated[
        bool, typer.Option("--history", help="Check the stored history against what is promised, and nothing else.")
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option("--recording", help="With --history: a file that `tail --json` has written.", metavar="FILE"),
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--event-id", help="With --history: only this event.", metavar="EVENT_ID")
    ] = None,
    json: options.Json = False,
) -> None:
    """Check the machine, the settings, the broker, the service and the store; or the history."""
    quiet_logging()
    if history:
        from alicia_scheduler.cli.history import report_history

        report_history(connection.settings(), recording, event_id, json=json)
    if recording is not None or event_id is not None:
        raise typer.BadParameter("--recording and --event-id belong to --history")
    from alicia_scheduler.cli.examination import examined

    findings = asyncio.run(examined(connection))
    sick = any(finding.status == "fail" for finding in findings)
    if json:
        checks = [
            {"check": f.check, "status": f.status, "found": f.found, "advice": f.advice or None} for f in findings
        ]
        output.print_json({"ok": not sick, "checks": checks})
    else:
        columns = ("check", "status", "found", "what to do")
        output.print_table(columns, [(f.check, f.status, f.found, f.advice) for f in findings])
    raise typer.Exit(1 if sick else 0)
