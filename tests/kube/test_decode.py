"""Decoding of a document to an object or a problem: kinds, names, and messages, which never show a Secret.

Excludes the meaning of fields, and text that is neither YAML nor JSON.
"""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.kube.decode import NOT_AN_OBJECT, decode, flatten
from xds.kube.kinds import KINDS, KINDS_BY_NAME
from xds.kube.objects import (
    MAX_CONFIG_MAP_BYTES,
    ConfigMap,
    EndpointSlice,
    Ingress,
    KubeObject,
    Metadata,
    Secret,
    SecretData,
    Service,
)
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.text import shown

SPECS: dict[str, dict[str, Any]] = {
    "GatewayClass": {"controllerName": "example.com/controller"},
    "Gateway": {"gatewayClassName": "envoy"},
    "ListenerSet": {"parentRef": {"name": "gateway"}},
    "BackendTLSPolicy": {"validation": {"hostname": "a.example"}},
}
"""The required fields, of kinds that have some."""

HUNTER2 = "hunter2-the-private-key"


def document(kind: str = "Service", name: object = "web", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **fields.pop("metadata", {})}
    if kind in SPECS:
        fields = {"spec": SPECS[kind], **fields}
    return {"apiVersion": KINDS_BY_NAME[kind].api_version, "kind": kind, "metadata": metadata, **fields}


def problem(value: object) -> Problem:
    result = decode(value)
    assert isinstance(result, Problem)
    assert result.message.endswith(".")
    assert result.remedy.endswith(".")
    return result


def found(value: object) -> KubeObject:
    result = decode(value)
    assert not isinstance(result, Problem), result
    assert result is not None
    return result


@pytest.mark.parametrize("type_", KINDS)
def test_every_kind_is_decoded_under_its_api_version(type_: type[KubeObject]) -> None:
    result = found(document(type_.kind))
    assert type(result) is type_
    assert result.key == Key("default" if type_.namespaced else "", "web")


def test_ingress_fields() -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rules = [{"host": "a.example", "http": {"paths": [path]}}]
    result = found(document("Ingress", spec={"ingressClassName": "envoy", "rules": rules}, status={"unknown": 1}))
    assert isinstance(result, Ingress)
    assert result.spec.ingress_class_name == "envoy"
    assert result.spec.rules
    assert result.spec.rules[0].paths[0].path_type == "Prefix"


def test_a_config_map_has_its_data_and_no_annotations() -> None:
    metadata = {"uid": "u", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}
    result = found(document("ConfigMap", metadata=metadata, data={"a": "b"}, binaryData={"c": "AA=="}, fault="no"))
    assert result == ConfigMap(Metadata("web", "default", "u"), {"a": "b"})
    assert found(document("ConfigMap", data=None)) == ConfigMap(Metadata("web", "default"), {})


def test_keys_of_a_config_map_may_be_numbers() -> None:
    """As kubectl reads them: the examples of ingress-nginx write ports without quotes."""
    result = found(document("ConfigMap", data={9000: "ns/web:80", "9001": "ns/web:81"}))
    assert result == ConfigMap(Metadata("web", "default"), {"9000": "ns/web:80", "9001": "ns/web:81"})
    assert problem(document("ConfigMap", data={True: "a"})).reason == "InvalidObject"


def test_a_config_map_that_is_too_large_has_a_fault_in_place_of_content() -> None:
    fits = {"key": "x" * (MAX_CONFIG_MAP_BYTES - 3)}
    result = found(document("ConfigMap", data=fits))
    assert isinstance(result, ConfigMap)
    assert (result.data, result.fault) == (fits, "")
    result = found(document("ConfigMap", data={"keys": fits["key"]}))
    assert isinstance(result, ConfigMap)
    assert (result.data, result.fault) == (None, "it holds more than 256 KiB")


def test_a_number_in_a_config_map_is_a_problem() -> None:
    assert problem(document("ConfigMap", data={"a": 1})).reason == "InvalidObject"


def test_slice_fields() -> None:
    endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"ready": None}}]
    result = found(
        document("EndpointSlice", addressType="IPv6", endpoints=endpoints, ports=[{"port": 80, "name": None}])
    )
    assert isinstance(result, EndpointSlice)
    assert result.address_type == "IPv6"
    assert result.endpoints
    assert result.endpoints[0].addresses == ("10.0.0.1",)


