"""What ``alicia-scheduler doctor --history`` says about the stored history."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import typer

from alicia_scheduler.adapters.store.history import Asked, check_history
from alicia_scheduler.cli import output
from alicia_scheduler.cli.definitions import now
from alicia_scheduler.cli.progress import shown_progress
from alicia_scheduler.core.history import Known, Rule, Tally
from alicia_scheduler.core.history.findings import MEANING
from alicia_scheduler.settings import Settings
from alicia_scheduler.wire.recording import Recorded, recorded


def report_history(settings: Settings, recording: Path | None, event_id: str | None, *, json: bool) -> NoReturn:
    """Checks the history, prints what came of it, and ends the command."""
    store = settings.store.path.absolute()
    if not store.is_file():
        output.failed(f"there is no store at {store} ({settings.store.url} in the settings)")
    try:
        tally = _checked(store, _asked(settings, event_id), recording)
    except (ValueError, OSError) as error:
        output.failed(f"{recording}: {error}")
    if json:
        output.print_json(_document(tally))
    else:
        _print(tally)
    raise typer.Exit(0 if tally.clean else 1)


def _asked(settings: Settings, event_id: str | None) -> Asked:
    scheduler = settings.scheduler
    known = Known(
        kept_since=now() - timedelta(days=scheduler.retention_days),
        traced_since=now() - timedelta(hours=scheduler.request_retention_hours),
    )
    return Asked(known, scheduler.max_history_per_event, event_id)


def _checked(store: Path, asked: Asked, recording: Path | None) -> Tally:
    with shown_progress("reading executions", shown=sys.stderr.isatty()) as progress:
        return check_history(store, asked, None if recording is None else _messages(recording), progress)


def _messages(recording: Path) -> Iterator[Recorded]:
    """The lines of the recording; a last one that was cut off in the middle is left out."""
    with recording.open(encoding="utf-8") as file:
        lines: Iterable[str | None] = file
        for number, (line, following) in enumerate(pairwise(_and_none(lines)), 1):
            try:
                yield recorded(line or "")
            except ValueError as error:
                if following is None and not (line or "").endswith("\n"):
                    return
                raise ValueError(f"line {number}: {error}") from None


def _and_none(lines: Iterable[str | None]) -> Iterator[str | None]:
    yield from lines
    yield None


def _document(tally: Tally) -> dict[str, Any]:
    rules = [
        {
            "rule": rule,
            "meaning": MEANING[rule],
            "checked": tally.checked[rule],
            "findings": tally.broken[rule],
            "not_checked": dict(tally.unchecked[rule]),
        }
        for rule in Rule
    ]
    findings = [
        {
            "rule": finding.rule,
            "event_id": finding.event_id,
            "execution_id": finding.execution_id,
            "time": finding.time.timestamp(),
            "time_iso": finding.time.isoformat(),
            "sentence": finding.sentence,
        }
        for finding in tally.findings
    ]
    return {"ok": tally.clean, "rules": rules, "findings": findings}


def _print(tally: Tally) -> None:
    rows = [(rule, MEANING[rule], tally.checked[rule], tally.broken[rule], _unchecked(tally, rule)) for rule in Rule]
    output.print_table(("rule", "means", "checked", "findings", "not checked"), rows)
    if tally.clean:
        return
    sys.stdout.write("\n")
    columns = ("rule", "event", "execution", "time", "what")
    findings = tally.findings
    output.print_table(
        columns, [(f.rule, f.event_id, f.execution_id, output.moment(f.time.isoformat()), f.sentence) for f in findings]
    )
    more = sum(tally.broken.values()) - len(findings)
    if more:
        output.say(f"and {more} more")


def _unchecked(tally: Tally, rule: Rule) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in tally.unchecked[rule].items())
