"""The commands as typer knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from alicia_scheduler.cli.program import app


def commands() -> dict[str, Any]:
    """Every command that does something, by the words that call it."""
    return dict(_below("alicia-scheduler", typer.main.get_command(app)))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _below(f"{path} {name}", child)


def options(command: Any) -> dict[str, str]:
    """Long name of every option, and what its help says."""
    return {
        next(name for name in parameter.opts if name.startswith("--")): parameter.help
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.name != "help"
    }


def arguments(command: Any) -> dict[str, str]:
    """Every argument as the usage line shows it, and what its help says."""
    return {
        (parameter.metavar or parameter.name.upper()).strip("[]").replace("...", ""): parameter.help
        for parameter in command.params
        if parameter.param_type_name == "argument"
    }
