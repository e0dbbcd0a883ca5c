"""Backends: the ports of Services that routes use."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from xds.problems.problem import Key


class BackendProtocol(StrEnum):
    """How a proxy speaks to a backend."""

    HTTP1 = "http1"
    H2C = "h2c"
    HTTPS = "https"
    """TLS. The backend chooses HTTP/2 or HTTP/1.1 by ALPN; requests to upgrade are sent by HTTP/1.1."""
    WSS = "wss"
    """TLS with HTTP/1.1, which WebSockets need."""
    GRPCS = "grpcs"
    """TLS with HTTP/2."""

    @property
    def uses_tls(self) -> bool:
        return self in (BackendProtocol.HTTPS, BackendProtocol.WSS, BackendProtocol.GRPCS)


class BackendKey(NamedTuple):
    """Names a backend: one port of one Service, alone or with another backend behind.

    Attributes:
        fallback: The name of the backend that serves while this one has no endpoint; empty: none does.
    """

    namespace: str
    service: str
    port: int
    fallback: str = ""

    @property
    def service_key(self) -> Key:
        return Key(self.namespace, self.service)

    def __str__(self) -> str:
        own = f"{self.namespace}/{self.service}/{self.port}"
        return f"{own}+{self.fallback}" if self.fallback else own

    @classmethod
    def named(cls, name: str) -> "BackendKey":
        """The backend of a name, as `str` gives it."""
        own, _, fallback = name.partition("+")
        namespace, service, port = own.split("/")
        return cls(namespace, service, int(port), fallback)

    @property
    def all(self) -> tuple["BackendKey", ...]:
        """The backend, and those that it consists of if there is another one behind."""
        return (self, self.alone, BackendKey.named(self.fallback)) if self.fallback else (self,)

    @property
    def alone(self) -> "BackendKey":
        """The backend without the other one behind."""
        return self._replace(fallback="")


@dataclass(frozen=True, slots=True)
class Verification:
    """The demand that a backend proves its identity.

    Attributes:
        authorities: The CA certificates that may sign the backend's chain, in PEM.
        server_name: The SNI, and the DNS name that the certificate must have. Empty: the host of the request.
    """

    authorities: bytes
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a Service that a route uses.

    Attributes:
        port_name: The name of the port in the Service's EndpointSlices; empty for a port without a name.
        other_names: The names of the Service's other TCP ports.
        target_port: The number of the port at the endpoints, if the Service tells; the EndpointSlices decide.
        external_name: The DNS name that resolves to the endpoints, for a Service of type ExternalName; else empty.
        host: The Host that requests to the backend carry, also its SNI; empty: the client's.
        verification: None: the certificate of a backend is taken as it is. Otherwise TLS is spoken whatever the
            protocol says, so that no mistake leads to plain text.
    """

    key: BackendKey
    port_name: str
    protocol: BackendProtocol
    other_names: tuple[str, ...] = ()
    target_port: int | None = None
    external_name: str = ""
    host: str = ""
    verification: Verification | None = None

    @property
    def has_slices(self) -> bool:
        """Whether the endpoints come from EndpointSlices: neither from DNS, nor from two other backends."""
        return not (self.external_name or self.key.fallback)
