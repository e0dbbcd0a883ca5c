"""Error pages: the answer of a default backend in place of an error.

Envoy sends the request through its routes a second time, with a header that names the cluster of the default backend
and that no client can send. Envoy counts this filter and its policy as work in progress (docs/security.md), so only
routes with a default backend switch the filter on.
"""

import functools
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    CustomResponse,
    DataSource,
    FilterStateValue,
    HeaderValueOption,
    HttpFilter,
    HttpResponseHeaderMatchInput,
    HttpResponseLocalReplyMatchInput,
    HttpResponseStatusCodeMatchInput,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherMatcherListPredicateSinglePredicate,
    MatcherOnMatch,
    RedirectAction,
    RedirectPolicy,
    SetFilterState,
    SubstitutionFormatString,
    XdsStringMatcher,
    XdsTypedExtensionConfig,
)
from xds.resources import names
from xds.resources.filters.conditional import all_of, any_of
from xds.resources.filters.switched import off, on
from xds.resources.header_values import formatted, replaced
from xds.resources.place import Place
from xds.traffic.error_pages import ErrorPages
from xds.traffic.headers import NO_CHANGES
from xds.traffic.policy import Policy
from xds.traffic.routes import Route

if TYPE_CHECKING:
    from betterproto2 import Message

NAME: Final = "error-pages"
ORIGINAL_PATH_NAME: Final = "original-path"

MARKER: Final = "x-xds-ingress-error-page"
"""The header of a request for an error page: the name of the default backend's cluster, with the variant of the answer.
Removed from clients' requests before any route is chosen, and by the route to the default backend.
"""

NO_ENDPOINT: Final = "x-no-endpoint"
"""The header that marks an answer of the proxy itself as one for a cluster without endpoints; the value is 1."""

_VARIANT_BYTES: Final = 4

ORIGINAL_PATH: Final = "xds-ingress.original-path"
"""The filter state with the path and query of a request as it came, before a rewrite."""


def error_pages() -> HttpFilter:
    """First in the chain: only there the filter sees the answers of other filters."""
    return off(NAME, CustomResponse())


def original_path() -> HttpFilter:
    """Keeps path and query for the default backend. Routes with error pages switch the filter on."""
    path = SubstitutionFormatString(text_format_source=DataSource(inline_string="%REQ(:path)%"))
    value = FilterStateValue(object_key=ORIGINAL_PATH, factory_key="envoy.string", format_string=path)
    return off(ORIGINAL_PATH_NAME, SetFilterState(on_request_headers=[value]))


def error_page_filters(route: Route, place: Place) -> dict[str, Any]:
    """The configuration of the filters for a route; empty where no answer is replaced.

    Args:
        route: Forwards.
        place: The requests.
    """
    pages = route.policy.error_pages
    if pages is None or pages.instead:
        return {}
    # A rewritten Host would lead to another virtual host the second time.
    rewritten = route.rewrites_host
    if rewritten and not place.host:
        return {}
    rules = list(_rules(route.policy, pages, place.host if rewritten else "", allowed=place.allowed))
    matcher = Matcher(matcher_list=MatcherMatcherList(matchers=rules))
    return {NAME: on(CustomResponse(custom_response_matcher=matcher)), ORIGINAL_PATH_NAME: on()}


def default_backend_headers(pages: ErrorPages, code: str) -> list[HeaderValueOption]:
    """The headers that tell a default backend about an error.

    Source: https://kubernetes.github.io/ingress-nginx/user-guide/custom-errors/
    """
    return [
        formatted("x-code", code),
        formatted("x-format", "%REQ(accept)%"),
        replaced("x-namespace", pages.ingress.namespace),
        replaced("x-ingress-name", pages.ingress.name),
        replaced("x-service-name", pages.service),
        replaced("x-service-port", pages.port),
    ]


