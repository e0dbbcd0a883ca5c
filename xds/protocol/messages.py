"""What a proxy and the server say to each other, free of the wire: the server turns bytes into these and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from xds.snapshot.resource import Resource, ResourceType

_NO_VERSIONS: Final[Mapping[str, str]] = MappingProxyType({})


class Variant(StrEnum):
    """How a stream tells changes: each by itself, or as the state of the world."""

    DELTA = "delta"
    SOTW = "sotw"

    __hash__ = str.__hash__  # as in ResourceType


@dataclass(frozen=True, slots=True)
class Node:
    """Who is asking. `user_agent` is name and version, e.g. `envoy 1.40.0`."""

    id: str
    cluster: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """A DeltaDiscoveryRequest. `error` is the message of `error_detail`, None without one; `node` None if not set."""

    type_url: str
    subscribe: frozenset[str] = frozenset()
    unsubscribe: frozenset[str] = frozenset()
    initial_resource_versions: Mapping[str, str] = field(default_factory=lambda: _NO_VERSIONS)
    nonce: str = ""
    error: str | None = None
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class SotwRequest:
    """A DiscoveryRequest. `names` is the whole list; `error` and `node` as in `DeltaRequest`."""

    type_url: str
    names: frozenset[str] = frozenset()
    version: str = ""
    nonce: str = ""
    error: str | None = None
    node: Node | None = None


Request: TypeAlias = DeltaRequest | SotwRequest


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Response:
    """A DiscoveryResponse or DeltaDiscoveryResponse, whose resources and removals are sorted by name.

    One object for all streams that are to get the same, nonce included: it compares by identity and can be the key of
    a WeakKeyDictionary of encoded bytes. `version` goes out as `version_info` or `system_version_info`; `revision` is
    the store's when the response was made. `removed` is empty in the state of the world.
    """

    variant: Variant
    type: ResourceType
    nonce: str
    version: str
    revision: int
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()
