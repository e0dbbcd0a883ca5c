"""An xDS resource as sent: encoded once, with a version by content."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b


class ResourceType(StrEnum):
    """The type URLs served, in the order in which an update must reach a proxy (make before break).

    Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
    """

    CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - a type URL
    EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
    ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    VIRTUAL_HOST = "type.googleapis.com/envoy.config.route.v3.VirtualHost"

    __hash__ = str.__hash__  # Enum's is not C, and every mapping by type asks for it

    @property
    def message(self) -> str:
        """The full protobuf name of the message, e.g. `envoy.config.cluster.v3.Cluster`."""
        return self.value.rpartition("/")[2]

    @property
    def short(self) -> str:
        """The short name of the discovery service: `cds`, `eds`, `sds`, `ecds`, `lds`, `rds`, `vhds`."""
        return _SHORT[self]


_SHORT = {
    ResourceType.CLUSTER: "cds",
    ResourceType.ENDPOINTS: "eds",
    ResourceType.SECRET: "sds",
    ResourceType.EXTENSION: "ecds",
    ResourceType.LISTENER: "lds",
    ResourceType.ROUTES: "rds",
    ResourceType.VIRTUAL_HOST: "vhds",
}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Resource:
    """An encoded resource.

    The repr leaves out the body, which in a Secret holds a private key.

    Attributes:
        body: The deterministic encoding of the message.
        version: The hash of the body.
    """

    type: ResourceType
    name: str
    body: bytes = field(repr=False)
    version: str
    weight: int = field(init=False, repr=False, compare=False)
    """The summand for the version of a set of resources: a hash of name and version."""

    def __post_init__(self) -> None:
        digest = blake2b(f"{self.name}\0{self.version}".encode(), digest_size=8).digest()
        object.__setattr__(self, "weight", int.from_bytes(digest, "big"))


def version_of(weights: int) -> str:
    """The version of a set of resources: the sum of their weights, as 16 hexadecimal digits."""
    return f"{weights % 2**64:016x}"


def resource(type_: ResourceType, name: str, body: bytes) -> Resource:
    """Make a resource with its version: 16 hexadecimal digits, the same in every process."""
    return Resource(type_, name, body, blake2b(body, digest_size=8).hexdigest())


def route_configuration_of(virtual_host: str) -> str:
    """The RouteConfiguration of a virtual host: the name up to the last slash.

    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/vhds
    """
    return virtual_host.rpartition("/")[0]
