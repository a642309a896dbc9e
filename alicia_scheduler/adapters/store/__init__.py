"""The durable truth: on one SQLite file, or in memory for tests and trials; both pass the same conformance suite."""

from alicia_scheduler.adapters.store.failures import DuplicateExecution
from alicia_scheduler.adapters.store.memory import MemoryStore
from alicia_scheduler.adapters.store.sqlite import SqliteStore

__all__ = ["DuplicateExecution", "MemoryStore", "SqliteStore"]
