"""Decoding of an API server's answers: events, pages, bookmarks, errors, invalid objects, and lines from chunks.

Excludes the fields of objects (test_decode).
"""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.objects import (
    endpoint,
    ingress,
    ingress_class,
    manifest,
    metadata,
    password_file,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.kube.decode import decode
from xds.kube.gateway_objects import GatewayMetadata, HTTPRoute
from xds.kube.objects import EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service
from xds.kube.wire import Bookmark, Failure, Found, GarbledError, Gone, Page, event_of, failure_of, page_of
from xds.problems.problem import Key, Problem
from xds.sources.apiserver import lines
from xds.sources.apiserver.lines import Lines, LineTooLongError

OBJECTS: list[KubeObject] = [
    ingress(
        "a", rule("a.example", path("/", "web")), created=3, tls=[tls("a.example", secret="s")], default="web:http"
    ),
    ingress_class(default=True),
    service("web", "http:80", {"port": 81, "appProtocol": "h2c"}),
    slice_of("web", endpoint("10.0.0.1", serving=True, zone="z"), "10.0.0.2"),
    secret("s"),
    password_file("u:x"),
]


def wire(each: KubeObject, **changes: Any) -> dict[str, Any]:
    """Return the object as on the wire, with a resourceVersion and unknown fields."""
    document = {**manifest(each), "status": {"anything": [1]}, **changes}
    document["metadata"] = {**document["metadata"], "resourceVersion": "7", "managedFields": [{"fieldsV1": {}}]}
    if isinstance(each, Secret):
        document["metadata"] |= {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "data"}}
    return document


def line(type_: str, document: object) -> bytes:
    return json.dumps({"type": type_, "object": document}, default=_json).encode()


def _json(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(msgspec.to_builtins(value))


@pytest.mark.parametrize("type_", ["ADDED", "MODIFIED"])
@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each.kind)
def test_an_object_from_the_wire_equals_the_object_of_a_manifest(each: KubeObject, type_: str) -> None:
    assert event_of(type(each), line(type_, wire(each))) == Found(each.key, "7", each)


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each.kind)
def test_a_page_has_items_version_and_continue_token(each: KubeObject) -> None:
    items = [{name: part for name, part in wire(each).items() if name not in ("kind", "apiVersion")}]
    body = json.dumps({"metadata": {"resourceVersion": "9", "continue": "n"}, "items": items}, default=_json).encode()
    assert page_of(type(each), body) == Page((Found(each.key, "7", each),), "9", "n")


def test_a_page_without_items() -> None:
    assert page_of(Service, b'{"metadata": {"resourceVersion": "9"}, "items": null}') == Page((), "9", "")


def test_null_fields_are_absent() -> None:
    document = wire(service("web"), spec={"type": None, "ports": [{"port": 80, "name": None}]})
    assert event_of(Service, line("ADDED", document)) == Found(Key("default", "web"), "7", service("web"))


def test_the_last_applied_annotation_is_dropped() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"}
    event = event_of(Ingress, line("ADDED", wire(ingress("a", annotations=annotations))))
    assert isinstance(event, Found)
    assert isinstance(event.result, Ingress)
    assert event.result.annotations == {"a": "b"}


def test_an_object_of_the_gateway_api_has_its_generation() -> None:
    written = {"name": "r", "namespace": "n", "uid": "u", "generation": 4, "resourceVersion": "7"}
    found = event_of(HTTPRoute, line("ADDED", {"metadata": written, "spec": {"rules": [{"name": "first"}]}}))
    assert isinstance(found, Found)
    assert isinstance(found.result, HTTPRoute)
    assert found.result.metadata == GatewayMetadata("r", "n", "u", generation=4)


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each.kind)
def test_a_deletion_is_decoded(each: KubeObject) -> None:
    assert event_of(type(each), line("DELETED", wire(each))) == Gone(each.key, "7")


@pytest.mark.parametrize(("annotations", "initial"), [(None, False), ({"k8s.io/initial-events-end": "true"}, True)])
def test_a_bookmark(annotations: dict[str, str] | None, initial: bool) -> None:
    document = {"kind": "Service", "metadata": {"resourceVersion": "12", "annotations": annotations}}
    assert event_of(Service, line("BOOKMARK", document)) == Bookmark("12", initial)


