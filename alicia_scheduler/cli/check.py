"""``alicia-scheduler check``: whether settings and declared events are right, before the service reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicia_scheduler.cli import definitions, options, output
from alicia_scheduler.cli.session import read_settings

if TYPE_CHECKING:
    from alicia_scheduler.adapters.files import DeclaredEvent
    from alicia_scheduler.core.model.event import EventDefaults, ScheduledEvent
    from alicia_scheduler.settings import Settings


@dataclass(slots=True)
class Report:
    """What was found: problems as lines that begin with their place, and the events that are right."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Settings files, files of events, or directories of them; default the settings and their events.",
            metavar="[PATH...]",
        ),
    ] = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Check settings and declared events, and show when each event fires next."""
    report = checked(config, paths or ())
    if json:
        output.print_json({"ok": not report.problems, "problems": report.problems, "notes": report.notes,
                           "events": report.events})  # fmt: skip
    else:
        _show(report)
    raise typer.Exit(1 if report.problems else 0)


def checked(config: Path | None, paths: Sequence[Path]) -> Report:
    """Everything that is wrong with the settings and the events of the paths, or of the settings without any."""
    report = Report()
    files = [path for path in paths if _holds_settings(path)]
    for file in files:
        _checked_settings(file, report)
    settings = None if files else _checked_settings(config, report)
    directories = [path for path in paths if path not in files]
    report.problems += [f"{path}: there is no such file or directory" for path in directories if not path.exists()]
    if settings is not None and not paths:
        directories = [Path(settings.scheduler.events_dir)]
    defaults = _defaults(settings)
    for path in directories:
        check_events(path, defaults, report)
    return report


def _checked_settings(file: Path | None, report: Report) -> "Settings | None":
    from alicia_scheduler.errors import ConfigurationError

    try:
        settings = read_settings(file)
    except ConfigurationError as error:
        report.problems += str(error).splitlines()
        return None
    report.notes += [f"settings: {settings.file or 'no file, the defaults'}", *settings.warnings]
    return settings


def _defaults(settings: "Settings | None") -> "EventDefaults":
    from alicia_scheduler.core.model.event import EventDefaults

    return settings.event_defaults() if settings else EventDefaults()


def _holds_settings(path: Path) -> bool:
    """Whether the file has groups of settings at its top rather than events."""
    from alicia_scheduler.adapters.files import YamlProblem, read_yaml_file
    from alicia_scheduler.settings import Settings

    if not path.is_file():
        return False
    try:
        data = read_yaml_file(path).data
    except YamlProblem:
        return False  # reading it as events tells what is wrong with it
    return isinstance(data, dict) and "events" not in data and bool(data.keys() & Settings.model_fields.keys())


def check_events(path: Path, defaults: "EventDefaults", report: Report) -> None:
    """Adds what the file or the directory declares; one that does not exist declares nothing."""
    for entry in _entries(path, report):
        _check_event(entry, defaults, report)


def _entries(path: Path, report: Report) -> "list[DeclaredEvent]":
    from alicia_scheduler.adapters.files import ORIGIN_PREFIX, is_declared_file, read_declared

    if not path.exists():
        return []
    if path.is_file() and not is_declared_file(path.name):
        report.problems.append(f"{path}: a file of declared events ends in .yaml or .yml")
        return []
    files = read_declared(path.parent if path.is_file() else path)
    wanted = None if path.is_dir() else f"{ORIGIN_PREFIX}{path.name}"
    report.problems += [str(p) for p in files.problems if wanted is None or Path(p.file).name == path.name]
    return [entry for entry in files.events if wanted in (None, entry.origin)]


def declared(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The events of files and directories, in canonical form; what is wrong with them ends the command."""
    from alicia_scheduler.core.model.event import EventDefaults, parse_event

    report = Report()
    defaults = EventDefaults()
    found = []
    for path in paths:
        report.problems += [] if path.exists() else [f"{path}: there is no such file or directory"]
        for entry in _entries(path, report):
            _check_event(entry, defaults, report)
            found.append(entry)
    if report.problems:
        output.failed("\n".join(report.problems))
    return [parse_event(entry.raw, defaults).model_dump(mode="json") for entry in found]


def _check_event(entry: "DeclaredEvent", defaults: "EventDefaults", report: Report) -> None:
    from alicia_scheduler.core.model.event import parse_event
    from alicia_scheduler.core.model.problems import InvalidDefinition
    from alicia_scheduler.core.timing import InvalidSchedule

    try:
        event = parse_event(entry.raw, defaults)
        report.events.append(_described(event, entry))
    except InvalidDefinition as error:
        report.problems += [str(entry.problem(p.field, p.message)) for p in error.problems]
    except InvalidSchedule as error:
        report.problems.append(str(entry.problem(error.field, error.message)))


def _described(event: "ScheduledEvent", entry: "DeclaredEvent") -> dict[str, Any]:
    from alicia_scheduler.wire.documents import fire_document

    fires = definitions.fires(event, definitions.now(), 1)
    return {
        "event_id": event.event_id,
        "file": entry.document.name,
        "schedule": definitions.schedule_text(entry.raw),
        "timezone": event.timezone,
        "enabled": event.enabled,
        "next_fire": fire_document(fires[0].due, event.timezone, fires[0].note or None) if fires else None,
    }


def _show(report: Report) -> None:
    for note in report.notes:
        output.say(note)
    columns = ("event", "file", "schedule", "zone", "next fire", "note")
    output.print_table(columns, [_row(event) for event in report.events], "no events are declared")
    for problem in report.problems:
        output.error(problem)
    if not report.problems:
        output.say(f"all is well: {len(report.events)} events")


def _row(event: dict[str, Any]) -> tuple[object, ...]:
    fire = event["next_fire"]
    next_fire = output.moment(fire["time_iso"]) if fire else "never by itself"
    name = Path(event["file"]).name
    return (event["event_id"], name, event["schedule"], event["timezone"],
            next_fire if event["enabled"] else "disabled", fire["note"] if fire else None)  # fmt: skip
