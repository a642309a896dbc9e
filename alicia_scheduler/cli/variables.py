"""``alicia-scheduler variables``: the variables of a destination, which instructions set and templates read."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicia_scheduler.cli import definitions, options, output
from alicia_scheduler.cli.session import on_bus

if TYPE_CHECKING:
    from alicia_scheduler.client import SchedulerClient

app = typer.Typer(help="Look at the variables of a destination and change them.", no_args_is_help=True)

Destination = Annotated[
    str, typer.Option("--dest", help="The destination whose variables they are.", metavar="DEST_ID")
]
Name = Annotated[str, typer.Argument(help="The variable.", metavar="NAME")]


@app.command("list")
@on_bus
async def list_variables(
    client: "SchedulerClient", dest_id: Destination = "default", json: options.Json = False
) -> None:
    """List the variables."""
    _show(await client.list_variables(dest_id), json=json)


@app.command("set")
@on_bus
async def set_variable(
    client: "SchedulerClient",
    name: Name,
    value: Annotated[str, typer.Argument(help="Its value as JSON, such as 3 or '\"on\"'.", metavar="JSON")],
    dest_id: Destination = "default",
    json: options.Json = False,
) -> None:
    """Set a variable."""
    _show(await client.set_variable(name, definitions.parse_value(value, "JSON"), dest_id), json=json)


@app.command("delete")
@on_bus
async def delete_variable(
    client: "SchedulerClient", name: Name, dest_id: Destination = "default", json: options.Json = False
) -> None:
    """Remove a variable."""
    _show(await client.delete_variable(name, dest_id), json=json)


def _show(data: dict[str, Any], *, json: bool) -> None:
    if json:
        output.print_json(data)
        return
    rows = sorted(data["variables"].items())
    output.print_table(("variable", "value"), rows, f"the destination '{data['dest_id']}' has no variables")
