"""Text to plain values: YAML as Kubernetes' tools take it, several JSON values a file, and hostile text of all sorts.

What the values mean is tested in test_decode.
"""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from xds.sources.folder.documents import (
    MAX_ALIASED_BYTES,
    MAX_DEPTH,
    MAX_DOCUMENTS,
    VALUE_BYTES,
    Malformed,
    Parsed,
    parse_yaml,
    split,
)
from xds.sources.folder.json_documents import parse_json


def yaml_documents(raw: bytes) -> list[Parsed]:
    return list(parse_yaml(raw))


def yaml_values(text: str | bytes) -> list[object]:
    return [value for _, value, _ in yaml_documents(text if isinstance(text, bytes) else text.encode())]


def json_values(text: str) -> list[object]:
    return [value for _, value, _ in parse_json(text.encode())]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("80", 80),
        ("-1_0", -10),
        ("010", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("08", "08"),
        ("0x", "0x"),
        ("0b_", "0b_"),
        ("-", [None]),
        ("+", "+"),
        (".", "."),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("10.0.0.1", "10.0.0.1"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:30", "1:30"),
        ("1" * 5000, "1" * 5000),
        ("yes", True),
        ("Off", False),
        ("'yes'", "yes"),
        ("~", None),
        ("Null", None),
        ("=", "="),
        ("<<", "<<"),
        ('"\\0\\u263a"', "\0\u263a"),
        ("!!str 80", "80"),
        ("!!int 80", 80),
        ("'*.example.com': 1", {"*.example.com": 1}),
        ("a: 1\na: 2", {"a": 2}),
        ("{a, b: [c, {d: e}]}", {"a": None, "b": ["c", {"d": "e"}]}),
        ("|\n a\n b\n", "a\nb\n"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    assert yaml_values(text) == [value]


@pytest.mark.parametrize("text", ["host: *.example.com", "*.example.com: 1", "a:\n\tb: 1", "a: b: c"])
def test_common_mistakes_come_with_a_hint(text: str) -> None:
    with pytest.raises(Malformed, match="quotes"):
        yaml_values(text)


def test_anchors_and_merges() -> None:
    text = "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree: {y: 4, <<: [*b, {z: 5, x: 6}]}\n"
    base = {"x": 1, "y": 2}
    expected = {"base": base, "one": base, "two": {"x": 1, "y": 3}, "three": {"x": 1, "y": 4, "z": 5}}
    assert yaml_values(text) == [expected]


def test_an_anchor_ends_with_the_document() -> None:
    with pytest.raises(Malformed, match="alias"):
        yaml_values("a: &a 1\n---\nb: *a\n")


def test_a_scalar_with_an_anchor_can_be_a_key() -> None:
    assert yaml_values("a: &a b\n*a : c\n") == [{"a": "b", "b": "c"}]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: c: d\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 1\nb: \0\n", 2),
        ("a: 1\nb: \x01\n", 2),
        (b"a: 1\nb: \xff\n", 2),
        (b"a: 1\nb: \xc3", 2),
        ("a:\n- x\n- 'y\n---\nz'\n", 4),
        ('"\\ud800"', 1),
        ("&a [*a]", 1),
        ("a: *b", 1),
        ("\n? [a]\n: b", 2),
        ("a: &a [1]\n*a : b", 2),
        ("a: 1\nb: !!binary aGk=", 2),
        ("a: !!int foo", 1),
        ("a: !!bool foo", 1),
        ("a: !!timestamp foo", 1),
        ("a: !!float []", 1),
        ("a: !!python/object:os.system {}", 1),
        ("!e!foo bar", 1),
    ],
)
def test_malformed_yaml(text: str | bytes, line: int) -> None:
    with pytest.raises(Malformed) as malformed:
        yaml_values(text)
    assert malformed.value.line == line
    assert malformed.value.message


@pytest.mark.parametrize(
    "text", ["hunter2: &x [*hunter2]", "a: !hunter2", "a: *hunter2", "- 'hunter2\n--- \n", "a: hunter2: x", "@hunter2"]
)
def test_messages_repeat_no_value(text: str) -> None:
    with pytest.raises(Malformed) as malformed:
        yaml_values(text)
    assert "hunter2" not in malformed.value.message


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_deep_nesting(opening: str) -> None:
    with pytest.raises(Malformed):
        yaml_values(opening * 100_000)


def test_nesting_up_to_the_limit() -> None:
    assert yaml_values("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(Malformed, match="deep"):
        yaml_values("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_a_few_levels_of_aliases_are_legal() -> None:
    assert yaml_values(bomb(4))


@pytest.mark.parametrize("text", [bomb(9), bomb(9).replace("[", "{k: [").replace("]", "]}")])
def test_an_alias_bomb(text: str) -> None:
    with pytest.raises(Malformed, match="aliases"):
        yaml_values(text)


@pytest.mark.parametrize("anchor", ["a: &a X", "a: &a [X]", "a: &a {k: X}", "a: &a {? X : k}"])
def test_a_bomb_of_long_scalars(anchor: str) -> None:
    text = f"{anchor}\nb: [{', '.join(['*a'] * 10_000)}]"
    assert yaml_values(text.replace("X", "x" * 1000))
    with pytest.raises(Malformed, match="aliases"):
        yaml_values(text.replace("X", "x" * 2000))


def test_written_out_text_is_not_counted_as_aliased() -> None:
    assert yaml_values(f"[&a {'x' * (MAX_ALIASED_BYTES + 1)}]")
    assert yaml_values(f"[{'1, ' * (MAX_ALIASED_BYTES // VALUE_BYTES + 1)}]")


def test_a_merge_bomb() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(1000))
    merges = "\n".join(f"m{n}: {{<<: *a}}" for n in range(1000))
    with pytest.raises(Malformed, match="aliases"):
        yaml_values(f"a: &a {{{keys}}}\n{merges}\n")


def pieces(text: str) -> list[tuple[int, str]]:
    return [(line, piece.decode()) for line, piece in split(text.encode())]


def test_documents_are_split() -> None:
    assert pieces("a: 1\n--- # two\nb: 2\n---\n") == [(1, "a: 1\n"), (2, "--- # two\nb: 2\n"), (4, "---\n")]
    assert pieces("---\na\n") == [(1, "---\na\n")]
    assert pieces("a\r\n---\r\nb\r\n") == [(1, "a\r\n"), (2, "---\r\nb\r\n")]


def test_dashes_within_a_line_are_no_document_marker() -> None:
    text = "a: |\n  ---\n  b\n---x: y\n #---\n"
    assert pieces(text) == [(1, text)]


def test_directives_keep_a_file_together() -> None:
    text = "%YAML 1.1\n---\na\n...\n%TAG !e! tag:yaml.org,2002:\n---\n!e!str 1\n"
    assert pieces(text) == [(1, text)]
    assert [(line, value) for line, value, _ in yaml_documents(text.encode())] == [(1, "a"), (5, "1")]


def test_too_many_documents() -> None:
    with pytest.raises(Malformed, match=str(MAX_DOCUMENTS)):
        pieces("---\n" * (MAX_DOCUMENTS + 2))


def test_utf_16_and_byte_order_marks() -> None:
    assert yaml_values("\ufeffa: \u263a".encode()) == [{"a": "\u263a"}]
    assert yaml_values("a: \u263a".encode("utf-16")) == [{"a": "\u263a"}]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        (" \n", []),
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}{"b": 2}\n\n[3] 4 ', [{"a": 1}, {"b": 2}, [3], 4]),
        ('{"a": 1, "a": 2}', [{"a": 2}]),
        ('"\\u0000"', ["\0"]),
    ],
)
def test_json(text: str, values: list[object]) -> None:
    assert json_values(text) == values


