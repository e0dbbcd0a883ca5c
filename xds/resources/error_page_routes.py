"""The routes of requests for error pages, in front of all others of a virtual host."""

from collections.abc import Iterable, Iterator
from typing import Final

from xds.envoyapi.messages import HeaderMatcher, RouteAction, RouteMatch, StringMatcher
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.resources import names
from xds.resources.domains import Domain, FixedAnswer
from xds.resources.filters.error_pages import MARKER
from xds.resources.forwarding import AUTHORIZATION, NO_RESPONSE_TIMEOUT, asks_passwords
from xds.traffic.error_pages import ErrorPages
from xds.traffic.policy import Policy

_OF_THE_PROXY: Final = (MARKER, "x-envoy-original-host", "x-envoy-original-path")
"""Headers of the second request that tell a backend nothing."""


def error_page_routes(domain: Domain) -> Iterator[EnvoyRoute]:
    """A route for each default backend of the domain."""
    policies = list(_policies(domain))
    secret = {pages.backend for policy, pages in policies if asks_passwords(policy)}
    for pages in {pages.backend: pages for _, pages in policies}.values():
        cluster = names.cluster(pages.backend)
        yield EnvoyRoute(
            name=f"error-page {cluster}",
            match=RouteMatch(
                prefix="/", headers=[HeaderMatcher(name=MARKER, string_match=StringMatcher(exact=cluster))]
            ),
            route=RouteAction(cluster=cluster, timeout=NO_RESPONSE_TIMEOUT, host_rewrite_literal=pages.host or None),
            request_headers_to_remove=[*_OF_THE_PROXY, *([AUTHORIZATION] if pages.backend in secret else [])],
        )


def _policies(domain: Domain) -> Iterable[tuple[Policy, ErrorPages]]:
    """The policies with error pages."""
    answers = (each for each in (domain.inside, domain.outside) if not isinstance(each, FixedAnswer))
    return (
        (route.policy, route.policy.error_pages)
        for each in answers
        for route in each.routes
        if route.policy.error_pages and not route.policy.error_pages.instead
    )
