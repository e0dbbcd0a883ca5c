"""Explains an Ingress: the status of each path, of the default backend, of each TLS host and each passthrough."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from xds.explain.annotations import REDIRECTED, AnnotationOutcome
from xds.explain.ingress_facts import IngressFacts, UnitFacts, secret_of
from xds.explain.policies import policy_texts
from xds.kube.ingress_class import ClassClaim
from xds.kube.objects import EndpointSlice, HTTPIngressPath, Ingress, IngressTLS
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.snapshot.resource import Resource
from xds.traffic.actions import Closed, DirectAnswer, Redirect
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.endpoints import Health
from xds.traffic.routes import Route
from xds.translate.endpoints import localities
from xds.translate.names import InvalidError, path_on
from xds.translate.nginx.passthrough_wish import NAMES


class UnitStatus(StrEnum):
    """The status of a part of an Ingress."""

    SERVED = "served"
    SAME = "same"
    """A senior Ingress asks for the same, and the senior's is served."""
    NO_ENDPOINTS = "no endpoints"
    """Served with 503, because no endpoint is ready."""
    BROKEN = "broken"
    """Served with 503, because the backend can't be used."""
    CLOSED = "closed"
    """Served with 503 or 403: the Ingress, or another one of the host, asks for a protection that can't be had.

    Or TLS connections are closed, as they can't be passed through.
    """
    SHADOWED = "shadowed"
    """A senior Ingress asks for something else."""
    LEFT_OUT = "left out"


_CANARY: Final = "the Ingress is a canary, which only lends its backends and has"

