"""The facts about a port of TCP or UDP, read from the live state at one moment, for an explanation in any thread."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from xds.explain.facts import StateReader
from xds.explain.layer4_endpoints import UsedBackend
from xds.kube.objects import ConfigMap, Service
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.text import shown
from xds.resources import names
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import BackendKey
from xds.traffic.layer4 import PortKey, PortListener
from xds.translate.layer4.claims import PortClaim
from xds.translate.layer4.options import Layer4Options
from xds.translate.own.service import EXPOSE

_EXPOSE: Final = FieldPath.of("metadata", "annotations", MapKey(EXPOSE.full_name))

_Place: TypeAlias = tuple[ObjectRef, FieldPath]


@dataclass(frozen=True, slots=True)
class PortFacts:
    """The material of an explanation.

    Attributes:
        port: The port.
        listener: None: nothing listens on the port, or a listener of HTTP does.
        claims: The entries that name the port, the winner first.
        used: The backends of the listener, in the order of its shares.
        service: Of the listener, or of the first claim; None without a claim, and for a Service that doesn't exist.
        flags: The operator's choices for ports of layer 4.
        options: Settings of all listeners.
        missing: The ConfigMap of the port's protocol, if a flag names one that doesn't exist.
        problems: Of the claims, of the Service and of its EndpointSlices.
        resources: In the order of make before break.
    """

    port: PortKey
    listener: PortListener | None
    claims: tuple[PortClaim, ...]
    used: tuple[UsedBackend, ...]
    service: Service | None
    flags: Layer4Options
    options: ProxyOptions
    missing: Key | None
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]

    @property
    def listener_name(self) -> str:
        return str(self.port)


def port_facts(reader: StateReader, port: PortKey) -> PortFacts:
    """The facts about a port. Must run on the loop that changes the state."""
    traffic, flags = reader.traffic, reader.traffic.options.layer4
    listener = traffic.layer4.current.get(port)
    claims = traffic.layer4.claims_for(port)
    keys = listener.route.backends if listener else ()
    used = tuple(used_backends(reader, keys))
    named = listener.route.service if listener else next((each.service for each in claims if each.service), None)
    config_map = flags.config_maps.get(port.transport)
    is_missing = config_map is not None and reader.state.config_map(config_map) is None
    return PortFacts(
        port,
        listener,
        claims,
        used,
        reader.state.service(named) if named else None,
        flags,
        reader.options,
        config_map if is_missing else None,
        tuple(_problems(reader, claims, named, used, config_map if is_missing else None)),
        tuple(port_resources(reader, keys, (port,))),
    )


def used_backends(reader: StateReader, keys: Iterable[BackendKey]) -> Iterator[UsedBackend]:
    """The backends that are in use."""
    for key in keys:
        backend = reader.traffic.backends.get(key)
        if backend:
            yield UsedBackend(backend, tuple(reader.state.slices(key.service_key)))


def port_resources(reader: StateReader, keys: Iterable[BackendKey], ports: Iterable[PortKey]) -> Iterator[Resource]:
    """The existing clusters, endpoints and listeners, in the order of make before break."""
    clusters = [names.cluster(each) for each in dict.fromkeys(keys)]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    wanted += [(ResourceType.LISTENER, str(port)) for port in ports]
    yield from filter(None, (reader.store.get(type_, name) for type_, name in wanted))


def problems_by_field(problems: Iterable[Problem]) -> Mapping[_Place, list[Problem]]:
    """The problems by object and field, and by each field around."""
    found: dict[_Place, list[Problem]] = {}
    for problem in problems:
        for field in problem.field.within():
            found.setdefault((problem.object, field), []).append(problem)
    return found


def of_claim(claim: PortClaim, problems: Mapping[_Place, list[Problem]]) -> list[Problem]:
    """The problems of an entry. Items of an annotation share a field; their problems quote the item or the listener."""
    at_field = problems.get((claim.source, claim.field), [])
    if claim.source.kind == ConfigMap.kind:
        return at_field
    quotes = (shown(claim.text), f"Listener {claim.port} ")
    return [each for each in at_field if any(quote in each.message for quote in quotes)]


def _problems(
    reader: StateReader,
    claims: tuple[PortClaim, ...],
    service: Key | None,
    used: tuple[UsedBackend, ...],
    missing: Key | None,
) -> Iterator[Problem]:
    about = {each.source for each in claims} | {each.ref for one in used for each in one.slices}
    about |= {ObjectRef(Service.kind, *service)} if service else set()
    about |= {ObjectRef(ConfigMap.kind, *missing)} if missing else set()
    known = reader.problems.of(about)
    by_field = problems_by_field(known)
    own = {problem for claim in claims for problem in of_claim(claim, by_field)}
    for problem in known:
        is_of_entry = problem.object.kind == ConfigMap.kind and bool(problem.field)
        if problem in own or not (is_of_entry or problem.field.parts[: len(_EXPOSE.parts)] == _EXPOSE.parts):
            yield problem