@pytest.mark.parametrize("kind", ["Deployment", "List1", "XMesh", "Kustomization"])
def test_other_kinds_are_ignored(kind: str) -> None:
    assert decode({"apiVersion": "v1", "kind": kind, "spec": 1}) is None


@pytest.mark.parametrize("kind", ["GatewayClass", "Gateway", "HTTPRoute", "ReferenceGrant"])
def test_kinds_of_the_gateway_api_are_decoded_under_their_older_version(kind: str) -> None:
    older = {**document(kind), "apiVersion": "gateway.networking.k8s.io/v1beta1"}
    assert found(older) == found(document(kind))


def test_an_older_version_with_other_fields_is_a_problem() -> None:
    older = {**document("BackendTLSPolicy"), "apiVersion": "gateway.networking.k8s.io/v1alpha3"}
    assert problem(older).reason == "UnsupportedApiVersion"
    assert "gateway.networking.k8s.io/v1," in problem(older).remedy


@pytest.mark.parametrize("api_version", ["serving.knative.dev/v1", "example.com/v1beta1"])
def test_other_groups_are_ignored(api_version: str) -> None:
    assert decode({"apiVersion": api_version, "kind": "Service", "metadata": {"name": "web"}}) is None


def test_an_empty_document_is_ignored() -> None:
    assert decode(None) is None


@pytest.mark.parametrize("value", ["text", 3, [], [{"kind": "Service"}], {}, {"kind": 5}, {"kind": ""}, {"a": "b"}])
def test_not_an_object(value: object) -> None:
    result = problem(value)
    assert (result.object, result.reason) == (NOT_AN_OBJECT, "NotAnObject")


def test_no_api_version() -> None:
    assert "apiVersion" in problem({"kind": "Service", "metadata": {"name": "web"}}).message


@pytest.mark.parametrize(
    ("api_version", "kind", "wanted"),
    [
        ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1beta1", "IngressClass", "networking.k8s.io/v1"),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", "discovery.k8s.io/v1"),
        ("v1", "Ingress", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1", "Service", "v1"),
    ],
)
def test_unsupported_api_version(api_version: str, kind: str, wanted: str) -> None:
    result = problem({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}})
    assert (result.reason, str(result.field)) == ("UnsupportedApiVersion", "apiVersion")
    assert f"apiVersion: {wanted}," in result.remedy
    assert result.object == ObjectRef(kind, "" if kind == "IngressClass" else "shop", "web")
    assert ("removed in Kubernetes 1.2" in result.message) == ("beta" in api_version)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        5,
        True,
        ["a"],
        "A",
        "a_b",
        "-a",
        "a-",
        "a..b",
        ".",
        "a/b",
        "a" * 254,
        "a\0",
        'a"b',
        "ä",
        "a\n",
        "\U0001f600",
    ],
)
def test_invalid_names(name: object) -> None:
    result = problem(document("Service", name))
    assert (result.reason, str(result.field), result.object) == (
        "InvalidName",
        "metadata.name",
        ObjectRef("Service", "", ""),
    )


@pytest.mark.parametrize("metadata", [None, "web", [], {}, {"generateName": "web-"}])
def test_missing_names(metadata: object) -> None:
    assert problem({"apiVersion": "v1", "kind": "Service", "metadata": metadata}).reason == "InvalidName"


@pytest.mark.parametrize("namespace", ["A", "a.b", "a" * 64, 5, False, "../etc", ["a"]])
def test_invalid_namespaces(namespace: object) -> None:
    result = problem(document(metadata={"namespace": namespace}))
    assert (result.reason, str(result.field)) == ("InvalidName", "metadata.namespace")


@pytest.mark.parametrize("namespace", [None, "", "default"])
def test_the_default_namespace(namespace: object) -> None:
    assert found(document(metadata={"namespace": namespace})).key == Key("default", "web")


@pytest.mark.parametrize("type_", KINDS)
def test_names_up_to_the_limit(type_: type[KubeObject]) -> None:
    name = "a" * 63 if type_.name_is_label else ".".join(["a" * 63] * 3) + "." + "b" * 61
    namespace = "n" * 63 if type_.namespaced else ""
    assert found(document(type_.kind, name, metadata={"namespace": namespace})).key == Key(namespace, name)


