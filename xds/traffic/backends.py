"""Backends: the ports of Services that routes use."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from xds.problems.problem import Key
from xds.traffic.service_settings import NO_SETTINGS, ServiceSettings
from xds.traffic.upstream import DEFAULT_UPSTREAM, BackendProtocol, UpstreamPolicy

_BEHIND: Final = "+"
_JOIN: Final = "|"
_UDP: Final = "/udp"


class BackendKey(NamedTuple):
    """Names a backend: one port of one Service, and the use of the port.

    Attributes:
        variant: Of the upstream policy; empty for the default one.
        fallback: The name of the backend that serves while this one has no endpoint; empty: none does.
        is_joined: Whether the endpoints of both are in one cluster, among which the endpoint of a session is found.
        is_udp: Whether the port is one of UDP: a Service may have 53/TCP beside 53/UDP.
    """

    namespace: str
    service: str
    port: int
    variant: str = ""
    fallback: str = ""
    is_joined: bool = False
    is_udp: bool = False

    @property
    def service_key(self) -> Key:
        return Key(self.namespace, self.service)

    @property
    def service_keys(self) -> tuple[Key, ...]:
        """The Services whose endpoints are the backend's."""
        behind = self.behind if self.is_joined else None
        return tuple({self.service_key: None, behind.service_key: None}) if behind else (self.service_key,)

    def __str__(self) -> str:
        port = f"{self.namespace}/{self.service}/{self.port}{_UDP if self.is_udp else ''}"
        own = f"{port}@{self.variant}" if self.variant else port
        return f"{own}{_JOIN if self.is_joined else _BEHIND}{self.fallback}" if self.fallback else own

    @classmethod
    def named(cls, name: str) -> "BackendKey | None":
        """The backend of a name, as `str` gives it; None for other names."""
        is_joined = _JOIN in name
        own, _, fallback = name.partition(_JOIN if is_joined else _BEHIND)
        port, _, variant = own.partition("@")
        is_udp = port.endswith(_UDP)
        parts = port.removesuffix(_UDP).split("/")
        if len(parts) != 3 or not parts[2].isdecimal():
            return None
        return cls(parts[0], parts[1], int(parts[2]), variant, fallback, is_joined, is_udp)

    @property
    def alone(self) -> "BackendKey":
        """The backend without the other one behind."""
        return self._replace(fallback="", is_joined=False) if self.fallback else self

    @property
    def behind(self) -> "BackendKey | None":
        """The backend that serves while this one has no endpoint; None: none does."""
        return BackendKey.named(self.fallback) if self.fallback else None

    @property
    def all(self) -> tuple["BackendKey", ...]:
        """The backend, and those that it consists of if there is another one behind."""
        return (self, self.alone, self.behind) if self.behind else (self,)


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a Service that a route uses.

    Attributes:
        port_name: The name of the port in the Service's EndpointSlices; empty for a port without a name.
        other_names: The names of the Service's other ports of the same protocol, TCP or UDP.
        target_port: The number of the port at the endpoints, if the Service tells; the EndpointSlices decide.
        external_name: The DNS name that resolves to the endpoints, for a Service of type ExternalName; else empty.
        host: The Host that requests to the backend carry, also its SNI; empty: the client's.
        upstream: The use of the port.
        cluster_ip: The address of the Service, for an upstream policy that uses the address; else empty.
        joined: The backend whose endpoints are in the cluster of this one; None: none.
        settings: Of the Service, for each use of its ports.
    """

    key: BackendKey
    port_name: str
    protocol: BackendProtocol
    other_names: tuple[str, ...] = ()
    target_port: int | None = None
    external_name: str = ""
    host: str = ""
    upstream: UpstreamPolicy = DEFAULT_UPSTREAM
    cluster_ip: str = ""
    joined: "Backend | None" = None
    settings: ServiceSettings = NO_SETTINGS

    @property
    def has_slices(self) -> bool:
        """Whether the cluster has endpoints from EndpointSlices: neither from DNS, nor through two other clusters."""
        return not (self.external_name or (self.key.fallback and self.joined is None))
