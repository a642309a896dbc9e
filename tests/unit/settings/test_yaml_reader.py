"""What YAML text means to us, what is refused, and where the refusal points."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.adapters.files import YamlLimits, YamlProblem, read_yaml, read_yaml_file

SCALARS: list[tuple[str, Any]] = [
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("no", "no"),
    ("y", "y"),
    ("10:30", "10:30"),
    ("12:30:45", "12:30:45"),
    ("2025-01-03", "2025-01-03"),
    ("2025-01-03T10:00:00Z", "2025-01-03T10:00:00Z"),
    ("=", "="),
    ("1_000", "1_000"),
    ("0b11", "0b11"),
    ("3.1.1", "3.1.1"),
    ("0 7 * * mon-fri", "0 7 * * mon-fri"),
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("010", 10),
    ("-7", -7),
    ("+7", 7),
    ("0o17", 15),
    ("0x1f", 31),
    ("1.5", 1.5),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("9007199254740992", 2**53),
    ('"on"', "on"),
    ("'7'", "7"),
    ('"null"', "null"),
    ('""', ""),
    ('"<<"', "<<"),
    ("|\n  one\n  two", "one\ntwo\n"),
    (">\n  one\n  two", "one two\n"),
    ("[1, a, true]", [1, "a", True]),
    ("{b: 1}", {"b": 1}),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: Any) -> None:
    result = read_yaml(f"a: {text}\n", "x.yaml").data["a"]
    assert result == value
    assert type(result) is type(value)


REFUSED: list[tuple[str, str, tuple[int, int]]] = [
    ("a: &x 1\nb: *x\n", "anchors", (1, 4)),
    ("b: *x\n", "aliases", (1, 4)),
    ("a: {x: 1}\nb:\n  <<: {y: 2}\n", "merge keys", (3, 3)),
    ("a: !!python/object/apply:os.system [id]\n", "tags", (1, 4)),
    ("a: !!str 5\n", "tags", (1, 4)),
    ("a: !secret x\n", "tags", (1, 4)),
    ("!!map\na: 1\n", "tags", (1, 1)),
    ("a: 1\nb: 2\na: 3\n", "the key a is already given in line 1", (3, 1)),
    ("a:\n  b: 1\n  'b': 3\n", "the key b is already given in line 2", (3, 3)),
    ("1: x\n", 'write "1" in quotes', (1, 1)),
    ("true: x\n", 'write "true" in quotes', (1, 1)),
    ("~: x\n", 'write "~" in quotes', (1, 1)),
    ("? [a, b]\n: x\n", "a key must be text", (1, 3)),
    ("a: 1\n---\nb: 2\n", "more than one document", (2, 1)),
    ("a: .nan\n", "finite", (1, 4)),
    ("a: -.inf\n", "finite", (1, 4)),
    ("a: 1e400\n", "finite", (1, 4)),
    ("a: 9007199254740993\n", "2^53", (1, 4)),
    ("%YAML 1.1\n---\na: on\n", "directives", (2, 1)),
    ("%TAG ! tag:x,2000:\n---\na: 1\n", "directives", (2, 1)),
    ("a: [1\nb: 2\n", "", (2, 2)),
    ("a: 'x\n", "", (2, 1)),
    ("a:\n\t- 1\n", "", (2, 1)),
    ("a: x\x07y\n", "control character", (1, 1)),
]


@pytest.mark.parametrize(("text", "message", "position"), REFUSED)
def test_what_is_refused_is_named_with_its_place(text: str, message: str, position: tuple[int, int]) -> None:
    with pytest.raises(YamlProblem) as caught:
        read_yaml(text, "x.yaml")
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == position
    assert str(caught.value).startswith(f"x.yaml:{position[0]}:{position[1]}: ")


def _alias_bomb() -> str:
    lines = ['a0: &a0 ["x"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)]
    return "\n".join(lines)


ATTACKS = {
    "alias bomb": _alias_bomb(),
    "merge bomb": _merge_bomb(),
    "depth 5000 in flow": "a: " + "[" * 5000 + "]" * 5000,
    "depth 5000 in mappings": "{a: " * 5000 + "}" * 5000,
    "depth 5000 in blocks": "- " * 5000 + "x",
    "open brackets": "[" * 500_000,
    "nested pairs": "[a," * 300_000,
    "empty keys": "? " * 400_000,
    "many values": "[" + "1," * 400_000 + "]",
    "many keys": "\n".join(f"k{n}:" for n in range(100_000)),
    "bangs": "!" * 900_000,
    "lines of bangs": ("!" * 65_000 + "\n") * 15,
    "lines of directives": ("%" + "a" * 65_000 + "\n") * 15,
    "quoted lines": 'a: "' + "x\n\n" * 300_000 + '"',
    "plain lines": "a: " + "x\n " * 300_000,
    "folded lines": "a: >\n" + " x\n\n" * 200_000,
    "comment lines": "a:\n" + " # x\n" * 200_000,
    "empty lines": "a:\n" + "\n" * 900_000 + " b: 1",
    "growing indent": "\n".join(" " * n + "a:" for n in range(1000)),
    "unclosed quote": "a: '" + "x\n" * 500_000,
    "escapes": 'a: "' + ("\\x41" * 15_000 + "\\\n") * 15 + '"',
    "anchors": "&a " * 300_000,
    "large integer": "a: " + "9" * 65_000,
    "too large": "a: " + "x" * 1_100_000,
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_over_in_bounded_time(text: str) -> None:
    start = time.process_time()
    with contextlib.suppress(YamlProblem):
        read_yaml(text, "x.yaml")
    assert time.process_time() - start < 10


def test_positions_point_at_keys_and_items() -> None:
    document = read_yaml("mqtt:\n  host: x\n  hosts:\n    - a:1\n    - b:2\nflow: {k: [1, 2]}\n", "x.yaml")
    assert document.position_of(("mqtt",)) == (1, 1)
    assert document.position_of(("mqtt", "host")) == (2, 3)
    assert document.position_of(("mqtt", "hosts", 1)) == (5, 7)
    assert document.position_of(("flow", "k", 1)) == (6, 15)


def test_the_position_of_a_missing_entry_is_that_of_what_surrounds_it() -> None:
    document = read_yaml("# first line\nmqtt:\n  host: x\n", "x.yaml")
    assert document.position_of(("mqtt", "port")) == (2, 1)
    assert document.position_of(("store", "url")) == (2, 1)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "null\n"])
def test_a_document_without_content_is_none(text: str) -> None:
    assert read_yaml(text, "x.yaml").data is None


def test_limits_are_the_callers() -> None:
    limits = YamlLimits(max_bytes=100, max_depth=2, max_values=5)
    assert read_yaml("a: [1, 2]", "x", limits).data == {"a": [1, 2]}
    for text in ("a: [[1]]", "[1, 2, 3, 4, 5]", "a: " + "x" * 100):
        with pytest.raises(YamlProblem):
            read_yaml(text, "x", limits)


def test_a_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa4\r\nb: 1\r\n")
    assert read_yaml_file(path).data == {"a": "ä", "b": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a: 1\nb: \xc3\x28\n", "x.yaml:2:1: not UTF-8"), (b"x" * 1_048_577, "larger than 1024 KiB")],
)
def test_a_file_that_is_not_text_or_too_large_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(YamlProblem, match=message):
        read_yaml_file(path)


def test_a_missing_file_is_a_problem_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(YamlProblem, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml_file(tmp_path / "none.yaml")


@given(st.text(max_size=60) | st.text(alphabet="ab:-?[]{},&*!|>'\"%@`# \n\t0.~<", max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(YamlProblem):
        json.dumps(read_yaml(text, "x.yaml").data, allow_nan=False)


_plain = st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | _plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_plain, inner, max_size=4),
    max_leaves=12,
)


@given(_json)
@settings(deadline=None)
def test_json_is_yaml_with_the_same_meaning(value: Any) -> None:
    assert read_yaml(json.dumps(value, ensure_ascii=False), "x.json").data == value
