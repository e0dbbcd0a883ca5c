"""The use of backends in words, and the Secrets that their clusters name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from xds.resources import names
from xds.snapshot.resource import ResourceType
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.upstream import DEFAULT_UPSTREAM

_PROTOCOLS: Final = {
    "http1": "HTTP/1.1",
    "h2c": "HTTP/2",
    "https": "HTTP/2 or HTTP/1.1 over TLS, as the backend offers",
    "wss": "HTTP/1.1 over TLS",
    "grpcs": "HTTP/2 over TLS",
}


def use_of(backend: Backend) -> Iterator[str]:
    """The protocol of a backend, and the rest of its upstream policy that differs from the default."""
    policy = backend.upstream
    yield _PROTOCOLS[backend.protocol.value]
    if backend.protocol.uses_tls and not policy.sends_sni and not (policy.tls and policy.tls.sends_name):
        yield "without SNI"
    if policy.tls:
        yield policy.tls.words
    if policy.balancing != DEFAULT_UPSTREAM.balancing:
        yield f"balanced by {policy.balancing}"
    if policy.connect_timeout != DEFAULT_UPSTREAM.connect_timeout:
        yield f"connected within {policy.connect_timeout.total_seconds():.0f} s"
    if backend.cluster_ip:
        yield "at the Service's own address"


def credentials_of(
    backends: Mapping[BackendKey, Backend], keys: Iterable[BackendKey]
) -> Iterator[tuple[ResourceType, str]]:
    """Type and name of the Secrets for TLS to some backends, each once."""
    used = (backends[key].upstream.tls for key in keys if key in backends)
    for key in dict.fromkeys(key for tls in used if tls for key in tls.credentials):
        yield ResourceType.SECRET, names.credential(key)
