"""RDS and VHDS: RouteConfigurations, and domains as virtual hosts."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from xds.envoyapi.messages import (
    CookieMatcher,
    DirectResponseAction,
    HeaderMatcher,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    Metadata,
    RedirectAction,
    RedirectActionRedirectResponseCode,
    RegexMatcher,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    Struct,
    Value,
    Vhds,
    WeightedCluster,
    WeightedClusterClusterWeight,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.envoyapi.messages import VirtualHost as EnvoyVirtualHost
from xds.problems.problem import Key
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.domains import ANY_HOST, Answers, Domain, FixedAnswer
from xds.resources.forwarded_headers import forwarded_headers
from xds.resources.options import ProxyOptions
from xds.resources.retries import RETRIED_BODY_BYTES, retry_policy
from xds.traffic.actions import Action, Closed, Forward, Redirect, WeightedBackend
from xds.traffic.conditions import Comparison, CookieCondition, HeaderCondition
from xds.traffic.hosts import is_wildcard
from xds.traffic.policy import Policy
from xds.traffic.routes import ACME_CHALLENGES, PathType, Route

HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
"""The ports of URLs without a port."""

_REDIRECT_CODES: Final = {
    301: RedirectActionRedirectResponseCode.MOVED_PERMANENTLY,
    302: RedirectActionRedirectResponseCode.FOUND,
    303: RedirectActionRedirectResponseCode.SEE_OTHER,
    307: RedirectActionRedirectResponseCode.TEMPORARY_REDIRECT,
    308: RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
}

NO_RESPONSE_TIMEOUT: Final = timedelta(0)
"""Envoy's default of 15 s for a whole response would end downloads and long polls. Idle timeouts still apply."""


def route_configuration(name: str, options: ProxyOptions) -> RouteConfiguration:
    """A RouteConfiguration without virtual hosts."""
    return RouteConfiguration(
        name=name,
        vhds=Vhds(config_source=ads(wait=True)) if options.vhds else None,
        request_headers_to_add=forwarded_headers(options, tls=name != names.HTTP),
        ignore_port_in_host_matching=True,
    )


def virtual_host(name: str, domain: Domain, options: ProxyOptions) -> EnvoyVirtualHost:
    return EnvoyVirtualHost(
        name=name,
        domains=[domain.name],
        routes=[
            *_guarded(domain),
            *_challenges(domain),
            *_redirects(domain, options),
            *_routes(domain.inside, domain.default, None),
        ],
        retry_policy=retry_policy(),
        request_body_buffer_limit=RETRIED_BODY_BYTES,
    )


def _guarded(domain: Domain) -> Iterator[EnvoyRoute]:
    """Routes for hosts with more labels than an Ingress wildcard stands for, tried first, behind a header matcher."""
    if is_wildcard(domain.name) and domain.name != ANY_HOST:
        guard = _more_labels_than(domain.name)
        yield from _routes(domain.outside, domain.default, guard)
        if not isinstance(domain.outside, FixedAnswer):
            yield _status("not-found", 404, guard)


def _challenges(domain: Domain) -> Iterator[EnvoyRoute]:
    """Routes of ACME challenges, in front of the redirects: the authority that issues a certificate asks by plain HTTP.

    Requests for ACME_CHALLENGES without the slash at the end are no challenges, and are redirected.
    """
    if domain.redirected and not isinstance(domain.inside, FixedAnswer):
        for route in domain.inside.routes:
            if route.answers_challenges:
                below = route.path == ACME_CHALLENGES and route.path_type is PathType.PREFIX
                yield _route(route, _match(route, None, ACME_CHALLENGES if below else ""))


def _redirects(domain: Domain, options: ProxyOptions) -> Iterator[EnvoyRoute]:
    """Redirects of plain requests to HTTPS. A client of the listener's own port is sent to the TLS listener's own port,
    any other client to the public port.

    Envoy leaves x-forwarded-proto of a trusted proxy alone, so a request that came to that proxy by HTTPS is not
    redirected. For other requests Envoy sets the header.
    """
    if not domain.redirected:
        return
    plain = HeaderMatcher(name="x-forwarded-proto", string_match=StringMatcher(exact="http"))
    yield _redirect("redirect-https-port", [plain, _ends_in_port(options.http_port)], options.https_port)
    if options.public_https_port == HTTPS_PORT:
        # Without a port in the redirect, Envoy leaves port 80 out and keeps any other port.
        keeps_port = [plain, _has_port(), _ends_in_port(HTTP_PORT, invert=True)]
        yield _redirect("redirect-https-public-port", keeps_port, HTTPS_PORT)
        yield _redirect("redirect-https", [plain], 0)
    else:
        yield _redirect("redirect-https-public-port", [plain], options.public_https_port)


def _ends_in_port(port: int, *, invert: bool = False) -> HeaderMatcher:
    return HeaderMatcher(name=":authority", string_match=StringMatcher(suffix=f":{port}"), invert_match=invert)


def _has_port() -> HeaderMatcher:
    """Colons also are within the brackets of an IPv6 address."""
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=RegexMatcher(regex=r".*:[^\]]*")))


def _routes(answers: Answers, default: Route | None, guard: HeaderMatcher | None) -> Iterator[EnvoyRoute]:
    if isinstance(answers, FixedAnswer):
        yield _status("misdirected", 421, guard)
        return
    for route in answers.routes:
        yield _route(route, _match(route, guard))
    default = answers.default or default
    if default is not None:
        yield _route(default, _match(default, guard))


