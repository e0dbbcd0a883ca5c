"""What becomes of an Ingress: of each of its paths, of its default backend, of each TLS host."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xds.explain.evidence import Witness
from xds.kube.objects import EndpointSlice, Ingress, IngressTLS, Key
from xds.kube.problem import ObjectRef, Problem, shown
from xds.kube.references import NO_HOST
from xds.kube.state import Claim
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.translate.certificates import Verdict
from xds.translate.endpoints import localities
from xds.translate.model import Backend, BackendKey, Health, Route, VirtualHost
from xds.translate.names import InvalidError, valid_host, valid_path
from xds.translate.tls import TlsTable


class Fate(StrEnum):
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


ACCEPTED = (Fate.SERVED, Fate.SAME, Fate.NO_ENDPOINTS)


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of an Ingress: `text` says which, `field` where it stands. `senior` is the Ingress that is served instead.

    `backend` and the counts are of a path and a default backend, `expires` of a TLS host with a certificate.
    """

    field: str
    text: str
    fate: Fate
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
    """All that is known of an Ingress. `problems` come with when they came up, if that is known."""

    ingress: Key
    acceptance: Acceptance
    claim: str
    units: tuple[Unit, ...]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is to know, taken from the live state in one go. `hosts` are those of the Ingress' rules."""

    ingress: Ingress
    claim: Claim
    hosts: Mapping[str, VirtualHost]
    default: Route | None
    tls: TlsTable
    default_secret: Key | None
    verdicts: Mapping[Key, Verdict | None]
    backends: Mapping[BackendKey, tuple[Backend, tuple[EndpointSlice, ...]]]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]


