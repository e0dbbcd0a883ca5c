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
    """A port of a Service that a route uses.

    Attributes:
        port_name: The name of the port in the Service's EndpointSlices; empty for a port without a name.
        external_name: The DNS name that resolves to the endpoints, for a Service of type ExternalName; else empty.
    """

    key: BackendKey
    port_name: str
    protocol: BackendProtocol
    external_name: str = ""
