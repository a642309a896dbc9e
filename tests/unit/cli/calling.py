"""Calls the program within the test's own process."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest

from alicia_scheduler.cli.program import main


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """The outcome of ``alicia-scheduler`` with these arguments."""
    with patch.object(sys, "argv", ["alicia-scheduler", *arguments]), pytest.raises(SystemExit) as end:
        main()
    captured = capsys.readouterr()
    code = end.value.code
    return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)
