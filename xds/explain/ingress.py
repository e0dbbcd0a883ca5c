"""What becomes of an Ingress: of each of its paths, of its default backend, of each TLS host."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xds.explain.facts import StateReader
from xds.kube.ingress_class import ClassClaim
from xds.kube.objects import EndpointSlice, HTTPIngressPath, Ingress, IngressTLS
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.endpoints import Health
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import TlsTable
from xds.translate.certificates import Verdict
from xds.translate.endpoints import localities
from xds.translate.names import InvalidError, valid_path


class UnitStatus(StrEnum):
    """What became of a part of an Ingress."""

    SERVED = "served"
    SAME = "same"
    """Another Ingress, which is senior, says the same: that one is served, and nobody sees a difference."""
    NO_ENDPOINTS = "no endpoints"
    """It is served, and answers 503: no endpoint is ready."""
    BROKEN = "broken"
    """It answers 503: its backend can't be used."""
    SHADOWED = "shadowed"
    """A senior Ingress says something else."""
    LEFT_OUT = "left out"


ACCEPTED = (UnitStatus.SERVED, UnitStatus.SAME, UnitStatus.NO_ENDPOINTS)


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of an Ingress: `text` says which, `field` where it stands. `senior` is the Ingress that is served instead.

    `backend` and the counts are of a path and a default backend, `expires` of a TLS host with a certificate.
    """

    field: FieldPath
    text: str
    fate: UnitStatus
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
    REFUSED = "refused"
    """Nothing of it is served."""


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of an Ingress. `problems` come with when they came up, if that is known. `since`: when what it
    leads to, but for endpoints, became what it is, in seconds of the snapshot's clock; None if there is nothing.
    """

    ingress: Key
    acceptance: Acceptance
    claim: ClassClaim
    units: tuple[Unit, ...]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None = None


@dataclass(frozen=True, slots=True)
class IngressFacts:
    """What there is to know, taken from the live state in one go. `hosts` are those of the Ingress' rules."""

    ingress: Ingress
    claim: ClassClaim
    hosts: Mapping[str, VirtualHost]
    default: Route | None
    tls: TlsTable
    default_secret: Key | None
    verdicts: Mapping[Key, Verdict | None]
    backends: Mapping[BackendKey, tuple[Backend, tuple[EndpointSlice, ...]]]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None


def findings(witness: StateReader, key: Key) -> IngressFacts | None:
    """For the loop that changes the state; it costs what the Ingress holds. None: there is no such Ingress."""
    ingress = witness.state.find(ObjectRef("Ingress", *key))
    if not isinstance(ingress, Ingress):
        return None
    traffic = witness.traffic
    named = {rule.hostname for rule in ingress.spec.rules or ()}
    hosts = {host: traffic.hosts[host] for host in sorted(named) if host in traffic.hosts}
    routes = [route for route in _routes(hosts, traffic.default) if route.origin.object == ingress.ref]
    keys = sorted({route.backend for route in routes if route.backend and route.backend in traffic.backends})
    secrets = {
        secret for entry in ingress.spec.tls or () if (secret := _secret(ingress, entry, witness.default_secret))
    }
    resources = tuple(_resources(witness, keys, secrets, hosts))
    return IngressFacts(
        ingress,
        witness.state.claim(ingress),
        hosts,
        traffic.default,
        traffic.tls,
        witness.default_secret,
        {secret: traffic.verdict(secret) for secret in secrets},
        {each: (traffic.backends[each], tuple(witness.state.slices(each.service_key))) for each in keys},
        tuple((each, witness.problems.since(each)) for each in witness.problems.of([ingress.ref])),
        resources,
        _since(witness, resources),
    )


def _routes(hosts: Mapping[str, VirtualHost], default: Route | None) -> Iterator[Route]:
    for host in hosts.values():
        yield from host.routes
        if host.default:
            yield host.default
    if default:
        yield default


def _secret(ingress: Ingress, entry: IngressTLS, default: Key | None) -> Key | None:
    return Key(ingress.key.namespace, entry.secret_name) if entry.secret_name else default