def page_marker(policy: Policy, pages: ErrorPages, *, allowed: bool, keeps_status: bool) -> str:
    """The value of MARKER, which tells the routes to a default backend apart.

    Args:
        policy: Of the route with the error. Its headers are those of the page too.
        pages: Of the policy.
        allowed: Whether the policy's CORS allows the origin.
        keeps_status: Whether the page has the status of the error, and not that of the default backend's answer.
    """
    # With the Ingress, for the access log and for traffic metrics.
    cluster = f"{names.cluster(pages.backend)} {pages.ingress}"
    origins = allowed if policy.cors and policy.cors.origins else None
    if (headers := policy.response_headers) != NO_CHANGES or policy.cors:
        text = repr((headers, policy.cors, origins))
        cluster = f"{cluster} {hashlib.blake2s(text.encode(), digest_size=_VARIANT_BYTES).hexdigest()}"
    return f"{cluster} status" if keeps_status else cluster


def _rules(
    of_route: Policy, pages: ErrorPages, host: str, *, allowed: bool
) -> Iterator[MatcherMatcherListFieldMatcher]:
    """The replacements of answers; the first rule that matches counts.

    Args:
        of_route: The route's policy.
        pages: The default backend and the errors.
        host: The Host of the second request; empty: as the first one left it.
        allowed: Whether the route's CORS allows the origin.
    """

    def policy(code: str, path: str = "", status: int | None = None) -> RedirectPolicy:
        marker = page_marker(of_route, pages, allowed=allowed, keeps_status=status is not None)
        about = [replaced(MARKER, marker), *default_backend_headers(pages, code)]
        if path:
            about.append(formatted("x-original-uri", f"%FILTER_STATE({ORIGINAL_PATH}:PLAIN)%"))
        return RedirectPolicy(
            redirect_action=RedirectAction(path_redirect=path, host_redirect=host),
            request_headers_to_add=about,
            status_code=status,
        )

    # As in nginx, the default backend of a Service without endpoints gets the request as it is.
    yield _rule(_no_endpoint(), policy("503"))
    for status in pages.kept_statuses:
        yield _rule(_error((status,), own_only=pages.own_only), policy("%RESPONSE_CODE%", "/", status))
    others = tuple(status for status in pages.statuses if status not in pages.kept_statuses)
    if others:
        yield _rule(_error(others, own_only=pages.own_only), policy("%RESPONSE_CODE%", "/"))


def _rule(predicate: MatcherMatcherListPredicate, policy: RedirectPolicy) -> MatcherMatcherListFieldMatcher:
    action = XdsTypedExtensionConfig(name="error-page", typed_config=codec.pack(policy))
    return MatcherMatcherListFieldMatcher(predicate=predicate, on_match=MatcherOnMatch(action=action))


@functools.cache
def _no_endpoint() -> MatcherMatcherListPredicate:
    header = _answer_has("header", HttpResponseHeaderMatchInput(header_name=NO_ENDPOINT), "1")
    return all_of(_is_own(), header)


@functools.lru_cache(maxsize=256)
def _error(statuses: tuple[int, ...], *, own_only: bool) -> MatcherMatcherListPredicate:
    found = [_answer_has("status", HttpResponseStatusCodeMatchInput(), str(status)) for status in statuses]
    listed = any_of(*found) if len(found) > 1 else found[0]
    return all_of(_is_own(), listed) if own_only else listed


def _is_own() -> MatcherMatcherListPredicate:
    """Answers of the proxy itself."""
    return _answer_has("own", HttpResponseLocalReplyMatchInput(), "true")


def _answer_has(name: str, data: "Message", value: str) -> MatcherMatcherListPredicate:
    single = MatcherMatcherListPredicateSinglePredicate(
        input=XdsTypedExtensionConfig(name=name, typed_config=codec.pack(data)),
        value_match=XdsStringMatcher(exact=value),
    )
    return MatcherMatcherListPredicate(single_predicate=single)
