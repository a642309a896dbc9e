"""``alicia-scheduler preview``: when an event fires, without storing it."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from alicia_scheduler.cli import definitions, options, output
from alicia_scheduler.cli.session import Connection, opened, rejection_text, rejection_with_hint, takes_connection


@takes_connection
def preview(
    connection: Connection,
    cron: Annotated[str | None, typer.Option("--cron", help='A cron expression, such as "0 7 * * mon-fri".')] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="IANA name of its time zone, such as Europe/Berlin.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="A file with the definition as JSON, or - for stdin.", metavar="FILE")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A file of declared events; --id says which.", metavar="FILE")
    ] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="Id of the event in --file.")] = None,
    stored: Annotated[
        str | None, typer.Option("--stored", help="Id of an event that the running service has.", metavar="EVENT_ID")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many fires.", min=1, max=1000)] = 5,
    start: Annotated[
        str | None, typer.Option("--from", help="Fires after this time; default now.", metavar="TIME")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show when an event fires, in local time and UTC; stores nothing."""
    given = [name for name, value in _subjects(cron, event, file, stored).items() if value is not None]
    if len(given) != 1:
        raise typer.BadParameter("give exactly one of --cron, --event, --file and --stored")
    if (file is None) != (event_id is None):
        raise typer.BadParameter("--file and --id belong together")
    if stored is not None:
        _show(asyncio.run(_stored(connection, stored, count, start)), json=json)
        return
    _show(_offline(connection, _raw(cron, event, file, event_id), (timezone, count, start)), json=json)


def _subjects(cron: object, event: object, file: object, stored: object) -> dict[str, object]:
    return {"--cron": cron, "--event": event, "--file": file, "--stored": stored}


async def _stored(connection: Connection, event_id: str, count: int, start: str | None) -> dict[str, Any]:
    from alicia_scheduler.errors import CommandRejected

    after = definitions.exact_instant(start, "--from")
    async with opened(connection) as client:
        try:
            data = await client.preview(event_id, count=count, start=after)
        except CommandRejected as rejected:
            output.failed(await rejection_with_hint(client, rejected, event_id))
    return data


def _raw(cron: str | None, event: str | None, file: Path | None, event_id: str | None) -> dict[str, Any]:
    if cron is not None:
        return {"schedule_type": "cron", "schedule_config": {"cron_expression": cron}, "action": {}}
    if event is not None:
        return definitions.read_object(event, "--event")
    assert file is not None
    return _declared(file, event_id or "")


def _declared(file: Path, event_id: str) -> dict[str, Any]:
    from alicia_scheduler.adapters.files import read_yaml_file
    from alicia_scheduler.core.model.problems import nearest

    data = read_yaml_file(file).data
    entries = data.get("events") if isinstance(data, dict) else None
    events = {entry.get("event_id"): entry for entry in entries or () if isinstance(entry, dict)}
    if event_id not in events:
        close = nearest(event_id, [str(name) for name in events])
        hint = f"did you mean '{close}'?" if close else f"it has {', '.join(map(str, events)) or 'none'}"
        output.failed(f"{file} declares no event '{event_id}'; {hint}")
    return dict(events[event_id])


def _offline(connection: Connection, raw: dict[str, Any], chosen: tuple[str | None, int, str | None]) -> dict[str, Any]:
    from alicia_scheduler.core.timing import InvalidSchedule
    from alicia_scheduler.errors import CommandRejected
    from alicia_scheduler.wire.documents import fire_document

    timezone, count, start = chosen
    raw = {**raw, **({"timezone": timezone} if timezone else {})}
    try:
        event = definitions.definition(raw, connection.settings().event_defaults())
        found = definitions.fires(event, _start(start, event.timezone), count)
    except CommandRejected as rejected:
        output.failed(rejection_text(rejected))
    except InvalidSchedule as error:
        output.failed(f"the event never fires\n{error}")
    warnings = [] if len(found) == count else [f"only {len(found)} fires follow"]
    documents = [fire_document(fire.due, event.timezone, fire.note or None) for fire in found]
    return {"fires": documents, "warnings": warnings}


def _start(text: str | None, timezone: str) -> datetime:
    from alicia_scheduler.core.model.schedule import DstOverride
    from alicia_scheduler.core.timing import resolve_local

    if text is None:
        return definitions.now()
    found = definitions.instant(text, "--from")
    return found if found.tzinfo else resolve_local(found, timezone, DstOverride())[0]


def _show(data: dict[str, Any], *, json: bool) -> None:
    if json:
        output.print_json(data)
        return
    output.print_table(output.FIRE_COLUMNS, output.fire_rows(data["fires"]), "it does not fire by itself")
    for warning in data["warnings"] if data["fires"] else ():
        output.say(f"note: {warning}")
