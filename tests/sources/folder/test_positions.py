"""The line and column of the field that a problem names, in YAML and JSON.

Excludes: the output of `xds lint` (tests/cli/test_lint.py).
"""

from typing import Final

import pytest

from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder.manifests import read_file
from xds.sources.folder.marks import Position, nodes, of_field, repeated_keys
from xds.sources.folder.positions import Positions, Text

BACKEND: Final = FieldPath.of("spec", "rules", 0, "http", "paths", 1, "backend")
SHOP: Final = ObjectRef("Ingress", "default", "shop")
BLOCK: Final = """\
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: "1m"
    'a.b/c "d"': x
spec:
  rules:
  - host: "a.test"
    http:
      paths:
      - path: /
        backend:
          service: {name: a}
      -   path: /x   # wide
          backend: {service: {name: gone}}
      -
        path: |
          /long
"""


def at(text: str, *parts: object) -> tuple[str, str]:
    """The rest of the line at the place of a field, and the text up to the end of the place."""
    (root,) = nodes(text.encode())
    found = of_field(root, FieldPath(parts))  # type: ignore[arg-type]
    line = text.splitlines()[found.line - 1]
    end = found.end_column - 1 if found.end_line == found.line else found.column - 1
    return line[found.column - 1 :].strip(), line[found.column - 1 : end]


@pytest.mark.parametrize(
    ("parts", "rest", "marked"),
    [
        (("spec", "rules", 0, "host"), 'host: "a.test"', 'host: "a.test"'),
        (("spec", "rules", 0), 'host: "a.test"', ""),
        (BACKEND.parts, "backend: {service: {name: gone}}", "backend"),
        ((*BACKEND.parts, "service", "name"), "name: gone}}", "name: gone"),
        (("spec", "rules", 0, "http", "paths", 0, "backend"), "backend:", "backend"),
        (("spec", "rules", 0, "http", "paths", 1, "path"), "path: /x   # wide", "path: /x"),
        (("spec", "rules", 0, "http", "paths", 2, "path"), "path: |", "path"),
        (("metadata", "annotations", MapKey('a.b/c "d"')), "'a.b/c \"d\"': x", "'a.b/c \"d\"': x"),
        (
            ("metadata", "annotations", MapKey("nginx.ingress.kubernetes.io/proxy-body-size")),
            'nginx.ingress.kubernetes.io/proxy-body-size: "1m"',
            'nginx.ingress.kubernetes.io/proxy-body-size: "1m"',
        ),
    ],
)
def test_the_place_of_a_field_is_its_key_with_a_value_in_the_same_line(
    parts: tuple[object, ...], rest: str, marked: str
) -> None:
    assert at(BLOCK, *parts) == (rest, marked)


@pytest.mark.parametrize(
    ("parts", "rest"),
    [
        (("spec", "tls", 0, "secretName"), "spec:"),
        (("spec", "rules", 5, "host"), "rules:"),
        (("spec", "rules", 0, "http", "paths", 0, "backend", "service", "port"), "service: {name: a}"),
        (("status",), "kind: Ingress"),
        ((), "kind: Ingress"),
        (("metadata", "name", "deeper"), "name: shop"),
    ],
)
def test_the_place_of_a_missing_field_is_the_innermost_field_around(parts: tuple[object, ...], rest: str) -> None:
    assert at(BLOCK, *parts)[0] == rest


@pytest.mark.parametrize(
    ("text", "parts", "rest"),
    [
        ("base: &b {x: {y: 1}}\nspec: *b\n", ("spec", "x", "y"), "y: 1}}"),
        ("base: &b {x: {y: 1}}\nspec:\n  <<: *b\n  z: 2\n", ("spec", "x", "y"), "y: 1}}"),
        ("a: &a {x: 1}\nb: &b {y: 2}\nspec:\n  <<: [*a, *b]\n", ("spec", "y"), "y: 2}"),
        ("a: &a {x: 1}\nspec:\n  <<: *a\n  x: 3\n", ("spec", "x"), "x: 3"),
        ("a: &a {x: 1}\nb: &a {x: 2}\nspec: *a\n", ("spec", "x"), "x: 2}"),
        ("spec: {x: 1}\nspec: {x: 2}\n", ("spec", "x"), "x: 2}"),
        ('{"spec":\n\t{"rules": [1,\t{"host": "a"}]}}', ("spec", "rules", 1, "host"), '"host": "a"}]}}'),
        ("é: ü\nspec: [é, {ß: x}]\n", ("spec", 1, "ß"), "ß: x}]"),
    ],
    ids=["alias", "merge", "merges", "merge overridden", "anchor again", "key twice", "JSON with tabs", "not ASCII"],
)
def test_the_place_of_a_field_behind_anchors_and_in_flow_style(text: str, parts: tuple[object, ...], rest: str) -> None:
    assert at(text, *parts)[0] == rest


