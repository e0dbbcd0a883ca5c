"""Policies: the treatment of requests and answers on a route, beyond the choice of a backend."""

from dataclasses import dataclass, replace
from typing import Final

from xds.traffic.access import Access
from xds.traffic.affinity import Affinity
from xds.traffic.backend_names import BackendNames
from xds.traffic.backends import BackendKey
from xds.traffic.bodies import ANY_BODIES, Bodies
from xds.traffic.cors import Cors
from xds.traffic.error_pages import ErrorPages
from xds.traffic.hashing import HashKey
from xds.traffic.headers import NO_CHANGES, HeaderChanges
from xds.traffic.https_redirect import BY_OPERATOR, HttpsRedirect
from xds.traffic.mirror import Mirror
from xds.traffic.rate_limits import RateLimits
from xds.traffic.retries import Retries
from xds.traffic.rewrite import Rewrite
from xds.traffic.timeouts import NO_TIMEOUTS, Timeouts
from xds.traffic.tracing import NORMAL_TRACING, Tracing


@dataclass(frozen=True, slots=True)
class Policy:
    """The treatment of a route's requests. Equal policies are equal values.

    Attributes:
        upstream_host: The Host of the backend's request, with variables of `upstream_host`. Empty: the client's.
        rewrite: The path of the backend's request. None: the client's.
        forwarded_prefix: The header x-forwarded-prefix of the backend's request. Empty: the client's.
        hash_keys: Requests with equal keys go to the same endpoint, if the upstream policy balances by hash.
        request_headers: Changes of the backend's request.
        response_headers: Changes of answers of any status.
        connection: The Connection header of the backend's request. Empty: none but that of an upgrade.
        affinity: The sessions of clients. None: each request is balanced by itself.
        is_logged: Whether the access log has a line for each request.
        tracing: The spans of requests.
        timeouts: The silence that ends a request.
        retries: Of failed requests. None: as for all routes.
        bodies: Of requests.
        https_redirect: Of plain requests.
        rate_limits: How many requests of a client are answered. None: all.
        cors: The sites whose scripts may read answers. None: as the backend says.
        access: The requests that are let in. None: all.
        mirrors: Backends that get copies of requests.
        backend_names: Names in answers that are replaced. None: none is.
        error_pages: The default backend, which answers in place of errors. None: errors stay.
    """

    upstream_host: str = ""
    rewrite: Rewrite | None = None
    forwarded_prefix: str = ""
    hash_keys: tuple[HashKey, ...] = ()
    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES
    connection: str = ""
    affinity: Affinity | None = None
    is_logged: bool = True
    tracing: Tracing = NORMAL_TRACING
    timeouts: Timeouts = NO_TIMEOUTS
    retries: Retries | None = None
    bodies: Bodies = ANY_BODIES
    mirrors: tuple[Mirror, ...] = ()
    backend_names: BackendNames | None = None
    error_pages: ErrorPages | None = None
    https_redirect: HttpsRedirect = BY_OPERATOR
    rate_limits: RateLimits | None = None
    cors: Cors | None = None
    access: Access | None = None

    @property
    def backends(self) -> tuple[BackendKey, ...]:
        """The backends that the policy itself uses."""
        authorizer = self.access.authorizer if self.access else None
        users = (*self.mirrors, self.error_pages, authorizer)
        return tuple(each.backend for each in users if each and each.backend)

    @property
    def without_backend(self) -> "Policy":
        """The policy of a route that answers by itself."""
        if not (self.upstream_host or self.mirrors or self.backend_names or self.error_pages):
            return self
        return replace(self, upstream_host="", mirrors=(), backend_names=None, error_pages=None)

    @property
    def of_redirect(self) -> "Policy":
        """The policy of a route that redirects: as in ingress-nginx, access decides on the Location's requests."""
        return replace(self.without_backend, access=None) if self.access else self.without_backend


NO_POLICY: Final = Policy()