def _resources(
    witness: StateReader, backends: Sequence[BackendKey], secrets: set[Key], hosts: Iterable[str]
) -> Iterator[Resource]:
    """What exists of what it leads to, in the order in which an update reaches a proxy."""
    clusters = [names.cluster(each) for each in backends]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    wanted += [(ResourceType.SECRET, names.secret(each)) for each in sorted(secrets)]
    wanted += [(ResourceType.LISTENER, name) for name in (names.HTTP, *((names.HTTPS,) if secrets else ()))]
    routes = (names.HTTP, *map(names.https_routes, sorted(secrets)))
    wanted += [(ResourceType.ROUTES, name) for name in routes]
    domains = [host or "*" for host in hosts]
    wanted += [(ResourceType.VIRTUAL_HOST, names.virtual_host(name, each)) for name in routes for each in domains]
    return filter(None, (witness.store.get(type_, name) for type_, name in wanted))


def _since(witness: StateReader, resources: Iterable[Resource]) -> float | None:
    """Endpoints come and go, and listeners and RouteConfigurations are everybody's."""
    own = (ResourceType.CLUSTER, ResourceType.SECRET, ResourceType.VIRTUAL_HOST)
    dated = (witness.store.since(each.type, each.name) for each in resources if each.type in own)
    return max((each for each in dated if each is not None), default=None)


def record(known: IngressFacts) -> Record:
    """Goes through all paths and endpoints: for any thread."""
    claim, ingress = known.claim, known.ingress.key
    if not claim.ours:
        return Record(ingress, Acceptance.NOT_OURS, claim, (), (), ())
    units = tuple(_UnitStatuses(known).units())
    good = sum(unit.fate in ACCEPTED for unit in units)
    acceptance = Acceptance.PARTLY if good else Acceptance.REFUSED
    if good == len(units):
        acceptance = Acceptance.ACCEPTED
    return Record(ingress, acceptance, claim, units, known.problems, known.resources, known.since)


