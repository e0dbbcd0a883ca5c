"""The facts about an Ingress, read from the live state at one moment, so that another thread can explain them."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from xds.explain.annotations import AnnotationOutcome, annotation_outcomes
from xds.explain.credentials import credentials_of
from xds.explain.facts import StateReader
from xds.explain.traffic_index import TrafficIndex
from xds.kube.ingress_class import ClassClaim
from xds.kube.objects import EndpointSlice, Ingress, IngressTLS
from xds.problems.problem import Key, ObjectRef, Problem
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.steps import Steps
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.traffic.tls import TlsTable
from xds.translate.certificates import Verdict
from xds.translate.further_names import FurtherName
from xds.translate.names import InvalidError, valid_path
from xds.translate.nginx.canary import Canary
from xds.translate.nginx.ingress_policy import asked_passthrough


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """The material for the statuses of an Ingress' parts, read from the live state at one moment.

    Attributes:
        ingress: The Ingress, of any class.
        canary: The requests for a canary; None for an ordinary Ingress.
        hosts: Virtual hosts by host of the Ingress' rules.
        names: Served names that the Ingress asks for beside these hosts.
        default: The default backend of all hosts.
        tls: The TLS table.
        default_secret: The Secret of `--default-tls-secret`.
        verdicts: Verdicts on the Secrets that the Ingress names; None for a Secret that does not exist.
        asked: Backends that the Ingress' routes name, sorted.
        backends: The asked backends that are in use, each with the EndpointSlices of its Service.
        problems: Problems of the Ingress.
        index: Indexes of the virtual hosts and of the TLS table.
        undecrypted: The hosts whose TLS is passed through as the Ingress asks, each with the backend; None: the
            connections are closed.
    """

    ingress: Ingress
    canary: Canary | None
    hosts: Mapping[str, VirtualHost]
    names: tuple[FurtherName, ...]
    default: Route | None
    tls: TlsTable
    default_secret: Key | None
    verdicts: Mapping[Key, Verdict | None]
    asked: tuple[BackendKey, ...]
    backends: Mapping[BackendKey, tuple[Backend, tuple[EndpointSlice, ...]]]
    problems: tuple[Problem, ...]
    index: TrafficIndex
    undecrypted: Mapping[str, BackendKey | None]


@dataclass(frozen=True, slots=True)
class IngressFacts:
    """The material of an explanation, read from the live state at one moment.

    Attributes:
        ingress: The Ingress, of any class.
        claim: Whether the Ingress is ours, and why.
        units: The material for the statuses of the parts.
        problems: As in IngressExplanation.
        resources: As in IngressExplanation.
        since: As in IngressExplanation.
        annotations: The outcome of each annotation; empty if the Ingress is not ours.
    """

    ingress: Ingress
    claim: ClassClaim
    units: UnitFacts
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None
    annotations: tuple[AnnotationOutcome, ...]


def ingress_facts(reader: StateReader, key: Key, index: TrafficIndex | None = None) -> IngressFacts | None:
    """The facts of an Ingress; None if it does not exist. Must run on the loop that changes the state.

    Args:
        reader: Reads the live state.
        key: Of the Ingress.
        index: Indexes that `index_hosts` has made. None: they are made now.
    """
    ingress = reader.state.all_ingresses.get(key)
    if ingress is None:
        return None
    traffic, claim = reader.traffic, reader.state.claim(ingress)
    units = unit_facts(reader, ingress, index or TrafficIndex())
    all_hosts = {**units.hosts, **{each.name: traffic.hosts[each.name] for each in units.names}}
    has_https = bool(units.verdicts or units.undecrypted)
    used = sorted(units.backends)
    resources = tuple(_resources(reader, ingress.ref, used, set(units.verdicts), all_hosts, has_https=has_https))
    return IngressFacts(
        ingress,
        claim,
        units,
        tuple((each, reader.problems.since(each)) for each in units.problems),
        resources,
        _since(reader, resources),
        _annotations(reader, ingress, units.problems) if claim.ours else (),
    )


def _annotations(reader: StateReader, ingress: Ingress, problems: Iterable[Problem]) -> tuple[AnnotationOutcome, ...]:
    options = reader.traffic.annotations
    return annotation_outcomes(ingress, reader.traffic.policy, lambda each: asked_passthrough(each, options), problems)


def index_hosts(reader: StateReader, ingress: Ingress, index: TrafficIndex) -> Steps[None]:
    """Index the hosts of an Ingress in steps: a host may have thousands of routes."""
    for rule in ingress.spec.rules or ():
        virtual_host = reader.traffic.hosts.get(rule.hostname)
        if virtual_host:
            yield from index.steps(virtual_host)


def unit_facts(reader: StateReader, ingress: Ingress, index: TrafficIndex) -> UnitFacts:
    """The facts about an Ingress' parts. Must run on the loop that changes the state."""
    traffic = reader.traffic
    named = {rule.hostname for rule in ingress.spec.rules or ()}
    hosts = {host: traffic.hosts[host] for host in sorted(named) if host in traffic.hosts}
    canary = traffic.canary(ingress)
    names_ = tuple(each for host in hosts for each in traffic.names_of(host) if each.origin.object == ingress.ref)
    undecrypted = _undecrypted(reader, ingress, [*sorted(named), *(each.name for each in names_)], index)
    routed = _asked(ingress, hosts.values(), traffic.default, index, is_canary=canary is not None)
    asked = tuple(sorted(routed | {each for each in undecrypted.values() if each}))
    secrets = {
        secret for entry in ingress.spec.tls or () if (secret := secret_of(ingress, entry, reader.default_secret))
    }
    return UnitFacts(
        ingress,
        canary,
        hosts,
        names_,
        traffic.default,
        traffic.tls,
        reader.default_secret,
        {secret: traffic.verdict(secret) for secret in secrets},
        asked,
        {
            each: (traffic.backends[each], tuple(reader.state.slices(each.service_key)))
            for each in asked
            if each in traffic.backends
        },
        tuple(reader.problems.of([ingress.ref])),
        index,
        undecrypted,
    )


