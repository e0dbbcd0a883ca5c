"""The chain of HTTP filters of every listener, and the filters that a route switches on.

The chain is constant: each filter that some route may want is there, and off. So a policy that comes or goes changes a
virtual host and no listener, whose connections would have to drain.

Envoy serves a route that configures a filter its listener doesn't have, without the filter and without an error. So
RouteConfigurations bear the version of the chain in their name (`names.CHAIN_VERSION`), and listeners ask for those of
their own chain. A filter that protects refuses every request by its configuration in the chain.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from xds.envoyapi import codec
from xds.envoyapi.messages import Any, HttpFilter, Router
from xds.resources import names
from xds.resources.filters.address_lists import (
    ALLOWED,
    DENIED,
    allowed_addresses,
    allowed_of,
    denied_addresses,
    denied_of,
)
from xds.resources.filters.authorizer import NAME as AUTHORIZER
from xds.resources.filters.authorizer import authorizer, authorizer_of
from xds.resources.filters.backend_names import NAME as BACKEND_NAMES
from xds.resources.filters.backend_names import backend_names, backend_names_of
from xds.resources.filters.believed_host import believed_host
from xds.resources.filters.blocked import block
from xds.resources.filters.body_limit import BODY_LIMIT, body_limit, body_limit_of
from xds.resources.filters.client_subject import client_subject
from xds.resources.filters.compression import compressor
from xds.resources.filters.error_pages import error_pages, original_path
from xds.resources.filters.forged_headers import NAME as FORGED_HEADERS
from xds.resources.filters.forged_headers import forged_headers, forged_headers_of
from xds.resources.filters.one_host import reject_two_hosts
from xds.resources.filters.passwords import BASIC_AUTH, authz, authz_of, basic_auth, basic_auth_of
from xds.resources.filters.rate_limits import rate_limit_filter, rate_limited
from xds.resources.filters.retries_by_method import (
    RETRY_RESETS,
    RETRY_STATUSES,
    resets_of,
    retry_idempotent_requests,
    statuses_of,
)
from xds.resources.filters.session_affinity import session_affinity
from xds.resources.filters.unlogged import NAME as UNLOGGED
from xds.resources.filters.unlogged import unlogged, unlogged_routes
from xds.resources.retries import retry_safe_requests
from xds.resources.upgrades import upgrade_by_http1
from xds.traffic.listeners import Blocked, ListenerPolicy
from xds.traffic.policy import NO_POLICY, Policy

_ForRoute: TypeAlias = Callable[[Policy], Any | None]
"""The configuration of a filter for routes of a policy; None where the filter stays off."""


def http_filters() -> list[HttpFilter]:
    """The chain. Another order or another filter is another `names.CHAIN_VERSION`."""
    router = Router(suppress_envoy_headers=True)
    return [
        error_pages(),
        unlogged(),
        original_path(),
        reject_two_hosts(),
        body_limit(),
        upgrade_by_http1(),
        retry_safe_requests(),
        *retry_idempotent_requests(),
        client_subject(),
        rate_limit_filter(),
        forged_headers(),
        denied_addresses(),
        allowed_addresses(),
        basic_auth(),
        authz(),
        authorizer(),
        session_affinity(),
        backend_names(),
        HttpFilter(name="envoy.filters.http.router", typed_config=codec.pack(router)),
    ]


def policy_filters(policy: ListenerPolicy) -> list[HttpFilter]:
    """The filters that run for all requests, in front of the constant chain. No route names them.

    A chain of its own for upgrades must begin with them too.
    """
    blocked = [block(policy.blocked)] if policy.blocked != Blocked() else []
    trusted = policy.requests.trusted
    believed = [believed_host()] if trusted and trusted.believed else []
    return [*map(compressor, policy.compressions), *blocked, *believed]


SWITCHED: Final[dict[str, _ForRoute]] = {
    UNLOGGED: unlogged_routes,
    BODY_LIMIT: body_limit_of,
    RETRY_RESETS: resets_of,
    RETRY_STATUSES: statuses_of,
    names.RATE_LIMITS: rate_limited,
    FORGED_HEADERS: forged_headers_of,
    DENIED: denied_of,
    ALLOWED: allowed_of,
    BASIC_AUTH: basic_auth_of,
    names.AUTHZ: authz_of,
    AUTHORIZER: authorizer_of,
    BACKEND_NAMES: backend_names_of,
}
"""By the name of the filter."""


def route_filters(policy: Policy) -> dict[str, Any]:
    """The filters that are on for routes of a policy, each with its configuration."""
    if policy is NO_POLICY:
        return {}
    configurations = {name: for_route(policy) for name, for_route in SWITCHED.items()}
    return {name: config for name, config in configurations.items() if config is not None}
