"""Upstream policies: the use of a backend. Two routes that use one port of a Service differently have two clusters."""

import hashlib
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from xds.traffic.backend_tls import BackendTls
from xds.traffic.questions import Questions

_VARIANT_BYTES: Final = 5


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
    TCP = "tcp"
    """Bytes without meaning to a proxy: a port's `appProtocol` is for client and backend alone."""
    UDP = "udp"
    """Datagrams."""

    @property
    def is_http(self) -> bool:
        return self not in (BackendProtocol.TCP, BackendProtocol.UDP)

    @property
    def uses_tls(self) -> bool:
        return self in (BackendProtocol.HTTPS, BackendProtocol.WSS, BackendProtocol.GRPCS)

    @property
    def is_http1(self) -> bool:
        """Whether HTTP/1.1 is spoken, whatever the backend offers."""
        return self in (BackendProtocol.HTTP1, BackendProtocol.WSS)


class ProxyHeader(StrEnum):
    """The version of the PROXY protocol header that begins each connection to a backend.

    Source: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
    """

    V1 = "v1"
    V2 = "v2"


class Balancing(StrEnum):
    """The choice of an endpoint for a request."""

    ROUND_ROBIN = "round robin"
    LEAST_REQUEST = "least request"
    """The one with fewer requests in progress, of two endpoints drawn at random."""
    RANDOM = "random"
    HASH = "hash"
    """By `Policy.hash_keys` of the route: requests with equal keys go to the same endpoint."""


@dataclass(frozen=True, slots=True)
class UpstreamPolicy:
    """The use of a backend. Equal policies are equal values, and share a cluster.

    Attributes:
        protocol: Spoken in place of the protocol that the Service's port names; None: the port's.
        sends_sni: Whether TLS carries a server name.
        balancing: The choice of an endpoint.
        connect_timeout: For a TCP connection, TLS included.
        tls: How TLS is spoken beyond encryption. None: no certificate is shown, and none is verified.
        uses_cluster_ip: Whether the address of the Service stands for its endpoints, so that kube-proxy chooses one.
        longest_request: After this time a request is ended, with whatever part of the answer. None: never.
        questions: Whether requests are questions to an authorizer. None: they are requests of clients.
        proxy_header: For the client's address, to backends of TCP. None: no header is sent.
    """

    protocol: BackendProtocol | None = None
    sends_sni: bool = True
    balancing: Balancing = Balancing.ROUND_ROBIN
    connect_timeout: timedelta = timedelta(seconds=5)
    uses_cluster_ip: bool = False
    longest_request: timedelta | None = None
    tls: BackendTls | None = None
    questions: Questions | None = None
    proxy_header: ProxyHeader | None = None

    @property
    def variant(self) -> str:
        """Tells the clusters of one port apart; empty for the default policy.

        Made of the fields that differ from the default, so that a field more renames no cluster.
        """
        return "" if self is DEFAULT_UPSTREAM else _variant(self)


DEFAULT_UPSTREAM: Final = UpstreamPolicy()
_FIELDS: Final = tuple(field.name for field in fields(UpstreamPolicy))


@lru_cache(maxsize=1024)
def _variant(policy: UpstreamPolicy) -> str:
    differing = [name for name in _FIELDS if getattr(policy, name) != getattr(DEFAULT_UPSTREAM, name)]
    text = "\n".join(f"{name}={getattr(policy, name)}" for name in differing)
    return hashlib.blake2s(text.encode(), digest_size=_VARIANT_BYTES).hexdigest() if differing else ""
