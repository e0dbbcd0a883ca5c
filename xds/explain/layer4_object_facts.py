"""The facts about a ConfigMap of ports or a Service, read from the live state at one moment."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xds.explain.facts import StateReader
from xds.explain.ingress import passthrough_field
from xds.explain.ingress_facts import UnitFacts, index_hosts, unit_facts
from xds.explain.layer4_endpoints import UsedBackend
from xds.explain.layer4_facts import of_claim, port_resources, problems_by_field, used_backends
from xds.explain.traffic_index import TrafficIndex
from xds.kube.objects import ConfigMap, Service
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.snapshot.resource import Resource, ResourceType
from xds.steps import Steps, finish
from xds.traffic.layer4 import PortListener
from xds.translate.layer4.claims import ClaimState, PortClaim
from xds.translate.layer4.options import config_map_flag

CLAIMS_PER_STEP: Final = 20
"""Entries read in a step: half a millisecond's worth."""

MAX_INGRESSES: Final = 50
"""Ingresses whose paths are explained for a Service, at most: the oldest ones."""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """An entry with its listener, backend and problems.

    Attributes:
        listener: The port's listener, if the entry counts.
        used: The entry's backend, if the entry counts and the backend is in use.
        problems: Of the entry.
    """

    claim: PortClaim
    listener: PortListener | None
    used: UsedBackend | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class PassedHost:
    """A TLS host whose connections go to a Service undecrypted.

    Attributes:
        owner: The Ingress that asks for passthrough; None if unknown.
        field: The annotation that asks.
    """

    host: str
    owner: ObjectRef | None
    field: FieldPath
    used: UsedBackend


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """The material of an explanation, read from the live state at one moment.

    Attributes:
        object: The ConfigMap or Service.
        role: The role of the object; empty if it has none.
        claims: The entries of the ConfigMap, or those that name the Service.
        passed: For a Service, the hosts passed through to it.
        ingresses: For a Service, the Ingresses that name it in a path, but for `more`.
        more: Number of further Ingresses.
        problems: Of the object, each with the time since when it stands; None if unknown.
        resources: Made from the object, in the order of make before break.
        since: When a cluster or a listener of these last changed, in seconds of the snapshot's clock.
    """

    object: ObjectRef
    role: str
    claims: tuple[ClaimFacts, ...]
    passed: tuple[PassedHost, ...]
    ingresses: tuple[UnitFacts, ...]
    more: int
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None


@dataclass(slots=True)
class ObjectReading:
    """The part of the facts that is read in steps.

    Attributes:
        index: Of the hosts of the Ingresses that use a Service.
        claims: The entries of the object, or those that name the Service.
    """

    index: TrafficIndex = field(default_factory=TrafficIndex)
    claims: list[ClaimFacts] = field(default_factory=list)

    def steps(self, reader: StateReader, about: ObjectRef) -> Steps[None]:
        """Read, on the loop that changes the state. A host may have thousands of routes, and a ConfigMap of entries."""
        yield from claim_facts(reader, tuple(_claims(reader, about)), self.claims)
        if about.kind == Service.kind:
            for each in reader.state.ingresses_of_service(about.key)[:MAX_INGRESSES]:
                yield from index_hosts(reader, each, self.index)
                yield


def object_facts(reader: StateReader, about: ObjectRef, reading: ObjectReading | None = None) -> ObjectFacts | None:
    """The facts about a ConfigMap or Service; None if there is none and nothing names it.

    Must run on the loop that changes the state.

    Args:
        reader: Reads the live state.
        about: Of kind ConfigMap or Service.
        reading: Read before. None: now.
    """
    if reading is None:
        reading = ObjectReading()
        finish(reading.steps(reader, about))
    found, made_index = tuple(reading.claims), reading.index
    role, exists = _role(reader, about), reader.state.find(about) is not None
    service = about.key if about.kind == Service.kind else None
    users = reader.state.ingresses_of_service(service) if service else []
    if not (exists or role or found or users):
        return None
    passed = tuple(_passed(reader, service)) if service else ()
    resources = tuple(_resources(reader, found, service))
    if not exists:
        role = f"{role}; it doesn't exist" if role else "it doesn't exist"
    return ObjectFacts(
        about,
        role,
        found,
        passed,
        tuple(unit_facts(reader, each, made_index) for each in users[:MAX_INGRESSES]),
        max(0, len(users) - MAX_INGRESSES),
        tuple((each, reader.problems.since(each)) for each in reader.problems.of([about])),
        resources,
        _since(reader, resources),
    )


