"""The facts about an Ingress, read from the live state at one moment, so that another thread can explain them."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from xds.explain.annotations import AnnotationOutcome, annotation_outcomes
from xds.explain.credentials import credentials_of
from xds.explain.facts import StateReader
from xds.kube.ingress_class import ClassClaim
from xds.kube.objects import EndpointSlice, Ingress, IngressTLS
from xds.problems.problem import Key, ObjectRef, Problem
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.traffic.tls import TlsTable
from xds.translate.certificates import Verdict
from xds.translate.further_names import FurtherName
from xds.translate.names import InvalidError, valid_path
from xds.translate.nginx.canary import Canary
from xds.translate.nginx.paths_policy import LentPaths


@dataclass(frozen=True, slots=True)
class IngressFacts:
    """The material of an explanation, read from the live state at one moment.

    Attributes:
        ingress: The Ingress, of any class.
        claim: Whether the Ingress is ours, and why.
        canary: The requests for a canary; None for an ordinary Ingress.
        hosts: Virtual hosts by host of the Ingress' rules.
        names: Served names that the Ingress asks for beside these hosts.
        default: The default backend of all hosts.
        tls: The TLS table.
        default_secret: The Secret of `--default-tls-secret`.
        verdicts: On the Secrets that the Ingress names; None for a Secret that does not exist.
        backends: Backends that the Ingress' routes use, each with the EndpointSlices of its Service.
        problems: As in IngressExplanation.
        resources: As in IngressExplanation.
        since: As in IngressExplanation.
        annotations: The outcome of each annotation; empty if the Ingress is not ours.
    """

    ingress: Ingress
    claim: ClassClaim
    canary: Canary | None
    hosts: Mapping[str, VirtualHost]
    names: tuple[FurtherName, ...]
    default: Route | None
    tls: TlsTable
    default_secret: Key | None
    verdicts: Mapping[Key, Verdict | None]
    backends: Mapping[BackendKey, tuple[Backend, tuple[EndpointSlice, ...]]]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None
    annotations: tuple[AnnotationOutcome, ...]


def ingress_facts(reader: StateReader, key: Key) -> IngressFacts | None:
    """The facts of an Ingress; None if it does not exist. Must run on the loop that changes the state."""
    ingress = reader.state.find(ObjectRef("Ingress", *key))
    if not isinstance(ingress, Ingress):
        return None
    traffic = reader.traffic
    named = {rule.hostname for rule in ingress.spec.rules or ()}
    hosts = {host: traffic.hosts[host] for host in sorted(named) if host in traffic.hosts}
    further = [each for host in hosts for each in traffic.names_of(host) if each.origin.object == ingress.ref]
    policy = traffic.policy(ingress)
    canary = policy.canary if isinstance(policy, LentPaths) else None
    places = set(_places(ingress)) if canary else set()
    keys = sorted(
        {
            key
            for route in _routes(hosts, traffic.default)
            if route.origin.object == ingress.ref or (route.path, route.path_type) in places
            for key in route.backends
            if key in traffic.backends
        }
    )
    secrets = {
        secret for entry in ingress.spec.tls or () if (secret := secret_of(ingress, entry, reader.default_secret))
    }
    all_hosts = hosts | {each.name: traffic.hosts[each.name] for each in further}
    resources = tuple(_resources(reader, ingress.ref, keys, secrets, all_hosts))
    claim, problems = reader.state.claim(ingress), reader.problems.of([ingress.ref])
    return IngressFacts(
        ingress,
        claim,
        canary,
        hosts,
        tuple(further),
        traffic.default,
        traffic.tls,
        reader.default_secret,
        {secret: traffic.verdict(secret) for secret in secrets},
        {each: (traffic.backends[each], tuple(reader.state.slices(each.service_key))) for each in keys},
        tuple((each, reader.problems.since(each)) for each in problems),
        resources,
        _since(reader, resources),
        annotation_outcomes(ingress, traffic.policy, problems) if claim.ours else (),
    )


def _places(ingress: Ingress) -> Iterator[tuple[str, PathType]]:
    """The valid paths of an Ingress."""
    for rule in ingress.spec.rules or ():
        for each in rule.paths:
            with contextlib.suppress(InvalidError):
                yield valid_path(each)


def _routes(hosts: Mapping[str, VirtualHost], default: Route | None) -> Iterator[Route]:
    for host in hosts.values():
        yield from host.routes
        if host.default:
            yield host.default
    if default:
        yield default


def secret_of(ingress: Ingress, entry: IngressTLS, default: Key | None) -> Key | None:
    return Key(ingress.key.namespace, entry.secret_name) if entry.secret_name else default


def _resources(
    reader: StateReader,
    ingress: ObjectRef,
    backends: Sequence[BackendKey],
    secrets: set[Key],
    hosts: Mapping[str, VirtualHost],
) -> Iterator[Resource]:
    """Existing resources made from the Ingress, in the order of make before break."""
    clusters = [names.cluster(each) for each in backends]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    wanted += credentials_of(reader.traffic.backends, backends)
    tls = reader.traffic.tls
    served = {tls.same.get(each, each) for each in secrets}
    wanted += [(ResourceType.SECRET, names.secret(each)) for each in sorted(served)]
    if any(route.policy.rate_limits for route in _routes(hosts, None) if route.origin.object == ingress):
        wanted.append((ResourceType.EXTENSION, names.RATE_LIMITS))
    wanted += [(ResourceType.LISTENER, name) for name in (names.HTTP, *((names.HTTPS,) if secrets else ()))]
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
