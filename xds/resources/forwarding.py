"""The RouteAction of a route that forwards, with the headers of the backend's request."""

from datetime import timedelta
from typing import Final

from xds.envoyapi.messages import (
    HeaderValueOption,
    RouteAction,
    RouteActionClusterNotFoundResponseCode,
    WeightedCluster,
    WeightedClusterClusterWeight,
)
from xds.resources import names
from xds.resources.filters.error_pages import default_backend_headers
from xds.resources.filters.rate_limits import rate_limits
from xds.resources.filters.session_affinity import mark, share_filters
from xds.resources.hash_policy import hash_policy
from xds.resources.header_values import changed_headers, replaced
from xds.resources.mirrors import mirror_policy
from xds.resources.retry_policy import retry_policy_of
from xds.resources.rewrites import regex_rewrite
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.upstream_host import CLIENTS_HOST_AND_PORT, for_host

NO_RESPONSE_TIMEOUT: Final = timedelta(0)
"""Envoy's default of 15 s for a whole response would end downloads and long polls. Idle timeouts still apply."""


AUTHORIZATION: Final = "authorization"


def forward_action(forward: Forward, policy: Policy, silence: timedelta | None, *, tls: bool, host: str) -> RouteAction:
    """The action.

    Args:
        forward: The backends.
        policy: Of the route, without the part that its virtual host holds.
        silence: Ends a request; None: as for all routes.
        tls: Whether requests come by TLS.
        host: Of the requests; empty if they have several.
    """
    if policy is NO_POLICY and len(forward.backends) == 1:  # most routes, in half of the time
        cluster = names.cluster(forward.backends[0].key_of(tls=tls))
        return RouteAction(cluster=cluster, timeout=NO_RESPONSE_TIMEOUT, idle_timeout=silence)
    rewrite = policy.rewrite
    upstream_host = for_host(policy.upstream_host, host)
    is_constant = CLIENTS_HOST_AND_PORT not in upstream_host
    shares = [_share(each, policy, tls=tls) for each in forward.backends]
    return RouteAction(
        cluster=names.cluster(forward.backends[0].key_of(tls=tls)) if len(shares) == 1 else None,
        weighted_clusters=WeightedCluster(clusters=shares) if len(shares) > 1 else None,
        cluster_not_found_response_code=_unresolved(forward),
        timeout=policy.timeouts.whole or NO_RESPONSE_TIMEOUT,
        host_rewrite_literal=upstream_host if upstream_host and is_constant else None,
        host_rewrite=None if is_constant else _formatted(upstream_host),
        regex_rewrite=regex_rewrite(rewrite) if rewrite and rewrite.pattern else None,
        prefix_rewrite=rewrite.path if rewrite and rewrite.of_prefix else "",
        path_rewrite=rewrite.path.replace("%", "%%") if rewrite and rewrite.is_whole else "",
        hash_policy=[hash_policy(key) for key in policy.hash_keys],
        retry_policy=retry_policy_of(policy),
        idle_timeout=silence,
        request_mirror_policies=[mirror_policy(each) for each in policy.mirrors],
        rate_limits=rate_limits(policy.rate_limits) if policy.rate_limits else [],
    )


def _unresolved(forward: Forward) -> RouteActionClusterNotFoundResponseCode:
    """The answer to the shares without a backend, which name a cluster that never exists."""
    codes = RouteActionClusterNotFoundResponseCode
    has_such = forward.unresolved == 500 and any(each.key is None for each in forward.backends)
    return codes.INTERNAL_SERVER_ERROR if has_such else codes.SERVICE_UNAVAILABLE


def _formatted(upstream_host: str) -> str:
    return upstream_host.replace("%", "%%").replace(CLIENTS_HOST_AND_PORT, "%REQ(:authority)%")


def _share(backend: WeightedBackend, policy: Policy, *, tls: bool) -> WeightedClusterClusterWeight:
    return WeightedClusterClusterWeight(
        name=names.cluster(backend.key_of(tls=tls)),
        weight=backend.weight,
        host_rewrite_literal=backend.upstream_host or None,
        request_headers_to_add=changed_headers(backend.request_headers),
        request_headers_to_remove=list(backend.request_headers.removed),
        response_headers_to_add=[
            *changed_headers(backend.response_headers),
            *mark(backend, policy.affinity, tls=tls),
        ],
        response_headers_to_remove=list(backend.response_headers.removed),
        typed_per_filter_config=share_filters(backend),
    )


def request_headers(policy: Policy) -> list[HeaderValueOption]:
    if policy is NO_POLICY:
        return []
    wanted = {"connection": policy.connection, "x-forwarded-prefix": policy.forwarded_prefix}
    headers = [replaced(header, value) for header, value in wanted.items() if value]
    headers += changed_headers(policy.request_headers)
    if policy.error_pages and policy.error_pages.instead:
        headers += default_backend_headers(policy.error_pages, "503")
    return headers


def removed_request_headers(policy: Policy) -> list[str]:
    """The headers that the backend is not sent. Nor does it learn passwords, which the proxy or `xds authz` checks."""
    if policy is NO_POLICY:
        return []
    return [*policy.request_headers.removed, *([AUTHORIZATION] if hides_passwords(policy) else [])]


def hides_passwords(policy: Policy) -> bool:
    """Whether the route removes passwords. An authorizer that sets the header itself has replaced the client's."""
    access = policy.access
    if access is None or access.passwords is None:
        return False
    return access.authorizer is None or AUTHORIZATION not in access.authorizer.passed_headers
