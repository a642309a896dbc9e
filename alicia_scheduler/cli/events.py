"""``alicia-scheduler events``: the scheduled events of a running service."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from alicia_scheduler.cli import definitions, options, output
from alicia_scheduler.cli.check import declared
from alicia_scheduler.cli.graph import mermaid
from alicia_scheduler.cli.session import Connection, on_bus, opened, takes_connection

if TYPE_CHECKING:
    from alicia_scheduler.client import SchedulerClient

app = typer.Typer(help="Look at scheduled events and change them.", no_args_is_help=True)

COLUMNS = ("event", "state", "schedule", "zone", "next run", "last", "runs", "failed")


@app.command("list")
@on_bus
async def list_events(
    client: "SchedulerClient",
    tag: Annotated[list[str], typer.Option("--tag", help="Only events with this tag; may be repeated.")] = [],  # noqa: B006
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only events of this namespace.")] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="Only events in this state, such as active or paused.")
    ] = None,
    schedule_type: Annotated[str | None, typer.Option("--type", help="Only events with this type of schedule.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only events with this name.")] = None,
    limit: options.Limit = 100,
    cursor: options.Cursor = None,
    json: options.Json = False,
) -> None:
    """List the scheduled events."""
    filters = {"namespace": namespace, "state": state, "schedule_type": schedule_type, "name": name}
    data = await client.list_events(tags=tag, limit=limit, cursor=cursor, **filters)
    if json:
        output.print_json(data)
        return
    output.print_table(COLUMNS, [_row(event) for event in data["events"]], "there are no such events")
    if data.get("next_cursor"):
        output.say(f"there are more: --cursor {data['next_cursor']}")


def _row(event: dict[str, Any]) -> tuple[object, ...]:
    return (
        event["event_id"],
        event["state"],
        definitions.schedule_text(event),
        event["timezone"],
        output.moment(event["next_run_iso"]),
        event["last_status"],
        event["run_count"],
        event["failure_count"],
    )


@app.command("get")
@on_bus
async def get(client: "SchedulerClient", event_id: options.EventId, json: options.Json = False) -> None:
    """Show one event and its next fires."""
    _show(await client.get_event(event_id), json=json)


@app.command("create")
@on_bus
async def create(
    client: "SchedulerClient",
    source: Annotated[str, typer.Argument(help="A file with the definition as JSON, or - for stdin.", metavar="FILE")],
    on_conflict: Annotated[
        Literal["error", "replace", "skip"], typer.Option("--on-conflict", help="What to do when the id is taken.")
    ] = "error",
    json: options.Json = False,
) -> None:
    """Create an event from a definition."""
    raw = definitions.read_object(source, "FILE")
    _show(await client.create_event(raw, on_conflict), json=json)


@app.command("update")
@on_bus
async def update(
    client: "SchedulerClient",
    event_id: options.EventId,
    changes: Annotated[
        str,
        typer.Argument(
            metavar="JSON", help='What changes, as JSON such as \'{"name": "New"}\'; null removes a field; - for stdin.'
        ),
    ],
    revision: Annotated[
        int | None, typer.Option("--revision", help="Refuse if the event has another revision by now.", min=1)
    ] = None,
    json: options.Json = False,
) -> None:
    """Change fields of an event."""
    patch = definitions.read_object("-", "JSON") if changes == "-" else definitions.parse_object(changes, "the change")
    _show(await client.update_event(event_id, patch, revision), json=json)


@app.command("delete")
@on_bus
async def delete(client: "SchedulerClient", event_id: options.EventId, json: options.Json = False) -> None:
    """Remove an event; its executions stay as history."""
    data = await client.delete_event(event_id)
    if json:
        output.print_json(data)
    else:
        output.say(f"deleted {event_id}")


@app.command("cancel")
@on_bus
async def cancel(client: "SchedulerClient", event_id: options.EventId, json: options.Json = False) -> None:
    """End an event and what waits or runs of it; it can still be read."""
    _show(await client.cancel_event(event_id), json=json)


@app.command("pause")
@on_bus
async def pause(
    client: "SchedulerClient",
    event_id: options.EventId,
    note: Annotated[str | None, typer.Option("--note", help="Why, for people.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="When it resumes by itself, with an offset.", metavar="TIME")
    ] = None,
    json: options.Json = False,
) -> None:
    """Stop the timer of an event, for good or until a time."""
    _show(await client.pause_event(event_id, note, definitions.exact_instant(until, "--until")), json=json)


@app.command("resume")
@on_bus
async def resume(
    client: "SchedulerClient",
    event_id: options.EventId,
    note: Annotated[str | None, typer.Option("--note", help="Why, for people.")] = None,
    json: options.Json = False,
) -> None:
    """Start the timer of a paused or disabled event again."""
    _show(await client.resume_event(event_id, note), json=json)


@app.command("trigger")
@on_bus
async def trigger(
    client: "SchedulerClient",
    event_id: options.EventId,
    payload: Annotated[str | None, typer.Option("--payload", help="JSON that the execution sees as payload.")] = None,
    json: options.Json = False,
) -> None:
    """Run an event now, also while it is paused; its schedule does not move."""
    value = None if payload is None else definitions.parse_value(payload, "--payload")
    data = await client.trigger_event(event_id, value)
    if json:
        output.print_json(data)
    else:
        output.say(f"started; follow it with: alicia-scheduler executions get {data['execution_id']}")


@app.command("graph")
@takes_connection
def graph(
    connection: Connection,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files of declared events, or directories of them; default the running service.", metavar="[PATH...]"
        ),
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only events of this namespace.")] = None,
) -> None:
    """Draw events, what they throw and what triggers them, as Mermaid text."""
    events = declared(paths) if paths else asyncio.run(_every_event(connection))
    sys.stdout.write(mermaid([e for e in events if namespace in (None, e.get("namespace", "default"))]) + "\n")


async def _every_event(connection: Connection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with opened(connection) as client:
        cursor: str | None = None
        while True:
            data = await client.list_events(limit=500, cursor=cursor)
            found += data["events"]
            cursor = data.get("next_cursor")
            if cursor is None:
                return found


def _show(data: dict[str, Any], *, json: bool) -> None:
    if json:
        output.print_json(data)
        return
    event = data["event"]
    output.print_fields(_summary(event))
    if data.get("next_fires"):
        output.console().print()
        output.print_table(output.FIRE_COLUMNS, output.fire_rows(data["next_fires"]))


def _summary(event: dict[str, Any]) -> dict[str, object]:
    counts = ("run_count", "success_count", "failure_count", "skipped_count", "missed_count")
    return {
        "event": event["event_id"],
        "name": event["name"] if event["name"] != event["event_id"] else None,
        "description": event["description"],
        "state": event["state"],
        "pause": event["pause_note"] or event["pause_cause"],
        "paused until": output.moment(event["paused_until_iso"]),
        "schedule": definitions.schedule_text(event),
        "timezone": event["timezone"],
        "action": event["action"],
        "tags": event["tags"],
        "next run": output.moment(event["next_run_iso"]),
        "last run": " ".join(filter(None, (output.moment(event["last_run_iso"]), event["last_status"]))),
        "last error": event["last_error"],
        "counts": ", ".join(f"{event[name]} {name.removesuffix('_count')}" for name in counts if event[name]),
        "revision": event["revision"],
        "origin": event["origin"],
    }
