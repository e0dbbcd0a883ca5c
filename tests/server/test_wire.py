"""Conversion between bytes and the protocol's messages: decoded requests, and responses encoded from parts.

A response from parts must equal the official encoding of the whole message. Excludes the content of responses
(tests/protocol) and the codec (tests/envoyapi).
"""

import gc
from typing import Any, cast

import pytest

from tests.support.envoy_json import from_dict
from xds.envoyapi import codec
from xds.envoyapi.messages import Any as PackedAny
from xds.envoyapi.messages import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Status,
)
from xds.envoyapi.messages import Node as EnvoyNode
from xds.envoyapi.messages import Resource as DeltaResource
from xds.protocol.messages import DeltaRequest, ErrorCode, Node, ProtocolError, Response, SotwRequest, Variant
from xds.protocol.subscription import NameSets
from xds.server import wire
from xds.server.wire import NODE_FIELD_CHARACTERS, TYPE_URL_CHARACTERS, Decoder, Encoder, request
from xds.snapshot.resource import Resource, ResourceType, resource

CDS, EDS, *_ = ResourceType


def envoy() -> EnvoyNode:
    """A node with the fields that Envoy sends."""
    version = {"version": {"major_number": 1, "minor_number": 40}}
    fields = {"id": "envoy-1", "cluster": "fleet", "user_agent_name": "envoy", "user_agent_build_version": version}
    return cast("EnvoyNode", from_dict("envoy.config.core.v3.Node", fields))


def some(*names: str, type_: ResourceType = CDS) -> tuple[Resource, ...]:
    return tuple(resource(type_, name, f"body of {name}".encode()) for name in names)


def response(variant: Variant, *resources: Resource, removed: tuple[str, ...] = (), nonce: str = "7") -> Response:
    return Response(variant, CDS, nonce, "some version", 3, resources, removed)


def official(value: Response) -> Any:
    """The response as one message, without the code under test."""
    packed = [PackedAny(type_url=each.type.value, value=each.body) for each in value.resources]
    if value.variant is Variant.SOTW:
        return DiscoveryResponse(
            version_info=value.version, type_url=value.type.value, nonce=value.nonce, resources=packed
        )
    return DeltaDiscoveryResponse(
        system_version_info=value.version,
        type_url=value.type.value,
        nonce=value.nonce,
        resources=[
            DeltaResource(name=each.name, version=each.version, resource=body)
            for each, body in zip(value.resources, packed, strict=True)
        ],
        removed_resources=list(value.removed),
    )


def test_a_delta_request_is_decoded() -> None:
    message = DeltaDiscoveryRequest(
        node=envoy(),
        type_url=CDS,
        resource_names_subscribe=["b", "a", "a"],
        resource_names_unsubscribe=["c"],
        initial_resource_versions={"a": "1"},
        response_nonce="7",
        error_detail=Status(code=13, message="no"),
    )
    assert request(Variant.DELTA, codec.encode(message)) == DeltaRequest(
        type_url=CDS,
        subscribe=frozenset({"a", "b"}),
        unsubscribe=frozenset({"c"}),
        initial_resource_versions={"a": "1"},
        nonce="7",
        error="no",
        node=Node("envoy-1", "fleet", "envoy 1.40.0"),
    )


def test_a_state_of_the_world_request_is_decoded() -> None:
    message = DiscoveryRequest(
        node=envoy(),
        type_url=CDS,
        resource_names=["b", "a"],
        version_info="5",
        response_nonce="7",
        error_detail=Status(message="no"),
    )
    assert request(Variant.SOTW, codec.encode(message)) == SotwRequest(
        type_url=CDS,
        names=frozenset({"a", "b"}),
        version="5",
        nonce="7",
        error="no",
        node=Node("envoy-1", "fleet", "envoy 1.40.0"),
    )


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (Variant.DELTA, DeltaDiscoveryRequest(type_url=CDS, error_detail=Status())),
        (Variant.SOTW, DiscoveryRequest(type_url=CDS, error_detail=Status())),
    ],
)
def test_an_error_detail_without_a_message_is_a_nack(variant: Variant, message: Any) -> None:
    assert request(variant, codec.encode(message)).error == ""