@pytest.mark.parametrize("name", ["a.b", "a" * 64, "a" * 200])
def test_a_service_is_named_by_a_label(name: str) -> None:
    result = problem(document("Service", name))
    assert (result.reason, str(result.field)) == ("InvalidName", "metadata.name")
    assert result.remedy == "Use a to z, 0 to 9, '-', at most 63 characters."
    assert found(document("EndpointSlice", name))


def test_a_service_may_begin_with_a_digit() -> None:
    assert found(document("Service", "0-a")).key.name == "0-a"


def test_the_namespace_of_a_class_is_dropped() -> None:
    assert found(document("IngressClass", metadata={"namespace": "shop"})).key == Key("", "web")


def test_a_huge_name_is_not_repeated_in_full() -> None:
    result = problem(document(name="x" * 1_000_000))
    assert len(str(result)) < 600
    assert "1000000 characters" in result.message


def test_hostile_text_is_escaped() -> None:
    assert shown("a\0\x1b[31m'\"\n\ud800") == "'a\\x00\\x1b[31m\\'\"\\n\\ud800'"
    for value in ({"name": "a\x1b[31m"}, {"name": "\x9b2J\u202e"}, {"name": "a", "namespace": "\x9b" * 100}):
        assert problem(document(metadata=value)).message.isprintable()
    assert problem({**document(), "apiVersion": "extensions/\x1b[31m"}).message.isprintable()


def test_long_values_in_messages_are_cut() -> None:
    assert shown("a" * 80) == f"'{'a' * 80}'"
    assert shown("a" * 81) == f"'{'a' * 80}'…"


@given(st.text())
def test_anything_can_be_shown(text: str) -> None:
    assert shown(text).isprintable()


PORT = "spec.rules[0].http.paths[0].backend.service.port.number"


def ingress_with_port(number: object) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": number}}}
    return document("Ingress", spec={"rules": [{"http": {"paths": [{"pathType": "Prefix", "backend": backend}]}}]})


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (ingress_with_port("80"), PORT, f"{PORT}: expected a whole number, found a string."),
        (ingress_with_port(80.5), PORT, f"{PORT}: expected a whole number, found a number with a fraction."),
        (document("Ingress", spec=[]), "spec", "spec: expected a mapping, found a list."),
        (document(spec={"ports": {}}), "spec.ports", "spec.ports: expected a list, found a mapping."),
        (document(spec={"ports": [{}]}), "spec.ports[0].port", "spec.ports[0].port: is missing."),
        (
            document(metadata={"annotations": {"a": True}}),
            "metadata.annotations",
            "metadata.annotations: expected a string, found true or false.",
        ),
        (
            document(metadata={"labels": {1: "a"}}),
            "metadata.labels",
            "metadata.labels: every key must be a string: put it in quotes.",
        ),
    ],
)
def test_invalid_objects(value: object, field: str, message: str) -> None:
    result = problem(value)
    assert (result.reason, str(result.field), result.message) == ("InvalidObject", field, message)
    assert result.object.name == "web"


def test_the_remedy_names_the_field_to_look_up() -> None:
    assert (
        "kubectl explain ingress.spec.rules.http.paths.backend.service.port.number"
        in problem(ingress_with_port("80")).remedy
    )


@pytest.mark.parametrize("value", ["2026-01-31", "2026-01-31T12:00:00", "yesterday", 5, datetime(2026, 1, 31)])  # noqa: DTZ001
def test_times_without_a_zone(value: object) -> None:
    result = problem(document(metadata={"creationTimestamp": value}))
    assert (result.reason, str(result.field)) == ("InvalidObject", "metadata.creationTimestamp")
    assert "2026-01-31T12:00:00Z" in result.message


def test_times() -> None:
    expected = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for value in ("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", expected):
        assert found(document(metadata={"creationTimestamp": value})).metadata.creation_timestamp == expected
    assert found(document(metadata={"creationTimestamp": None})).metadata.creation_timestamp is None


def test_null_is_absent_everywhere() -> None:
    nulls = {"namespace": None, "uid": None, "labels": {"a": None}, "annotations": None}
    result = found(
        document(metadata=nulls, spec={"type": None, "ports": [{"port": 80, "name": None, "protocol": None}]})
    )
    assert isinstance(result, Service)
    assert result.spec.ports
    assert (result.spec.type, result.spec.ports[0].protocol) == ("ClusterIP", "TCP")
    assert isinstance(decode(document(spec={"ports": [{"port": None}]})), Problem)


