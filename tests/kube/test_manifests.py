"""Files to objects and problems: places, last good, duplicates, what is parsed again, limits, hostile files.

Pure: no folder on disk (test_folder), and of YAML and JSON only what a file is made of (test_documents).
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.kube import manifests
from xds.kube.change import Applied, Deleted
from xds.kube.documents import MAX_DOCUMENTS, Parsed, parse_yaml
from xds.kube.manifests import MAX_FILE_BYTES, File, difference, merge, printable, read_file, unreadable
from xds.kube.objects import Key, Secret, Service
from xds.kube.problem import ObjectRef, Problem

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


def test_documents_and_their_lines() -> None:
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


def test_a_problem_has_its_place() -> None:
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


def test_an_object_that_no_longer_decodes_stays() -> None:
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


def test_a_removed_document_takes_its_object_along() -> None:
    first = read_file("a.yaml", several(service("one"), service("two")))
    assert ports(read_file("a.yaml", several(service("two")), first)) == {"two": 80}
    assert ports(read_file("a.yaml", b"", first)) == {}


def test_what_lost_its_name_is_gone() -> None:
    first = read_file("a.yaml", service("one").encode())
    assert ports(read_file("a.yaml", service("_").encode(), first)) == {}


def test_a_file_that_does_not_parse_keeps_its_objects() -> None:
    first = read_file("a.yaml", several(service("one"), service("two")))
    second = read_file("a.yaml", several(service("one", 81), "a: b: c\n"), first)
    assert ports(second) == {"one": 81, "two": 80}
    third = read_file("a.yaml", b"'", second)
    assert ports(third) == {"one": 81, "two": 80}
    assert reasons(third) == [("MalformedFile", "a.yaml:1")]
    repaired = read_file("a.yaml", several(service("two")), third)
    assert (ports(repaired), repaired.problems) == ({"two": 80}, ())


def test_broken_json_keeps_its_objects() -> None:
    value = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}}
    first = read_file("a.json", json.dumps(value).encode())
    second = read_file("a.json", b'{"kind":\n', first)
    assert ports(second) == {"web": 1}
    assert reasons(second) == [("MalformedFile", "a.json:2")]


def test_a_file_that_can_not_be_read_keeps_its_objects() -> None:
    first = read_file("a.yaml", service("one").encode())
    second = unreadable("a.yaml", "UnreadableFile", "It can't be read.", "Repair it.", first)
    assert ports(second) == {"one": 80}
    assert unreadable("b.yaml", "UnreadableFile", "It can't be read.", "Repair it.", None).objects == ()


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


def test_equal_documents_are_duplicates_all_the_same() -> None:
    file = read_file("a.yaml", several(service("one"), service("one")))
    assert len(file.objects) == 2


def test_the_first_of_two_counts() -> None:
    a = read_file("a.yaml", several(service("one", 1), service("two", 1)))
    b = read_file("b.yaml", several(service("two", 2), service("two", 3)))
    for order in ((a, b), (b, a)):
        merged = merge(order)
        assert ports_of(merged.objects) == {"one": 1, "two": 1}
        assert [problem.location for problem in merged.problems] == ["b.yaml:1", "b.yaml:8"]
        assert {problem.reason for problem in merged.problems} == {"DuplicateObject"}
        assert "a.yaml:8" in merged.problems[0].message
        assert "b.yaml:1" in merged.problems[0].message
    assert ports_of(merge([b]).objects) == {"two": 2}


def ports_of(objects: manifests.Objects) -> dict[str, int]:
    return ports(File("", tuple((1, each) for each in objects.values())))


def test_the_difference() -> None:
    before = merge([read_file("a.yaml", several(service("same"), service("changed"), service("gone")))]).objects
    text = several(service("new"), service("changed", 81), service("same"))
    after = merge([read_file("b.yaml", text)]).objects
    changed, new = (after[Service, Key("default", name)] for name in ("changed", "new"))
    gone = Deleted(Service, Key("default", "gone"))
    assert difference(before, after) == [Applied(new), Applied(changed), gone]
    assert difference(after, after) == []


def test_a_file_that_is_too_large() -> None:
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


@given(st.lists(st.lists(st.integers(1, 20), max_size=5), max_size=5))
def test_how_a_file_got_here_makes_no_difference(versions: list[list[int]]) -> None:
    file: File | None = None
    for numbers in versions:
        file = read_file("a.yaml", several(*named(numbers)), file)
        assert file.objects == read_file("a.yaml", several(*named(numbers))).objects