class _UnitStatuses:
    """Finds the fate of each part of an Ingress."""

    def __init__(self, known: IngressFacts) -> None:
        self._known = known
        self._ref = known.ingress.ref
        self._spec = known.ingress.spec
        self._conflicts = {each.field for each, _ in known.problems if each.reason is Reason.PATH_CONFLICT}
        self._whys = _by_place(each for each, _ in known.problems)
        self._routes = {
            host: {(route.path, route.path_type): route for route in virtual_host.routes}
            for host, virtual_host in known.hosts.items()
        }
        self._holders = {host: each.secret for each in known.tls.terminations for host in each.hosts}
        self._endpoints = {key: _counted(*each) for key, each in known.backends.items()}

    def units(self) -> Iterator[Unit]:
        for index, rule in enumerate(self._spec.rules or ()):
            at, host = FieldPath.of("spec", "rules", index), rule.hostname
            if not rule.paths:
                fate = UnitStatus.SERVED if host in self._routes else UnitStatus.LEFT_OUT
                yield Unit(at, f"{_host(host)}, without paths", fate, self._why(at))
            for number, path in enumerate(rule.paths):
                place = at.child("http", "paths", number)
                yield self._path(place, host, path) or self._left_out(place, at, host, path)
        if self._spec.default_backend:
            yield self._default_backend(FieldPath.of("spec", "defaultBackend"))
        for index, entry in enumerate(self._spec.tls or ()):
            yield from self._tls(FieldPath.of("spec", "tls", index), entry)

    def _path(self, at: FieldPath, host: str, written: HTTPIngressPath) -> Unit | None:
        """None: it is left out."""
        try:
            route = self._routes.get(host, {}).get(valid_path(written))
        except InvalidError:
            return None
        if route is None:
            return None
        text = _called(host, written)
        if at in self._conflicts:
            return Unit(at, text, UnitStatus.SHADOWED, self._why(at), route.origin.object.key)
        if route.origin.object != self._ref:
            return Unit(at, text, UnitStatus.SAME, f"{route.origin.object} says the same", route.origin.object.key)
        return self._served(at, text, route)

    def _left_out(self, at: FieldPath, rule: FieldPath, host: str, path: HTTPIngressPath) -> Unit:
        return Unit(at, _called(host, path), UnitStatus.LEFT_OUT, self._why(at) or self._why(rule.child("host")))

    def _default_backend(self, at: FieldPath) -> Unit:
        hosts, default = self._known.hosts, self._known.default
        own = {_host(host): each.default for host, each in hosts.items() if each.default}
        used = {**own, "all other hosts": default} if default else own
        mine = {name: route for name, route in used.items() if route and route.origin.object == self._ref}
        if mine:
            return self._served(at, f"default backend of {', '.join(mine)}", next(iter(mine.values())))
        if why := self._why(at):
            return Unit(at, "default backend", UnitStatus.LEFT_OUT, why)
        senior = default.origin.object.key if default else None
        return Unit(at, "default backend", UnitStatus.SHADOWED, f"that of the senior Ingress {senior} is used", senior)

    def _served(self, at: FieldPath, text: str, route: Route) -> Unit:
        if route.backend is None or route.backend not in self._known.backends:
            return Unit(at, text, UnitStatus.BROKEN, self._why(at))
        backend, _ = self._known.backends[route.backend]
        if backend.external_name:
            why = f"endpoints are what DNS says of {backend.external_name}"
            return Unit(at, text, UnitStatus.SERVED, why, backend=backend.key)
        healthy, draining = self._endpoints[backend.key]
        fate = UnitStatus.SERVED if healthy else UnitStatus.NO_ENDPOINTS
        return Unit(at, text, fate, backend=backend.key, healthy=healthy, draining=draining)

    def _tls(self, at: FieldPath, entry: IngressTLS) -> Iterator[Unit]:
        secret = _secret(self._known.ingress, entry, self._known.default_secret)
        hosts = entry.hosts or [rule.host for rule in self._spec.rules or () if rule.host]
        if not hosts:
            yield Unit(at, "HTTPS", UnitStatus.LEFT_OUT, self._why(at))
        for host in hosts:
            yield self._tls_host(at, host, secret)

    def _tls_host(self, at: FieldPath, host: str, secret: Key | None) -> Unit:
        text, holder = f"HTTPS of {_host(host)}", self._holders.get(host.lower())
        if holder is None:
            return Unit(at, text, UnitStatus.LEFT_OUT, self._why(at))
        if holder != secret:
            owner = self._known.tls.owners.get(host.lower())
            return Unit(at, text, UnitStatus.SHADOWED, f"it has the certificate of Secret {holder}", owner)
        verdict = self._known.verdicts.get(holder)
        last_good = "" if verdict and verdict.certificate else ", the last good one"
        expires = verdict.expires if verdict else None
        return Unit(at, text, UnitStatus.SERVED, f"certificate of Secret {holder}{last_good}", expires=expires)

    def _why(self, at: FieldPath) -> str:
        """The problems of this place, and of those within."""
        return "; ".join(self._whys.get(at, ()))


def _by_place(problems: Iterable[Problem]) -> dict[FieldPath, list[str]]:
    """The messages by field, and by each field around it."""
    found: dict[FieldPath, list[str]] = {}
    for problem in problems:
        for place in problem.field.within():
            found.setdefault(place, []).append(problem.message)
    return found


def _counted(backend: Backend, slices: Iterable[EndpointSlice]) -> tuple[int, int]:
    """How many endpoints are healthy, and how many draining."""
    found = [endpoint.health for zone in localities(backend, slices) for endpoint in zone.endpoints]
    healthy = sum(health is Health.HEALTHY for health in found)
    return healthy, len(found) - healthy


def _called(host: str, path: HTTPIngressPath) -> str:
    return f"{_host(host)}, {shown(path.path_type)[1:-1]} {shown(path.path or '')[1:-1]}"


def _host(host: str) -> str:
    return shown(host)[1:-1] if host else "hosts that no rule names"