def test_unset_fields_are_empty() -> None:
    assert request(Variant.DELTA, b"") == DeltaRequest("")
    assert request(Variant.SOTW, b"") == SotwRequest("")


def test_a_user_agent_version_may_be_text() -> None:
    message = DiscoveryRequest(node=EnvoyNode(id="a", user_agent_name="gRPC", user_agent_version="1.80"))
    assert request(Variant.SOTW, codec.encode(message)).node == Node("a", "", "gRPC 1.80")


def test_fields_of_a_newer_api_are_ignored() -> None:
    unknown = b"\xfa\x7f\x03new"  # field 2047
    message = codec.encode(DiscoveryRequest(type_url=CDS)) + unknown
    assert request(Variant.SOTW, message) == SotwRequest(CDS)


@pytest.mark.parametrize("data", [b"\xff", b"GET / HTTP/1.1", b"\x0a\xff\xff\xff\xff\x0f"], ids=repr)
@pytest.mark.parametrize("variant", list(Variant))
def test_invalid_bytes_are_an_error(variant: Variant, data: bytes) -> None:
    with pytest.raises(ProtocolError) as raised:
        request(variant, data)
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT
    assert "DiscoveryRequest; this is an xDS v3 server" in raised.value.message


@pytest.mark.parametrize("variant", list(Variant))
@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "ü" * 200)], ids=len)
@pytest.mark.parametrize("removed", [(), ("x", "y")], ids=len)
def test_a_response_in_parts_is_the_official_message(
    variant: Variant, names: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    value = response(variant, *some(*names), removed=removed if variant is Variant.DELTA else ())
    expected = official(value)
    data = Encoder().encode(value)
    decoded = codec.decode(DeltaDiscoveryResponse if variant is Variant.DELTA else DiscoveryResponse, data)
    assert decoded == expected
    assert len(data) == len(codec.encode(expected))


@pytest.mark.parametrize("variant", list(Variant))
def test_a_response_is_encoded_once_for_all_streams(variant: Variant) -> None:
    encoder, value = Encoder(), response(variant, *some("a"))
    assert encoder.encode(value) is encoder.encode(value)


def test_a_resource_is_encoded_once_for_all_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []

    def encode(message: Any) -> bytes:
        encoded.append(message)
        return b""

    monkeypatch.setattr(codec, "encode", encode)
    encoder, resources = Encoder(), some("a", "b")
    for nonce in ("1", "2", "3"):
        encoder.encode(response(Variant.DELTA, *resources, nonce=nonce))
    assert len(encoded) == len(resources) + 3


def test_a_changed_resource_is_encoded_anew() -> None:
    encoder = Encoder()
    old, new = resource(CDS, "a", b"old"), resource(CDS, "a", b"new")
    assert b"old" in encoder.encode(response(Variant.DELTA, old))
    assert b"new" in encoder.encode(response(Variant.DELTA, new))
    assert len(encoder._entries) == 1


def test_one_name_has_separate_bytes_by_type_and_variant() -> None:
    encoder = Encoder()
    cluster, endpoints = resource(CDS, "a", b"cluster"), resource(EDS, "a", b"endpoints")
    for variant in Variant:
        for each in (cluster, endpoints):
            value = Response(variant, each.type, "1", "v", 1, (each,))
            kind = DeltaDiscoveryResponse if variant is Variant.DELTA else DiscoveryResponse
            assert codec.decode(kind, encoder.encode(value)) == official(value)


def test_bytes_of_deleted_responses_and_resources_are_freed() -> None:
    """Responses live while in flight on a stream, resources while in the snapshot."""
    encoder = Encoder()
    (kept,) = some("b")
    for variant in Variant:
        encoder.encode(response(variant, *some("a"), kept))
    gc.collect()
    assert len(encoder._responses) == 0
    assert {name for _, _, name in encoder._entries} == {"b"}


def test_freeing_an_old_version_keeps_the_bytes_of_the_new_version() -> None:
    encoder = Encoder()
    old, new = resource(CDS, "a", b"old"), resource(CDS, "a", b"new")
    encoder.encode(response(Variant.DELTA, old))
    encoder.encode(response(Variant.DELTA, new))
    del old
    gc.collect()
    assert len(encoder._entries) == 1


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (Variant.DELTA, DeltaDiscoveryRequest(type_url=EDS, resource_names_subscribe=list("abcd"))),
        (Variant.DELTA, DeltaDiscoveryRequest(type_url=EDS, resource_names_unsubscribe=list("abcd"))),
        (Variant.DELTA, DeltaDiscoveryRequest(type_url=EDS, initial_resource_versions=dict.fromkeys("abcd", "1"))),
        (Variant.SOTW, DiscoveryRequest(type_url=EDS, resource_names=list("abcd"))),
    ],
)
def test_a_request_with_too_many_names_is_an_error(
    variant: Variant, message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.protocol.subscription.NAMES_LIMIT", 3)
    with pytest.raises(ProtocolError, match=f"more than 3 names of {EDS}") as raised:
        request(variant, codec.encode(message))
    assert raised.value.code is ErrorCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("variant", "kind"), [(Variant.DELTA, DeltaDiscoveryRequest), (Variant.SOTW, DiscoveryRequest)]
)
def test_type_url_and_node_are_truncated(variant: Variant, kind: Any) -> None:
    long = "x" * 10_000
    node = EnvoyNode(id=long, cluster=long, user_agent_name=long)
    read = request(variant, codec.encode(kind(type_url=long, node=node)))
    assert read.type_url == "x" * TYPE_URL_CHARACTERS
    assert read.node == Node("x" * NODE_FIELD_CHARACTERS, "x" * NODE_FIELD_CHARACTERS, "x" * NODE_FIELD_CHARACTERS)


