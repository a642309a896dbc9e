"""Page cursors: opaque to callers, the place where the next page begins to us."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from alicia_scheduler.errors import CommandRejected, ErrorCode, FieldProblem


def cursor_text(*place: str | int) -> str:
    """The cursor for a place.

    >>> read_cursor(cursor_text(7, "a"), (int, str))
    [7, 'a']
    """
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


def read_cursor(cursor: str, shape: tuple[type, ...]) -> list[Any]:
    """The place in a cursor.

    Raises:
        CommandRejected: No store gave out this cursor.
    """
    try:
        place = json.loads(urlsafe_b64decode(cursor.encode()))
        if isinstance(place, list) and tuple(map(type, place)) == shape:
            return place
    except (ValueError, RecursionError):
        pass
    problem = FieldProblem("cursor", "expected the next_cursor of the page before")
    raise CommandRejected(ErrorCode.INVALID_REQUEST, "unknown cursor", [problem])