def test_nesting_beyond_the_recursion_limit_is_a_problem() -> None:
    value: object = None
    for _ in range(100_000):
        value = [value]
    result = problem(document(spec={"type": None, "more": value}))
    assert result.reason == "InvalidObject"
    while isinstance(value, list):  # or its deallocation is the deep one
        value = value.pop()


def secret(**fields: Any) -> Secret:
    result = found(document("Secret", **fields))
    assert isinstance(result, Secret)
    return result


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def test_a_secret_keeps_the_keys_in_use() -> None:
    data = {"tls.crt": encoded("crt"), "tls.key": encoded("key"), "other": "not base64!"}
    assert secret(data=data).data == SecretData(b"crt", b"key")
    assert secret(data={**data, "tls.ocsp-staple": encoded("ocsp")}).data == SecretData(b"crt", b"key", b"ocsp")
    assert secret(data={**data, "auth": encoded("u:x"), "n": 1}).data == SecretData(
        b"crt", b"key", others={"auth": b"u:x"}
    )
    assert secret().data == SecretData()
    assert secret(data=None, stringData=None).data == SecretData()


def test_string_data_wins() -> None:
    data, text = {"tls.crt": encoded("old"), "tls.key": encoded("key")}, {"tls.crt": "new"}
    assert secret(data=data, stringData=text).data == SecretData(b"new", b"key")


def test_wrapped_base64() -> None:
    wrapped = base64.encodebytes(b"k" * 100).decode().replace("\n", "\r\n")
    assert secret(data={"tls.key": wrapped}).data == SecretData(None, b"k" * 100)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"data": {"tls.key": HUNTER2}}, "data[tls.key]"),
        ({"data": {"tls.crt": [HUNTER2]}}, "data[tls.crt]"),
        ({"data": HUNTER2}, "data"),
        ({"stringData": [HUNTER2]}, "stringData"),
        ({"stringData": {"tls.key": {HUNTER2: HUNTER2}}}, "stringData[tls.key]"),
        ({"metadata": {"name": {HUNTER2: 1}}}, "metadata.name"),
    ],
)
def test_a_broken_secret_is_not_shown(fields: dict[str, Any], field: str) -> None:
    result = problem(document("Secret", **fields))
    assert str(result.field) == field
    assert HUNTER2 not in repr(result)


def test_a_secret_is_not_printed() -> None:
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": HUNTER2}
    result = secret(metadata={"annotations": annotation}, stringData={"tls.key": HUNTER2})
    assert HUNTER2 not in repr(result)
    assert HUNTER2 not in str(result)
    assert result.metadata.annotations is None
    read_by_others = msgspec.convert(document("Secret", metadata={"annotations": annotation}), Secret)
    assert HUNTER2 not in repr(read_by_others)


def test_lists_are_flattened() -> None:
    one, two, three = document(name="one"), document(name="two"), document(name="three")
    nested = {"kind": "List", "apiVersion": "v1", "items": [one, {"kind": "List", "items": [two]}, three]}
    assert list(flatten(nested)) == [one, two, three]
    assert list(flatten(one)) == [one]


def test_items_of_a_typed_list_need_no_kind() -> None:
    items = [{"metadata": {"name": "web"}}, None, "text", document("Secret")]
    flat = list(flatten({"kind": "ServiceList", "apiVersion": "v1", "items": items}))
    assert flat == [
        {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}},
        None,
        "text",
        document("Secret"),
    ]


@pytest.mark.parametrize("items", [None, {}, "text"])
def test_a_list_without_items_is_ignored(items: object) -> None:
    assert [decode(each) for each in flatten({"kind": "List", "apiVersion": "v1", "items": items})] == [None]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_no_value_raises_an_exception(value: object) -> None:
    for each in flatten(value):
        decode(each)


@given(
    st.sampled_from(sorted(KINDS_BY_NAME)),
    st.dictionaries(st.sampled_from(["spec", "data", "stringData", "endpoints"]), VALUES),
)
def test_any_fields_of_a_known_kind(kind: str, fields: dict[str, Any]) -> None:
    result = decode(document(kind, **fields))
    assert result is not None
    if isinstance(result, Problem):
        assert result.object.name == "web"
