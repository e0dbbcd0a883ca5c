"""From the rules of all Ingresses for one host to the host's routes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from xds.kube.objects import HTTPIngressPath, Ingress, IngressBackend, IngressServiceBackend
from xds.kube.state import KubeState, why_first
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.actions import Closed, Forward
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.hosts import NO_HOST
from xds.traffic.policy import NO_POLICY
from xds.traffic.routes import Origin, PathType, Route, VirtualHost
from xds.traffic.upstream import DEFAULT_UPSTREAM, UpstreamPolicy
from xds.translate.backends import Resolved, resolve
from xds.translate.names import InvalidError, is_label, valid_host, valid_path
from xds.translate.nginx.ingress_policy import OPEN_PATHS, ClosedPaths, IngressPolicy, OpenPaths, ingress_policy
from xds.translate.patterns import literal_instead, looks_like_pattern

_DEFAULT_BACKEND: Final = FieldPath.of("spec", "defaultBackend")


@dataclass(slots=True)
class UnitFindings:
    """By-products of a translation: the backends that the routes use, and the problems."""

    backends: dict[BackendKey, Backend] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, about: ObjectRef, reason: Reason, message: str, at: FieldPath, remedy: str = "") -> None:
        """Add a problem. Without a remedy, the reason's usual one is shown."""
        self.problems.append(Problem(about, reason, message, remedy or reason.remedy, at))

    def keep(self, routes: Iterable[Route | None]) -> None:
        """Drop the backends that none of the routes uses. A route that lost a conflict may have added a backend."""
        used = {key for route in routes if route is not None for key in route.backends}
        self.backends = {key: backend for key, backend in self.backends.items() if key in used}


@dataclass(frozen=True, slots=True)
class TranslationContext:
    """Input of every translation: the objects that exist, and the operator's options."""

    state: KubeState
    allow_external_name: bool
    ignored_annotations: frozenset[str] = frozenset()

    def policy(self, ingress: Ingress) -> IngressPolicy:
        """The policy of an Ingress. `translate_ingress` reports the problems, once for each Ingress."""
        return ingress_policy(ingress, self.ignored_annotations, _unreported)

    def route(
        self,
        origin: Origin,
        backend: IngressBackend,
        backend_at: FieldPath,
        path: tuple[str, PathType],
        *,
        policy: IngressPolicy,
        findings: UnitFindings,
    ) -> Route | None:
        """The route of a path; None, with a problem, for a backend that isn't a Service.

        A Service or port that can't be used gives a route without backend, which answers 503, and a problem.
        """
        if backend.service is None:
            findings.report(origin.object, *_unsupported(backend), backend_at)
            return None
        namespace = origin.object.namespace
        upstream = DEFAULT_UPSTREAM if isinstance(policy, ClosedPaths) else policy.upstream
        resolved = self._resolve(namespace, backend.service, upstream, findings)
        key, tls_key, host = None, None, ""
        if fault := resolved.fault:
            findings.report(origin.object, fault.reason, fault.message, backend_at, fault.remedy)
        if resolved.backend:
            key, host = resolved.backend.key, resolved.backend.host
        name = backend.service.name if is_label(backend.service.name) else "(invalid)"
        service = Key(namespace, name)
        if isinstance(policy, ClosedPaths):
            return Route(*path, Closed(policy.annotations), origin, service)
        treatment = replace(policy.policy, upstream_host=host) if host else policy.policy
        if policy.tls_upstream is not None:
            by_tls = self._resolve(namespace, backend.service, policy.tls_upstream, findings).backend
            tls_key = by_tls.key if by_tls else None
        return Route(*path, policy.redirect or Forward(key, tls_key), origin, service, treatment)

    def _resolve(
        self, namespace: str, wanted: IngressServiceBackend, upstream: UpstreamPolicy, findings: UnitFindings
    ) -> Resolved:
        resolved = resolve(self.state, namespace, wanted, upstream, allow_external_name=self.allow_external_name)
        if resolved.backend:
            findings.backends[resolved.backend.key] = resolved.backend
        return resolved


def _unreported(*problem: object) -> None:
    """Drop a problem that another unit reports."""


def _unsupported(backend: IngressBackend) -> tuple[Reason, str]:
    if backend.resource is None:
        return (Reason.INVALID_BACKEND, "the backend names neither a service nor a resource; it is left out")
    kind = shown(f"{backend.resource.kind}/{backend.resource.name}")
    return (Reason.RESOURCE_BACKEND_UNSUPPORTED, f"resource backend {kind} is not supported; it is left out")


def translate_host(context: TranslationContext, host: str, findings: UnitFindings) -> Steps[VirtualHost | None]:
    """The virtual host of a host (or of NO_HOST); None if no Ingress has a valid rule for the host."""
    ingresses = context.state.ingresses_of_host(host)
    if not ingresses or (host != NO_HOST and not _check_host(context, host, ingresses, findings)):
        return None
    policies = [(ingress, context.policy(ingress)) for ingress in ingresses]
    winners: dict[tuple[str, PathType], Route] = {}
    for route in _candidates(context, host, policies, findings):
        winner = winners.setdefault((route.path, route.path_type), route)
        # Equal routes are no conflict.
        if (winner.action, winner.policy, winner.service) != (route.action, route.policy, route.service):
            _report_conflict(context.state, host, winner, route, findings)
        yield
    routes = sorted(winners.values(), key=lambda route: route.precedence)
    # A host that rules name falls back to the default backend of one of the Ingresses here. A host that no rule names
    # falls back to the default route of all Ingresses, which the traffic model holds once.
    default = None if host == NO_HOST else default_route(context, ingresses, findings)
    closing = next(
        ((each, policy) for each, policy in policies if isinstance(policy, ClosedPaths) and policy.hosts), None
    )
    if closing is not None:
        routes, default = _closed(*closing, routes, default)
    findings.keep([*routes, default])
    return VirtualHost(host, tuple(routes), default)


