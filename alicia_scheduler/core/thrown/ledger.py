"""What the rules see of thrown events within one transaction, and within one decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alicia_scheduler.core.thrown.model import (
    REMOVED,
    Destination,
    Entry,
    EntryKey,
    EntryStatus,
    Json,
    ProgressKey,
    QueueNeed,
    StepRecord,
    Thrown,
    ThrownChanges,
    ThrownSnapshot,
    TriggerKey,
    Variable,
)


class ThrownView:
    """The rows of one transaction with the decisions already taken laid over them."""

    def __init__(self) -> None:
        self.due: tuple[EntryKey, ...] = ()
        self.expired: tuple[EntryKey, ...] = ()
        self.looks: tuple[str, ...] = ()
        self.watched = False
        self.destinations: dict[str, Destination] = {}
        self._thrown: dict[int, Thrown] = {}
        self._entries: dict[EntryKey, Entry] = {}
        self._by_offset: dict[int, list[EntryKey]] = {}
        self._triggered: dict[TriggerKey, dict[str, None]] = {}
        self._progress: dict[ProgressKey, Json] = {}
        self._seen: set[tuple[int, str]] = set()
        self._variables: dict[str, dict[str, Json]] = {}
        self._steps: dict[str, dict[str, Json]] = {}

    def load(self, snapshot: ThrownSnapshot) -> None:
        """Adds rows from the store; what a decision has changed meanwhile stays as decided."""
        self.due, self.expired, self.looks = snapshot.due, snapshot.expired, snapshot.looks
        self._thrown = {**snapshot.thrown, **self._thrown}
        for key, entry in snapshot.entries.items():
            if key not in self._entries:
                self._see(entry)
        for trigger_key, event_ids in snapshot.triggered.items():
            self.wait_for(trigger_key, event_ids)
        self._progress = {**snapshot.progress, **self._progress}
        self.destinations = {**snapshot.destinations, **self.destinations}
        self._seen |= snapshot.seen
        for dest_id, found in snapshot.variables.items():
            self._variables.setdefault(dest_id, dict(found))
        for execution_id, outcomes in snapshot.steps.items():
            self._steps.setdefault(execution_id, dict(outcomes))

    def wait_for(self, key: TriggerKey, event_ids: Iterable[str]) -> None:
        """Notes scheduled events that have a trigger under the key."""
        self._triggered.setdefault(key, {}).update(dict.fromkeys(event_ids))
        self.watched = self.watched or key.kind == "execution"

    def absorb(self, changes: ThrownChanges) -> None:
        """Lays a decision over the rows."""
        self._thrown |= changes.thrown
        for entry in changes.entries.values():
            self._count(self._entries.get(entry.entry_key), entry)
            self._see(entry)
        self._seen |= changes.seen.keys()
        self._progress |= changes.progress
        for variable in changes.variables.values():
            _set(self._variables.setdefault(variable.dest_id, {}), variable)
        for step in changes.steps.values():
            self._steps.setdefault(step.execution_id, {})[step.path] = step.outcome

    def triggered(self, key: TriggerKey) -> tuple[str, ...]:
        """Ids of the scheduled events that may have a trigger under the key."""
        return tuple(self._triggered.get(key, ()))

    def thrown(self, offset: int) -> Thrown:
        """The thrown event of an entry."""
        return self._thrown[offset]

    def entry(self, key: EntryKey) -> Entry | None:
        """The entry, if it was loaded or made."""
        return self._entries.get(key)

    def entries_of(self, offset: int) -> list[Entry]:
        """The entries of one thrown event, in the order of the fan-out."""
        found = [self._entries[key] for key in self._by_offset.get(offset, ())]
        return sorted(found, key=lambda entry: entry.place)

    def active(self, need: QueueNeed) -> list[Entry]:
        """The loaded active entries that the query asks for, in the order of offsets."""
        found = [entry for entry in self._entries.values() if _wanted(entry, need)]
        return sorted(found)[: need.limit]

    def progress(self, key: ProgressKey) -> Json:
        """What a trigger that waits for several events has so far."""
        return self._progress.get(key)

    def has_seen(self, offset: int, seer: str) -> bool:
        """Whether the seer has had the thrown event."""
        return (offset, seer) in self._seen

    def variables(self, dest_id: str) -> Mapping[str, Json]:
        """The variables of a destination by name."""
        return self._variables.get(dest_id, {})

    def steps(self, execution_id: str) -> Mapping[str, Json]:
        """What became of the instructions of an execution, by path."""
        return self._steps.get(execution_id, {})

    def _see(self, entry: Entry) -> None:
        if entry.entry_key not in self._entries:
            self._by_offset.setdefault(entry.offset, []).append(entry.entry_key)
        self._entries[entry.entry_key] = entry

    def _count(self, before: Entry | None, after: Entry) -> None:
        step = _is_active(after) - _is_active(before)
        known = self.destinations.get(after.dest_id)
        if step and known is not None:
            self.destinations[after.dest_id] = known._replace(queued=known.queued + step)


class Ledger:
    """The view as one decision in the making leaves it, and what that decision changes."""

    def __init__(self, view: ThrownView) -> None:
        self.view = view
        self.changes = ThrownChanges()

    # what the rules read

    def thrown(self, offset: int) -> Thrown:
        """The thrown event of an entry."""
        return self.changes.thrown.get(offset) or self.view.thrown(offset)

    def entry(self, key: EntryKey) -> Entry | None:
        """The entry as this decision leaves it."""
        return self.changes.entries.get(key) or self.view.entry(key)

    def entries_of(self, offset: int) -> list[Entry]:
        """The entries of one thrown event, in the order of the fan-out."""
        found = {entry.entry_key: entry for entry in self.view.entries_of(offset)}
        found |= {key: entry for key, entry in self.changes.entries.items() if key[0] == offset}
        return sorted(found.values(), key=lambda entry: entry.place)

    def queued(self, dest_id: str) -> int:
        """How many active entries the queue of a destination holds."""
        queued = self.view.destinations.get(dest_id, Destination()).queued
        for key, entry in self.changes.entries.items():
            if key[1] == dest_id:
                queued += _is_active(entry) - _is_active(self.view.entry(key))
        return queued

    def progress(self, key: ProgressKey) -> Json:
        """What a trigger that waits for several events has so far."""
        return self.changes.progress[key] if key in self.changes.progress else self.view.progress(key)

    def has_seen(self, offset: int, seer: str) -> bool:
        """Whether the seer has had the thrown event."""
        return (offset, seer) in self.changes.seen or self.view.has_seen(offset, seer)

    def variables(self, dest_id: str) -> Mapping[str, Json]:
        """The variables of a destination by name."""
        found = dict(self.view.variables(dest_id))
        for variable in self.changes.variables.values():
            if variable.dest_id == dest_id:
                _set(found, variable)
        return found

    # what the rules write

    def put_thrown(self, thrown: Thrown) -> None:
        """Adds a thrown event to the log."""
        self.changes.thrown[thrown.offset] = thrown

    def add_entry(self, entry: Entry) -> None:
        """Puts a new entry into its queue."""
        self.changes.new_entries.add(entry.entry_key)
        self.changes.entries[entry.entry_key] = entry

    def put_entry(self, entry: Entry) -> None:
        """Leaves the entry so."""
        self.changes.entries[entry.entry_key] = entry

    def see(self, offset: int, seer: str) -> None:
        """Notes that the seer has had the thrown event."""
        self.changes.seen[offset, seer] = None

    def put_progress(self, key: ProgressKey, state: Json) -> None:
        """Leaves what the trigger has so far; None begins anew."""
        self.changes.progress[key] = state

    def look(self, event_key: int, *, wanted: bool) -> None:
        """Has the scheduled event laid against the entries which wait already, or notes that it was."""
        self.changes.looks[event_key] = wanted

    def put_variable(self, variable: Variable) -> None:
        """Leaves the variable so; ``REMOVED`` takes it away."""
        self.changes.variables[variable.dest_id, variable.name] = variable

    def put_step(self, step: StepRecord) -> None:
        """Records what became of an instruction."""
        self.changes.steps[step.execution_id, step.path] = step


def _is_active(entry: Entry | None) -> bool:
    return entry is not None and entry.status is EntryStatus.ACTIVE


def _wanted(entry: Entry, need: QueueNeed) -> bool:
    return (
        entry.status is EntryStatus.ACTIVE
        and entry.offset > need.since_offset
        and need.dest_id in (None, entry.dest_id)
        and need.namespace in (None, entry.namespace)
        and (not need.keys or entry.key in need.keys)
    )


def _set(variables: dict[str, Json], variable: Variable) -> None:
    if variable.value is REMOVED:
        variables.pop(variable.name, None)
    else:
        variables[variable.name] = variable.value
