"""From all rules of one host, over all Ingresses, to its routes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from xds.kube.objects import HTTPIngressPath, Ingress, IngressBackend
from xds.kube.state import KubeState
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.model import NO_HOST, Backend, BackendKey, PathType, Route, VirtualHost
from xds.translate.backends import Unresolved, resolve
from xds.translate.names import InvalidError, is_label, valid_host, valid_path


@dataclass(slots=True)
class UnitFindings:
    """What a translation comes upon beside its result: the backends that its routes use, and the problems."""

    backends: dict[BackendKey, Backend] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, ingress: Ingress, reason: Reason, message: str, at: FieldPath, remedy: str = "") -> None:
        self.problems.append(Problem(ingress.ref, reason, message, remedy or reason.remedy, at))

    def keep(self, routes: Iterable[Route | None]) -> None:
        """Only these routes use their backends: one that lost a conflict doesn't."""
        used = {route.backend for route in routes if route is not None}
        self.backends = {key: backend for key, backend in self.backends.items() if key in used}


@dataclass(frozen=True, slots=True)
class TranslationContext:
    """Where routes are made from: what exists, and what the operator allows."""

    state: KubeState
    allow_external_name: bool

    def route(
        self,
        ingress: Ingress,
        backend: IngressBackend,
        path: tuple[str, PathType],
        at: FieldPath,
        findings: UnitFindings,
    ) -> Route | None:
        """The route to a backend; None (and a problem) for a backend of a kind that isn't supported."""
        if backend.service is None:
            findings.report(ingress, *_unsupported(backend), at)
            return None
        resolved = resolve(
            self.state, ingress.key.namespace, backend.service, allow_external_name=self.allow_external_name
        )
        key = None
        if isinstance(resolved, Unresolved):
            findings.report(ingress, resolved.reason, resolved.message, at, resolved.remedy)
        else:
            key = resolved.key
            findings.backends[key] = resolved
        name = backend.service.name if is_label(backend.service.name) else "(invalid)"
        return Route(*path, key, ingress.key, Key(ingress.key.namespace, name))


def _unsupported(backend: IngressBackend) -> tuple[Reason, str]:
    if backend.resource is None:
        return (Reason.INVALID_BACKEND, "the backend names neither a service nor a resource")
    kind = shown(f"{backend.resource.kind}/{backend.resource.name}")
    return (Reason.RESOURCE_BACKEND_UNSUPPORTED, f"resource backend {kind} is not supported; it is left out")


@dataclass(frozen=True, slots=True)
class _PathClaim:
    """A route, and where in which Ingress it stands."""

    route: Route
    ingress: Ingress
    at: FieldPath


def translate_host(scope: TranslationContext, host: str, findings: UnitFindings) -> Steps[VirtualHost | None]:
    """The virtual host of a host that rules name (or NO_HOST), None if no Ingress has a valid rule for it."""
    ingresses = scope.state.ingresses_of_host(host)
    if host != NO_HOST and not _check_host(scope, host, ingresses, findings):
        return None
    if not ingresses:
        return None
    winners: dict[tuple[str, PathType], _PathClaim] = {}
    for claim in _claims(scope, host, ingresses, findings):
        winner = winners.setdefault((claim.route.path, claim.route.path_type), claim)
        if _conflict(winner, claim):
            _report_conflict(host, winner, claim, findings)
        yield
    routes = sorted((claim.route for claim in winners.values()), key=lambda route: route.precedence)
    default = _host_default(scope, host, ingresses, findings)
    findings.keep([*routes, default])
    return VirtualHost(host, tuple(routes), default)


def _check_host(scope: TranslationContext, host: str, ingresses: list[Ingress], findings: UnitFindings) -> bool:
    try:
        valid_host(host)
    except InvalidError as error:
        for ingress in ingresses:
            for index, _ in scope.state.rules(ingress, host):
                at = FieldPath.of("spec", "rules", index, "host")
                findings.report(ingress, error.reason, f"host {error}; its rule is left out", at)
        return False
    return True


_DEFAULT_BACKEND = FieldPath.of("spec", "defaultBackend")


def _claims(
    scope: TranslationContext, host: str, ingresses: list[Ingress], findings: UnitFindings
) -> Iterator[_PathClaim]:
    for ingress in ingresses:
        for index, rule in scope.state.rules(ingress, host):
            for number, path in enumerate(rule.paths):
                at = FieldPath.of("spec", "rules", index, "http", "paths", number)
                route = _path_route(scope, ingress, path, at, findings)
                if route is not None:
                    yield _PathClaim(route, ingress, at)


def _path_route(
    scope: TranslationContext, ingress: Ingress, path: HTTPIngressPath, at: FieldPath, findings: UnitFindings
) -> Route | None:
    try:
        matched = valid_path(path)
    except InvalidError as error:
        findings.report(ingress, error.reason, f"{error}; it is left out", at)
        return None
    return scope.route(ingress, path.backend, matched, at.child("backend"), findings)


def _conflict(winner: _PathClaim, claim: _PathClaim) -> bool:
    """Whether two claims say different things: the same path to the same backend is no conflict."""
    return winner is not claim and (winner.route.backend, winner.route.service) != (
        claim.route.backend,
        claim.route.service,
    )


def _report_conflict(host: str, winner: _PathClaim, loser: _PathClaim, findings: UnitFindings) -> None:
    route = loser.route
    what = f"{route.path_type} path {shown(route.path)} of {f'host {host}' if host else 'the rules without host'}"
    findings.report(
        loser.ingress,
        Reason.PATH_CONFLICT,
        f"{what} belongs to the senior Ingress {winner.ingress.key} ({winner.at})",
        loser.at,
    )


def _host_default(
    scope: TranslationContext, host: str, ingresses: list[Ingress], findings: UnitFindings
) -> Route | None:
    """What answers the paths of a named host that no rule matches: the default backend of its senior Ingress with one.

    A host that no rule names goes to the default backend of all, which the traffic model holds once.
    """
    if host == NO_HOST:
        return None
    return default_route(scope, ingresses, findings)


def default_route(scope: TranslationContext, ingresses: list[Ingress], findings: UnitFindings) -> Route | None:
    """The default backend of the senior Ingress that has a usable one. Its problems are told once for each Ingress, by
    `translate_ingress`, and so not here.
    """
    unreported = UnitFindings(backends=findings.backends)
    for ingress in ingresses:
        route = ingress_default(scope, ingress, unreported)
        if route is not None:
            return route
    return None


def ingress_default(scope: TranslationContext, ingress: Ingress, findings: UnitFindings) -> Route | None:
    backend = ingress.spec.default_backend
    if backend is None:
        return None
    return scope.route(ingress, backend, ("/", PathType.PREFIX), _DEFAULT_BACKEND, findings)


def translate_ingress(scope: TranslationContext, ingress: Ingress, findings: UnitFindings) -> None:
    """What is to be said of an Ingress as a whole: its default backend, and the annotations that nobody honours."""
    ingress_default(scope, ingress, findings)
    for annotation in sorted(ingress.annotations):
        if annotation.startswith(_FOREIGN_ANNOTATIONS):
            findings.report(
                ingress,
                Reason.ANNOTATION_UNSUPPORTED,
                f"annotation {shown(annotation)} has no effect here",
                FieldPath.of("metadata", "annotations", MapKey(annotation)),
            )


_FOREIGN_ANNOTATIONS = "nginx.ingress.kubernetes.io/"
