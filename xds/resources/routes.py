"""RDS and VHDS: RouteConfigurations, and domains as virtual hosts."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from xds.envoyapi.messages import (
    Any,
    DataSource,
    DirectResponseAction,
    HeaderMatcher,
    HeaderValueOption,
    RedirectAction,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    Vhds,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.envoyapi.messages import VirtualHost as EnvoyVirtualHost
from xds.problems.problem import ObjectRef
from xds.resources import names
from xds.resources.client_verification import admitted, rejections
from xds.resources.config_source import ads
from xds.resources.cors import from_other_origins, is_preflight, route_headers
from xds.resources.domains import ANY_HOST, Answers, Domain, FixedAnswer
from xds.resources.error_page_routes import error_page_routes
from xds.resources.filters.chain import route_filters
from xds.resources.filters.error_pages import error_page_filters
from xds.resources.filters.session_affinity import mark, session_filters
from xds.resources.forwarded_headers import forwarded_headers
from xds.resources.forwarding import forward_action, removed_request_headers, request_headers
from xds.resources.https_redirects import https_redirects
from xds.resources.options import ProxyOptions
from xds.resources.origin import host_origin, no_origin, object_origin, route_origin
from xds.resources.place import Place
from xds.resources.redirects import (
    ENDS_IN_SLASH,
    IS_ROOT,
    location_header,
    redirect_of_request,
    redirect_to_host,
    redirect_to_path,
    root_at_host,
)
from xds.resources.response_headers import response_headers
from xds.resources.retries import RETRIED_BODY_BYTES, retry_policy
from xds.resources.retry_policy import idle_timeout, retried_body_bytes, retry_policy_of
from xds.resources.route_matches import more_labels_than, route_match
from xds.resources.shared_policy import shared_policy, without
from xds.resources.tracing import decorator, route_tracing
from xds.traffic.actions import (
    Action,
    Closed,
    DirectAnswer,
    Forward,
    HostRedirect,
    LocationBase,
    Redirect,
    RequestRedirect,
)
from xds.traffic.cors import PREFLIGHT_STATUS, REJECTED_STATUS, Cors
from xds.traffic.hosts import is_beginning, is_wildcard
from xds.traffic.https_redirect import NO_HTTPS_REDIRECT, HttpsRedirect, RedirectWhen
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.routes import ACME_CHALLENGES, PathType, Route, VirtualHost

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
    is_name = domain.name != ANY_HOST and not is_wildcard(domain.name) and not is_beginning(domain.name)
    host = domain.name if is_name else ""
    shared = shared_policy(domain)
    return EnvoyVirtualHost(
        name=name,
        domains=[domain.name],
        metadata=host_origin(domain),
        routes=[
            *error_page_routes(domain),
            *_health(domain, options),
            *_guarded(domain, Place(tls, has_tls=False, host="", options=options, shared=shared)),
            *_checked(domain.inside, domain.default, Place(tls, domain.has_tls, host, options, shared)),
        ],
        retry_policy=retry_policy_of(shared) or retry_policy(),
        request_body_buffer_limit=retried_body_bytes(shared) or RETRIED_BODY_BYTES,
        typed_per_filter_config=route_filters(shared),
    )


def _health(domain: Domain, options: ProxyOptions) -> Iterator[EnvoyRoute]:
    """The answer to load balancers in front that ask for no host of a rule, unless a rule without host has the path."""
    if not options.policy.answers_health or domain.name != ANY_HOST or isinstance(domain.inside, FixedAnswer):
        return
    if not any(route.path.startswith(HEALTH_PATH) for route in domain.inside.routes):
        match = RouteMatch(path_separated_prefix=HEALTH_PATH)
        yield EnvoyRoute(name="health", match=match, direct_response=DirectResponseAction(status=200))


def _guarded(domain: Domain, place: Place) -> Iterator[EnvoyRoute]:
    """Routes for hosts with more labels than an Ingress wildcard stands for, tried first, behind a header matcher."""
    if is_wildcard(domain.name) and domain.name != ANY_HOST and not _is_same_everywhere(domain):
        place = replace(place, guards=(more_labels_than(domain.name),))
        yield from _checked(domain.outside, domain.default, place)
        if not isinstance(domain.outside, FixedAnswer):
            yield _status("not-found", 404, place)


def _is_same_everywhere(domain: Domain) -> bool:
    """Whether a wildcard stands for any number of labels here, as in bound listeners and among aliases."""
    return domain.is_bound or (
        domain.outside is domain.inside
        and not domain.has_tls
        and isinstance(domain.inside, VirtualHost)
        and domain.inside.is_alias
    )


def _checked(answers: Answers, default: Route | None, place: Place) -> Iterator[EnvoyRoute]:
    """The routes of a virtual host, behind the check of clients' certificates.

    Plain requests carry none, so that they are let in only where requests without a certificate are.
    """
    demands = None if isinstance(answers, FixedAnswer) else answers.client_certificates
    if demands is None:
        yield from _routes(answers, default, place)
    elif place.tls:
        yield from rejections(demands, place.guards)
        for verified in demands.admitted:
            yield from admitted(_routes(answers, default, place), demands, verified)
    else:
        place = replace(place, is_forbidden=demands.rejects)
        yield from admitted(_routes(answers, default, place), demands, None)


def _routes(answers: Answers, default: Route | None, place: Place) -> Iterator[EnvoyRoute]:
    """The routes of a virtual host, each behind its redirect to HTTPS.

    From the first path on from which all are of one Ingress and have the same redirect, one route redirects for all of
    them, and for paths that no rule names. Preflights precede redirects and not the answers of longer paths, so that
    paths with CORS have redirects of their own.
    """
    if isinstance(answers, FixedAnswer):
        yield _status("misdirected", 421, place)
        return
    default = answers.fallback(default)
    redirects = [place.redirect(route.https_redirect) for route in answers.routes]
    last = place.redirect(answers.unmatched_redirect(default))
    routes = [*zip(answers.routes, redirects, strict=True), *([(default, last)] if default else [])]
    ingress = answers.routes[-1].origin.object if answers.routes else None
    shares = [
        redirect == last
        and (last is NO_HTTPS_REDIRECT or not (route.policy.cors or _is_of_another(route, ingress, default)))
        for route, redirect in routes
    ]
    own = next((index for index in range(len(routes), 0, -1) if not shares[index - 1]), 0)
    for route, redirect in routes[:own]:
        yield from _answers(route, redirect, place)
    if last is not NO_HTTPS_REDIRECT and not (default and own == len(routes)):
        yield from _challenges((route for route, _ in routes[own:]), last, place)
        origin = object_origin(ingress) if ingress and own < len(answers.routes) else None
        yield from https_redirects(last, place, functools.partial(_every_path, place), origin=origin)
    for route, _ in routes[own:]:
        yield from _answers(route, NO_HTTPS_REDIRECT, place) if route.policy.cors else _answer(route, place)


def _is_of_another(route: Route, ingress: ObjectRef | None, default: Route | None) -> bool:
    return route is not default and route.origin.object != ingress


def _answers(route: Route, redirect: HttpsRedirect, place: Place) -> Iterator[EnvoyRoute]:
    """The routes of a path: for origins that are not allowed, then for preflights, then for all other requests."""
    if cors := route.policy.cors:
        if cors.origins:
            others = replace(place, guards=(*place.guards, *from_other_origins(cors)), allowed=False)
            if cors.is_strict:
                yield _preflight(route, cors, others)
            yield from _redirected(route, redirect, others)
            yield from _answer(route, others)
        yield _preflight(route, cors, place)
    yield from _redirected(route, redirect, place)
    yield from _answer(route, place)


def _answer(route: Route, place: Place) -> Iterator[EnvoyRoute]:
    if place.is_forbidden:
        yield from _challenge(route, place)
        match, origin = route_match(route, place.guards), route_origin(route)
        forbidden = DirectResponseAction(status=403)
        yield EnvoyRoute(name=f"{_name(route)} forbidden", match=match, metadata=origin, direct_response=forbidden)
    elif isinstance(route.action, HostRedirect):
        yield _root_at_host(route, route.action, place)
        yield _to_host(route, route.action, place, keeps_slash=False)
        yield _to_host(route, route.action, place, keeps_slash=True)
    else:
        yield _route(route, route_match(route, place.guards), place)


def _redirected(route: Route, redirect: HttpsRedirect, place: Place) -> Iterator[EnvoyRoute]:
    """The redirect of one route to HTTPS, to be tried before the route."""
    if redirect is not NO_HTTPS_REDIRECT:
        yield from _challenges([route], redirect, place)
        match = functools.partial(route_match, route, place.guards)
        takes_root = route.path == "/" or route.path_type is PathType.REGEX
        origin = route_origin(route)
        yield from https_redirects(redirect, place, match, takes_root=takes_root, of=_name(route), origin=origin)


def _challenges(routes: Iterable[Route], redirect: HttpsRedirect, place: Place) -> Iterator[EnvoyRoute]:
    """Routes of ACME challenges, in front of the redirects: the authority that issues a certificate asks by plain HTTP.

    Requests for ACME_CHALLENGES without the slash at the end are no challenges, and are redirected.
    """
    if redirect.when is RedirectWhen.OPERATOR:
        for route in routes:
            yield from _challenge(route, place)


def _challenge(route: Route, place: Place) -> Iterator[EnvoyRoute]:
    """The route of ACME challenges, if it is one."""
    if route.answers_challenges:
        below = route.path == ACME_CHALLENGES and route.path_type is PathType.PREFIX
        # An expression may match other paths too.
        guards = (*place.guards, *((_CHALLENGE,) if route.path_type is PathType.REGEX else ()))
        yield _route(route, route_match(route, guards, ACME_CHALLENGES if below else ""), place)


_CHALLENGE: Final = HeaderMatcher(name=":path", string_match=StringMatcher(prefix=ACME_CHALLENGES))


def _name(route: Route) -> str:
    origin = route.origin.object
    of = str(origin.key) if origin.kind == "Ingress" else str(origin)
    return " ".join((of, route.path_type, route.path, *map(str, route.conditions)))


def _route(route: Route, match: RouteMatch, place: Place) -> EnvoyRoute:
    action = route.action
    redirect = action if isinstance(action, Redirect) else None
    forward = action if isinstance(action, Forward) and action.status is None else None
    is_url = redirect is not None and redirect.base is LocationBase.NONE
    policy = route.policy if route.policy is NO_POLICY else without(route.policy, place.shared)
    return EnvoyRoute(
        name=_name(route) if place.allowed else f"{_name(route)} (other origins)",
        match=match,
        metadata=route_origin(route),
        route=forward_action(forward, policy, idle_timeout(route.policy), tls=place.tls, host=place.host)
        if forward
        else None,
        redirect=_redirect(action, place),
        direct_response=_direct_response(action),
        response_headers_to_add=_response_headers(route, redirect if is_url else None, place),
        response_headers_to_remove=list(route.policy.response_headers.removed),
        request_headers_to_add=request_headers(route.policy) if forward else [],
        request_body_buffer_limit=retried_body_bytes(policy) if forward else None,
        request_headers_to_remove=removed_request_headers(route.policy) if forward else [],
        typed_per_filter_config=_filters(route, policy, place),
        tracing=route_tracing(route.policy.tracing),
        decorator=decorator(route.policy.tracing),
    )


def _preflight(route: Route, cors: Cors, place: Place) -> EnvoyRoute:
    """The answer to preflights, which nothing of the policy protects or limits but the bound of bodies."""
    policy = without(route.policy, place.shared)
    kept = Policy(bodies=policy.bodies, is_logged=policy.is_logged)
    return EnvoyRoute(
        name=f"{_name(route)} (preflight{'' if place.allowed else ', other origins'})",
        match=route_match(route, (*place.guards, *is_preflight(cors))),
        metadata=route_origin(route),
        direct_response=DirectResponseAction(status=PREFLIGHT_STATUS if place.allowed else REJECTED_STATUS),
        response_headers_to_add=route_headers(route.policy, allowed=place.allowed),
        response_headers_to_remove=list(route.policy.response_headers.removed),
        typed_per_filter_config=route_filters(NO_POLICY if kept == NO_POLICY else kept),
        tracing=route_tracing(route.policy.tracing),
        decorator=decorator(route.policy.tracing),
    )


def _filters(route: Route, policy: Policy, place: Place) -> dict[str, Any]:
    if route.policy is NO_POLICY:
        return {}
    own = error_page_filters(route, place) | session_filters(route.policy, tls=place.tls)
    return route_filters(policy) | own


def _root_at_host(route: Route, action: HostRedirect, place: Place) -> EnvoyRoute:
    match = route_match(route, place.guards)
    match.headers.append(IS_ROOT)
    return EnvoyRoute(
        name=f"{route.origin.object.key} www-root",
        match=match,
        metadata=route_origin(route),
        direct_response=DirectResponseAction(status=action.status),
        response_headers_to_add=[root_at_host(action, place)],
    )


def _to_host(route: Route, action: HostRedirect, place: Place, *, keeps_slash: bool) -> EnvoyRoute:
    match = route_match(route, place.guards)
    if not keeps_slash:
        match.headers.append(ENDS_IN_SLASH)
    return EnvoyRoute(
        name=f"{route.origin.object.key} www{'' if keeps_slash else '-slash'}",
        match=match,
        metadata=route_origin(route),
        redirect=redirect_to_host(action, place, keeps_slash=keeps_slash),
    )


def _response_headers(route: Route, redirect: Redirect | None, place: Place) -> list[HeaderValueOption]:
    """The headers of answers, with the Location of a redirect to a URL."""
    if route.policy is NO_POLICY and redirect is None:
        return []
    headers = route_headers(route.policy, allowed=place.allowed)
    if isinstance(route.action, Forward) and len(route.action.backends) == 1:  # several have marks of their own
        headers += mark(route.action.backends[0], route.policy.affinity, tls=place.tls)
    return [*headers, location_header(redirect)] if redirect else headers


def _redirect(action: Action, place: Place) -> RedirectAction | None:
    match action:
        case Redirect() if action.base is not LocationBase.NONE:
            return redirect_to_path(action, place)
        case RequestRedirect():
            return redirect_of_request(action, place)
    return None


def _direct_response(action: Action) -> DirectResponseAction | None:
    """The answer of a route without a backend, except redirects to a path, which Envoy has an action for."""
    match action:
        case Forward():
            return DirectResponseAction(status=action.status) if action.status else None
        case Redirect():
            is_url = action.base is LocationBase.NONE
            return DirectResponseAction(status=action.status) if is_url else None
        case DirectAnswer(status, text):
            return DirectResponseAction(status=status, body=DataSource(inline_string=text) if text else None)
        case HostRedirect() | RequestRedirect():
            return None
        case Closed():
            return DirectResponseAction(status=action.status)


def _status(name: str, status: int, place: Place) -> EnvoyRoute:
    answer = DirectResponseAction(status=status)
    return EnvoyRoute(name=name, match=_every_path(place), metadata=no_origin(), direct_response=answer)


def _every_path(place: Place) -> RouteMatch:
    return RouteMatch(prefix="/", headers=[*place.guards])
