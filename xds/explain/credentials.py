"""The Secrets that clusters name."""

from collections.abc import Iterable, Iterator, Mapping

from xds.resources import names
from xds.snapshot.resource import ResourceType
from xds.traffic.backends import Backend, BackendKey


def credentials_of(
    backends: Mapping[BackendKey, Backend], keys: Iterable[BackendKey]
) -> Iterator[tuple[ResourceType, str]]:
    """Type and name of the Secrets for TLS to some backends, each once."""
    used = (backends[key].upstream.tls for key in keys if key in backends)
    for key in dict.fromkeys(key for tls in used if tls for key in tls.credentials):
        yield ResourceType.SECRET, names.credential(key)
