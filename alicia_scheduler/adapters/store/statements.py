"""The SQL of the store: named blocks in ``sql/*.sql``, each with a line that says what it is for."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from alicia_scheduler.adapters.store.rows import EXECUTION_ROW, RECORD_ROW, STATE_ROW
from alicia_scheduler.adapters.store.thrown_rows import ENTRY_ROW, THROWN_ROW

_PACKAGE = "alicia_scheduler.adapters.store"
_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
_ROWS = {"{state}": STATE_ROW, "{execution}": EXECUTION_ROW, "{record}": RECORD_ROW}
_ROWS |= {"{thrown}": THROWN_ROW, "{entry}": ENTRY_ROW}


@cache
def statements(name: str) -> dict[str, str]:
    """The statements of ``sql/<name>.sql`` by their names."""
    text = files(_PACKAGE).joinpath("sql", f"{name}.sql").read_text("utf-8")
    return {found[1]: with_rows(_without_comments(found[2])) for found in _BLOCK.finditer(text)}


def with_rows(sql: str) -> str:
    """The statement with the row placeholders filled in."""
    for placeholder, row in _ROWS.items():
        sql = sql.replace(placeholder, row)
    return sql


@cache
def migrations() -> dict[int, str]:
    """The migration scripts by the schema version that each one makes, in order."""
    found = sorted(files(_PACKAGE).joinpath("migrations").iterdir(), key=lambda entry: entry.name)
    return {int(entry.name[:4]): entry.read_text("utf-8") for entry in found if entry.name.endswith(".sql")}


def _without_comments(block: str) -> str:
    return "\n".join(line for line in block.splitlines() if not line.startswith("--")).strip()