def _undecrypted(
    reader: StateReader, ingress: Ingress, hosts: Iterable[str], index: TrafficIndex
) -> Mapping[str, BackendKey | None]:
    tls = reader.traffic.tls
    known = index.undecrypted(tls)
    return {host: known[host] for host in hosts if host in known and tls.owners.get(host) == ingress.key}


def _asked(
    ingress: Ingress, hosts: Iterable[VirtualHost], default: Route | None, index: TrafficIndex, *, is_canary: bool
) -> set[BackendKey]:
    """The backends of the Ingress' own routes, and for a canary of the routes at its paths."""
    found: set[BackendKey] = set()
    places = set(_places(ingress)) if is_canary else set()
    for each in map(index.host, hosts):
        found |= each.backends.get(ingress.ref, frozenset())
        for place in places:
            found |= each.keys.get(place, frozenset())
    if default and (default.origin.object == ingress.ref or (default.path, default.path_type) in places):
        found.update(default.backends)
    return found


def _places(ingress: Ingress) -> Iterator[tuple[str, PathType]]:
    """The valid paths of an Ingress."""
    for rule in ingress.spec.rules or ():
        for each in rule.paths:
            with contextlib.suppress(InvalidError):
                yield valid_path(each)


def _routes(hosts: Mapping[str, VirtualHost]) -> Iterator[Route]:
    for host in hosts.values():
        yield from host.routes
        if host.default:
            yield host.default


def secret_of(ingress: Ingress, entry: IngressTLS, default: Key | None) -> Key | None:
    return Key(ingress.key.namespace, entry.secret_name) if entry.secret_name else default


def _resources(
    reader: StateReader,
    ingress: ObjectRef,
    backends: Sequence[BackendKey],
    secrets: set[Key],
    hosts: Mapping[str, VirtualHost],
    *,
    has_https: bool,
) -> Iterator[Resource]:
    """Existing resources made from the Ingress, in the order of make before break."""
    clusters = [names.cluster(each) for each in backends]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    wanted += credentials_of(reader.traffic.backends, backends)
    tls = reader.traffic.tls
    served = {tls.same.get(each, each) for each in secrets}
    wanted += [(ResourceType.SECRET, names.secret(each)) for each in sorted(served)]
    if any(route.policy.rate_limits for route in _routes(hosts) if route.origin.object == ingress):
        wanted.append((ResourceType.EXTENSION, names.RATE_LIMITS))
    wanted += [(ResourceType.LISTENER, name) for name in (names.HTTP, *((names.HTTPS,) if has_https else ()))]
    terminations = (each for each in tls.terminations if not served.isdisjoint(each.secrets))
    routes = (names.HTTP_ROUTES, *map(names.https_routes, terminations))
    demands = {host.client_certificates for host in hosts.values() if host.client_certificates}
    wanted += [(ResourceType.SECRET, names.credential(each.credential)) for each in demands if each.credential]
    wanted += [(ResourceType.ROUTES, name) for name in routes]
    domains = [host or "*" for host in hosts]
    wanted += [(ResourceType.VIRTUAL_HOST, names.virtual_host(name, each)) for name in routes for each in domains]
    return filter(None, (reader.store.get(type_, name) for type_, name in wanted))


def _since(reader: StateReader, resources: Iterable[Resource]) -> float | None:
    """When a cluster, secret or virtual host last changed: endpoints change all the time, the rest is shared by all."""
    own = (ResourceType.CLUSTER, ResourceType.SECRET, ResourceType.VIRTUAL_HOST)
    dated = (reader.store.since(each.type, each.name) for each in resources if each.type in own)
    return max((each for each in dated if each is not None), default=None)
