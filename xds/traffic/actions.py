"""Actions: the answer to a request that a route matches."""

from dataclasses import dataclass
from typing import TypeAlias

from xds.traffic.backends import BackendKey


@dataclass(frozen=True, slots=True)
class Forward:
    """The request goes to a backend.

    Attributes:
        backend: None where the Service or the port can't be used; the answer is 503.
        tls_backend: The backend of requests that came by TLS; None: the same.
    """

    backend: BackendKey | None
    tls_backend: BackendKey | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer with a Location, whose path and query replace those of the request.

    Attributes:
        status: 301, 302, 303, 307 or 308.
        location: Sent as written where it has a scheme. A path is put behind the request's scheme and host.
    """

    status: int
    location: str

    @property
    def is_path(self) -> bool:
        return self.location.startswith("/")


@dataclass(frozen=True, slots=True)
class Closed:
    """The answer 503 of a route whose origin asks for a protection, or for a protocol, that can't be had.

    Attributes:
        annotations: The annotations that ask, sorted.
    """

    annotations: tuple[str, ...]


Action: TypeAlias = Forward | Redirect | Closed
