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
    RegexMatchAndSubstitute,
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
from xds.resources.hash_policy import hash_policy
from xds.resources.mirrors import mirror_policy
from xds.resources.options import ProxyOptions
from xds.resources.retries import RETRIED_BODY_BYTES, retry_policy
from xds.traffic.actions import Action, Closed, Forward, Redirect, WeightedBackend
from xds.traffic.conditions import Comparison, CookieCondition, HeaderCondition
from xds.traffic.hosts import is_wildcard
from xds.traffic.policy import NO_POLICY, Policy, Rewrite
from xds.traffic.regex import found_anywhere, is_literal, whole_path
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
    tls = name.startswith(f"{names.HTTPS}/")
    return EnvoyVirtualHost(
        name=name,
        domains=[domain.name],
        routes=[
            *_guarded(domain, tls=tls),
            *_challenges(domain),
            *_redirects(domain, options),
            *_routes(domain.inside, domain.default, None, tls=tls),
        ],
        retry_policy=retry_policy(),
        request_body_buffer_limit=RETRIED_BODY_BYTES,
    )


def _guarded(domain: Domain, *, tls: bool) -> Iterator[EnvoyRoute]:
    """Routes for hosts with more labels than an Ingress wildcard stands for, tried first, behind a header matcher."""
    if is_wildcard(domain.name) and domain.name != ANY_HOST:
        guard = _more_labels_than(domain.name)
        yield from _routes(domain.outside, domain.default, guard, tls=tls)
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
                # An expression may match other paths too, which are redirected.
                guard = _CHALLENGE if route.path_type is PathType.REGEX else None
                yield _route(route, _match(route, guard, ACME_CHALLENGES if below else ""))


_CHALLENGE: Final = HeaderMatcher(name=":path", string_match=StringMatcher(prefix=ACME_CHALLENGES))


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


def _routes(answers: Answers, default: Route | None, guard: HeaderMatcher | None, *, tls: bool) -> Iterator[EnvoyRoute]:
    if isinstance(answers, FixedAnswer):
        yield _status("misdirected", 421, guard)
        return
    for route in answers.routes:
        yield _route(route, _match(route, guard), tls=tls)
    default = answers.default or default
    if default is not None:
        yield _route(default, _match(default, guard), tls=tls)


def _route(route: Route, match: RouteMatch, *, tls: bool = False) -> EnvoyRoute:
    action = route.action
    redirect = action if isinstance(action, Redirect) else None
    forward = action if isinstance(action, Forward) and action.backends else None
    return EnvoyRoute(
        name=" ".join((str(route.origin.object.key), route.path_type, route.path, *map(str, route.conditions))),
        match=match,
        metadata=_metadata(route.origin.object.key, route.service),
        route=_forward(forward, route.policy, tls=tls) if forward else None,
        redirect=_to_path(redirect) if redirect and redirect.is_path else None,
        direct_response=_direct_response(action),
        response_headers_to_add=[_set("location", redirect.location)] if redirect and not redirect.is_path else [],
        request_headers_to_add=_request_headers(route.policy) if forward else [],
    )


def _forward(forward: Forward, policy: Policy, *, tls: bool) -> RouteAction:
    if policy is NO_POLICY and len(forward.backends) == 1:  # most routes, in half of the time
        return RouteAction(cluster=names.cluster(forward.backends[0].key_of(tls=tls)), timeout=NO_RESPONSE_TIMEOUT)
    rewrite = policy.rewrite
    shares = [_share(each, tls=tls) for each in forward.backends]
    return RouteAction(
        cluster=names.cluster(forward.backends[0].key_of(tls=tls)) if len(shares) == 1 else None,
        weighted_clusters=WeightedCluster(clusters=shares) if len(shares) > 1 else None,
        timeout=NO_RESPONSE_TIMEOUT,
        host_rewrite_literal=policy.upstream_host or None,
        regex_rewrite=_regex_rewrite(rewrite) if rewrite and rewrite.pattern else None,
        path_rewrite=rewrite.path.replace("%", "%%") if rewrite and not rewrite.pattern else "",
        hash_policy=[hash_policy(key) for key in policy.hash_keys],
        request_mirror_policies=[mirror_policy(policy.mirror)] if policy.mirror else [],
    )


def _share(backend: WeightedBackend, *, tls: bool) -> WeightedClusterClusterWeight:
    return WeightedClusterClusterWeight(
        name=names.cluster(backend.key_of(tls=tls)),
        weight=backend.weight,
        host_rewrite_literal=backend.upstream_host or None,
    )


def _regex_rewrite(rewrite: Rewrite) -> RegexMatchAndSubstitute:
    return RegexMatchAndSubstitute(pattern=RegexMatcher(regex=rewrite.pattern), substitution=rewrite.path)


def _request_headers(policy: Policy) -> list[HeaderValueOption]:
    if policy is NO_POLICY:
        return []
    wanted = {"connection": policy.connection, "x-forwarded-prefix": policy.forwarded_prefix}
    return [_set(header, value) for header, value in wanted.items() if value]


def _to_path(redirect: Redirect) -> RedirectAction:
    """A redirect to a path; a query of the path replaces that of the request."""
    return RedirectAction(
        path_redirect=redirect.location, strip_query=True, response_code=_REDIRECT_CODES[redirect.status]
    )


def _direct_response(action: Action) -> DirectResponseAction | None:
    """The answer of a route without a backend, except redirects to a path, which Envoy has an action for."""
    match action:
        case Forward(backends):
            return None if backends else DirectResponseAction(status=503)
        case Redirect():
            return None if action.is_path else DirectResponseAction(status=action.status)
        case Closed():
            return DirectResponseAction(status=503)


def _set(header: str, value: str) -> HeaderValueOption:
    """A header with a value as written, in place of any other value.

    A Location too: an action of Envoy's would take the URL apart, and gives direct responses a Location of its own.
    """
    return HeaderValueOption(
        header=HeaderValue(key=header, value=value.replace("%", "%%")),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _match(route: Route, guard: HeaderMatcher | None, instead: str = "") -> RouteMatch:
    """The match of a route; by the prefix `instead` in place of the route's path, if there is one."""
    match = _path_match(route, instead)
    if guard:
        match.headers.append(guard)
    for condition in route.conditions:
        if isinstance(condition, HeaderCondition):
            match.headers.append(_header(condition))
        else:
            match.cookies.append(_cookie(condition))
    return match


def _path_match(route: Route, instead: str) -> RouteMatch:
    prefix = route.path.rstrip("/")
    if instead or (route.path_type is PathType.PREFIX and not prefix):
        return RouteMatch(prefix=instead or "/")
    match route.path_type:
        case PathType.REGEX if is_literal(route.path):
            return RouteMatch(prefix=route.path, case_sensitive=False)
        case PathType.REGEX:
            return RouteMatch(safe_regex=RegexMatcher(regex=whole_path(route.path)))
        case PathType.EXACT:
            return RouteMatch(path=route.path)
    return RouteMatch(path_separated_prefix=prefix)


def _header(condition: HeaderCondition) -> HeaderMatcher:
    if condition.comparison is Comparison.FOUND:
        regex = RegexMatcher(regex=found_anywhere(condition.value))
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
