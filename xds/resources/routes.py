"""RDS and VHDS: RouteConfigurations, and domains as virtual hosts."""

from collections.abc import Iterator
from typing import Final

from xds.envoyapi.messages import (
    DataSource,
    DirectResponseAction,
    HeaderMatcher,
    HeaderValueOption,
    Metadata,
    RedirectAction,
    RedirectActionRedirectResponseCode,
    RegexMatchAndSubstitute,
    RegexMatcher,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    Struct,
    Value,
    Vhds,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.envoyapi.messages import VirtualHost as EnvoyVirtualHost
from xds.problems.problem import Key
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.domains import ANY_HOST, Answers, Domain, FixedAnswer
from xds.resources.filters.chain import route_filters
from xds.resources.forwarded_headers import forwarded_headers
from xds.resources.forwarding import forward_action, request_headers
from xds.resources.header_values import replaced, replaced_headers
from xds.resources.https_redirects import https_redirects
from xds.resources.options import ProxyOptions
from xds.resources.response_headers import response_headers
from xds.resources.retries import RETRIED_BODY_BYTES, retry_policy
from xds.resources.route_matches import every_path, route_match
from xds.traffic.actions import Action, Closed, DirectAnswer, Forward, HostRedirect, Redirect
from xds.traffic.hosts import is_wildcard
from xds.traffic.routes import ACME_CHALLENGES, PathType, Route, VirtualHost

_REDIRECT_CODES: Final = {
    301: RedirectActionRedirectResponseCode.MOVED_PERMANENTLY,
    302: RedirectActionRedirectResponseCode.FOUND,
    303: RedirectActionRedirectResponseCode.SEE_OTHER,
    307: RedirectActionRedirectResponseCode.TEMPORARY_REDIRECT,
    308: RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
}


HEALTH_PATH: Final = "/healthz"
"""Source: https://kubernetes.github.io/ingress-nginx/user-guide/cli-arguments/ (`--health-check-path`)"""


def route_configuration(name: str, options: ProxyOptions) -> RouteConfiguration:
    """A RouteConfiguration without virtual hosts."""
    tls = names.is_tls(name)
    return RouteConfiguration(
        name=name,
        vhds=Vhds(config_source=ads(wait=True)) if options.vhds else None,
        request_headers_to_add=forwarded_headers(options, tls=tls),
        response_headers_to_add=response_headers(options, tls=tls),
        response_headers_to_remove=list(options.policy.responses.hidden),
        ignore_port_in_host_matching=True,
    )


def virtual_host(name: str, domain: Domain, options: ProxyOptions) -> EnvoyVirtualHost:
    tls = names.is_tls(name)
    return EnvoyVirtualHost(
        name=name,
        domains=[domain.name],
        routes=[
            *_health(domain, options),
            *_guarded(domain, tls=tls),
            *_challenges(domain),
            *https_redirects(domain, options),
            *_routes(domain.inside, domain.default, None, tls=tls),
        ],
        retry_policy=retry_policy(),
        request_body_buffer_limit=RETRIED_BODY_BYTES,
    )


def _health(domain: Domain, options: ProxyOptions) -> Iterator[EnvoyRoute]:
    """The answer to load balancers in front that ask for no host of a rule, unless a rule without host has the path."""
    if not options.policy.answers_health or domain.name != ANY_HOST or isinstance(domain.inside, FixedAnswer):
        return
    if not any(route.path.startswith(HEALTH_PATH) for route in domain.inside.routes):
        match = RouteMatch(path_separated_prefix=HEALTH_PATH)
        yield EnvoyRoute(name="health", match=match, direct_response=DirectResponseAction(status=200))


def _guarded(domain: Domain, *, tls: bool) -> Iterator[EnvoyRoute]:
    """Routes for hosts with more labels than an Ingress wildcard stands for, tried first, behind a header matcher."""
    if is_wildcard(domain.name) and domain.name != ANY_HOST and not _is_same_everywhere(domain):
        guard = _more_labels_than(domain.name)
        yield from _routes(domain.outside, domain.default, guard, tls=tls)
        if not isinstance(domain.outside, FixedAnswer):
            yield _status("not-found", 404, guard)


def _is_same_everywhere(domain: Domain) -> bool:
    """Whether a wildcard stands for any number of labels here, as one among aliases does."""
    return (
        domain.outside is domain.inside
        and not domain.redirected
        and isinstance(domain.inside, VirtualHost)
        and domain.inside.is_alias
    )


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
                yield _route(route, route_match(route, guard, ACME_CHALLENGES if below else ""))


_CHALLENGE: Final = HeaderMatcher(name=":path", string_match=StringMatcher(prefix=ACME_CHALLENGES))


def _routes(answers: Answers, default: Route | None, guard: HeaderMatcher | None, *, tls: bool) -> Iterator[EnvoyRoute]:
    if isinstance(answers, FixedAnswer):
        yield _status("misdirected", 421, guard)
        return
    for route in answers.routes:
        if isinstance(route.action, HostRedirect):
            yield _to_host(route, route.action, guard, keeps_slash=False)
            yield _to_host(route, route.action, guard, keeps_slash=True)
        else:
            yield _route(route, route_match(route, guard), tls=tls)
    default = answers.default or default
    if default is not None:
        yield _route(default, route_match(default, guard), tls=tls)


def _route(route: Route, match: RouteMatch, *, tls: bool = False) -> EnvoyRoute:
    action = route.action
    redirect = action if isinstance(action, Redirect) else None
    forward = action if isinstance(action, Forward) and action.backends else None
    return EnvoyRoute(
        name=" ".join((str(route.origin.object.key), route.path_type, route.path, *map(str, route.conditions))),
        match=match,
        metadata=_metadata(route.origin.object.key, route.service),
        route=forward_action(forward, route.policy, tls=tls, host="") if forward else None,
        redirect=_to_path(redirect) if redirect and redirect.is_path else None,
        direct_response=_direct_response(action),
        response_headers_to_add=_response_headers(route, redirect),
        response_headers_to_remove=list(route.policy.response_headers.removed),
        request_headers_to_add=request_headers(route.policy) if forward else [],
        request_headers_to_remove=list(route.policy.request_headers.removed) if forward else [],
        typed_per_filter_config=route_filters(route.policy),
    )


def _to_host(route: Route, action: HostRedirect, guard: HeaderMatcher | None, *, keeps_slash: bool) -> EnvoyRoute:
    """A redirect to a host. Scheme and query stay, and the port of the request goes.

    Of the path `/` the rewrite leaves nothing, and Envoy leaves such a path as it is.
    """
    match, rewrite = route_match(route, guard), None
    if not keeps_slash:
        match.headers.append(_ENDS_IN_SLASH)
        rewrite = RegexMatchAndSubstitute(pattern=RegexMatcher(regex="^(.*)/$"), substitution=r"\1")
    return EnvoyRoute(
        name=f"{route.origin.object.key} www{'' if keeps_slash else '-slash'}",
        match=match,
        metadata=_metadata(route.origin.object.key, route.service),
        redirect=RedirectAction(
            host_redirect=action.host, regex_rewrite=rewrite, response_code=_REDIRECT_CODES[action.status]
        ),
    )


_ENDS_IN_SLASH: Final = HeaderMatcher(name=":path", string_match=StringMatcher(safe_regex=RegexMatcher(regex="[^?]*/")))


def _response_headers(route: Route, redirect: Redirect | None) -> list[HeaderValueOption]:
    headers = replaced_headers(route.policy.response_headers)
    return [*headers, replaced("location", redirect.location)] if redirect and not redirect.is_path else headers


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
        case DirectAnswer(status, text):
            return DirectResponseAction(status=status, body=DataSource(inline_string=text) if text else None)
        case HostRedirect():
            return None
        case Closed():
            return DirectResponseAction(status=503)


def _metadata(ingress: Key, service: Key) -> Metadata:
    """The objects that a route comes from, for the access log."""
    origin = Struct(
        fields={"ingress": Value(string_value=str(ingress)), "service": Value(string_value=str(service))},
    )
    return Metadata(filter_metadata={names.METADATA_NAMESPACE: origin})


def _status(name: str, status: int, guard: HeaderMatcher | None) -> EnvoyRoute:
    match = every_path([guard] if guard else [])
    return EnvoyRoute(name=name, match=match, direct_response=DirectResponseAction(status=status))


def _more_labels_than(wildcard: str) -> HeaderMatcher:
    """A matcher of hosts, with or without a port, that have several labels in place of the wildcard.

    Envoy has matched the end of the host by the domain, so the regex counts dots. Letters would make a regex program
    larger than Envoy accepts even for hosts of moderate length (`translate.names.MAX_WILDCARD_CHARACTERS`), above all
    `k` and `s`, which have other cases in Unicode. Everything behind the last colon counts as the port.
    """
    one_label = RegexMatcher(regex=rf"(?:[^.]*[.]){{{wildcard.count('.')}}}[^.]*(?::[^:]*)?")
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=one_label), invert_match=True)
