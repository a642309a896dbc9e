"""Gives the templates of a plain action the variables of its destination, where they name them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from alicia_scheduler.ports import ActionRunner, Attempt, Json, Store

KEPT = 8192
"""Actions of which memory knows whether they name a variable."""


class WithVariables:
    """Runs a plain action, with ``vars`` among the names of its templates; only those that use them pay for it."""

    def __init__(self, runner: ActionRunner, store: Store) -> None:
        self._runner = runner
        self._store = store
        self._uses: OrderedDict[tuple[int, int], bool] = OrderedDict()

    async def __call__(self, attempt: Attempt) -> Json:
        """The result of the attempt; raises ActionFailed."""
        if attempt.step is None and self._uses_variables(attempt):
            variables = await self._store.variables(attempt.event.definition.dest_id)
            attempt = replace(attempt, names={"vars": variables, **attempt.names})
        return await self._runner(attempt)

    def _uses_variables(self, attempt: Attempt) -> bool:
        name = (attempt.event.key, attempt.event.revision)
        known = self._uses.get(name)
        if known is None:
            action = attempt.event.definition.action
            known = self._uses[name] = action is not None and "vars" in action.model_dump_json()
            if len(self._uses) > KEPT:
                self._uses.popitem(last=False)
        return known
