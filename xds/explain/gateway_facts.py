"""The facts about an object of the Gateway API, read from the live state at one moment."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xds.explain.facts import StateReader
from xds.explain.layer4_endpoints import UsedBackend
from xds.explain.layer4_facts import used_backends
from xds.kube.gateway_objects import ROUTE_KINDS, BackendTLSPolicy, Gateway, GatewayClass, ListenerSet
from xds.problems.problem import Key, ObjectRef, Problem
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import BackendKey
from xds.translate.gateway.listening.plans import GatewayPlan
from xds.translate.gateway.listening.slots import Slot
from xds.translate.gateway.routes import RouteOutcome
from xds.translate.gateway.status import WantedStatus

KINDS: Final = frozenset(each.kind for each in (GatewayClass, Gateway, ListenerSet, BackendTLSPolicy, *ROUTE_KINDS))
"""The kinds that can be explained."""


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """The material of an explanation, read from the live state at one moment.

    Attributes:
        object: The object.
        status: The status that the object should have; None for an object that isn't ours.
        slots: The listeners of a Gateway or ListenerSet.
        plan: Of a Gateway.
        outcome: Of a route.
        used: The backends in use that the route forwards to.
        gateways: Number of Gateways of a GatewayClass.
        problems: Of the object, each with the time since when it stands; None if unknown.
        resources: Made from the object, in the order of make before break.
        since: When a cluster or a listener of these last changed, in seconds of the snapshot's clock.
    """

    object: ObjectRef
    status: WantedStatus | None
    slots: tuple[Slot, ...]
    plan: GatewayPlan | None
    outcome: RouteOutcome | None
    used: Mapping[BackendKey, UsedBackend]
    gateways: int
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None


def gateway_facts(reader: StateReader, about: ObjectRef) -> GatewayFacts | None:
    """The facts about an object of one of `KINDS`; None if there is none.

    Must run on the loop that changes the state.
    """
    if reader.state.find(about) is None:
        return None
    api = reader.traffic.gateway
    outcome = api.routes.get(about)
    slots = tuple(slot for plan in api.gateways.values() for slot in plan.slots.get(about, ()))
    backends = sorted(outcome.backends) if outcome else []
    resources = tuple(_resources(reader, slots, outcome, backends))
    return GatewayFacts(
        about,
        api.statuses.get(about),
        slots,
        api.gateways.get(about.key) if about.kind == Gateway.kind else None,
        outcome,
        {each.backend.key: each for each in used_backends(reader, backends)},
        _gateways(api.gateways, about.key) if about.kind == GatewayClass.kind else 0,
        tuple((each, reader.problems.since(each)) for each in reader.problems.of([about])),
        resources,
        _since(reader, resources),
    )


def _gateways(plans: Mapping[Key, GatewayPlan], gateway_class: Key) -> int:
    return sum(each.gateway.spec.gateway_class_name == gateway_class.name for each in plans.values())


def _resources(
    reader: StateReader, slots: Iterable[Slot], outcome: RouteOutcome | None, backends: Iterable[BackendKey]
) -> Iterator[Resource]:
    clusters = [names.cluster(each) for each in backends]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    for slot in slots:
        if slot.tls:
            wanted += [(ResourceType.SECRET, names.secret(each)) for each in slot.tls.secrets]
        wanted += [(ResourceType.LISTENER, str(each)) for each in slot.sockets]
    if outcome:
        sockets = {table.listener for table, *_ in outcome.claims} | {socket for socket, *_ in outcome.forwards}
        wanted += [(ResourceType.LISTENER, str(each)) for each in sorted(sockets)]
        for table, domain, _ in sorted(outcome.claims, key=str):
            wanted.append((ResourceType.VIRTUAL_HOST, names.virtual_host(names.table_routes(table), domain)))
    yield from filter(None, (reader.store.get(type_, name) for type_, name in dict.fromkeys(wanted)))


def _since(reader: StateReader, resources: Iterable[Resource]) -> float | None:
    """When a resource other than endpoints last changed."""
    dated = (reader.store.since(each.type, each.name) for each in resources if each.type is not ResourceType.ENDPOINTS)
    return max((each for each in dated if each is not None), default=None)
