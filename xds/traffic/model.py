"""The traffic model: what the Ingresses together ask of a proxy, in words that neither Kubernetes nor Envoy owns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from xds.problems.problem import Key

NO_HOST: Final = ""
"""Stands for "no host" wherever hosts are keys: the rules that apply to every host that no rule names."""


class PathType(StrEnum):
    EXACT = "Exact"
    PREFIX = "Prefix"


class Protocol(StrEnum):
    """How a proxy speaks to a backend."""

    HTTP1 = "http1"
    H2C = "h2c"
    HTTPS = "https"


class BackendKey(NamedTuple):
    """Names a backend: one port of one Service."""

    namespace: str
    service: str
    port: int

    @property
    def service_key(self) -> Key:
        return Key(self.namespace, self.service)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}/{self.port}"


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a Service that a route uses. `port_name` is what its EndpointSlices call the port.

    `external_name` is set where the Service is an ExternalName: its endpoints are then what DNS says.
    """

    key: BackendKey
    port_name: str
    protocol: Protocol
    external_name: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A path of a host, and the backend that answers it; None where there is none, which is 503.

    `path` is as Envoy compares it: what needs an escape has one, and nothing else that Envoy would unescape.
    """

    path: str
    path_type: PathType
    backend: BackendKey | None
    ingress: Key
    service: Key

    @property
    def precedence(self) -> tuple[int, int, str]:
        """Sorts the route that wins first: Exact before Prefix, then the longest path.

        An Exact route never loses to a longer Prefix: where both match, the Prefix can't be the longer one, but for
        a trailing slash that Prefix ignores. Source: https://kubernetes.io/docs/concepts/services-networking/ingress/
        """
        return (self.path_type is PathType.PREFIX, -len(self.path), self.path)


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """All routes of a host, the first that matches wins. `default` answers the paths that none of them matches.

    `host` is a name, a wildcard (`*.example.com`, which stands for exactly one label), or NO_HOST.
    """

    host: str
    routes: tuple[Route, ...]
    default: Route | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its private key, both in PEM and found to match."""

    secret: Key
    chain: bytes = field(repr=False)
    private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Termination:
    """The TLS hosts that one Secret's certificate serves, sorted.

    `is_default`: it also serves a connection whose SNI no TLS host covers.
    """

    secret: Key
    hosts: tuple[str, ...]
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class TlsTable:
    """All terminations by Secret, in the order of their keys.

    `refused` are the hosts, sorted, whose entries have no usable certificate: no other certificate stands in for it,
    be it the default one or that of a wildcard. `owners` are the Ingresses whose entries decided, by host; for
    explanations alone, and no difference between two tables.
    """

    terminations: tuple[Termination, ...] = ()
    refused: tuple[str, ...] = ()
    owners: Mapping[str, Key] = field(default_factory=dict, compare=False)


class Health(StrEnum):
    HEALTHY = "healthy"
    DRAINING = "draining"


class Endpoint(NamedTuple):
    address: str
    port: int
    health: Health


@dataclass(frozen=True, slots=True)
class Locality:
    """The endpoints of one zone, sorted; the zone is empty where a slice names none."""

    zone: str
    endpoints: tuple[Endpoint, ...]


def is_wildcard(host: str) -> bool:
    return host.startswith("*.")


def wildcard_of(host: str) -> str:
    """The wildcard that covers a name: the first label replaced, as a wildcard stands for exactly one. Empty if the
    name begins with a dot: an empty label is none.
    """
    label, _, rest = host.partition(".")
    return f"*.{rest}" if label else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a TLS or rule host covers a host: they are equal, or the pattern is its wildcard."""
    return pattern == host or (is_wildcard(pattern) and not is_wildcard(host) and pattern == wildcard_of(host))
