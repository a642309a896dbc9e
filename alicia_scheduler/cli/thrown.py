"""``alicia-scheduler throw`` and ``alicia-scheduler queue``: events between schedulers, thrown, waiting and over."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicia_scheduler.cli import definitions, options, output
from alicia_scheduler.cli.session import on_bus

if TYPE_CHECKING:
    from alicia_scheduler.client import SchedulerClient

app = typer.Typer(help="Look at thrown events, take them and end them.", no_args_is_help=True)

COLUMNS = ("offset", "key", "namespace", "destination", "status", "active from", "expires", "by", "value")

Namespace = Annotated[str | None, typer.Option("--namespace", help="Only events of this namespace.")]
Keys = Annotated[list[str], typer.Option("--key", help="Only events with this key; may be repeated.")]
Destination = Annotated[str | None, typer.Option("--dest", help="Only events of this destination.", metavar="DEST_ID")]
Since = Annotated[int | None, typer.Option("--since", help="Only events behind this offset.", min=0, metavar="OFFSET")]


@on_bus
async def throw(
    client: "SchedulerClient",
    key: Annotated[str, typer.Argument(help="Key of the event: what happened.", metavar="KEY")],
    value: Annotated[str | None, typer.Option("--value", help="A text that goes with it.")] = None,
    payload: Annotated[str | None, typer.Option("--payload", help="JSON that goes with it.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Namespace of the key.")] = None,
    dest_id: Annotated[
        str | None, typer.Option("--dest", help="Throw it to this destination only.", metavar="DEST_ID")
    ] = None,
    group_id: Annotated[
        str | None, typer.Option("--group", help="Throw it to every destination of this group.", metavar="GROUP_ID")
    ] = None,
    ttl: Annotated[str | None, typer.Option("--ttl", help="How long it stays active, such as 90s, 5m or 2h.")] = None,
    delay: Annotated[str | None, typer.Option("--delay", help="How long it waits before that.")] = None,
    future_time: Annotated[
        str | None, typer.Option("--at", help="When it becomes active, with an offset.", metavar="TIME")
    ] = None,
    sender: Annotated[str | None, typer.Option("--sender", help="Who throws it.")] = None,
    display_name: Annotated[str | None, typer.Option("--name", help="A name for people.")] = None,
    single_consumer: Annotated[
        bool, typer.Option("--single-consumer", help="Only the first that takes it gets it.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Throw an event: every scheduled event whose triggers wait for its key runs."""
    fields: dict[str, Any] = {
        "namespace": namespace, "dest_id": dest_id, "group_id": group_id, "ttl": ttl, "delay": delay, "sender": sender,
        "display_name": display_name, "value": value,
    }  # fmt: skip
    fields["future_time"] = definitions.exact_instant(future_time, "--at")
    fields["payload"] = None if payload is None else definitions.parse_value(payload, "--payload")
    data = await client.throw_event(key, single_consumer=single_consumer or None, **fields)
    if json:
        output.print_json(data)
        return
    places = ", ".join(entry["dest_id"] for entry in data["entries"][:10])
    more = f" and {len(data['entries']) - 10} more" if len(data["entries"]) > 10 else ""
    output.say(f"thrown with offset {data['offset']} to {places}{more}; follow it with: alicia-scheduler queue list")


@app.command("list")
@on_bus
async def list_thrown(
    client: "SchedulerClient",
    key: Keys = [],  # noqa: B006
    namespace: Namespace = None,
    dest_id: Destination = None,
    status: Annotated[
        str | None, typer.Option("--status", help="Only events with this status: active, consumed or expired.")
    ] = None,
    since: Since = None,
    limit: options.Limit = 100,
    json: options.Json = False,
) -> None:
    """List thrown events, those that wait and those that are over."""
    data = await client.list_thrown(
        key=key or None, namespace=namespace, dest_id=dest_id, status=status, since_offset=since, limit=limit
    )
    if json:
        output.print_json(data)
        return
    entries = sorted([*data["queue"], *data["history"]], key=lambda entry: int(entry["offset"]))
    output.print_table(COLUMNS, [_row(entry) for entry in entries], "there are no such events")
    if data["next_offset"] is not None:
        output.say(f"there are more: --since {data['next_offset']}")


@app.command("take")
@on_bus
async def take(
    client: "SchedulerClient",
    dest_id: Annotated[str, typer.Argument(help="The destination whose queue is read.", metavar="DEST_ID")],
    key: Keys = [],  # noqa: B006
    namespace: Namespace = None,
    consumer: Annotated[str, typer.Option("--consumer", help="Who takes them.")] = "command-line",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=100)] = 1,
    json: options.Json = False,
) -> None:
    """Take the oldest active events out of a queue."""
    data = await client.consume_thrown(dest_id, consumer=consumer, limit=limit, key=key or None, namespace=namespace)
    if json:
        output.print_json(data)
    else:
        output.print_table(COLUMNS, [_row(entry) for entry in data["entries"]], "there is nothing to take")


@app.command("clear")
@on_bus
async def clear(
    client: "SchedulerClient",
    key: Keys = [],  # noqa: B006
    namespace: Namespace = None,
    dest_id: Destination = None,
    json: options.Json = False,
) -> None:
    """End active events before their time; they stay in the history."""
    data = await client.clear_thrown(key=key or None, namespace=namespace, dest_id=dest_id)
    if json:
        output.print_json(data)
    else:
        output.say(f"ended {data['cleared']}{'; there are more' if data['more'] else ''}")


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    return (
        entry["offset"],
        entry["key"],
        entry["namespace"],
        entry["dest_id"],
        entry["status"] if not entry["reason"] else f"{entry['status']} ({entry['reason']})",
        output.moment(entry["active_from_iso"]),
        output.moment(entry["expires_iso"]),
        entry["consumed_by"],
        entry["value"],
    )
