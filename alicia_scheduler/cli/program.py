"""The program: its commands, and what becomes of errors."""

import typer

from alicia_scheduler.cli import (
    backup,
    check,
    doctor,
    documents,
    events,
    executions,
    output,
    preview,
    restore,
    run,
    tail,
    thrown,
    variables,
)
from alicia_scheduler.errors import BusUnavailable, SchedulerError

NO_BROKER = (
    "start the broker, or say where it is: --host, --port, --username and --password-file, or the group mqtt in the "
    "settings; `alicia-scheduler doctor` looks further"
)

app = typer.Typer(
    name="alicia-scheduler",
    help="Alicia Scheduler: scheduled events that are stored, fired on time, reported, and not lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("preview")(preview.preview)
app.add_typer(events.app, name="events")
app.add_typer(executions.app, name="executions")
app.add_typer(variables.app, name="variables")
app.command("throw")(thrown.throw)
app.add_typer(thrown.app, name="queue")
app.command("tail")(tail.tail)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("doctor")(doctor.doctor)
app.command("schema")(documents.schema)
app.command("version")(documents.version)


def main() -> None:
    """Runs the command of this process; exit code 0 when it did what it was asked, 1 when not, 2 for wrong usage."""
    try:
        app()
    except BusUnavailable as error:
        output.error(f"{error}\n{NO_BROKER}")
        raise SystemExit(1) from None
    except SchedulerError as error:
        output.error(str(error))
        raise SystemExit(1) from None
