"""Bytes in, a JSON object or a refusal out; nothing else ever comes out."""

from __future__ import annotations

import gzip
import json
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alicia_scheduler.errors import CommandRejected, ErrorCode
from alicia_scheduler.wire.codec import Limits, decode_payload, encode

WIDE = Limits(max_bytes=4 * 1024 * 1024)

REFUSED = {
    "empty payload": b"",
    "only blanks": b" \n\t ",
    "not UTF-8": b'{"a": "\xc3\x28"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "UTF-16 little endian": '{"a": 1}'.encode("utf-16-le"),
    "UTF-16 with mark": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32-be"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "gzip": gzip.compress(b"{}"),
    "brackets without end": b"[" * 60_000,
    "objects without end": b'{"a":' * 5_000,
    "deep but well formed": b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    "closed before opened": b"]",
    "same key twice": b'{"a":1,"a":2}',
    "same key twice, one escaped": b'{"a":1,"\\u0061":2}',
    "same key twice, deep": b'{"x":[{"a":1,"a":1}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":[Infinity]}',
    "minus Infinity": b'{"a":-Infinity}',
    "number too large": b'{"a":1e400}',
    "integer of 5000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "integer above 2^53": b'{"a":9007199254740993}',
    "integer below -2^53": b'{"a":-9007199254740993}',
    "lone surrogate": rb'{"a":"\ud800"}',
    "lone surrogate as key": rb'{"\udfff":1}',
    "surrogates in the wrong order": rb'{"a":"\udc00\ud800"}',
    "10000 items": b'{"a":[' + b"0," * 9_999 + b"0]}",
    "trailing garbage": b"{}x",
    "two objects": b"{}{}",
    "a list": b"[]",
    "text": b'"create_event"',
    "null": b"null",
    "a number": b"1",
    "true": b"true",
    "single quotes": b"{'a':1}",
    "trailing comma": b'{"a":1,}',
    "comment": b'{"a":1} // x',
    "raw control character": b'{"a":"\x01"}',
    "raw newline in text": b'{"a":"\n"}',
    "raw NUL": b'{"a":"\x00"}',
    "leading zero": b'{"a":01}',
    "plus sign": b'{"a":+1}',
    "bare point": b'{"a":.5}',
    "hexadecimal": b'{"a":0x10}',
    "full-width digit": b'{"a":\xef\xbc\x91}',
    "unknown escape": rb'{"a":"\x41"}',
    "half an escape": rb'{"a":"\u12"}',
    "unterminated text": b'{"a":"',
    "unterminated escape": b'{"a":"\\',
    "unterminated object": b'{"a":1',
    "unquoted key": b"{a:1}",
}