def test_equal_requests_are_decoded_once() -> None:
    """Once for each variant, as the field numbers differ."""
    decoder, ack = Decoder(NameSets()), codec.encode(DeltaDiscoveryRequest(type_url=EDS, response_nonce="7"))
    assert decoder.decode(Variant.DELTA, ack) is decoder.decode(Variant.DELTA, bytes(bytearray(ack)))
    assert decoder.decode(Variant.DELTA, ack) == request(Variant.DELTA, ack)
    empty = b""
    assert isinstance(decoder.decode(Variant.DELTA, empty), DeltaRequest)
    assert isinstance(decoder.decode(Variant.SOTW, empty), SotwRequest)


def test_equal_names_of_different_requests_are_the_same_set() -> None:
    decoder = Decoder(NameSets())
    one, other = (
        decoder.decode(Variant.SOTW, codec.encode(DiscoveryRequest(resource_names=["a", "b"], response_nonce=nonce)))
        for nonce in "12"
    )
    assert isinstance(one, SotwRequest)
    assert isinstance(other, SotwRequest)
    assert one.names is other.names


def test_decoded_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "DECODED_REQUESTS_BYTES", 100)
    decoder = Decoder(NameSets())
    for number in range(1000):
        decoder.decode(Variant.DELTA, codec.encode(DeltaDiscoveryRequest(type_url=EDS, response_nonce=str(number))))
    assert len(decoder._decoded) == 1
    too_long = codec.encode(DeltaDiscoveryRequest(type_url=EDS, resource_names_subscribe=["x" * 200]))
    assert decoder.decode(Variant.DELTA, too_long) == request(Variant.DELTA, too_long)
    assert not decoder._decoded