def test_lines_of_json() -> None:
    assert [line for line, *_ in parse_json(b'\n{"a":\n1}\n{}{}\n\n2')] == [2, 4, 4, 6]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b'{"a": 1}\n{"b":\n x}', 3),
        (b'{"a": 1,}', 1),
        (b'{"a":\n"b', 2),
        (b'{"a": NaN}', 1),
        (b'\n"\\ud800"', 2),
        (b'\n"\xff"', 2),
        (b"\xff", 1),
        (b'"a\0b"', 1),
        (b"[" * 100_000, 1),
        (b"1" * 5000, 1),
        (b"# comment", 1),
        (b"hunter2", 1),
        (b'{"hunter2": 1e999}', 1),
    ],
)
def test_malformed_json(text: bytes, line: int) -> None:
    with pytest.raises(Malformed) as malformed:
        list(parse_json(text))
    assert malformed.value.line == line
    assert "hunter2" not in malformed.value.message


def test_many_json_values_are_read_in_linear_time() -> None:
    assert len(json_values('{"a": 1}\n' * 50_000)) == 50_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<~0=", max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
def test_json_round_trip(values: list[Any]) -> None:
    assert json_values("\n".join(map(json.dumps, values))) == values


@given(st.lists(JSON, max_size=4))
@example([{"a": "---", "b": "...\n---\n%"}])
def test_yaml_round_trip(values: list[Any]) -> None:
    text = yaml.safe_dump_all(values, explicit_start=True, allow_unicode=True).encode()
    read = [value for _, piece in split(text) for _, value, _ in yaml_documents(piece)]
    assert read == values


@given(st.text("-ab: \n'\"|>#%.&*[]{},!?\t", max_size=60))
def test_splitting_keeps_every_document(text: str) -> None:
    """Where the whole text parses, its pieces do and give the same, at the same lines."""
    raw = text.encode()
    try:
        whole = [(line, value) for line, value, _ in yaml_documents(raw)]
    except Malformed:
        return
    assert [(line + at - 1, value) for line, piece in split(raw) for at, value, _ in yaml_documents(piece)] == whole


@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_malformed(raw: bytes) -> None:
    for parse in (yaml_documents, parse_json):
        lines = set[int]()
        try:
            lines = {line for line, *_ in parse(raw)}
        except Malformed as malformed:
            lines.add(malformed.line)
        assert all(1 <= line <= 1 + len(raw) for line in lines)