ACCEPTED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "nothing in it": (b"{}", {}),
    "blanks around": (b' \r\n\t{ "a" : 1 } \n', {"a": 1}),
    "brackets in text": (b'{"a":"' + b"[" * 100 + b'"}', {"a": "[" * 100}),
    "quotes and backslashes in text": (rb'{"a":"\\\"[\\\\\"[{"}', {"a": '\\"[\\\\"[{'}),
    "largest integer": (b'{"a":9007199254740992}', {"a": 2**53}),
    "smallest integer": (b'{"a":-9007199254740992}', {"a": -(2**53)}),
    "a real pair of surrogates": (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
    "escaped NUL": (rb'{"a":"\u0000"}', {"a": "\0"}),
    "as deep as allowed": (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", json.loads('{"a":' + "[" * 31 + "]" * 31 + "}")),
    "keys that other languages fear": (b'{"__proto__":1,"constructor":2}', {"__proto__": 1, "constructor": 2}),
}


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_one_plain_json_object_is_refused(payload: bytes) -> None:
    with pytest.raises(CommandRejected) as refused:
        decode_payload(payload)
    assert refused.value.code is ErrorCode.INVALID_JSON
    assert 0 < len(refused.value.message) <= 200
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(("payload", "document"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_json_object_is_read_as_it_is_written(payload: bytes, document: dict[str, Any]) -> None:
    assert decode_payload(payload) == document


def test_the_size_limit_counts_bytes_and_is_inclusive() -> None:
    body = b'{"a":"' + "ü".encode() * 100 + b'"}'
    assert decode_payload(body, Limits(max_bytes=len(body)))
    with pytest.raises(CommandRejected) as refused:
        decode_payload(body, Limits(max_bytes=len(body) - 1))
    assert refused.value.code is ErrorCode.PAYLOAD_TOO_LARGE


def test_more_than_ten_thousand_values_are_too_many() -> None:
    with pytest.raises(CommandRejected, match="more than 10000 values"):
        decode_payload(encode(dict.fromkeys(map(str, range(10_000)), 0)), WIDE)
    assert decode_payload(encode(dict.fromkeys(map(str, range(9_998)), 0)), WIDE)


def test_a_refusal_repeats_nothing_of_the_payload() -> None:
    with pytest.raises(CommandRejected) as refused:
        decode_payload(b'{"password":"hunter2" oops}')
    assert "hunter2" not in refused.value.message
    assert "password" not in refused.value.message


HEAVY = {
    "2 MB of [": b"[" * 2_000_000,
    "2 MB of ]": b"]" * 2_000_000,
    "2 MB of []": b"[]," * 700_000,
    "2 MB of quotes": b'"' * 2_000_000,
    "2 MB of digits": b'{"a":' + b"1" * 2_000_000 + b"}",
    "2 MB of decimals": b'{"a":0.' + b"1" * 2_000_000 + b"}",
    "2 MB of blanks": b"{" + b" " * 2_000_000 + b"}",
    "2 MB of text": b'{"a":"' + b"x" * 2_000_000 + b'"}',
    "2 MB of escaped quotes": b'{"a":"' + b'\\"' * 1_000_000,
    "2 MB of backslashes": b'{"a":"' + b"\\\\" * 1_000_000 + b'"}',
}


@pytest.mark.parametrize("payload", HEAVY.values(), ids=HEAVY.keys())
def test_no_payload_holds_the_loop_up_even_where_the_limit_was_raised(payload: bytes) -> None:
    def attempt() -> float:
        begun = perf_counter()
        with pytest.raises(CommandRejected):
            decode_payload(payload + b"x", WIDE)
        return perf_counter() - begun

    assert min(attempt() for _ in range(5)) < 0.05


@given(st.binary(max_size=400))
def test_random_bytes_end_in_an_object_or_a_refusal(payload: bytes) -> None:
    _object_or_refusal(payload)


JSON_TOKENS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b'"a"',
        b"1",
        b"-",
        b"e9",
        b".",
        b"null",
        b"\\u",
        b"d800",
        b" ",
        b"\xff",
    ]
)


@given(st.lists(JSON_TOKENS, max_size=60).map(b"".join))
def test_pieces_of_json_in_any_order_end_in_an_object_or_a_refusal(payload: bytes) -> None:
    _object_or_refusal(b'{"a":' + payload)
    _object_or_refusal(payload)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6))
def test_every_json_object_comes_back_as_it_went(document: dict[str, Any]) -> None:
    assert decode_payload(encode(document)) == document
    assert decode_payload(json.dumps(document, indent=1).encode()) == document


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6), st.data())
def test_a_damaged_object_ends_in_an_object_or_a_refusal(document: dict[str, Any], data: st.DataObject) -> None:
    payload = bytearray(encode(document))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    _object_or_refusal(bytes(payload))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_say_is_not_encoded(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        encode({"a": value})


def test_half_a_surrogate_pair_in_an_error_text_does_not_stop_a_message() -> None:
    assert encode({"error": "file \udcff"}) == b'{"error":"file ?"}'


def _object_or_refusal(payload: bytes) -> None:
    problem = None
    try:
        assert isinstance(decode_payload(payload), dict)
    except CommandRejected as refused:
        problem = refused
    assert problem is None or (problem.code is ErrorCode.INVALID_JSON and len(problem.message) <= 200)
