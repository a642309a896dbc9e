"""What a log line looks like, and what never stands in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from alicia_scheduler.log import MAX_ENTRIES, MAX_TEXT, LogFormat, LogLevel, configure_logging, redacted

SECRET = "hunter2-hunter2"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured(level: LogLevel = "info", shape: LogFormat = "json", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream or io.StringIO()
    configure_logging(level, shape, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_says_when_how_bad_who_and_what() -> None:
    stream = configured()
    structlog.get_logger("planner").info("planned", event_id="e1", count=3, ratio=0.5, late=None, ok=True)
    (line,) = lines(stream)
    assert list(line)[:4] == ["timestamp", "level", "logger", "event"]
    assert line["timestamp"].endswith("Z")
    assert line["timestamp"][10] == "T"
    assert (line["level"], line["logger"], line["event"]) == ("info", "planner", "planned")
    assert (line["event_id"], line["count"], line["ratio"], line["late"], line["ok"]) == ("e1", 3, 0.5, None, True)


SHAPES = [("auto", True, False), ("auto", False, True), ("json", True, True), ("console", False, False)]


@pytest.mark.parametrize(("shape", "terminal", "is_json"), SHAPES)
def test_the_format_follows_the_setting_and_the_stream(shape: LogFormat, terminal: bool, is_json: bool) -> None:
    stream = configured(shape=shape, stream=Terminal() if terminal else io.StringIO())
    structlog.get_logger("x").warning("hello", a=1)
    text = stream.getvalue()
    assert text.startswith("{") is is_json
    assert ("\x1b[" in text) is (terminal and not is_json)
    assert "hello" in text


LEVELS: list[tuple[LogLevel, list[str], list[str]]] = [
    ("debug", ["debug", "info", "warning", "error"], ["warning", "error"]),
    ("info", ["info", "warning", "error"], ["warning", "error"]),
    ("warning", ["warning", "error"], ["warning", "error"]),
    ("error", ["error"], ["error"]),
]


@pytest.mark.parametrize(("level", "own", "library"), LEVELS)
def test_the_level_is_for_the_service_and_libraries_speak_from_warning_on(
    level: LogLevel, own: list[str], library: list[str]
) -> None:
    stream = configured(level)
    for method in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger("mqtt"), method)("own")
        getattr(logging.getLogger("alicia_scheduler.engine"), method)("own too")
        getattr(logging.getLogger("uvicorn.error"), method)("library")
    found = lines(stream)
    assert [line["level"] for line in found if line["event"] == "own"] == own
    assert [line["level"] for line in found if line["event"] == "own too"] == own
    assert [line["level"] for line in found if line["event"] == "library"] == library


def test_libraries_that_bring_handlers_end_in_the_same_stream_once() -> None:
    logging.getLogger("uvicorn.error").addHandler(logging.StreamHandler(io.StringIO()))
    stream = configured()
    logging.getLogger("uvicorn.error").warning("once")
    logging.getLogger("aiomqtt").warning("%s of %d", "a", 2)
    assert [line["event"] for line in lines(stream)] == ["once", "a of 2"]
    assert not logging.getLogger("uvicorn.error").handlers


def test_configuring_again_replaces_the_stream() -> None:
    first, second = configured(), configured("debug")
    structlog.get_logger("x").debug("hello")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


def test_bound_context_stands_on_every_line() -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(execution_id="x1"):
        structlog.get_logger("x").info("a")
    assert lines(stream)[0]["execution_id"] == "x1"


HIDDEN: list[dict[str, Any]] = [
    {"password": SECRET},
    {"mqtt_password": SECRET},
    {"passwd": SECRET},
    {"Authorization": f"Bearer {SECRET}"},
    {"headers": {"authorization": SECRET, "Cookie": SECRET, "Set-Cookie": SECRET}},
    {"body": [{"api_key": SECRET}, {"apiKey": SECRET}, {"x-api-key": SECRET}]},
    {"client_secret": {"value": SECRET}},
    {"tokens": [SECRET]},
    {"url": f"mqtt://user:{SECRET}@broker:1883"},
    {"url": f"https://user:{SECRET}/x@host/"},
    {"url": f"https://:{SECRET}@host/"},
    {"url": f"https://host/?a=1&token={SECRET}&b=2"},
    {"note": f"login with password={SECRET} failed"},
    {"note": f"login with password: '{SECRET} x'"},
    {"note": f'{{"password": "{SECRET}"}}'},
    {"note": f"sent Bearer {SECRET}"},
    {"note": "x" * (MAX_TEXT - 30) + f"mqtt://user:{SECRET}@broker"},
    {"deep": {"a": {"b": {"c": {"d": {"e": {"f": SECRET}}}}}}},
]


@pytest.mark.parametrize("fields", HIDDEN)
@pytest.mark.parametrize("shape", ["json", "console"])
def test_a_secret_does_not_reach_the_log(fields: dict[str, Any], shape: LogFormat) -> None:
    stream = configured(shape=shape)
    structlog.get_logger("x").warning("hello", **fields)
    logging.getLogger("library").warning("hello", extra=fields)
    assert len(stream.getvalue().splitlines()) == 2
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("shape", ["json", "console"])
def test_a_secret_in_a_message_or_a_traceback_does_not_reach_the_log(shape: LogFormat) -> None:
    stream = configured(shape=shape)
    structlog.get_logger("x").warning(f"cannot reach mqtt://u:{SECRET}@h")
    logging.getLogger("library").warning("cannot reach %s", f"mqtt://u:{SECRET}@h")
    try:
        raise ValueError(f"mqtt://u:{SECRET}@h")
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("library").exception("failed")
    assert stream.getvalue().count("ValueError: mqtt://***@h") == 2
    assert "hunter2" not in stream.getvalue()


def test_what_is_not_secret_stays_readable() -> None:
    fields = {"url": "http://host:8025/api?x=1", "topic": "a/b", "n": [1, 2], "event_id": "e", "time": "10:30"}
    assert redacted(fields) == fields
    assert redacted({"password": None}) == {"password": None}


def test_values_are_bounded() -> None:
    assert len(redacted("x" * 100_000)) < MAX_TEXT + 40
    assert redacted("x" * 100_000).endswith("… (100000 characters)")
    assert len(redacted(list(range(1000)))) == MAX_ENTRIES
    assert len(redacted({str(n): n for n in range(1000)})) == MAX_ENTRIES
    assert redacted(b"\x00" * 99) == "<99 bytes>"


def test_control_characters_cannot_forge_lines_or_move_the_cursor() -> None:
    stream = configured(shape="console")
    structlog.get_logger("x").info("a\nb\r\x1b[2J\u202e", name="c\nd\x07")
    (line,) = stream.getvalue().splitlines()
    assert not {"\r", "\x1b", "\u202e", "\x07"} & set(line)
    assert r"a\nb\r\x1b[2J\u202e" in line


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=10,
)


@given(_values)
def test_anything_can_be_logged(value: Any) -> None:
    stream = configured()
    structlog.get_logger("x").info("hello", value=value)
    assert len(lines(stream)) == 1
