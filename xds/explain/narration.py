"""Explains an answer in words, step by step, with the objects behind each step."""

from collections.abc import Iterable, Iterator
from typing import Final

from xds.address import HostPort
from xds.explain.access import access_words, is_forbidden, lacks_password
from xds.explain.answer import (
    Answer,
    ChainMatch,
    Choice,
    ClientCheck,
    ComparedRoute,
    Comparison,
    Coverage,
    Fallback,
    Handshake,
    HostMatch,
    Malformed,
    PathMatch,
    Preflight,
    Redirect,
    Step,
)
from xds.explain.bound_words import chain_step, host_step, listener_step
from xds.explain.client_check import check_words
from xds.explain.explanation import ExplainStep, NarratedRoute, RequestExplanation
from xds.explain.facts import RequestFacts, StateReader
from xds.explain.handshake import handshake_step
from xds.explain.layer4_endpoints import UsedBackend, counted, endpoints_step
from xds.explain.layer4_ports import cluster_step
from xds.explain.policies import policy_texts, use_texts
from xds.explain.redirects import https_location, location_at_host, path_location, reason, request_location
from xds.explain.relevance import is_relevant
from xds.explain.request import Request
from xds.kube.objects import EndpointSlice
from xds.problems.problem import Key, ObjectRef
from xds.problems.text import shown
from xds.snapshot.resource import ResourceType
from xds.traffic.access import Access
from xds.traffic.actions import Closed, DirectAnswer, Forward, HostRedirect, RequestRedirect
from xds.traffic.actions import Redirect as RouteRedirect
from xds.traffic.backends import Backend
from xds.traffic.cors import PREFLIGHT_STATUS
from xds.traffic.endpoints import Health
from xds.traffic.hosts import NO_HOST
from xds.traffic.https_redirect import RedirectWhen
from xds.traffic.routes import Route, VirtualHost
from xds.translate.endpoints import localities


def explain_now(reader: StateReader, request: Request) -> RequestExplanation:
    """Explain the answer to a request, for callers that keep the state unchanged meanwhile."""
    given = reader.answer(reader.excerpt(request), request)
    return explain_request(reader.request_facts(request, given))


def explain_request(facts: RequestFacts) -> RequestExplanation:
    """Goes through all routes, endpoints and problems, and may run in any thread."""
    given = facts.answer
    steps = [_listener(facts), *(_step(step, facts) for step in given.steps)]
    status, last = given.status, tuple[ExplainStep, ...]()
    backend = facts.backend
    if facts.is_passed and backend:
        used = UsedBackend(backend, facts.slices)
        last = (cluster_step(used), endpoints_step(used))
        status = 200 if counted(used).any_healthy else 0
    elif given.status == 200 and backend:
        healthy, last = _backend(backend, facts.slices)
        for each in (facts.fallback, facts.default_backend):
            if not healthy and each:
                backend, slices = each
                healthy, more = _backend(backend, slices)
                last = (*last, *more)
        last = (*(ExplainStep(*each) for each in policy_texts(given.route)), *_shares(given.route), *last)
        status = 200 if healthy else 503
    elif given.route and given.route.policy.access:
        last = tuple(ExplainStep(*each) for each in access_words(given.route.policy.access))
    return RequestExplanation(
        status,
        _outcome(status, backend, facts),
        _location(facts),
        backend if status == 200 else None,
        (*steps, *last),
        tuple(each for each in facts.problems if is_relevant(each, facts)),
        facts.resources,
    )


def _location(facts: RequestFacts) -> str:
    """The target of a redirect; empty for other answers."""
    given = facts.answer
    route = given.route
    match route and route.action:
        case RouteRedirect() as action:
            return path_location(facts.request, action, _domain(given), facts.options)
        case HostRedirect() as action:
            return location_at_host(facts.request, action, facts.options)
        case RequestRedirect() as action if route:
            return request_location(facts.request, action, route, _domain(given), facts.options)
    checks = (each for each in given.steps if isinstance(each, ClientCheck) and each.status == 302)
    if check := next(checks, None):
        return check.checked.certificates.error_page
    steps = (each for each in given.steps if isinstance(each, Redirect) and each.redirected)
    return next((https_location(facts.request, each, facts.options) for each in steps), "")


