"""The path of a field: text, order, and the fields around it."""

import pytest

from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey

PATH = FieldPath.of("spec", "rules", 0, "http", "paths", 1)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (WHOLE_OBJECT, ""),
        (FieldPath.of("spec"), "spec"),
        (PATH, "spec.rules[0].http.paths[1]"),
        (PATH.child("backend"), "spec.rules[0].http.paths[1].backend"),
        (FieldPath.of("data", MapKey("tls.crt")), "data[tls.crt]"),
        (FieldPath.of("metadata", "annotations", MapKey("a/b")), "metadata.annotations['a/b']"),
        (FieldPath.of("metadata", "annotations", MapKey("\x1b[2J")), "metadata.annotations['\\x1b[2J']"),
    ],
)
def test_the_text_of_a_path(path: FieldPath, text: str) -> None:
    assert str(path) == text


def test_names_leave_indices_and_keys_out() -> None:
    assert PATH.names == "spec.rules.http.paths"
    assert FieldPath.of("data", MapKey("tls.crt")).names == "data"


def test_indices_are_ordered_as_numbers() -> None:
    rules = [FieldPath.of("spec", "rules", index) for index in (10, 9, 2)]
    keys = [FieldPath.of("data", MapKey(name)) for name in ("b", "a")]
    assert sorted(rules) == rules[::-1]
    assert sorted([*rules, *keys, WHOLE_OBJECT]) == [WHOLE_OBJECT, *keys[::-1], *rules[::-1]]
    assert sorted([FieldPath.of("a", "b"), FieldPath.of("a", 1), FieldPath.of("a", MapKey("b"))])


def test_the_fields_around_a_path() -> None:
    assert list(map(str, FieldPath.of("spec", "tls", 0).within())) == ["spec.tls[0]", "spec.tls", "spec"]


def test_the_whole_object_is_false() -> None:
    assert not WHOLE_OBJECT
    assert PATH
