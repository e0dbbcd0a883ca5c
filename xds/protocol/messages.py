"""Requests, responses, events and errors of an ADS stream as values; the server turns bytes into them and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from xds.snapshot.resource import Resource, ResourceType

_NO_VERSIONS: Final[Mapping[str, str]] = MappingProxyType({})


class Variant(StrEnum):
    """The protocol variant of a stream: incremental (delta) or state of the world."""

    DELTA = "delta"
    SOTW = "sotw"

    __hash__ = str.__hash__  # as in ResourceType


@dataclass(frozen=True, slots=True)
class Node:
    """The identity in a stream's first request. `user_agent` is name and version, e.g. `envoy 1.40.0`."""

    id: str
    cluster: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """A DeltaDiscoveryRequest.

    Attributes:
        error: The message of `error_detail`; None: the request has none.
        node: None: not set.
    """

    type_url: str
    subscribe: frozenset[str] = frozenset()
    unsubscribe: frozenset[str] = frozenset()
    initial_resource_versions: Mapping[str, str] = field(default_factory=lambda: _NO_VERSIONS)
    nonce: str = ""
    error: str | None = None
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class SotwRequest:
    """A DiscoveryRequest.

    Attributes:
        names: The whole list of subscribed names.
        error: The message of `error_detail`; None: the request has none.
        node: None: not set.
    """

    type_url: str
    names: frozenset[str] = frozenset()
    version: str = ""
    nonce: str = ""
    error: str | None = None
    node: Node | None = None


Request: TypeAlias = DeltaRequest | SotwRequest


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Response:
    """A DiscoveryResponse or DeltaDiscoveryResponse, its resources and removals sorted by name.

    Streams that are due the same content share one object, nonce included. A response compares by identity and can be
    the key of a WeakKeyDictionary of encoded bytes.

    Attributes:
        version: Sent as `version_info` or `system_version_info`.
        revision: The store's revision at the time of making.
        removed: Names of removed resources; empty in the state of the world.
    """

    variant: Variant
    type: ResourceType
    nonce: str
    version: str
    revision: int
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A NACK: a response that the proxy rejected, and its message.

    Attributes:
        version: The version of the response.
        at: Seconds of the caller's clock.
        message: Envoy's message, shortened and without private keys.
        resources: Names and versions of the new resources in the response.
        blamed: The part of `resources` known to be rejected for its own sake: named in the message, or sent alone.
        unbound: Names of blamed listeners whose port the machine of the proxy doesn't give. The versions are not at
            fault.
        is_repeated: Whether nothing but listeners that were sent again failed, and as before.
    """

    version: str
    at: float
    message: str
    resources: tuple[tuple[str, str], ...]
    blamed: tuple[tuple[str, str], ...] = ()
    unbound: frozenset[str] = frozenset()
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An ACK of a response."""

    type: ResourceType
    response: Response


@dataclass(frozen=True, slots=True)
class Rejected:
    """A NACK of a response."""

    type: ResourceType
    response: Response
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Resumed:
    """A first request with `initial_resource_versions`: versions by name, accepted by the proxy on another stream."""

    type: ResourceType
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unserved:
    """The first request of a stream for a type that this server doesn't serve."""

    type_url: str


Event: TypeAlias = Acknowledged | Rejected | Resumed | Unserved
"""The meaning of a request, for the record of last good versions and for the server's logs and metrics."""


class ErrorCode(StrEnum):
    """Names of the gRPC status codes with which the server ends a stream."""

    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"


class ProtocolError(Exception):
    """The stream must end with this `code` and `message`. Its session is of no further use."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
