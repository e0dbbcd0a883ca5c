"""Conversion between the protocol's messages and the bytes of gRPC."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any as Untyped
from typing import Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from google.protobuf.message import DecodeError

from xds.envoyapi import codec
from xds.envoyapi.messages import DeltaDiscoveryResponse, DiscoveryResponse
from xds.protocol.messages import DeltaRequest, ErrorCode, Node, ProtocolError, Request, Response, SotwRequest, Variant
from xds.protocol.subscription import NameSets, check_count
from xds.snapshot.resource import Resource
from xds.steps import Steps, finish

_REQUESTS = {
    Variant.DELTA: "envoy.service.discovery.v3.DeltaDiscoveryRequest",
    Variant.SOTW: "envoy.service.discovery.v3.DiscoveryRequest",
}

DECODED_REQUESTS_BYTES: Final = 1024 * 1024
"""Total size of the requests whose decoded form is kept."""

TYPE_URL_CHARACTERS: Final = 200
"""Characters kept of a type URL: more than any served type has."""

NODE_FIELD_CHARACTERS: Final = 256
"""Characters kept of each field of a node."""


def request(variant: Variant, data: bytes) -> Request:
    """Decode a gRPC message.

    Raises:
        ProtocolError: the message is no such request, or has more names than a stream may subscribe to.
    """
    try:
        message: Untyped = codec.decode(_REQUESTS[variant], data)
    except DecodeError:
        text = f"the message is not a {_REQUESTS[variant].rpartition('.')[2]}; this is an xDS v3 server"
        raise ProtocolError(ErrorCode.INVALID_ARGUMENT, text) from None
    return _delta(message) if variant is Variant.DELTA else _sotw(message)


def _delta(message: Untyped) -> DeltaRequest:
    type_url = message.type_url[:TYPE_URL_CHARACTERS]
    names = (message.resource_names_subscribe, message.resource_names_unsubscribe, message.initial_resource_versions)
    for each in names:
        check_count(len(each), type_url)
    return DeltaRequest(
        type_url=type_url,
        subscribe=frozenset(message.resource_names_subscribe),
        unsubscribe=frozenset(message.resource_names_unsubscribe),
        initial_resource_versions=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=_error(message),
        node=_node(message),
    )


def _sotw(message: Untyped) -> SotwRequest:
    type_url = message.type_url[:TYPE_URL_CHARACTERS]
    check_count(len(message.resource_names), type_url)
    return SotwRequest(
        type_url=type_url,
        names=frozenset(message.resource_names),
        version=message.version_info,
        nonce=message.response_nonce,
        error=_error(message),
        node=_node(message),
    )


def _error(message: Untyped) -> str | None:
    return str(message.error_detail.message) if message.HasField("error_detail") else None


def _node(message: Untyped) -> Node | None:
    if not message.HasField("node"):
        return None
    node = message.node
    user_agent = f"{node.user_agent_name} {_user_agent_version(node)}".strip()
    return Node(
        node.id[:NODE_FIELD_CHARACTERS], node.cluster[:NODE_FIELD_CHARACTERS], user_agent[:NODE_FIELD_CHARACTERS]
    )


def _user_agent_version(node: Untyped) -> str:
    if node.HasField("user_agent_build_version"):
        version = node.user_agent_build_version.version
        return f"{version.major_number}.{version.minor_number}.{version.patch}"
    return str(node.user_agent_version)


class Decoder:
    """Decodes requests, and decodes equal bytes once: a fleet's ACKs of a shared response are mostly equal.

    Args:
        names: Shares equal sets of names, so that a thousand streams don't compare a thousand names each.
    """

    def __init__(self, names: NameSets) -> None:
        self._names = names
        self._decoded: OrderedDict[tuple[Variant, bytes], Request] = OrderedDict()
        self._bytes = 0

    def decode(self, variant: Variant, data: bytes) -> Request:
        """Decode a gRPC message.

        Raises:
            ProtocolError: as `request` does.
        """
        key = (variant, data)
        decoded = self._decoded.get(key)
        if decoded is None:
            decoded = request(variant, data)
            if isinstance(decoded, SotwRequest):
                decoded = replace(decoded, names=self._names.share(decoded.names))
            self._decoded[key] = decoded
            self._bytes += len(data)
            while self._bytes > DECODED_REQUESTS_BYTES:
                self._bytes -= len(self._decoded.popitem(last=False)[0][1])
        return decoded


class Encoder:
    """Encodes each resource and each response once, for any number of streams.

    Encoded bytes live as long as the resource or response. A name has the bytes of the latest resource only.
    """

    def __init__(self) -> None:
        self._responses: WeakKeyDictionary[Response, bytes] = WeakKeyDictionary()
        self._entries: dict[tuple[Variant, str, str], tuple[ReferenceType[Resource], bytes]] = {}

    def encode_ahead(self, variant: Variant, resources: Iterable[Resource]) -> None:
        """Encode resources of a later response now."""
        for resource in resources:
            self._entry(variant, resource)

    def known(self, response: Response) -> bytes | None:
        """The response's bytes; None: not encoded yet."""
        return self._responses.get(response)

    def encode(self, response: Response) -> bytes:
        return finish(self.encoding(response))

    def encoding(self, response: Response) -> Steps[bytes]:
        """`encode` in steps. Encoded messages that are concatenated are one merged message.

        Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
        """
        encoded = self._responses.get(response)
        if encoded is None:
            parts: list[bytes] = []
            for resource in response.resources:
                parts.append(self._entry(response.variant, resource))
                yield
            parts.append(_delta_frame(response) if response.variant is Variant.DELTA else _sotw_frame(response))
            encoded = self._responses[response] = b"".join(parts)
        return encoded

    def _entry(self, variant: Variant, resource: Resource) -> bytes:
        key = (variant, resource.type, resource.name)
        known = self._entries.get(key)
        if known is None or known[0]() is not resource:
            held = ref(resource, lambda _: self._entries.pop(key, None))
            known = self._entries[key] = (held, _ENTRY[variant](resource))
        return known[1]


def _delta_entry(resource: Resource) -> bytes:
    entry: Untyped = {"name": resource.name, "version": resource.version, "resource": _any(resource)}
    return codec.encode(DeltaDiscoveryResponse(resources=[entry]))


def _sotw_entry(resource: Resource) -> bytes:
    entry: Untyped = _any(resource)
    return codec.encode(DiscoveryResponse(resources=[entry]))


_ENTRY = {Variant.DELTA: _delta_entry, Variant.SOTW: _sotw_entry}


def _any(resource: Resource) -> dict[str, str | bytes]:
    """The resource as an Any. A dict, as upb creates messages fastest from dicts."""
    return {"type_url": resource.type.value, "value": resource.body}


def _delta_frame(response: Response) -> bytes:
    return codec.encode(
        DeltaDiscoveryResponse(
            system_version_info=response.version,
            type_url=response.type.value,
            nonce=response.nonce,
            removed_resources=list(response.removed),
        )
    )


def _sotw_frame(response: Response) -> bytes:
    return codec.encode(
        DiscoveryResponse(version_info=response.version, type_url=response.type.value, nonce=response.nonce)
    )