_SERVED: Final = (UnitStatus.SERVED, UnitStatus.SAME, UnitStatus.NO_ENDPOINTS)


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of an Ingress: a path, the default backend, or a TLS host.

    Attributes:
        field: The part in the Ingress.
        text: The part in words.
        status: Whether and how the part is served.
        why: The reason for the status; empty if none is needed.
        senior: The Ingress that is served instead; None if there is no such.
        backend: Of a path or default backend; None without a usable one.
        healthy: Number of healthy endpoints.
        draining: Number of draining endpoints.
        expires: When the certificate of a TLS host expires; None without a certificate.
    """

    field: FieldPath
    text: str
    status: UnitStatus
    why: str = ""
    senior: Key | None = None
    backend: BackendKey | None = None
    healthy: int = 0
    draining: int = 0
    expires: datetime | None = None


class Acceptance(StrEnum):
    NOT_OURS = "not ours"
    ACCEPTED = "accepted"
    PARTLY = "partly accepted"
    NOT_SERVED = "not served"
    """No part is served."""


@dataclass(frozen=True, slots=True)
class IngressExplanation:
    """The status of an Ingress, and the reasons.

    Attributes:
        ingress: The Ingress.
        acceptance: Summary of the units.
        claim: Whether the Ingress is ours, and why.
        units: The parts; empty if the Ingress is not ours.
        problems: Of the Ingress, each with the time since when it stands; None if unknown.
        resources: Resources made from the Ingress, in the order of make before break.
        since: When the resources, endpoints aside, last changed, in seconds of the snapshot's clock; None without
            resources.
        annotations: The outcome of each annotation; empty if the Ingress is not ours.
    """

    ingress: Key
    acceptance: Acceptance
    claim: ClassClaim
    units: tuple[Unit, ...]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None = None
    annotations: tuple[AnnotationOutcome, ...] = ()


def explain_ingress(facts: IngressFacts) -> IngressExplanation:
    """Goes through all paths and endpoints, and may run in any thread."""
    claim, ingress = facts.claim, facts.ingress.key
    if not claim.ours:
        return IngressExplanation(ingress, Acceptance.NOT_OURS, claim, (), (), ())
    units = unit_statuses(facts.units)
    return IngressExplanation(
        ingress, acceptance(units), claim, units, facts.problems, facts.resources, facts.since, facts.annotations
    )


def acceptance(units: Collection[Unit]) -> Acceptance:
    """The summary of the parts of an Ingress of ours."""
    good = sum(map(is_served, units))
    if good == len(units):
        return Acceptance.ACCEPTED
    return Acceptance.PARTLY if good else Acceptance.NOT_SERVED


def is_served(unit: Unit) -> bool:
    """Whether the part is served as asked for, with or without endpoints."""
    return unit.status in _SERVED


def unit_statuses(facts: UnitFacts) -> tuple[Unit, ...]:
    """The parts of an Ingress of ours. Goes through all paths and endpoints, and may run in any thread."""
    return tuple(_UnitStatuses(facts).units())


class _UnitStatuses:
    """Finds the status of each part of an Ingress."""

    def __init__(self, facts: UnitFacts) -> None:
        self._facts = facts
        self._ref = facts.ingress.ref
        self._spec = facts.ingress.spec
        self._conflicts = {each.field for each in facts.problems if each.reason is Reason.PATH_CONFLICT}
        self._unused = {each.field for each in facts.problems if each.reason is Reason.CANARY_UNUSED}
        self._foreign = {each.field for each in facts.problems if each.reason is Reason.HOST_OF_OTHER_NAMESPACE}
        self._messages = _messages_by_field(facts.problems)
        self._routes = {host: facts.index.host(each).by_place for host, each in facts.hosts.items()}
        self._holders = facts.index.holders(facts.tls)
        self._endpoints = {key: _counted(*each) for key, each in facts.backends.items()}

    def units(self) -> Iterator[Unit]:
        for index, rule in enumerate(self._spec.rules or ()):
            at, host = FieldPath.of("spec", "rules", index), rule.hostname
            if not rule.paths:
                is_served = host in self._routes and at.child("host") not in self._foreign
                status = UnitStatus.SERVED if is_served else UnitStatus.LEFT_OUT
                yield Unit(at, f"{_host(host)}, without paths", status, self._problems_at(at))
            for number, path in enumerate(rule.paths):
                place = at.child("http", "paths", number)
                is_foreign = at.child("host") in self._foreign
                found = None if is_foreign else self._path(place, host, path)
                yield found or self._left_out(place, at, host, path)
        for each in self._facts.names:
            does = "redirected to" if each.redirect else "alias of"
            yield Unit(each.origin.field, f"{_host(each.name)}, {does} {_host(each.host)}", UnitStatus.SERVED)
        for host, backend in self._facts.undecrypted.items():
            yield self._passthrough(host, backend)
        if self._spec.default_backend:
            yield self._default_backend(FieldPath.of("spec", "defaultBackend"))
        for index, entry in enumerate(self._spec.tls or ()):
            yield from self._tls(FieldPath.of("spec", "tls", index), entry)

    def _path(self, at: FieldPath, host: str, written: HTTPIngressPath) -> Unit | None:
        """The path's unit; None if the path is left out."""
        try:
            routes = self._routes.get(host, {})
            route = routes.get(path_on(routes.values(), written))
        except InvalidError:
            return None
        if route is None:
            return None
        text = _called(host, written)
        if at in self._conflicts:
            return Unit(at, text, UnitStatus.SHADOWED, self._problems_at(at), route.origin.object.key)
        if self._facts.canary:
            return self._lent(at, text, written, route)
        senior = route.origin.object
        if senior != self._ref:
            return Unit(at, text, UnitStatus.SAME, f"{senior} asks for the same", senior.key)
        return self._served(at, text, route)

    def _lent(self, at: FieldPath, text: str, written: HTTPIngressPath, route: Route) -> Unit | None:
        """A path of a canary; None if no request goes there."""
        canary, service = self._facts.canary, written.backend.service
        key = service and Key(self._ref.namespace, service.name)
        backend = next((each for each in self._facts.backends if each.service_key == key and not each.fallback), None)
        if at in self._unused or canary is None:
            return None
        rules = [f"{'if' if is_taken else 'unless'} {condition}" for condition, is_taken in canary.rules]
        shares = ", ".join((*rules, f"{canary.weight} of {canary.total} other requests"))
        why = f"shares the path of {route.origin.object}: {shares}"
        if backend is None:
            return Unit(at, text, UnitStatus.SERVED, why) if not self._problems_at(at) else None
        healthy, draining = self._endpoints[backend]
        return Unit(at, text, UnitStatus.SERVED, why, backend=backend, healthy=healthy, draining=draining)

    def _left_out(self, at: FieldPath, rule: FieldPath, host: str, path: HTTPIngressPath) -> Unit:
        why = self._problems_at(at) or self._problems_at(rule.child("host"))
        return Unit(at, _called(host, path), UnitStatus.LEFT_OUT, why)

    def _default_backend(self, at: FieldPath) -> Unit:
        if self._facts.canary:
            return Unit(at, "default backend", UnitStatus.LEFT_OUT, f"{_CANARY} no default backend")
        hosts, default = self._facts.hosts, self._facts.default
        own = {_host(host): each.default for host, each in hosts.items() if each.default}
        used = {**own, "all other hosts": default} if default else own
        mine = {name: route for name, route in used.items() if route and route.origin.object == self._ref}
        if mine:
            return self._served(at, f"default backend of {', '.join(mine)}", next(iter(mine.values())))
        if why := self._problems_at(at):
            return Unit(at, "default backend", UnitStatus.LEFT_OUT, why)
        senior = default.origin.object.key if default else None
        why = f"the default backend of Ingress {senior} is used: the oldest Ingress counts, then the first by name"
        return Unit(at, "default backend", UnitStatus.SHADOWED, why, senior)

    def _served(self, at: FieldPath, text: str, route: Route) -> Unit:
        match route.action:
            case Closed(annotations, answered):
                why = f"answers {answered}, as {', '.join(annotations)} can't be had here"
                return Unit(at, text, UnitStatus.CLOSED, why)
            case DirectAnswer(code):
                return Unit(at, text, UnitStatus.SERVED, f"answers {code}")
            case Redirect(code, location):
                return Unit(at, text, UnitStatus.SERVED, f"answers {code}, to {location}")
        if route.backend is None or route.backend not in self._facts.backends:
            return Unit(at, text, UnitStatus.BROKEN, self._problems_at(at) or "its Service doesn't exist")
        backend, _ = self._facts.backends[route.backend]
        policy = [f"{subject}: {words}" for subject, words in policy_texts(route)]
        if redirected := REDIRECTED[route.https_redirect.when]:
            policy.insert(0, redirected)
        if backend.external_name:
            why = "; ".join((f"endpoints are the addresses of {backend.external_name} in DNS", *policy))
            return Unit(at, text, UnitStatus.SERVED, why, backend=backend.key)
        healthy, draining = self._endpoints[backend.key]
        status = UnitStatus.SERVED if healthy else UnitStatus.NO_ENDPOINTS
        return Unit(at, text, status, "; ".join(policy), backend=backend.key, healthy=healthy, draining=draining)

    def _tls(self, at: FieldPath, entry: IngressTLS) -> Iterator[Unit]:
        if self._facts.canary:
            yield Unit(at, "HTTPS", UnitStatus.LEFT_OUT, f"{_CANARY} no HTTPS of its own")
            return
        secret = secret_of(self._facts.ingress, entry, self._facts.default_secret)
        hosts = entry.hosts or [rule.host for rule in self._spec.rules or () if rule.host]
        if not hosts:
            yield Unit(at, "HTTPS", UnitStatus.LEFT_OUT, self._problems_at(at))
        for host in hosts:
            yield self._tls_host(at, host, secret)

    def _tls_host(self, at: FieldPath, host: str, secret: Key | None) -> Unit:
        text, holder = f"HTTPS of {_host(host)}", self._holders.get(host.lower())
        undecrypted = self._facts.index.undecrypted(self._facts.tls)
        if host.lower() in undecrypted:
            return self._undecrypted(at, host.lower(), is_passed=undecrypted[host.lower()] is not None)
        if holder is None:
            why = self._problems_at(at) or f"Secret {secret} doesn't exist yet: cert-manager is asked for the Secret"
            return Unit(at, text, UnitStatus.LEFT_OUT, why)
        if secret is None or self._facts.tls.same.get(secret, secret) not in holder:
            owner = self._facts.tls.owners.get(host.lower())
            why = f"the host has the certificate of Secret {' and of Secret '.join(map(str, holder))}"
            return Unit(at, text, UnitStatus.SHADOWED, why, owner)
        verdict = self._facts.verdicts.get(secret)
        last_good = "" if verdict and verdict.certificate else ", the last good one"
        expires = verdict.expires if verdict else None
        return Unit(at, text, UnitStatus.SERVED, f"certificate of Secret {secret}{last_good}", expires=expires)

    def _undecrypted(self, at: FieldPath, host: str, *, is_passed: bool) -> Unit:
        """A TLS host of an entry whose connections are passed through, or closed."""
        text, owner = f"HTTPS of {_host(host)}", self._facts.tls.owners.get(host)
        if owner != self._ref.key:
            return Unit(at, text, UnitStatus.SHADOWED, self._problems_at(at), owner)
        if not is_passed:
            return Unit(at, text, UnitStatus.CLOSED, self._problems_at(at))
        return Unit(at, text, UnitStatus.SERVED, self._problems_at(at) or "TLS of the host is passed through")

    def _passthrough(self, host: str, backend: BackendKey | None) -> Unit:
        at, text = passthrough_field(self._facts.ingress), f"TLS passthrough of {_host(host)}"
        if backend is None or backend not in self._endpoints:
            return Unit(at, text, UnitStatus.CLOSED, self._problems_at(at) or "TLS connections are closed")
        healthy, draining = self._endpoints[backend]
        is_dns = bool(self._facts.backends[backend][0].external_name)
        status = UnitStatus.SERVED if healthy or is_dns else UnitStatus.NO_ENDPOINTS
        return Unit(at, text, status, "not decrypted here", backend=backend, healthy=healthy, draining=draining)

    def _problems_at(self, at: FieldPath) -> str:
        """The problems of a field, and of fields within."""
        return "; ".join(self._messages.get(at, ()))


def _messages_by_field(problems: Iterable[Problem]) -> dict[FieldPath, list[str]]:
    """The messages by field, and by each field around it."""
    found: dict[FieldPath, list[str]] = {}
    for problem in problems:
        for place in problem.field.within():
            found.setdefault(place, []).append(problem.message)
    return found


def _counted(backend: Backend, slices: Iterable[EndpointSlice]) -> tuple[int, int]:
    """The number of healthy endpoints, and of draining ones."""
    found = [endpoint.health for zone in localities(backend, slices) for endpoint in zone.endpoints]
    healthy = sum(health is Health.HEALTHY for health in found)
    return healthy, len(found) - healthy


def passthrough_field(ingress: Ingress) -> FieldPath:
    """The annotation that asks for TLS passthrough."""
    name = next((each for each in NAMES if each in ingress.annotations), NAMES[0])
    return FieldPath.of("metadata", "annotations", MapKey(name))


def _called(host: str, path: HTTPIngressPath) -> str:
    return f"{_host(host)}, {shown(path.path_type)[1:-1]} {shown(path.path or '')[1:-1]}"


def _host(host: str) -> str:
    return shown(host)[1:-1] if host else "hosts that no rule names"
