"""The routes of requests for error pages, in front of all others of a virtual host."""

from collections.abc import Iterable, Iterator
from typing import Final

from xds.envoyapi.messages import HeaderMatcher, RouteAction, RouteMatch, StringMatcher
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.problems.problem import ObjectRef
from xds.resources import names
from xds.resources.cors import route_headers
from xds.resources.domains import Domain, FixedAnswer
from xds.resources.filters.error_pages import MARKER, NAME, page_marker
from xds.resources.filters.switched import on
from xds.resources.forwarding import AUTHORIZATION, NO_RESPONSE_TIMEOUT
from xds.resources.origin import object_origin
from xds.traffic.error_pages import ErrorPages
from xds.traffic.policy import Policy

_OF_THE_PROXY: Final = (MARKER, "x-envoy-original-host", "x-envoy-original-path")
"""Headers of the second request that tell a backend nothing."""


def error_page_routes(domain: Domain) -> Iterator[EnvoyRoute]:
    """The routes to each default backend of the domain: one for each Ingress and set of headers that answers have."""
    found: dict[str, EnvoyRoute] = {}
    policies = list(_policies(domain))
    hiding = {pages.backend for policy, pages in policies if policy.access and policy.access.passwords}
    for policy, pages in policies:
        for allowed in (True, False) if policy.cors and policy.cors.origins else (True,):
            for keeps_status in (False, True) if pages.kept_statuses else (False,):
                marker = page_marker(policy, pages, allowed=allowed, keeps_status=keeps_status)
                if marker not in found:
                    found[marker] = _route(marker, policy, pages, allowed=allowed, keeps_status=keeps_status)
                    if pages.backend in hiding:
                        found[marker].request_headers_to_remove.append(AUTHORIZATION)
    yield from found.values()


def _route(marker: str, policy: Policy, pages: ErrorPages, *, allowed: bool, keeps_status: bool) -> EnvoyRoute:
    return EnvoyRoute(
        name=f"error-page {marker}",
        match=RouteMatch(prefix="/", headers=[HeaderMatcher(name=MARKER, string_match=StringMatcher(exact=marker))]),
        metadata=object_origin(ObjectRef("Ingress", *pages.ingress), pages.backend.service_key),
        route=RouteAction(
            cluster=names.cluster(pages.backend), timeout=NO_RESPONSE_TIMEOUT, host_rewrite_literal=pages.host or None
        ),
        request_headers_to_remove=list(_OF_THE_PROXY),
        response_headers_to_add=route_headers(policy, allowed=allowed),
        response_headers_to_remove=list(policy.response_headers.removed),
        # A filter that is on gives the answer the status of the error, whether or not the rule says so.
        typed_per_filter_config={NAME: on()} if keeps_status else {},
    )


def _policies(domain: Domain) -> Iterable[tuple[Policy, ErrorPages]]:
    answers = (each for each in (domain.inside, domain.outside) if not isinstance(each, FixedAnswer))
    return (
        (route.policy, route.policy.error_pages)
        for each in answers
        for route in each.routes
        if route.policy.error_pages and not route.policy.error_pages.instead
    )