def _closed(
    ingress: Ingress, policy: ClosedPaths, routes: Iterable[Route], default: Route | None
) -> tuple[list[Route], Route]:
    """The routes of a host that an Ingress closes, those of other Ingresses and of unknown paths among them."""
    action = Closed(policy.annotations)
    if default is None:
        origin = Origin(ingress.ref, FieldPath.of("metadata", "annotations", MapKey(policy.annotations[0])))
        default = Route("/", PathType.PREFIX, action, origin, Key(ingress.key.namespace, "(none)"))
    return [replace(route, action=action, policy=NO_POLICY) for route in routes], replace(default, action=action)


def _check_host(context: TranslationContext, host: str, ingresses: list[Ingress], findings: UnitFindings) -> bool:
    try:
        valid_host(host)
    except InvalidError as error:
        for ingress in ingresses:
            for index, _ in context.state.rules(ingress, host):
                at = FieldPath.of("spec", "rules", index, "host")
                findings.report(ingress.ref, error.reason, f"host {error}; its rule is left out", at)
        return False
    return True


def _candidates(
    context: TranslationContext,
    host: str,
    policies: Iterable[tuple[Ingress, IngressPolicy]],
    findings: UnitFindings,
) -> Iterator[Route]:
    """The routes that all Ingresses ask for, the senior Ingress first."""
    for ingress, policy in policies:
        about = ingress.ref
        for index, rule in context.state.rules(ingress, host):
            for number, path in enumerate(rule.paths):
                route = _path_route(context, Origin(about, _path_at(index, number)), path, policy, findings)
                if route is not None:
                    yield route


@lru_cache(maxsize=1024)
def _path_at(rule: int, number: int) -> FieldPath:
    """The field of a path. Routes of thousands of Ingresses share the same few values."""
    return FieldPath.of("spec", "rules", rule, "http", "paths", number)


def _path_route(
    context: TranslationContext, origin: Origin, path: HTTPIngressPath, policy: IngressPolicy, findings: UnitFindings
) -> Route | None:
    written = path.path or ""
    remedy = literal_instead(written) if looks_like_pattern(written) else ""
    try:
        matched = valid_path(path)
    except InvalidError as error:
        findings.report(origin.object, error.reason, f"{error}; it is left out", origin.field, remedy)
        return None
    if remedy:
        message = f"path {shown(written)} reads like a pattern, and is compared literally"
        findings.report(origin.object, Reason.PATTERN_IN_PATH, message, origin.field.child("path"), remedy)
    return context.route(origin, path.backend, origin.field.child("backend"), matched, policy=policy, findings=findings)


def _report_conflict(state: KubeState, host: str, winner: Route, loser: Route, findings: UnitFindings) -> None:
    place = f"host {host}" if host else "the rules without host"
    first, other = state.ingress(winner.origin.object.key), state.ingress(loser.origin.object.key)
    why = f", {why_first(first, other)}" if first and other else ""
    findings.report(
        loser.origin.object,
        Reason.PATH_CONFLICT,
        f"{loser.path_type} path {shown(loser.path)} of {place} belongs to {winner.origin.field} of "
        f"{winner.origin.object}{why}",
        loser.origin.field,
    )


def default_route(context: TranslationContext, ingresses: list[Ingress], findings: UnitFindings) -> Route | None:
    """The route to the default backend of the senior Ingress that has a usable one.

    Problems of default backends are left to `translate_ingress`, which reports them once for each Ingress.
    """
    unreported = UnitFindings(backends=findings.backends)
    routes = (ingress_default(context, ingress, unreported) for ingress in ingresses)
    return next((route for route in routes if route is not None), None)


def ingress_default(context: TranslationContext, ingress: Ingress, findings: UnitFindings) -> Route | None:
    backend = ingress.spec.default_backend
    if backend is None:
        return None
    origin = Origin(ingress.ref, _DEFAULT_BACKEND)
    policy = context.policy(ingress)
    # A protection is for the whole Ingress, and so is the use of its backends. Other annotations are for paths.
    if isinstance(policy, OpenPaths) and policy is not OPEN_PATHS:
        policy = OpenPaths(
            replace(NO_POLICY, hash_keys=policy.policy.hash_keys),
            upstream=policy.upstream,
            tls_upstream=policy.tls_upstream,
        )
    return context.route(origin, backend, _DEFAULT_BACKEND, ("/", PathType.PREFIX), policy=policy, findings=findings)


def translate_ingress(context: TranslationContext, ingress: Ingress, findings: UnitFindings) -> None:
    """Report the problems of an Ingress outside of rules and TLS: of the default backend, and of annotations."""
    ingress_default(context, ingress, findings)

    def report(name: str, reason: Reason, message: str, remedy: str) -> None:
        at = FieldPath.of("metadata", "annotations", MapKey(name))
        findings.report(ingress.ref, reason, message, at, remedy)

    ingress_policy(ingress, context.ignored_annotations, report)
