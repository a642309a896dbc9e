"""``alicia-scheduler executions``: what ran, runs and will run again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicia_scheduler.cli import definitions, options, output
from alicia_scheduler.cli.session import on_bus
from alicia_scheduler.cli.trace import print_trace

if TYPE_CHECKING:
    from alicia_scheduler.client import SchedulerClient

app = typer.Typer(help="Look at executions and stop them.", no_args_is_help=True)

COLUMNS = ("execution", "event", "status", "by", "scheduled", "duration", "attempt", "error or reason")


@app.command("list")
@on_bus
async def list_executions(
    client: "SchedulerClient",
    event_id: Annotated[
        str | None, typer.Option("--event", help="Only those of this event.", metavar="EVENT_ID")
    ] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only those with this status, such as failed.")] = None,
    triggered_by: Annotated[
        str | None, typer.Option("--triggered-by", help="Only those with this cause, such as manual.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Scheduled at this time or later.", metavar="TIME")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Scheduled before this time.", metavar="TIME")] = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    json: options.Json = False,
) -> None:
    """List executions, newest first."""
    data = await client.list_executions(
        event_id=event_id,
        status=status,
        triggered_by=triggered_by,
        since=definitions.exact_instant(since, "--since"),
        until=definitions.exact_instant(until, "--until"),
        limit=limit,
        cursor=cursor,
    )
    if json:
        output.print_json(data)
        return
    output.print_table(COLUMNS, [_row(execution) for execution in data["executions"]], "there are no such executions")
    if data.get("next_cursor"):
        output.say(f"there are more: --cursor {data['next_cursor']}")


def _row(execution: dict[str, Any]) -> tuple[object, ...]:
    return (
        execution["execution_id"],
        execution["event_id"],
        execution["status"],
        execution["triggered_by"],
        output.moment(execution["scheduled_time_iso"]),
        _seconds(execution["duration"]),
        execution["attempt"] or None,
        execution["error_message"] or execution["reason"],
    )


@app.command("get")
@on_bus
async def get(
    client: "SchedulerClient",
    execution_id: options.ExecutionId,
    trace: Annotated[bool, typer.Option("--trace", help="Also what became of every instruction.")] = False,
    json: options.Json = False,
) -> None:
    """Show one execution with its attempts."""
    data = await client.get_execution(execution_id, trace=trace)
    if json:
        output.print_json(data)
        return
    _show(data["execution"])
    if trace:
        output.console().print()
        print_trace(data)


@app.command("cancel")
@on_bus
async def cancel(client: "SchedulerClient", execution_id: options.ExecutionId, json: options.Json = False) -> None:
    """Stop an execution that waits or runs."""
    data = await client.cancel_execution(execution_id)
    if json:
        output.print_json(data)
    else:
        output.say(f"{data['execution_id']}: {data['status']}")


def _show(execution: dict[str, Any]) -> None:
    times = ("scheduled_time", "due_time", "start_time", "end_time", "retry_time")
    words = ("execution_id", "event_id", "status", "reason", "triggered_by")
    rest = ("result", "error_message", "error_code", "payload", "missed_count", "trace_id")
    fields: dict[str, object] = {name.replace("_", " "): execution[name] for name in words}
    fields |= {name.replace("_", " "): output.moment(execution[f"{name}_iso"]) for name in times}
    fields["duration"] = _seconds(execution["duration"])
    fields |= {name.replace("_", " "): execution[name] or None for name in rest}
    output.print_fields(fields)
    attempts = execution["attempts"]
    if attempts:
        output.console().print()
        output.print_table(("attempt", "status", "start", "end", "error"), [_attempt(attempt) for attempt in attempts])


def _attempt(attempt: dict[str, Any]) -> tuple[object, ...]:
    start, end = output.moment(attempt["start_time_iso"]), output.moment(attempt["end_time_iso"])
    return attempt["attempt"], attempt["status"], start, end, attempt["error_message"]


def _seconds(duration: float | None) -> str | None:
    return None if duration is None else f"{duration:.3f} s"
