"""Bytes to a JSON object and back: strict, bounded, and never with any error but ``CommandRejected``.

What arrives may be hostile, so the cheap checks come first: length, encoding, then depth and number of values, counted
on the raw bytes without recursion; only then is it parsed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.wire.envelope import EnvelopeInfo, envelope, unwrap

__all__ = ["EnvelopeInfo", "Limits", "decode_payload", "encode", "encode_known", "encode_text", "envelope", "unwrap"]

MAX_SAFE_INTEGER = 2**53
"""The largest integer that every JSON program reads exactly (RFC 8259, section 6)."""

_MAX_INTEGER_TEXT = len(str(-MAX_SAFE_INTEGER))
_MAX_MESSAGE = 200
_STRUCTURE = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE_MARKS = (
    (b"\xef\xbb\xbf", "the text starts with a byte order mark; send plain UTF-8"),
    (b"\xff\xfe", "the text is UTF-16; send UTF-8"),
    (b"\xfe\xff", "the text is UTF-16; send UTF-8"),
    (b"\x1f\x8b", "the payload is compressed; send plain UTF-8"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a payload may be; ``max_nodes`` counts the values in it, an empty object or list as two."""

    max_bytes: int = 64 * 1024
    max_depth: int = 32
    max_nodes: int = 10_000


DEFAULT_LIMITS = Limits()


def decode_payload(payload: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The JSON object in the payload.

    >>> decode_payload(b'{"command": "ping"}')
    {'command': 'ping'}

    Raises:
        CommandRejected: PAYLOAD_TOO_LARGE, or INVALID_JSON with a message that repeats nothing of the payload.
    """
    if len(payload) > limits.max_bytes:
        message = f"the payload has {len(payload)} bytes, at most {limits.max_bytes} are accepted"
        raise CommandRejected(ErrorCode.PAYLOAD_TOO_LARGE, message)
    text = _decoded(payload)
    _check_structure(payload, limits)
    document = _parsed(text)
    if not isinstance(document, dict):
        _refuse(f"expected a JSON object, found {_kind(document)}")
    return document


def encode_text(document: Mapping[str, Any]) -> str:
    """Compact JSON text; raises ValueError for what JSON cannot say."""
    try:
        return _encoder.encode(document)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a JSON value: {error}") from None


def encode(document: Mapping[str, Any]) -> bytes:
    """Compact JSON as UTF-8; raises ValueError for what JSON cannot say.

    Half of a surrogate pair, which error texts of the operating system may hold, becomes a question mark.
    """
    return encode_text(document).encode("utf-8", "replace")


def encode_known(document: Mapping[str, Any]) -> bytes:
    """As ``encode``, ten times faster, for documents whose numbers were found to be finite before."""
    try:
        return orjson.dumps(document)
    except TypeError:  # an integer of more than 64 bits, or half of a surrogate pair
        return encode(document)


def _decoded(payload: bytes) -> str:
    if not payload.strip():
        _refuse("the payload is empty")
    for mark, message in _BYTE_MARKS:
        if payload.startswith(mark):
            _refuse(message)
    if b"\0" in payload:
        _refuse("the text holds NUL bytes (UTF-16 or UTF-32?); send UTF-8")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"not valid UTF-8 at byte {error.start}")


def _check_structure(payload: bytes, limits: Limits) -> None:
    """Refuses what is too deep or has too many values.

    Correct up to the first syntax error, and the parser goes no further than that. Each step is a single pass in C but
    the walk over the brackets, and that one is cut where their number alone is too large.
    """
    bare = payload.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in payload else payload
    if bare.count(b'"') > 4 * limits.max_nodes:
        _refuse(f"more than {limits.max_nodes} values")
    outside = b"".join(bare.split(b'"')[::2])
    _check_depth(outside.translate(None, _STRUCTURE)[: 2 * limits.max_nodes], limits.max_depth)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") + 1 > limits.max_nodes:
        _refuse(f"more than {limits.max_nodes} values")


def _check_depth(brackets: bytes, max_depth: int) -> None:
    depth = 0
    for byte in brackets:
        depth += 1 if byte in b"[{" else -1
        if depth > max_depth:
            _refuse(f"nested deeper than {max_depth} levels")
        if depth < 0:
            _refuse("a bracket is closed that was never opened")


def _parsed(text: str) -> Any:
    try:
        document = _decoder.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg.rstrip(': ')} (line {error.lineno}, column {error.colno})")
    except (ValueError, RecursionError, MemoryError):
        _refuse("the JSON text cannot be read")
    if "\\u" in text and _SURROGATE.search(encode_text(document) if isinstance(document, dict) else ""):
        _refuse("half of a surrogate pair is not a character")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse("a key stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_TEXT or abs(value := int(text)) > MAX_SAFE_INTEGER:
        _refuse("an integer lies beyond 2^53, where JSON programs lose digits; send it as text")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse("a number is too large")
    return value


def _constant(_name: str) -> NoReturn:
    _refuse("NaN and Infinity are not JSON")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case list():
            return "a list"
        case str():
            return "text"
        case _:
            return "a number"


def _refuse(message: str) -> NoReturn:
    raise CommandRejected(ErrorCode.INVALID_JSON, message[:_MAX_MESSAGE])


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_number, parse_constant=_constant
)
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
