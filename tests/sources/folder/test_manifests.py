"""Manifest files to objects and problems: lines, last good versions, duplicates, parsing again, limits, hostile files.

Excludes folders on disk (test_source), and the syntax of YAML and JSON (test_documents).
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import KubeObject, Secret, Service
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder import manifests
from xds.sources.folder.documents import MAX_DOCUMENTS, Parsed, parse_yaml
from xds.sources.folder.manifests import (
    MAX_FILE_BYTES,
    File,
    Manifests,
    Objects,
    difference,
    printable,
    read_file,
    unreadable,
)

HUNTER2 = "hunter2-the-private-key"


def service(name: str, port: object = 80) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  ports:\n  - port: {port}\n"


def several(*documents: str) -> bytes:
    return "---\n".join(documents).encode()


def ports(file: File) -> dict[str, int]:
    given = {}
    for _, each in file.objects:
        assert isinstance(each, Service)
        assert each.spec.ports
        given[each.metadata.name] = each.spec.ports[0].port
    return given


def reasons(file: File) -> list[tuple[str, str]]:
    return [(problem.reason, problem.location) for problem in file.problems]


def test_documents_come_with_line_numbers() -> None:
    file = read_file("a.yaml", several(service("one"), service("two")))
    assert [(line, each.metadata.name) for line, each in file.objects] == [(1, "one"), (8, "two")]
    assert file.problems == ()


def test_a_json_list() -> None:
    items = [{"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}} for name in ("one", "two")]
    file = read_file("a.json", json.dumps({"kind": "ServiceList", "apiVersion": "v1", "items": items}).encode())
    assert ports(file) == {"one": 80, "two": 80}


def test_json_in_a_yaml_file() -> None:
    value = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}}
    assert ports(read_file("a.yaml", json.dumps(value, indent="\t").encode())) == {"web": 1}


@pytest.mark.parametrize("raw", [b"", b"\n", b"---\n---\n", b"# comment\n", b"\xef\xbb\xbf", b"kind: Deployment\n"])
def test_files_without_objects(raw: bytes) -> None:
    file = read_file("a.yaml", raw)
    assert (file.objects, file.problems) == ((), ())


def test_a_problem_names_file_and_line() -> None:
    broken = service("three", "http")
    file = read_file("d/a.yaml", several(service("one"), "just text\n", broken, "a: b: c\n", "metadata: {name: x}\n"))
    assert ports(file) == {"one": 80}
    assert reasons(file) == [
        ("NotAnObject", "d/a.yaml:8"),
        ("InvalidObject", "d/a.yaml:10"),
        ("MalformedFile", "d/a.yaml:19"),
        ("NotAnObject", "d/a.yaml:20"),
    ]
    assert file.problems[0].object == ObjectRef("File", "", "d/a.yaml")
    assert file.problems[1].object == ObjectRef("Service", "default", "three")


def test_the_last_good_version_of_an_invalid_object_stays() -> None:
    first = read_file("a.yaml", several(service("one"), service("two")))
    second = read_file("a.yaml", several(service("one", 81), service("two", "http")), first)
    assert ports(second) == {"one": 81, "two": 80}
    third = read_file("a.yaml", several(service("two", "http")), second)
    assert ports(third) == {"two": 80}
    assert ports(read_file("a.yaml", service("two", 82).encode(), third)) == {"two": 82}


def test_the_old_api_version_keeps_the_object_too() -> None:
    ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"
    first = read_file("a.yaml", ingress.encode())
    second = read_file("a.yaml", ingress.replace("/v1", "/v1beta1").encode(), first)
    assert second.objects == first.objects
    assert reasons(second) == [("UnsupportedApiVersion", "a.yaml:1")]


def test_an_object_goes_with_the_document() -> None:
    first = read_file("a.yaml", several(service("one"), service("two")))
    assert ports(read_file("a.yaml", several(service("two")), first)) == {"two": 80}
    assert ports(read_file("a.yaml", b"", first)) == {}


def test_an_object_without_name_is_gone() -> None:
    first = read_file("a.yaml", service("one").encode())
    assert ports(read_file("a.yaml", service("_").encode(), first)) == {}


def test_a_malformed_file_keeps_earlier_objects() -> None:
    first = read_file("a.yaml", several(service("one"), service("two")))
    second = read_file("a.yaml", several(service("one", 81), "a: b: c\n"), first)
    assert ports(second) == {"one": 81, "two": 80}
    third = read_file("a.yaml", b"'", second)
    assert ports(third) == {"one": 81, "two": 80}
    assert reasons(third) == [("MalformedFile", "a.yaml:1")]
    repaired = read_file("a.yaml", several(service("two")), third)
    assert (ports(repaired), repaired.problems) == ({"two": 80}, ())


def test_malformed_json_keeps_earlier_objects() -> None:
    value = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}}
    first = read_file("a.json", json.dumps(value).encode())
    second = read_file("a.json", b'{"kind":\n', first)
    assert ports(second) == {"web": 1}
    assert reasons(second) == [("MalformedFile", "a.json:2")]


def test_an_unreadable_file_keeps_earlier_objects() -> None:
    first = read_file("a.yaml", service("one").encode())
    second = unreadable("a.yaml", Reason.UNREADABLE_FILE, "It can't be read.", "Repair it.", first)
    assert ports(second) == {"one": 80}
    assert unreadable("b.yaml", Reason.UNREADABLE_FILE, "It can't be read.", "Repair it.", None).objects == ()


def test_only_changed_documents_are_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def parse(raw: bytes) -> Iterator[Parsed]:
        parsed.append(raw)
        return parse_yaml(raw)

    monkeypatch.setattr(manifests, "parse_yaml", parse)
    first = read_file("a.yaml", several(service("one"), service("two"), service("three", "http")))
    assert len(parsed) == 3
    second = read_file("a.yaml", several("# more\n" + service("one"), service("two"), service("three", "http")), first)
    assert len(parsed) == 4
    assert second.objects[1][1] is first.objects[1][1]
    assert reasons(second) == [("InvalidObject", "a.yaml:17")]


def test_equal_documents_are_duplicates() -> None:
    file = read_file("a.yaml", several(service("one"), service("one")))
    assert len(file.objects) == 2


def test_the_first_of_two_counts() -> None:
    a = read_file("a.yaml", several(service("one", 1), service("two", 1)))
    b = read_file("b.yaml", several(service("two", 2), service("two", 3)))
    for order in ((a, b), (b, a)):
        merged = together(*order)
        assert ports_of(merged.objects()) == {"one": 1, "two": 1}
        assert [problem.location for problem in merged.problems()] == ["b.yaml:1", "b.yaml:8"]
        assert {problem.reason for problem in merged.problems()} == {"DuplicateObject"}
        assert "a.yaml:8" in merged.problems()[0].message
        assert "b.yaml:1" in merged.problems()[0].message
    assert ports_of(together(b).objects()) == {"two": 2}


def together(*files: File) -> Manifests:
    merged = Manifests()
    for file in files:
        merged.update({file.path: file})
    return merged


def ports_of(objects: Iterable[KubeObject]) -> dict[str, int]:
    return ports(File("", tuple((1, each) for each in objects)))


def test_the_next_duplicate_takes_over() -> None:
    a, b = (
        read_file("a.yaml", service("one", 1).encode()),
        read_file("b.yaml", several(service("one", 2), service("two"))),
    )
    merged = together(a, b)
    assert said(merged, a=None) == ["one 2"]
    assert merged.problems() == ()
    assert said(merged, a=b"a: b: c\n") == []
    assert reasons(File("", problems=merged.problems())) == [("MalformedFile", "a.yaml:1")]
    assert said(merged, a=several(service("one", 2))) == []
    assert [problem.location for problem in merged.problems()] == ["b.yaml:1"]
    assert said(merged, b=None) == ["two is gone"]
    assert said(merged, a=None) == ["one is gone"]
    assert (merged.objects(), merged.problems()) == ([], ())


def test_an_object_moved_to_another_file_is_no_change() -> None:
    text = several(service("one"), service("two"))
    merged = together(read_file("a.yaml", text))
    assert said(merged, a=None, b=text) == []
    assert said(merged, b=service("two", 81).encode(), c=service("one").encode()) == ["two 81"]


def said(merged: Manifests, **files: bytes | None) -> list[str]:
    paths = {f"{name}.yaml": raw for name, raw in files.items()}
    changes = merged.update({path: None if raw is None else read_file(path, raw) for path, raw in paths.items()})
    return [str(each) for each in map(spoken, changes)]


def spoken(change: Change) -> str:
    if isinstance(change, Deleted):
        return f"{change.key.name} is gone"
    assert isinstance(change, Applied)
    ((name, port),) = ports_of([change.object]).items()
    return f"{name} {port}"


def test_a_changed_file_costs_the_objects_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    merged = together(*(read_file(f"{n}.yaml", service(f"s{n}").encode()) for n in range(100)))
    compared: list[int] = []

    def count(before: Objects, after: Objects) -> list[Change]:
        compared.append(len(after))
        return difference(before, after)

    monkeypatch.setattr(manifests, "difference", count)
    assert said(merged, **{"50": service("s50", 81).encode()}) == ["s50 81"]
    assert compared == [1]


PIECES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=4)
FILES = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.none() | PIECES | st.just("'"), max_size=3)


@given(st.lists(FILES, max_size=6))
def test_any_updates_add_up_to_the_present_files(steps: list[dict[str, object]]) -> None:
    merged, files, heard = Manifests(), dict[str, File](), dict[str, int]()
    for step in steps:
        changed = {path: value and read_file(path, text_of(value), files.get(path)) for path, value in step.items()}
        for each in merged.update({path: file if isinstance(file, File) else None for path, file in changed.items()}):
            if isinstance(each, Applied):
                heard |= ports_of([each.object])
            elif isinstance(each, Deleted):
                del heard[each.key.name]
        files = {path: file for path, file in {**files, **changed}.items() if isinstance(file, File)}
        expected: dict[str, KubeObject] = {}
        for path in sorted(files):
            for _, found in files[path].objects:
                expected.setdefault(found.metadata.name, found)
        assert merged.objects() == list(expected.values())
        assert heard == ports_of(expected.values())
        fresh = together(*files.values())
        assert (fresh.objects(), fresh.problems()) == (merged.objects(), merged.problems())


def text_of(value: object) -> bytes:
    return several(*(service(name, port) for name, port in value)) if isinstance(value, list) else b"'"


def test_the_difference_lists_replacements_before_deletions() -> None:
    before = objects(read_file("a.yaml", several(service("same"), service("changed"), service("gone"))))
    after = objects(read_file("b.yaml", several(service("new"), service("changed", 81), service("same"))))
    changed, new = (after[Service, Key("default", name)] for name in ("changed", "new"))
    gone = Deleted(Service, Key("default", "gone"))
    assert difference(before, after) == [Applied(new), Applied(changed), gone]
    assert difference(after, after) == []


def objects(file: File) -> Objects:
    return {(type(each), each.key): each for _, each in file.objects}


def test_a_file_beyond_the_size_limit_is_a_problem() -> None:
    first = read_file("a.yaml", service("one").encode())
    second = read_file("a.yaml", b"#" * (MAX_FILE_BYTES + 1), first)
    assert ports(second) == {"one": 80}
    assert reasons(second) == [("TooLarge", "a.yaml")]


ITEMS = b'{"kind":"List","apiVersion":"v1","items":[' + b"1," * MAX_DOCUMENTS + b"1]}"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.yaml", b"---\n" * (MAX_DOCUMENTS + 2)),
        ("a.yaml", b"%YAML 1.1\n" + b"---\n" * (MAX_DOCUMENTS + 2)),
        ("a.json", b"1 " * (MAX_DOCUMENTS + 2)),
        ("a.json", ITEMS),
    ],
)
def test_a_file_with_too_many_objects(name: str, raw: bytes) -> None:
    file = read_file(name, raw)
    assert [problem.reason for problem in file.problems] == ["MalformedFile"]
    assert str(MAX_DOCUMENTS) in file.problems[0].message


def test_aliases_of_many_documents_add_up() -> None:
    document = f"a: &a {'x' * 20_000}\nb: [{', '.join(['*a'] * 800)}]\nkind: Other\n"
    assert read_file("a.yaml", several(document)).problems == ()
    file = read_file("a.yaml", several(*(f"{document}n: {n}\n" for n in range(3))))
    assert reasons(file) == [("MalformedFile", "a.yaml")]
    assert "aliases" in file.problems[0].message


SECRET = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: tls\nstringData:\n  tls.key: {HUNTER2}\n"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        SECRET.replace("  tls.key", "  other: 'x\n  tls.key"),
        SECRET.replace("stringData", "data"),
        SECRET.replace(": hunter2", ": !hunter2"),
        SECRET.replace(": hunter2", ": *hunter2"),
        SECRET.replace(": hunter2", ": @hunter2"),
        SECRET.replace(": hunter2", ": a: hunter2"),
        SECRET.replace("  tls.key: ", "  "),
        SECRET.replace("  tls.key: ", "- "),
        SECRET.replace("  tls.key: ", "tls.key: "),
        SECRET.replace("kind: Secret\n", ""),
        json.dumps({"apiVersion": "v1", "kind": "Secret", "data": HUNTER2})[:-4],
    ],
)
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_no_message_shows_a_secret(name: str, text: str) -> None:
    file = read_file(name, text.encode())
    assert HUNTER2 not in repr(file.problems)
    assert HUNTER2 not in repr(file)


def test_a_secret_is_read() -> None:
    ((_, secret),) = read_file("a.yaml", SECRET.encode()).objects
    assert isinstance(secret, Secret)
    assert secret.data
    assert secret.data.tls_key == HUNTER2.encode()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.yaml", "a.yaml"),
        ("a\nb.yaml", "a\\nb.yaml"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\udcffb", "a\\xffb"),
        ("ä/b", "ä/b"),
    ],
)
def test_printable_paths(path: str, expected: str) -> None:
    assert printable(path) == expected
    assert printable(path).encode()


def test_problems_can_be_printed_whatever_the_file_is_called() -> None:
    file = read_file("\udcff\n.yaml", b"text")
    assert str(file.problems).encode()
    assert reasons(file) == [("NotAnObject", "\\xff\\n.yaml:1")]


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([service("one").encode(), service("two", "x").encode()]), max_size=5
    )
)
def test_any_bytes_are_read(chunks: list[bytes]) -> None:
    before: File | None = None
    for name in ("a.yaml", "a.json"):
        for chunk in (b"\n---\n".join(chunks), *chunks):
            before = read_file(name, chunk, before)
            assert all(isinstance(problem, Problem) and problem.location for problem in before.problems)
            assert str(before.problems).encode()


def named(numbers: list[int]) -> list[Any]:
    return [service(f"s{number % 4}", number) for number in numbers]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 20), max_size=5), max_size=5))
def test_earlier_versions_of_a_file_make_no_difference(versions: list[list[int]]) -> None:
    file: File | None = None
    for numbers in versions:
        file = read_file("a.yaml", several(*named(numbers)), file)
        assert file.objects == read_file("a.yaml", several(*named(numbers))).objects