def test_a_long_chain_of_merged_mappings_is_no_recursion() -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 5000))]
    (root,) = nodes("\n".join(lines).encode())
    assert of_field(root, FieldPath.of("a4999", "x")) == Position(1, 10, 1, 14)


def test_keys_that_a_mapping_has_twice_are_found_once() -> None:
    text = b"a: &a {x: 1, x: 2}\nb: *a\nc: [{y: 1, 'y': 2}]\nd: {<<: *a, <<: *a}\n"
    (root,) = nodes(text)
    found = sorted((key.text or "", key.position.line, first.position.column) for key, first in repeated_keys(root))
    assert found == [("x", 1, 8), ("y", 3, 6)]


def find(text: str, reason: Reason = Reason.BACKEND_NOT_FOUND, field: FieldPath = BACKEND, name: str = "f.yaml") -> str:
    """The place of the problem of Ingress shop, as LINE:COLUMN."""
    raw, is_json = text.encode(), name.endswith(".json")
    file = read_file(name, raw)
    line = next(line for line, each in file.objects if each.ref == SHOP)
    found = Positions({name: Text(raw, is_json)}).find(name, line, Problem(SHOP, reason, "", "", field))
    return f"{found.line}:{found.column}"


ITEM: Final = (
    '{"kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "shop"}, "spec": {"rules": [\n'
    '{"http": {"paths": [{"pathType": "Exact", "backend": {}}, {"pathType": "Exact",\n "backend": {}}]}}]}}'
)
OTHER: Final = '{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "shop"}}'


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("f.json", ITEM, "3:2"),
        ("f.json", f"\n\n{ITEM}", "5:2"),
        ("f.json", f'{{"kind": "List", "apiVersion": "v1", "items": [{", ".join([OTHER] * 70)},\n{ITEM}]}}', "4:2"),
        ("f.yaml", f"# comment\n---\n{OTHER}\n---\n{ITEM}\n", "7:2"),
        ("f.yaml", f"%YAML 1.1\n---\n{OTHER}\n---\n{ITEM}\n", "7:2"),
        ("f.yaml", f"\ufeff{ITEM}", "3:2"),
        ("f.yaml", f"{ITEM}\r\n".replace("\n", "\r\n"), "3:2"),
        ("f.yaml", f"kind: List\napiVersion: v1\nitems:\n- {OTHER}\n- kind: List\n  items: [{ITEM}]\n", "8:2"),
        ("f.yaml", f"kind: IngressList\napiVersion: networking.k8s.io/v1\nitems:\n- {ITEM}\n", "6:2"),
    ],
    ids=["JSON", "lines before", "JSON List", "documents", "directive", "BOM", "CRLF", "List in List", "IngressList"],
)
def test_the_object_is_found_among_documents_and_items(name: str, text: str, place: str) -> None:
    assert find(text, name=name) == place


def test_several_json_values_have_the_line_of_their_own() -> None:
    assert find(f"{OTHER}\n{ITEM}", name="f.json") == "2:0"


def test_a_duplicate_in_a_list_is_the_second_object() -> None:
    text = f"kind: List\napiVersion: v1\nitems:\n- {ITEM}\n- {ITEM}\n"
    assert find(text, Reason.DUPLICATE_OBJECT, FieldPath.of("metadata", "name")).startswith("7:")
    assert find(text) == "6:2"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("kind: Service\napiVersion: v1\nmetadata:\n  name: UP\n", "4:3"),
        ("kind: List\napiVersion: v1\nitems:\n- {kind: Service, apiVersion: v1, metadata: {name: UP}}\n", "4:46"),
        ("---\na: 1\n---\n- x\n", "2:1 4:1"),
        ("a: 1\n---\n\n\nb: [\n", "1:1 6:1"),
        ("a: 1\n---\nb: c: d\n", "1:1 3:5"),
        ("kind: Ingress\n---\nb: {{ x }}\n", "1:1 3:4"),
        ("kind: Service\napiVersion: v1\nmetadata: {name: '${NAME}'}\n", "3:19"),
    ],
)
def test_the_places_of_documents_that_are_no_objects(text: str, place: str) -> None:
    positions = Positions({"f.yaml": Text(text.encode(), is_json=False)})
    found = []
    for each in read_file("f.yaml", text.encode()).problems:
        position = positions.find("f.yaml", int(each.location.rpartition(":")[2]), each)
        found.append(f"{position.line}:{position.column}")
    assert " ".join(found) == place
