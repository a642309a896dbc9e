"""The way of one transaction's statements to the connection's thread: writes wait for the next trip there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alicia_scheduler.adapters.store.connection import Connection
from alicia_scheduler.adapters.store.many_rows import Step
from alicia_scheduler.adapters.store.rows import unpacked


class Trips:
    """Begins the transaction with the first trip; what was queued goes before what is asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._steps: list[Step] = []
        self._begun = False

    @property
    def needed(self) -> bool:
        """Whether there is something to commit, if only the end of a read."""
        return self._begun or bool(self._steps)

    def later(self, *steps: Step) -> None:
        """Queues statements for the next trip."""
        self._steps += steps

    async def row(self, sql: str, **values: Any) -> tuple[Any, ...] | None:
        """The first row of a query; raises StoreError, also for what was queued."""
        return await self._travel((sql, values))

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        """The rows in the one JSON value that a query returns; raises StoreError, also for what was queued."""
        row = await self.row(sql, **values)
        return unpacked(row[0]) if row and row[0] is not None else []

    async def commit(self) -> None:
        """Makes everything durable; raises StoreError."""
        await self._travel(None, commit=True)

    async def _travel(
        self, query: tuple[str, Mapping[str, Any]] | None, *, commit: bool = False
    ) -> tuple[Any, ...] | None:
        steps, self._steps = self._steps, []
        if not self._begun:
            steps = [("BEGIN IMMEDIATE", ()), *steps]
            self._begun = True
        return await self._connection.steps(steps, query, commit=commit)
