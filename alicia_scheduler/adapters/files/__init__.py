"""Files that people write: YAML with positions, the declared events, and word of their changes."""

from __future__ import annotations

from alicia_scheduler.adapters.files.declared import (
    ORIGIN_PREFIX,
    DeclaredEvent,
    DeclaredFiles,
    FileProblem,
    is_declared_file,
    read_declared,
)
from alicia_scheduler.adapters.files.watching import watch_declared
from alicia_scheduler.adapters.files.yaml_reader import (
    DataPath,
    Document,
    YamlLimits,
    YamlProblem,
    read_yaml,
    read_yaml_file,
)

__all__ = [
    "ORIGIN_PREFIX", "DataPath", "DeclaredEvent", "DeclaredFiles", "Document", "FileProblem", "YamlLimits",
    "YamlProblem", "is_declared_file", "read_declared", "read_yaml", "read_yaml_file", "watch_declared",
]  # fmt: skip