def test_an_error() -> None:
    document = {"kind": "Status", "metadata": {}, "code": 410, "reason": "Expired", "message": "too old"}
    assert event_of(Service, line("ERROR", document)) == Failure(410, "Expired", "too old")
    assert failure_of(json.dumps(document).encode()) == Failure(410, "Expired", "too old")


def test_a_failure_without_status_is_none() -> None:
    assert failure_of(b"<html>") is None
    assert failure_of(b"{}") is None


def test_an_event_of_unknown_type_is_ignored() -> None:
    assert event_of(Service, line("NEW", {"metadata": {}})) is None


@pytest.mark.parametrize("text", [b"", b"x", b"{}", b'{"type": "ADDED"}', b'{"type": 1, "object": {}}', b"[]", b"\xff"])
def test_a_line_without_event_is_garbled(text: bytes) -> None:
    with pytest.raises(GarbledError):
        event_of(Service, text)


@pytest.mark.parametrize("text", [b"", b"x", b"[]", b'{"items": 7}'])
def test_a_body_without_list_is_garbled(text: bytes) -> None:
    with pytest.raises(GarbledError):
        page_of(Service, text)


@pytest.mark.parametrize("body", [b"{}", b'{"items": []}', b'{"kind": "Status", "status": "Failure"}', b"<html>"])
def test_an_error_page_is_not_an_empty_list(body: bytes) -> None:
    """An empty list would withdraw every object."""
    with pytest.raises(GarbledError):
        page_of(Service, body)


def test_an_invalid_object_is_a_problem_and_the_next_object_is_read() -> None:
    bad, good = wire(service("bad"), spec={"ports": "many"}), wire(service("good"))
    page = page_of(Service, json.dumps({"metadata": {"resourceVersion": "9"}, "items": [bad, good]}).encode())
    first, second = page.items
    assert isinstance(first.result, Problem)
    assert (str(first.result.object), str(first.result.field)) == ("Service default/bad", "spec.ports")
    assert (first.key, first.version) == (Key("default", "bad"), "7")
    assert second.result == service("good")


@pytest.mark.parametrize("name", ["", "A", "a/b", "a\nb", "x" * 254])
def test_an_invalid_name_is_a_problem(name: str) -> None:
    document = {"metadata": {"name": name, "namespace": "default"}}
    event = event_of(Service, line("ADDED", document))
    assert isinstance(event, Found)
    assert isinstance(event.result, Problem)
    assert event.result.reason == "InvalidName"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    kind=st.sampled_from([Ingress, IngressClass, Service, EndpointSlice, Secret]),
    part=st.sampled_from(["metadata", "spec", "data", "endpoints", "ports", "addressType"]),
    junk=JSON,
)
def test_any_object_is_decoded_as_from_a_manifest(kind: type[KubeObject], part: str, junk: Any) -> None:
    document = {"metadata": metadata("a"), part: junk}
    event = event_of(kind, json.dumps({"type": "ADDED", "object": document}).encode())
    assert isinstance(event, Found)
    like = next(each for each in OBJECTS if type(each) is kind)
    expected = decode({**document, "kind": kind.kind, "apiVersion": manifest(like)["apiVersion"]})
    assert isinstance(event.result, Problem) == isinstance(expected, Problem) or kind is IngressClass
    if not isinstance(expected, Problem) and not isinstance(event.result, Problem):
        assert event.result.key == event.key


# Lines


@given(text=st.lists(st.binary(max_size=5).map(lambda part: part.replace(b"\n", b""))), data=st.data())
def test_lines_are_joined_from_any_chunks(text: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(part + b"\n" for part in text) + b"rest"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    found, reader = [], Lines()
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += reader.feed(whole[begin:end])
    assert found == [part for part in text if part.strip()]


def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    reader = Lines()
    reader.feed(b"12345")
    with pytest.raises(LineTooLongError):
        reader.feed(b"678901")