def claim_facts(reader: StateReader, claims: Sequence[PortClaim], into: list[ClaimFacts]) -> Steps[None]:
    """Read the facts about entries in steps, on the loop that changes the state."""
    sources = {each.source for each in claims}
    known, ports = problems_by_field(reader.problems.of(sources)), reader.traffic.layer4.current
    for number, claim in enumerate(claims, 1):
        listener = ports.get(claim.port) if claim.port and claim.state is ClaimState.SERVED else None
        used = next(used_backends(reader, listener.route.backends), None) if listener else None
        into.append(ClaimFacts(claim, listener, used, tuple(of_claim(claim, known))))
        if number % CLAIMS_PER_STEP == 0:
            yield


def _role(reader: StateReader, about: ObjectRef) -> str:
    """The role of an object by the operator's flags, or by annotations; empty if it has none."""
    options, key = reader.traffic.options, about.key
    roles = []
    if about.kind == ConfigMap.kind:
        roles += [
            f"the ports of {config_map_flag(each)}" for each, name in options.layer4.config_maps.items() if name == key
        ]
        roles += ["ingress-nginx's ConfigMap, of --nginx-configmap"] if key == options.nginx_configmap else []
        users = reader.state.ingresses_of_object(about)
        roles += [f"named by annotations of Ingress {', '.join(str(each.key) for each in users[:5])}"] if users else []
    else:
        roles += ["the Service of --default-backend"] if key == options.default_service else []
        roles += ["the Service of --publish-service"] if key == options.published else []
    return "; ".join(roles)


def _claims(reader: StateReader, about: ObjectRef) -> Iterator[PortClaim]:
    """The entries of an object, and the entries of ConfigMaps that name a Service."""
    ports = reader.traffic.layer4
    yield from ports.claims_of(about)
    if about.kind == Service.kind:
        for key in dict.fromkeys(reader.traffic.options.layer4.config_maps.values()):
            for claim in ports.claims_of(ObjectRef(ConfigMap.kind, *key)):
                if claim.service == about.key:
                    yield claim


def _passed(reader: StateReader, service: Key) -> Iterator[PassedHost]:
    tls = reader.traffic.tls
    for each in tls.passed:
        if each.backend.service_key == service:
            for used in used_backends(reader, [each.backend]):
                for host in each.hosts:
                    key = tls.owners.get(host)
                    owner = reader.state.ingress(key) if key else None
                    field = passthrough_field(owner) if owner else WHOLE_OBJECT
                    yield PassedHost(host, owner.ref if owner else None, field, used)


def _resources(reader: StateReader, claims: Iterable[ClaimFacts], service: Key | None) -> Iterator[Resource]:
    served = [each for each in claims if each.listener]
    keys = [key for each in served if each.listener for key in each.listener.route.backends]
    keys += sorted(reader.traffic.used_of([service])) if service else []
    return port_resources(reader, keys, [each.listener.key for each in served if each.listener])


def _since(reader: StateReader, resources: Iterable[Resource]) -> float | None:
    """When a cluster or a listener last changed: endpoints change all the time."""
    own = (ResourceType.CLUSTER, ResourceType.LISTENER)
    dated = (reader.store.since(each.type, each.name) for each in resources if each.type in own)
    return max((each for each in dated if each is not None), default=None)
