"""``alicia-scheduler doctor``: looks at everything the service needs, and says what to do about what is wrong."""

import asyncio

import typer

from alicia_scheduler.cli import options, output
from alicia_scheduler.cli.session import Connection, quiet_logging, takes_connection


@takes_connection
def doctor(connection: Connection, json: options.Json = False) -> None:
    """Check the machine, the settings, the broker, the service and the store."""
    quiet_logging()
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
