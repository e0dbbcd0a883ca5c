"""Between bytes and the protocol's messages: what is read of a request, and that a response put together from parts is
what the official encoding of the whole message is.

Excludes what a response holds (tests/protocol) and the codec itself (tests/resources).
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
from xds.server.wire import NODE_LIMIT, TYPE_URL_LIMIT, Decoder, Encoder, request
from xds.snapshot.resource import Resource, ResourceType, resource

CDS, EDS, *_ = ResourceType


def envoy() -> EnvoyNode:
    """A node as Envoy describes itself."""
    version = {"version": {"major_number": 1, "minor_number": 40}}
    fields = {"id": "envoy-1", "cluster": "fleet", "user_agent_name": "envoy", "user_agent_build_version": version}
    return cast("EnvoyNode", from_dict("envoy.config.core.v3.Node", fields))


def some(*names: str, type_: ResourceType = CDS) -> tuple[Resource, ...]:
    return tuple(resource(type_, name, f"body of {name}".encode()) for name in names)


def response(variant: Variant, *resources: Resource, removed: tuple[str, ...] = (), nonce: str = "7") -> Response:
    return Response(variant, CDS, nonce, "some version", 3, resources, removed)


def official(value: Response) -> Any:
    """The same as one message, made without the code under test."""
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


def test_a_delta_request_is_read() -> None:
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


def test_a_state_of_the_world_request_is_read() -> None:
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
def test_an_error_without_words_is_an_error(variant: Variant, message: Any) -> None:
    """That error_detail is there makes a NACK, whatever it holds."""
    assert request(variant, codec.encode(message)).error == ""


def test_what_is_not_set_is_nothing() -> None:
    assert request(Variant.DELTA, b"") == DeltaRequest("")
    assert request(Variant.SOTW, b"") == SotwRequest("")


def test_a_node_that_names_its_version_in_words() -> None:
    message = DiscoveryRequest(node=EnvoyNode(id="a", user_agent_name="gRPC", user_agent_version="1.80"))
    assert request(Variant.SOTW, codec.encode(message)).node == Node("a", "", "gRPC 1.80")


def test_fields_of_a_newer_api_are_ignored() -> None:
    unknown = b"\xfa\x7f\x03new"  # field 2047
    message = codec.encode(DiscoveryRequest(type_url=CDS)) + unknown
    assert request(Variant.SOTW, message) == SotwRequest(CDS)


@pytest.mark.parametrize("data", [b"\xff", b"GET / HTTP/1.1", b"\x0a\xff\xff\xff\xff\x0f"], ids=repr)
@pytest.mark.parametrize("variant", list(Variant))
def test_other_bytes_are_refused(variant: Variant, data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        request(variant, data)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    assert "DiscoveryRequest; this is an xDS v3 server" in refused.value.message


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


def test_the_same_name_of_two_types_and_variants_is_not_mixed_up() -> None:
    encoder = Encoder()
    cluster, endpoints = resource(CDS, "a", b"cluster"), resource(EDS, "a", b"endpoints")
    for variant in Variant:
        for each in (cluster, endpoints):
            value = Response(variant, each.type, "1", "v", 1, (each,))
            kind = DeltaDiscoveryResponse if variant is Variant.DELTA else DiscoveryResponse
            assert codec.decode(kind, encoder.encode(value)) == official(value)


def test_what_nobody_holds_is_forgotten() -> None:
    """A response goes with the last stream that has it in flight, a resource when the snapshot has it no more."""
    encoder = Encoder()
    (kept,) = some("b")
    for variant in Variant:
        encoder.encode(response(variant, *some("a"), kept))
    gc.collect()
    assert len(encoder._responses) == 0
    assert {name for _, _, name in encoder._entries} == {"b"}


def test_an_old_version_that_goes_takes_nothing_of_the_new_one_along() -> None:
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
def test_a_request_with_too_many_names_is_refused(
    variant: Variant, message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.protocol.subscription.NAMES_LIMIT", 3)
    with pytest.raises(ProtocolError, match=f"more than 3 names of {EDS}") as refused:
        request(variant, codec.encode(message))
    assert refused.value.code is ErrorCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("variant", "kind"), [(Variant.DELTA, DeltaDiscoveryRequest), (Variant.SOTW, DiscoveryRequest)]
)
def test_of_what_is_kept_of_a_stream_only_so_much_is_read(variant: Variant, kind: Any) -> None:
    long = "x" * 10_000
    node = EnvoyNode(id=long, cluster=long, user_agent_name=long)
    read = request(variant, codec.encode(kind(type_url=long, node=node)))
    assert read.type_url == "x" * TYPE_URL_LIMIT
    assert read.node == Node("x" * NODE_LIMIT, "x" * NODE_LIMIT, "x" * NODE_LIMIT)


def test_what_many_send_alike_is_decoded_once() -> None:
    """For each variant by itself: they number their fields differently."""
    decoder, ack = Decoder(NameSets()), codec.encode(DeltaDiscoveryRequest(type_url=EDS, response_nonce="7"))
    assert decoder.decode(Variant.DELTA, ack) is decoder.decode(Variant.DELTA, bytes(bytearray(ack)))
    assert decoder.decode(Variant.DELTA, ack) == request(Variant.DELTA, ack)
    empty = b""
    assert isinstance(decoder.decode(Variant.DELTA, empty), DeltaRequest)
    assert isinstance(decoder.decode(Variant.SOTW, empty), SotwRequest)


def test_equal_names_are_the_same_set_whatever_else_a_request_says() -> None:
    decoder = Decoder(NameSets())
    one, other = (
        decoder.decode(Variant.SOTW, codec.encode(DiscoveryRequest(resource_names=["a", "b"], response_nonce=nonce)))
        for nonce in "12"
    )
    assert isinstance(one, SotwRequest)
    assert isinstance(other, SotwRequest)
    assert one.names is other.names


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "KNOWN_BYTES", 100)
    decoder = Decoder(NameSets())
    for number in range(1000):
        decoder.decode(Variant.DELTA, codec.encode(DeltaDiscoveryRequest(type_url=EDS, response_nonce=str(number))))
    assert len(decoder._known) == 1
    too_long = codec.encode(DeltaDiscoveryRequest(type_url=EDS, resource_names_subscribe=["x" * 200]))
    assert decoder.decode(Variant.DELTA, too_long) == request(Variant.DELTA, too_long)
    assert not decoder._known