def _domain(given: Answer) -> str:
    """The host of the virtual host that answers."""
    hosts = (each.virtual_host for each in given.steps if isinstance(each, HostMatch) and each.virtual_host)
    return next((each.host for each in hosts), NO_HOST)


def _listener(facts: RequestFacts) -> ExplainStep:
    if facts.listener:
        return listener_step(facts.listener, facts.others)
    options, https = facts.options, facts.request.https
    port = options.https_port if https else options.http_port
    exists = any(each.type is ResourceType.LISTENER for each in facts.resources)
    missing = "" if exists else ": nothing listens, as no TLS host has a usable certificate or is passed through"
    address = HostPort(options.listener_address, port)
    return ExplainStep("listener", f"{'https' if https else 'http'} on {address}{missing}")


def _step(step: Step, facts: RequestFacts) -> ExplainStep:
    match step:
        case Handshake():
            return handshake_step(step, _owner(step.pattern, facts), facts.verdicts, facts.closed)
        case Redirect():
            return _redirect(step, facts)
        case Coverage():
            return _coverage(step, facts)
        case HostMatch():
            return host_step(step, facts) if facts.listener else _host(step, facts)
        case PathMatch():
            return _path(step, facts)
    return _alone(step)


def _alone(step: ChainMatch | Fallback | Preflight | ClientCheck | Malformed) -> ExplainStep:
    """A step that says all itself."""
    match step:
        case ChainMatch():
            return chain_step(step)
        case Malformed(why):
            return ExplainStep("request", f"malformed: {why}")
        case Preflight(route, status):
            allowed = "an allowed origin" if status == PREFLIGHT_STATUS else "an origin that isn't allowed"
            text = f"the route has CORS, so the proxy answers OPTIONS of {allowed} itself, before all else"
            return ExplainStep("preflight", text, (route.origin.object,))
        case ClientCheck():
            secret = step.checked.certificates.authorities
            return ExplainStep(
                "client certificate", check_words(step), (ObjectRef("Secret", *secret),) if secret else ()
            )
    if step.route is None:
        return ExplainStep("default backend", "no route matches, and no Ingress has a usable default backend")
    whose = "of the host's oldest Ingress that has one" if step.of_host else "of the oldest Ingress that has one"
    objects = (step.route.origin.object, ObjectRef("Service", *step.route.service))
    return ExplainStep("default backend", f"no route matches, so the default backend {whose}", objects)


def _redirect(step: Redirect, facts: RequestFacts) -> ExplainStep:
    is_asked = step.asked.when is not RedirectWhen.OPERATOR
    asking = (step.route.origin.object,) if is_asked and step.route else ()
    return ExplainStep("redirect", reason(step), tuple(dict.fromkeys((*asking, *_owner(step.pattern, facts)))))


def _coverage(step: Coverage, facts: RequestFacts) -> ExplainStep:
    if facts.listener:
        by = f"listener hostname {shown(step.pattern)}" if step.pattern else "the listener without hostname"
        how = "is" if step.covered else "isn't"
        return ExplainStep("authority", f"Host {shown(step.host)} is for {by}, which {how} that of the connection")
    owner = _owner(step.pattern, facts)
    if step.covered:
        by = f"by TLS host {shown(step.pattern)}" if step.pattern else "as the default, as no other certificate does"
        return ExplainStep("authority", f"the certificate covers Host {shown(step.host)}, {by}", owner)
    if step.is_checked:
        text = f"clients of {shown(step.host)} are asked for certificates, on connections with its own SNI"
        return ExplainStep("authority", text, owner)
    by = f"TLS host {shown(step.pattern)} does" if step.pattern else "none of its TLS hosts does"
    return ExplainStep("authority", f"the certificate doesn't cover Host {shown(step.host)}; {by}", owner)


