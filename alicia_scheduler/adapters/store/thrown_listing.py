"""Pages of thrown events: the SQL for a query. Values are bound, conditions come from the table below."""

from __future__ import annotations

from typing import Any

from alicia_scheduler.adapters.store.listing import Page
from alicia_scheduler.adapters.store.rows import packed
from alicia_scheduler.adapters.store.statements import with_rows
from alicia_scheduler.core.thrown.model import ThrownQuery

_PAGE = with_rows(
    """
    SELECT json_group_array(json_array({thrown}, {entry}))
    FROM (
        SELECT * FROM entries %s
        WHERE %s ORDER BY log_offset %s, place LIMIT :limit
    ) AS n
    CROSS JOIN thrown AS t ON t.log_offset = n.log_offset
    """
)


def thrown_page(query: ThrownQuery) -> Page:
    """The statement for a page of entries."""
    values: dict[str, Any] = {"limit": query.limit}
    conditions = []
    for name in ("dest_id", "namespace"):
        if getattr(query, name) is not None:
            values[name] = getattr(query, name)
            conditions.append(f"{name} = :{name}")
    if query.keys:
        values["keys"] = packed(query.keys)
        conditions.append("key IN (SELECT value FROM json_each(:keys))")
    if query.since_offset is not None:
        values["since"] = query.since_offset
        conditions.append("log_offset > :since")
    if query.status == "ended":
        conditions.append("status <> 'active'")
    elif query.status is not None:
        values["status"] = query.status
        conditions.append("status = :status")
    if query.distinct:
        conditions.append("place = 0")
    index = "INDEXED BY entries_by_destination" if query.dest_id is not None else ""
    order = "ASC" if query.since_offset is not None else "DESC"
    return Page(_PAGE % (index, " AND ".join(conditions) or "true", order), values)