def _route(route: Route, match: RouteMatch) -> EnvoyRoute:
    action = route.action
    redirect = action if isinstance(action, Redirect) else None
    return EnvoyRoute(
        name=" ".join((str(route.origin.object.key), route.path_type, route.path, *map(str, route.conditions))),
        match=match,
        metadata=_metadata(route.origin.object.key, route.service),
        route=_forward(action, route.policy) if isinstance(action, Forward) and action.backends else None,
        redirect=_to_path(redirect) if redirect and redirect.is_path else None,
        direct_response=_direct_response(action),
        response_headers_to_add=[_location(redirect.location)] if redirect and not redirect.is_path else [],
    )


def _forward(forward: Forward, policy: Policy) -> RouteAction:
    first, *others = forward.backends
    host = policy.upstream_host if others else first.upstream_host or policy.upstream_host
    return RouteAction(
        cluster=None if others else names.cluster(first.key),
        weighted_clusters=WeightedCluster(clusters=[_share(each) for each in forward.backends]) if others else None,
        timeout=NO_RESPONSE_TIMEOUT,
        host_rewrite_literal=host or None,
    )


def _share(backend: WeightedBackend) -> WeightedClusterClusterWeight:
    return WeightedClusterClusterWeight(
        name=names.cluster(backend.key), weight=backend.weight, host_rewrite_literal=backend.upstream_host or None
    )


def _to_path(redirect: Redirect) -> RedirectAction:
    return RedirectAction(path_redirect=redirect.location, response_code=_REDIRECT_CODES[redirect.status])


def _direct_response(action: Action) -> DirectResponseAction | None:
    """The answer of a route without a backend, except redirects to a path, which Envoy has an action for."""
    match action:
        case Forward(backends):
            return None if backends else DirectResponseAction(status=503)
        case Redirect():
            return None if action.is_path else DirectResponseAction(status=action.status)
        case Closed():
            return DirectResponseAction(status=503)


def _location(url: str) -> HeaderValueOption:
    """The Location of a redirect to a whole URL, byte for byte; an action of Envoy's would take the URL apart.

    Envoy gives direct responses with such a status a Location of its own, which this one replaces.
    """
    return HeaderValueOption(
        header=HeaderValue(key="location", value=url.replace("%", "%%")),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _match(route: Route, guard: HeaderMatcher | None, instead: str = "") -> RouteMatch:
    """The match of a route; by the prefix `instead` in place of the route's path, if there is one."""
    headers = [guard] if guard else []
    headers += [_header(each) for each in route.conditions if isinstance(each, HeaderCondition)]
    cookies = [_cookie(each) for each in route.conditions if isinstance(each, CookieCondition)]
    prefix = route.path.rstrip("/")
    if instead or (route.path_type is PathType.PREFIX and not prefix):
        return RouteMatch(prefix=instead or "/", headers=headers, cookies=cookies)
    if route.path_type is PathType.EXACT:
        return RouteMatch(path=route.path, headers=headers, cookies=cookies)
    return RouteMatch(path_separated_prefix=prefix, headers=headers, cookies=cookies)


def _header(condition: HeaderCondition) -> HeaderMatcher:
    if condition.comparison is Comparison.FOUND:
        # Envoy compares regular expressions with whole values.
        regex = RegexMatcher(regex=f"(?s).*(?:{condition.value}).*")
        return HeaderMatcher(name=condition.name, string_match=StringMatcher(safe_regex=regex))
    return HeaderMatcher(name=condition.name, string_match=StringMatcher(exact=condition.value))


def _cookie(condition: CookieCondition) -> CookieMatcher:
    return CookieMatcher(name=condition.name, string_match=StringMatcher(exact=condition.value))


def _everything(headers: list[HeaderMatcher]) -> RouteMatch:
    return RouteMatch(prefix="/", headers=headers)


def _metadata(ingress: Key, service: Key) -> Metadata:
    """The objects that a route comes from, for the access log."""
    origin = Struct(
        fields={"ingress": Value(string_value=str(ingress)), "service": Value(string_value=str(service))},
    )
    return Metadata(filter_metadata={names.METADATA_NAMESPACE: origin})


def _status(name: str, status: int, guard: HeaderMatcher | None) -> EnvoyRoute:
    match = _everything([guard] if guard else [])
    return EnvoyRoute(name=name, match=match, direct_response=DirectResponseAction(status=status))


def _redirect(name: str, headers: list[HeaderMatcher], port: int) -> EnvoyRoute:
    """A permanent redirect to HTTPS, to a port or (0) to the request's."""
    return EnvoyRoute(
        name=name,
        match=_everything(headers),
        redirect=RedirectAction(
            https_redirect=True,
            port_redirect=port,
            response_code=RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
        ),
    )


def _more_labels_than(wildcard: str) -> HeaderMatcher:
    """A matcher of hosts, with or without a port, that have several labels in place of the wildcard.

    Envoy has matched the end of the host by the domain, so the regex counts dots. Letters would make a regex program
    larger than Envoy accepts even for hosts of moderate length (`translate.names.MAX_WILDCARD_CHARACTERS`), above all
    `k` and `s`, which have other cases in Unicode. Everything behind the last colon counts as the port.
    """
    one_label = RegexMatcher(regex=rf"(?:[^.]*[.]){{{wildcard.count('.')}}}[^.]*(?::[^:]*)?")
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=one_label), invert_match=True)
