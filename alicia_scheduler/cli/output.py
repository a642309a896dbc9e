"""What is printed: data to stdout, messages for people to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 400
"""Columns of a pipe: nothing that a program or a pager reads is cut off."""

STYLES = {
    "active": "green", "completed": "green", "done": "green", "ok": "green", "online": "green",
    "running": "cyan", "open": "cyan", "pending": "cyan",
    "retrying": "yellow", "paused": "yellow", "skipped": "yellow", "missed": "yellow", "warn": "yellow",
    "disabled": "dim", "expired": "dim", "cancelled": "dim", "failed": "red", "timed_out": "red", "fail": "red",
}  # fmt: skip
"""Words that tables colour."""


def console(stream: TextIO | None = None) -> Console:
    """A console on the stream, by default stdout; without colours and without a width where no person looks on."""
    target = stream or sys.stdout
    return Console(file=target, highlight=False, markup=False, emoji=False, width=None if target.isatty() else WIDE)


def printable(value: object) -> str:
    r"""The value as one line that cannot steer the terminal.

    >>> printable("a\x1b[2Jb"), printable(None)
    ('a\\x1b[2Jb', '')
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def say(line: str) -> None:
    """Tells a person; programs do not read it."""
    console(sys.stderr).print(Text(printable(line)), soft_wrap=True)


def failed(message: str) -> NoReturn:
    """Ends the command with exit code 1 and a message that says what to do."""
    error(message)
    raise typer.Exit(1)


def error(message: str) -> None:
    """Prints an error."""
    head, *rest = message.splitlines() or [""]
    console(sys.stderr).print(Text.assemble(("error: ", "bold red"), printable(head)), soft_wrap=True)
    for line in rest:
        say(f"  {line}")


def print_json(data: object) -> None:
    """The data as JSON on stdout."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")


def print_line(data: object) -> None:
    """The data as one line of JSON, seen at once by who reads the pipe."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "nothing found") -> None:
    """A table; where there are no rows, ``empty`` goes to stderr."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    if table.row_count:
        _print(table)
    else:
        say(empty)


def print_fields(fields: Mapping[str, object]) -> None:
    """One thing, a field to a line; what is empty is left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            table.add_row(name, _cell(value))
    _print(table)


def fire_rows(fires: Iterable[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """The fires of an answer as rows: local, UTC, note."""
    return [(moment(fire["time_iso"]), moment(fire["utc_iso"]), fire.get("note")) for fire in fires]


def moment(iso: object) -> str:
    """An ISO time as people read it.

    >>> moment("2026-07-01T07:00:00.250000+02:00"), moment(None)
    ('2026-07-01 07:00:00.250+02:00', '')
    >>> moment("2026-07-01T05:00:00+00:00")
    '2026-07-01 05:00:00Z'
    """
    if not isinstance(iso, str):
        return ""
    text = iso.replace("T", " ").replace("+00:00", "Z")
    head, point, rest = text.partition(".")
    return f"{head}.{rest[:3]}{rest[6:]}" if point else head


def _print(table: Table) -> None:
    """Draws the table without the spaces that would fill its last column."""
    screen = console()
    with screen.capture() as drawn:
        screen.print(table)
    for line in drawn.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def _cell(value: object) -> Text:
    text = printable(value)
    return Text(text, style=STYLES.get(text, ""))


FIRE_COLUMNS = ("local time", "UTC", "note")