def _host(step: HostMatch, facts: RequestFacts) -> ExplainStep:
    host = shown(step.host)
    passed = "".join(f"; {shown(each)} stands for one label only" for each in step.passed_over)
    foreign = "".join(f"; Ingress {each.key} names the host and isn't ours: {why}" for each, why in facts.foreign)
    objects = _ingresses(step.virtual_host.routes) if step.virtual_host else ()
    if step.virtual_host and step.virtual_host.is_alias:
        return ExplainStep("virtual host", _alias(host, step.virtual_host), objects)
    match step.choice:
        case Choice.PRECISE if step.virtual_host:
            owner = f", and belongs to namespace {step.virtual_host.owner}" if step.virtual_host.owner else ""
            return ExplainStep("virtual host", f"{host} is named by rules{owner}", objects)
        case Choice.WILDCARD if step.virtual_host:
            return ExplainStep("virtual host", f"{host} is covered by {shown(step.virtual_host.host)}", objects)
        case Choice.DEFAULT:
            text = f"no rule names {host}, so the rules without host apply{passed}{foreign}"
            return ExplainStep("virtual host", text, objects)
        case _:
            return ExplainStep("virtual host", f"no rule names {host}, and no rule is without host{passed}{foreign}")


def _alias(host: str, found: VirtualHost) -> str:
    of = f"host {shown(found.alias_of)}" if found.alias_of else "the rules without host"
    if found.keeps_scheme:
        return f"{host} is redirected to {of}, by from-to-www-redirect"
    return f"{host} has the routes of {of}, by server-alias {shown(found.host)}"


def _path(step: PathMatch, facts: RequestFacts) -> ExplainStep:
    written = facts.request.path.partition("?")[0]
    text = shown(step.path) if step.path == written else f"{shown(step.path)}, normalized from {shown(written)}"
    return ExplainStep("path", text, (), tuple(_narrated_route(each, step.path) for each in step.routes))


_COMPARISONS: Final = {
    Comparison.TAKEN: "matches",
    Comparison.BEHIND: "matches too, but an earlier route was taken",
    Comparison.DIFFERS: "is another path",
    Comparison.CASE: "differs in upper and lower case",
    Comparison.ELEMENT: "ends within an element of the path",
    Comparison.SLASH: "differs by the slash at the end, and is Exact",
    Comparison.BELOW: "is Exact, and covers nothing below it",
    Comparison.CONDITION: "matches, but not its condition: {conditions}",
}


def _narrated_route(compared: ComparedRoute, path: str) -> NarratedRoute:
    conditions = " and ".join(shown(str(each)) for each in compared.route.conditions)
    why = _COMPARISONS[compared.comparison].format(conditions=conditions)
    taken = compared.comparison is Comparison.TAKEN
    return NarratedRoute(compared.route, taken, f"{why} exactly" if taken and compared.route.path == path else why)


def _shares(route: Route | None) -> Iterator[ExplainStep]:
    """The choice among several backends."""
    if route and isinstance(route.action, Forward) and len(route.action.backends) > 1:
        total = sum(each.weight for each in route.action.backends)
        answer = f"an answer {route.action.unresolved}"
        named = ((each.key.alone if each.key else answer, each.weight) for each in route.action.backends)
        shares = ", ".join(f"{name} gets {weight}" for name, weight in named)
        services = tuple(ObjectRef("Service", *each.key.service_key) for each in route.action.backends if each.key)
        yield ExplainStep("shares", f"of {total} requests, {shares}", services)


