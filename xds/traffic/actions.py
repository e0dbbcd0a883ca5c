"""Actions: the answer to a request that a route matches."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from xds.traffic.backends import BackendKey
from xds.traffic.headers import NO_CHANGES, HeaderChanges
from xds.traffic.rewrite import Rewrite


@dataclass(frozen=True, slots=True)
class WeightedBackend:
    """A backend with its share of the requests.

    Attributes:
        key: Names the backend; None where the origin's reference can't be followed: `Forward.unresolved` is answered.
        tls_key: Names the backend of requests that came by TLS; None: the same.
        weight: The share, of the sum of all weights.
        upstream_host: As in Policy, which decides where this one is empty.
        mark: The value of the mark cookie (Affinity.mark_cookie), which answers set; empty: none is set.
        has_sessions: Whether the policy's affinity holds.
        request_headers: Changes of the backend's request, before those of the policy.
        response_headers: Changes of answers, before those of the policy.
    """

    key: BackendKey | None
    tls_key: BackendKey | None = None
    weight: int = 1
    upstream_host: str = ""
    mark: str = ""
    has_sessions: bool = True
    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES

    def key_of(self, *, tls: bool) -> BackendKey | None:
        """The backend of requests that came by TLS, or by plain HTTP."""
        return self.tls_key if tls and self.tls_key else self.key


@dataclass(frozen=True, slots=True)
class Forward:
    """The request goes to one of several backends, chosen at random by weight.

    Attributes:
        backends: The main backend first. Empty where the Service or the port can't be used; the answer is 503.
        unresolved: The status of answers to the shares without a backend: 500 or 503.
    """

    backends: tuple[WeightedBackend, ...]
    unresolved: int = 500

    @property
    def shares(self) -> tuple[WeightedBackend, ...]:
        """The backends that get requests."""
        return tuple(each for each in self.backends if each.weight)

    @property
    def status(self) -> int | None:
        """The status of every answer where no request reaches a backend; None where some do."""
        if not self.backends:
            return 503
        return None if any(each.key for each in self.shares) else self.unresolved

    @classmethod
    def to(cls, backend: BackendKey | None, tls_backend: BackendKey | None = None) -> "Forward":
        return cls((WeightedBackend(backend, tls_backend),) if backend else ())


class LocationBase(StrEnum):
    """The beginning of a Location."""

    NONE = "none"
    """The Location is sent as written."""
    HOST = "host"
    """Scheme and host of the request are in front, with the port that clients see unless the scheme's own.

    Where a wildcard or no name stands for the host, with the port of the request instead.
    """
    AUTHORITY = "authority"
    """Scheme, host and port of the request are in front."""


KEPT_PATH: Final = "{path}"
KEPT_PATH_AND_QUERY: Final = "{path}?{query}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer with a Location, whose path and query replace those of the request.

    Attributes:
        status: 301, 302, 303, 307 or 308.
        location: A URL, or a path.
        base: The beginning of the Location.
        keeps_query: Whether the query of the request follows the path.
        keeps: The part of a URL that stands for path, or path and query, of the request; empty: both are replaced.
    """

    status: int
    location: str
    base: LocationBase = LocationBase.NONE
    keeps_query: bool = False
    keeps: str = ""


@dataclass(frozen=True, slots=True)
class HostRedirect:
    """An answer with a Location that names another host, and keeps scheme, path and query of the request.

    Without a query, one slash at the end of the path is dropped.

    Attributes:
        host: A name.
        status: As in Redirect.
    """

    host: str
    status: int = 308


@dataclass(frozen=True, slots=True)
class RequestRedirect:
    """An answer with a Location made of the request's URL, parts of which are replaced. The query stays.

    Attributes:
        status: As in Redirect.
        scheme: `http` or `https`; empty: that of the request.
        host: A name; empty: that of the request.
        port: None: that of the scheme if one is given, else that of the listener as clients see it.
        path: None: that of the request.
    """

    status: int = 302
    scheme: str = ""
    host: str = ""
    port: int | None = None
    path: Rewrite | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """The answer of a route whose origin asks for a protection, or for a protocol, that can't be had.

    Attributes:
        annotations: The annotations that ask, sorted.
        status: 503, or 403 where the clients' certificates can't be verified.
    """

    annotations: tuple[str, ...]
    status: int = 503


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """An answer that the origin asks for in place of a backend's.

    Attributes:
        status: From 200 to 599.
        text: The body.
    """

    status: int
    text: str = ""


Action: TypeAlias = Forward | Redirect | HostRedirect | RequestRedirect | DirectAnswer | Closed