def findings(witness: Witness, key: Key) -> Findings | None:
    """For the loop that changes the state; it costs what the Ingress holds. None: there is no such Ingress."""
    ingress = witness.state.find(ObjectRef("Ingress", *key))
    if not isinstance(ingress, Ingress):
        return None
    traffic = witness.traffic
    named = {(rule.host or NO_HOST).lower() for rule in ingress.spec.rules or ()}
    hosts = {host: traffic.hosts[host] for host in sorted(named) if host in traffic.hosts}
    routes = [route for route in _routes(hosts, traffic.default) if route.ingress == key]
    keys = sorted({route.backend for route in routes if route.backend and route.backend in traffic.backends})
    secrets = {
        secret for entry in ingress.spec.tls or () if (secret := _secret(ingress, entry, witness.default_secret))
    }
    own = [each for each in witness.problems() if each.object == ingress.ref]
    return Findings(
        ingress,
        witness.state.claim(ingress),
        hosts,
        traffic.default,
        traffic.tls,
        witness.default_secret,
        {secret: traffic.verdict(secret) for secret in secrets},
        {each: (traffic.backends[each], tuple(witness.state.slices(each.service_key))) for each in keys},
        tuple((each, traffic.since(each)) for each in own),
        tuple(_resources(witness, keys, secrets)),
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


def _resources(witness: Witness, backends: Sequence[BackendKey], secrets: set[Key]) -> Iterator[Resource]:
    """What exists of what it leads to, in the order in which an update reaches a proxy."""
    clusters = [names.cluster(each) for each in backends]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    wanted += [(ResourceType.SECRET, names.secret(each)) for each in sorted(secrets)]
    wanted += [(ResourceType.LISTENER, name) for name in (names.HTTP, *((names.HTTPS,) if secrets else ()))]
    wanted += [(ResourceType.ROUTES, name) for name in (names.HTTP, *map(names.https_routes, sorted(secrets)))]
    return filter(None, (witness.store.get(type_, name) for type_, name in wanted))


def record(known: Findings) -> Record:
    """Goes through all paths and endpoints: for any thread."""
    claim, ingress = known.claim, known.ingress.key
    if not claim.ours:
        return Record(ingress, Acceptance.NOT_OURS, claim.why, (), (), ())
    units = tuple(_units(known))
    good = sum(unit.fate in ACCEPTED for unit in units)
    acceptance = Acceptance.PARTLY if good else Acceptance.REFUSED
    if good == len(units):
        acceptance = Acceptance.ACCEPTED
    return Record(ingress, acceptance, claim.why, units, known.problems, known.resources)


def _units(known: Findings) -> Iterator[Unit]:
    spec = known.ingress.spec
    for index, rule in enumerate(spec.rules or ()):
        at, host = f"spec.rules[{index}]", (rule.host or NO_HOST).lower()
        if not rule.paths:
            yield _without_paths(known, at, host)
        for number in range(len(rule.paths)):
            yield _path(known, f"{at}.http.paths[{number}]", index, number)
    if spec.default_backend:
        yield _default_backend(known)
    for index, entry in enumerate(spec.tls or ()):
        yield from _tls(known, f"spec.tls[{index}]", entry)


def _without_paths(known: Findings, at: str, host: str) -> Unit:
    text = f"{_host(host)}, without paths"
    return Unit(at, text, Fate.SERVED) if host in known.hosts else Unit(at, text, Fate.LEFT_OUT, _why(known, at))


def _path(known: Findings, at: str, index: int, number: int) -> Unit:
    rule = (known.ingress.spec.rules or ())[index]
    written, host = rule.paths[number], (rule.host or NO_HOST).lower()
    text = f"{_host(host)}, {shown(written.path_type)[1:-1]} {shown(written.path or '')[1:-1]}"
    try:
        path = valid_path(written)
    except InvalidError:
        return Unit(at, text, Fate.LEFT_OUT, _why(known, at))
    routes = known.hosts[host].routes if host in known.hosts else ()
    route = next((each for each in routes if (each.path, each.path_type) == path), None)
    if route is None:
        return Unit(at, text, Fate.LEFT_OUT, _why(known, at) or _why(known, f"spec.rules[{index}]"))
    if any(each.reason == "PathConflict" and each.field == at for each, _ in known.problems):
        return Unit(at, text, Fate.SHADOWED, _why(known, at), route.ingress)
    if route.ingress != known.ingress.key:
        return Unit(at, text, Fate.SAME, f"Ingress {route.ingress} says the same", route.ingress)
    return _served(known, at, text, route)


def _default_backend(known: Findings) -> Unit:
    at, key = "spec.defaultBackend", known.ingress.key
    route = next((each for each in _defaults(known) if each.ingress == key), None)
    if route is not None:
        hosts = [_host(name) for name, host in known.hosts.items() if host.default and host.default.ingress == key]
        everything = ["all other hosts"] if known.default and known.default.ingress == key else []
        return _served(known, at, f"default backend of {', '.join([*hosts, *everything])}", route)
    if why := _why(known, at):
        return Unit(at, "default backend", Fate.LEFT_OUT, why)
    senior = next((each.ingress for each in _defaults(known)), None)
    return Unit(at, "default backend", Fate.SHADOWED, f"that of the senior Ingress {senior} is used", senior)


def _defaults(known: Findings) -> Iterator[Route]:
    found = (*(host.default for host in known.hosts.values()), known.default)
    return (each for each in found if each)


def _served(known: Findings, at: str, text: str, route: Route) -> Unit:
    if route.backend is None or route.backend not in known.backends:
        return Unit(at, text, Fate.BROKEN, _why(known, at))
    backend, slices = known.backends[route.backend]
    if backend.external_name:
        return Unit(at, text, Fate.SERVED, f"endpoints are what DNS says of {backend.external_name}", None, backend.key)
    found = [endpoint.health for zone in localities(backend, slices) for endpoint in zone.endpoints]
    healthy = sum(health is Health.HEALTHY for health in found)
    fate = Fate.SERVED if healthy else Fate.NO_ENDPOINTS
    return Unit(at, text, fate, "", None, backend.key, healthy, len(found) - healthy)


def _tls(known: Findings, at: str, entry: IngressTLS) -> Iterator[Unit]:
    secret = _secret(known.ingress, entry, known.default_secret)
    hosts = entry.hosts or [rule.host for rule in known.ingress.spec.rules or () if rule.host]
    holders = {host: each.secret for each in known.tls.terminations for host in each.hosts}
    if not hosts:
        yield Unit(at, "HTTPS", Fate.LEFT_OUT, _why(known, at))
    for written in hosts:
        text = f"HTTPS of {shown(written)[1:-1]}"
        try:
            holder = holders.get(valid_host(written))
        except InvalidError:
            holder = None
        if holder is None:
            yield Unit(at, text, Fate.LEFT_OUT, _why(known, at))
        elif holder != secret:
            why = f"it has the certificate of Secret {holder}"
            yield Unit(at, text, Fate.SHADOWED, why, known.tls.owners.get(written.lower()))
        else:
            verdict = known.verdicts.get(holder)
            last_good = "" if verdict and verdict.certificate else ", the last good one"
            expires = verdict.expires if verdict else None
            yield Unit(at, text, Fate.SERVED, f"certificate of Secret {holder}{last_good}", expires=expires)


def _host(host: str) -> str:
    return shown(host)[1:-1] if host else "hosts that no rule names"


def _why(known: Findings, at: str) -> str:
    """The problems of this place, or of one within."""
    return "; ".join(each.message for each, _ in known.problems if each.field == at or each.field.startswith(f"{at}."))