def _backend(backend: Backend, given: tuple[EndpointSlice, ...]) -> tuple[bool, tuple[ExplainStep, ...]]:
    """Whether the backend has a healthy endpoint, and the steps `cluster` and `endpoints`."""
    key = backend.key
    service = ObjectRef("Service", *key.service_key)
    cluster = ExplainStep("cluster", f"{key}, by {', '.join(use_texts(backend))}", (service,))
    if backend.external_name:
        text = f"the addresses of {backend.external_name} in DNS"
        return True, (cluster, ExplainStep("endpoints", text, (service,)))
    found = [endpoint for zone in localities(backend, given) for endpoint in zone.endpoints]
    healthy = sum(endpoint.health is Health.HEALTHY for endpoint in found)
    slices = tuple(each.ref for each in given)
    counted = f"{healthy} healthy, {len(found) - healthy} draining"
    return healthy > 0, (cluster, ExplainStep("endpoints", counted if found else _no_endpoints(given), slices))


def _no_endpoints(slices: tuple[EndpointSlice, ...]) -> str:
    if not slices:
        return "none: the Service has no EndpointSlice; check that its selector matches existing Pods"
    return "none: no endpoint is ready, or no EndpointSlice has the Service's port"


def _outcome(status: int, backend: Backend | None, facts: RequestFacts) -> str:
    route = facts.answer.route
    checks = [check_words(each) for each in facts.answer.steps if isinstance(each, ClientCheck) and each.status]
    access = route.policy.access if route else None
    if route and access and (refusal := _refusal(route, access, facts.request)):
        return refusal
    if checks or (route and isinstance(route.action, DirectAnswer)):
        return f"{status}: {checks[0]}" if checks else f"{status}, as the Ingress asks"
    match status:
        case 200 if backend:
            how = f" by TLS, which is passed through undecrypted; see tls://{facts.request.sni}"
            if facts.listener:
                how = ", as the bytes of the connection are passed on"
            whom = " clients that have access" if access else ""
            return f"{backend.key} answers{how if facts.is_passed else whom}"
        case 301 | 302 | 303 | 307 | 308:
            return f"{status}, to {_location(facts)}"
        case 403 | 500 | 503 if route:
            return f"{status}: {_unavailable(route)}"
    return {
        0: f"the connection is closed{_why_closed(facts)}",
        204: "204: the proxy answers the preflight",
        403: "403: the proxy answers the preflight, and the origin isn't allowed",
        400: "400: a proxy rejects the request as malformed",
        404: "404: no route",
        421: "421: the connection's certificate doesn't cover the host",
    }[status]


def _why_closed(facts: RequestFacts) -> str:
    """The reason, behind the outcome, of a connection that is passed through but for that; empty for others."""
    chosen = facts.handshake
    if chosen is None or chosen.passthrough is None:
        return ""
    if chosen.is_denied:
        return f": the address lists keep {facts.request.client} out"
    return f": Service {chosen.passthrough.backend.service_key} has no ready endpoint"


def _refusal(route: Route, access: Access, request: Request) -> str:
    """The answer to a request that has no access; empty for one that may have."""
    if is_forbidden(access, request.client):
        return f"403: the address lists of {route.origin.object} keep {request.client} out"
    return "401: the request has no user and password" if lacks_password(access, request) else ""


def _unavailable(route: Route) -> str:
    if isinstance(route.action, Closed):
        return f"closed, as {', '.join(route.action.annotations)} can't be had here"
    if isinstance(route.action, Forward) and route.action.backends and route.action.status:
        return f"no backend of {route.origin.object} can be used"
    if route.backend is None:
        return f"Service {route.service} or its port can't be used"
    return f"Service {route.service} has no ready endpoint"


def _owner(pattern: str, facts: RequestFacts) -> tuple[ObjectRef, ...]:
    owner: Key | None = facts.owners.get(pattern)
    return (ObjectRef("Ingress", *owner),) if owner else ()


def _ingresses(routes: Iterable[Route]) -> tuple[ObjectRef, ...]:
    return tuple(sorted({route.origin.object for route in routes}))
