"""Field types of a definition: identifiers, topics, bounded text and JSON; each refusal says what was expected."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from alicia_scheduler.core.templates import TemplateError, check_template, check_value, contains_template

EVENT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
NAMESPACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAX_TOPIC_BYTES = 1024
MAX_TOPIC_LEVELS = 32
MAX_JSON_CHARS = 64 * 1024

_event_id = re.compile(EVENT_ID_PATTERN, re.ASCII)
_name = re.compile(NAMESPACE_PATTERN, re.ASCII)


def checked_event_id(value: str) -> str:
    """The id itself, if other programs may use it in a topic and a path."""
    if not _event_id.fullmatch(value):
        raise ValueError("expected 1 to 128 of A-Z a-z 0-9 . _ - and a letter or digit first")
    return value


def checked_identifier(value: str) -> str:
    """The name itself, if it is a short plain identifier."""
    if not _name.fullmatch(value):
        raise ValueError("expected 1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first")
    return value


def checked_text(value: str) -> str:
    """The text itself, if it can be stored, shown and sent: no control characters but tab and newline."""
    for character in value:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\t\n"):
            raise ValueError(f"control character U+{ord(character):04X} is not allowed")
    return value


def topic_problem(topic: str, *, wildcards: bool = False) -> str | None:
    """Why a broker or a neighbour would choke on the topic, or None.

    Brokers answer a malformed topic by dropping the connection, which would silence every other event too, so the
    rules are stricter than MQTT's own: no empty level, no control character, a bounded length.

    >>> topic_problem("lamp/set") is None
    True
    >>> topic_problem("$SYS/broker")
    'topics that start with $ belong to the broker'
    """
    if not topic:
        return "the topic is empty"
    if topic.startswith("$"):
        return "topics that start with $ belong to the broker"
    if not wildcards and ("+" in topic or "#" in topic):
        return "wildcards (+ and #) cannot be published to"
    plain = topic.isascii() and topic.isprintable()
    if not plain and any(unicodedata.category(c) in ("Cc", "Cs") or c in "\ufeff\ufffe\uffff" for c in topic):
        return "control characters are not allowed"
    if len(topic.encode("utf-8", "surrogatepass")) > MAX_TOPIC_BYTES:
        return f"longer than {MAX_TOPIC_BYTES} bytes"
    levels = topic.split("/")
    if len(levels) > MAX_TOPIC_LEVELS:
        return f"more than {MAX_TOPIC_LEVELS} levels"
    if any(not level or level != level.strip() for level in levels):
        return "empty levels, and levels that start or end with a space, are not allowed"
    return None


def checked_topic(value: str) -> str:
    """The topic itself; one with a template is checked again after rendering."""
    if contains_template(value):
        return checked_template(value)
    problem = topic_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def checked_filter(value: str) -> str:
    """The topic filter itself, if ``+`` and ``#`` stand where MQTT allows them."""
    problem = topic_problem(value, wildcards=True)
    levels = value.split("/")
    if not problem and any(("+" in x and x != "+") or ("#" in x and x != "#") for x in levels):
        problem = "+ and # must fill a whole level"
    if not problem and "#" in levels[:-1]:
        problem = "# must be the last level"
    if problem:
        raise ValueError(problem)
    return value


def checked_template(value: str) -> str:
    """The text itself, if every template in it parses and stays within the sandbox."""
    try:
        check_template(value)
    except TemplateError as error:
        raise ValueError(str(error)) from None
    return value


def checked_json(value: Any) -> Any:
    """The JSON value itself: finite numbers, bounded size, templates that parse."""
    if len(json_text(value)) > MAX_JSON_CHARS:
        raise ValueError(f"longer than {MAX_JSON_CHARS} characters as JSON")
    try:
        check_value(value)
    except TemplateError as error:
        raise ValueError(str(error)) from None
    return value


def json_text(value: Any) -> str:
    """Compact JSON; raises ValueError for what JSON cannot say."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a JSON value: {error}") from None


def _not_none(value: Any) -> Any:
    return {} if value is None else value


EventId = Annotated[str, AfterValidator(checked_event_id)]
Identifier = Annotated[str, AfterValidator(checked_identifier)]
Text = Annotated[str, AfterValidator(checked_text)]
Topic = Annotated[str, AfterValidator(checked_topic)]
TopicFilter = Annotated[str, AfterValidator(checked_filter)]
JsonValue = Annotated[Any, AfterValidator(checked_json)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_not_none), AfterValidator(checked_json)]
Tag = Annotated[str, AfterValidator(checked_text), Field(min_length=1, max_length=64)]
