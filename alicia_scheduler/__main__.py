"""The command ``alicia-scheduler``, also ``python -m alicia_scheduler``."""

from __future__ import annotations

from alicia_scheduler.cli.program import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
