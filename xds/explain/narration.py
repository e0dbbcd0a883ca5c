"""An answer in words, step by step, each with the objects that it comes from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.explain.facts import RequestFacts, StateReader, relevant
from xds.explain.matcher import (
    Choice,
    Comparison,
    Coverage,
    Fallback,
    Handshake,
    HostMatch,
    PathMatch,
    Redirect,
    Redirection,
    Step,
    Trial,
)
from xds.explain.redirects import location
from xds.explain.request import Request
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.text import shown
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import Backend
from xds.traffic.endpoints import Health
from xds.traffic.routes import Route
from xds.translate.certificates import Verdict
from xds.translate.endpoints import localities


@dataclass(frozen=True, slots=True)
class Tried:
    """A route against the request's path. `taken`: it is the one."""

    route: Route
    taken: bool
    why: str


@dataclass(frozen=True, slots=True)
class ExplainStep:
    """A step: what was decided, and the objects that it comes from."""

    stage: str
    text: str
    objects: tuple[ObjectRef, ...] = ()
    routes: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a request: its status (200: a backend answers; 0: none comes), in words, and how it came to that.

    `problems` are those that have to do with it, `resources` what a proxy must have to answer so.
    """

    status: int
    outcome: str
    location: str
    backend: Backend | None
    passages: tuple[ExplainStep, ...]
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]


def explained(witness: StateReader, request: Request) -> Explanation:
    """What becomes of a request, where nobody changes the state meanwhile."""
    given = witness.answer(witness.look(request), request)
    return explain(witness.evidence(request, given))


def explain(evidence: RequestFacts) -> Explanation:
    """Goes through all routes, endpoints and problems: for any thread."""
    given = evidence.answer
    passages = [_listener(evidence)]
    passages += [_passage(step, evidence) for step in given.steps]
    status, last = given.status, tuple[ExplainStep, ...]()
    if given.status == 200 and evidence.backend:
        healthy, last = _backend(evidence.backend, evidence)
        status = 200 if healthy else 503
    return Explanation(
        status,
        _outcome(status, evidence),
        location(evidence.request, evidence.options) if status == 308 else "",
        evidence.backend if status == 200 else None,
        (*passages, *last),
        tuple(each for each in evidence.problems if relevant(each, evidence)),
        evidence.resources,
    )


def _listener(evidence: RequestFacts) -> ExplainStep:
    options, https = evidence.options, evidence.request.https
    port = options.https_port if https else options.http_port
    there = any(each.type is ResourceType.LISTENER for each in evidence.resources)
    missing = "" if there else ": nothing listens, as no TLS entry has a usable certificate"
    return ExplainStep("listener", f"{'https' if https else 'http'} on {options.listener_address}:{port}{missing}")


def _passage(step: Step, evidence: RequestFacts) -> ExplainStep:
    match step:
        case Handshake():
            return _handshake(step, evidence)
        case Redirect():
            return _redirect(step, evidence)
        case Coverage():
            return _coverage(step, evidence)
        case HostMatch():
            return _host(step, evidence)
        case PathMatch():
            return _path(step, evidence)
    return _fallback(step) if isinstance(step, Fallback) else ExplainStep("request", f"malformed: {step.why}")


def _handshake(step: Handshake, evidence: RequestFacts) -> ExplainStep:
    sni = f"SNI {shown(step.sni)}" if step.sni else "no SNI"
    owner = _owner(step.pattern, evidence)
    if step.termination is None:
        return ExplainStep("certificate", _no_certificate(step, sni), owner)
    secret = ObjectRef("Secret", *step.termination.secret)
    until = _until(evidence.verdict)
    if step.choice is Choice.DEFAULT:
        text = f"{sni}: no TLS host covers it, so the default certificate, {secret}{until}"
    else:
        text = f"{sni}: TLS host {shown(step.pattern)} has the certificate of {secret}{until}"
    return ExplainStep("certificate", text, (secret, *owner))


def _no_certificate(step: Handshake, sni: str) -> str:
    if step.choice is Choice.REFUSED:
        return f"{sni}: TLS host {shown(step.pattern)} has no usable certificate, so the connection is closed"
    return f"{sni}: no TLS host covers it and there is no default certificate, so the connection is closed"


def _until(verdict: Verdict | None) -> str:
    if verdict is None or verdict.certificate is None:
        return " (the last good one; what is in it now can't be used)"
    return f", valid until {verdict.expires:%Y-%m-%d}" if verdict.expires else ""


_REDIRECTIONS: Final = {
    Redirection.OFF: "stays plain: --redirect-https is off",
    Redirection.NOT_COVERED: "stays plain: no TLS entry covers the host",
    Redirection.REFUSED: "stays plain: the TLS entry of {pattern} has no usable certificate",
    Redirection.CAME_BY_HTTPS: "came by HTTPS, as x-forwarded-proto of a trusted proxy says",
    Redirection.REDIRECTED: "sent to HTTPS: TLS host {pattern} covers it and --redirect-https is on",
}


def _redirect(step: Redirect, evidence: RequestFacts) -> ExplainStep:
    text = _REDIRECTIONS[step.outcome].format(pattern=shown(step.pattern))
    return ExplainStep("redirect", text, _owner(step.pattern, evidence))


def _coverage(step: Coverage, evidence: RequestFacts) -> ExplainStep:
    owner = _owner(step.pattern, evidence)
    if step.covered:
        by = f"TLS host {shown(step.pattern)} covers it" if step.pattern else "no other certificate stands for it"
        return ExplainStep("authority", f"the certificate stands for Host {shown(step.host)}: {by}", owner)
    by = f"TLS host {shown(step.pattern)} does" if step.pattern else "no TLS host of it does"
    return ExplainStep("authority", f"the certificate doesn't stand for Host {shown(step.host)}; {by}", owner)


def _host(step: HostMatch, evidence: RequestFacts) -> ExplainStep:
    host = shown(step.host)
    passed = "".join(f"; {shown(each)} stands for one label and not for more" for each in step.passed_over)
    strangers = "".join(f"; Ingress {each.key} names it and isn't ours: {why}" for each, why in evidence.strangers)
    objects = _ingresses(step.virtual_host.routes) if step.virtual_host else ()
    match step.choice:
        case Choice.PRECISE:
            return ExplainStep("virtual host", f"{host} is named by rules", objects)
        case Choice.WILDCARD if step.virtual_host:
            return ExplainStep("virtual host", f"{host} is covered by {shown(step.virtual_host.host)}", objects)
        case Choice.DEFAULT:
            text = f"no rule names {host}, so the rules without host{passed}{strangers}"
            return ExplainStep("virtual host", text, objects)
        case _:
            return ExplainStep(
                "virtual host", f"no rule names {host}, and there is none without host{passed}{strangers}"
            )


def _path(step: PathMatch, evidence: RequestFacts) -> ExplainStep:
    written = evidence.request.path.partition("?")[0]
    text = shown(step.path) if step.path == written else f"{shown(step.path)}, normalized from {shown(written)}"
    return ExplainStep("path", text, (), tuple(_tried(trial, step.path) for trial in step.trials))


_COMPARISONS: Final = {
    Comparison.TAKEN: "matches",
    Comparison.BEHIND: "matches too, but an earlier route was taken",
    Comparison.DIFFERS: "is another path",
    Comparison.CASE: "differs in upper and lower case",
    Comparison.ELEMENT: "ends within an element of the path",
    Comparison.SLASH: "differs by the slash at the end, and is Exact",
    Comparison.BELOW: "is Exact, and covers nothing below it",
}


def _tried(trial: Trial, path: str) -> Tried:
    why = _COMPARISONS[trial.comparison]
    exact = trial.comparison is Comparison.TAKEN and trial.route.path == path
    return Tried(trial.route, trial.comparison is Comparison.TAKEN, f"{why} exactly" if exact else why)


def _fallback(step: Fallback) -> ExplainStep:
    if step.route is None:
        return ExplainStep("default backend", "no route matches, and no Ingress has a usable default backend")
    whose = "of the host's senior Ingress that has one" if step.of_host else "of the senior Ingress that has one"
    objects = (step.route.origin.object, ObjectRef("Service", *step.route.service))
    return ExplainStep("default backend", f"no route matches, so the default backend {whose}", objects)


def _backend(backend: Backend, evidence: RequestFacts) -> tuple[bool, tuple[ExplainStep, ...]]:
    """Whether an endpoint would answer, as far as is known, and the last steps."""
    key = backend.key
    service = ObjectRef("Service", *key.service_key)
    cluster = ExplainStep("cluster", f"{key}, by {_PROTOCOLS[backend.protocol.value]}", (service,))
    if backend.external_name:
        return True, (cluster, ExplainStep("endpoints", f"what DNS says of {backend.external_name}", (service,)))
    found = [endpoint for zone in localities(backend, evidence.slices) for endpoint in zone.endpoints]
    healthy = sum(endpoint.health is Health.HEALTHY for endpoint in found)
    slices = tuple(each.ref for each in evidence.slices)
    counted = f"{healthy} healthy, {len(found) - healthy} draining"
    return healthy > 0, (cluster, ExplainStep("endpoints", counted if found else _no_endpoints(evidence), slices))


def _no_endpoints(evidence: RequestFacts) -> str:
    if not evidence.slices:
        return "none: the Service has no EndpointSlice; do its Pods exist, and does its selector match them?"
    return "none is ready, or none has the Service's port"


_PROTOCOLS: Final = {"http1": "HTTP/1.1", "h2c": "HTTP/2", "https": "TLS"}


def _outcome(status: int, evidence: RequestFacts) -> str:
    route = evidence.answer.route
    match status:
        case 0:
            return "the connection is closed"
        case 200 if evidence.backend:
            return f"{evidence.backend.key} answers"
        case 308:
            return f"308, to {location(evidence.request, evidence.options)}"
        case 503 if route and not route.backend:
            return f"503: Service {route.service} or its port can't be used"
        case 503:
            return f"503: Service {route.service if route else ''} has no ready endpoint"
    return {
        400: "400: it is no request that a proxy takes",
        404: "404: no route",
        421: "421: the connection's certificate isn't this host's",
    }[status]


def _owner(pattern: str, evidence: RequestFacts) -> tuple[ObjectRef, ...]:
    owner: Key | None = evidence.owners.get(pattern)
    return (ObjectRef("Ingress", *owner),) if owner else ()


def _ingresses(routes: Iterable[Route]) -> tuple[ObjectRef, ...]:
    return tuple(sorted({route.origin.object for route in routes}))
