"""Error pages: the answer of a default backend in place of an error.

Envoy sends the request through its routes a second time, with a header that names the cluster of the default backend
and that no client can send. Envoy counts this filter and its policy as work in progress (docs/security.md), so only
routes with a default backend switch the filter on.
"""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    CustomResponse,
    DataSource,
    FilterStateValue,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
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
from xds.resources.header_values import replaced, replaced_headers
from xds.traffic.error_pages import ErrorPages
from xds.traffic.routes import Route

if TYPE_CHECKING:
    from betterproto2 import Message

NAME: Final = "error-pages"
ORIGINAL_PATH_NAME: Final = "original-path"

MARKER: Final = "x-xds-ingress-error-page"
"""The header of a request for an error page: the name of the default backend's cluster. Removed from clients' requests
before any route is chosen, and by the route to the default backend.
"""

NO_ENDPOINT: Final = "x-no-endpoint"
"""The header that marks an answer of the proxy itself as one for a cluster without endpoints; the value is 1."""

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


def error_page_filters(route: Route, host: str) -> dict[str, Any]:
    """The configuration of the filters for a route; empty where no answer is replaced.

    Args:
        route: Forwards.
        host: The only host of the route's virtual host; empty if there are several.
    """
    pages = route.policy.error_pages
    if pages is None or pages.instead:
        return {}
    # A rewritten Host would lead to another virtual host the second time.
    rewritten = route.rewrites_host
    if rewritten and not host:
        return {}
    headers = replaced_headers(route.policy.response_headers)
    rules = list(_rules(pages, host if rewritten else "", headers))
    matcher = Matcher(matcher_list=MatcherMatcherList(matchers=rules))
    return {NAME: on(CustomResponse(custom_response_matcher=matcher)), ORIGINAL_PATH_NAME: on()}


def default_backend_headers(pages: ErrorPages, code: str) -> list[HeaderValueOption]:
    """The headers that tell a default backend about an error.

    Source: https://kubernetes.github.io/ingress-nginx/user-guide/custom-errors/
    """
    return [
        _formatted("x-code", code),
        _formatted("x-format", "%REQ(accept)%"),
        replaced("x-namespace", pages.ingress.namespace),
        replaced("x-ingress-name", pages.ingress.name),
        replaced("x-service-name", pages.service),
        replaced("x-service-port", pages.port),
    ]


def _rules(pages: ErrorPages, host: str, headers: list[HeaderValueOption]) -> Iterator[MatcherMatcherListFieldMatcher]:
    """The replacements of answers; the first rule that matches counts.

    Args:
        pages: The default backend and the errors.
        host: The Host of the second request; empty: as the first one left it.
        headers: Of the route's answers, which those of the default backend have too.
    """

    def policy(code: str, path: str = "", status: int | None = None) -> RedirectPolicy:
        about = [replaced(MARKER, names.cluster(pages.backend)), *default_backend_headers(pages, code)]
        if path:
            about.append(_formatted("x-original-uri", f"%FILTER_STATE({ORIGINAL_PATH}:PLAIN)%"))
        return RedirectPolicy(
            redirect_action=RedirectAction(path_redirect=path, host_redirect=host),
            request_headers_to_add=about,
            response_headers_to_add=headers,
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


def _formatted(name: str, value: str) -> HeaderValueOption:
    """A header whose value has commands of Envoy's, in place of any other value."""
    overwrite = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    return HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=overwrite)
