"""Gateways as values: addresses, listeners and ListenerSets, judged together where Gateways share an address."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from xds.kube.gateway_objects import AllowedNamespaces, Gateway, GatewayInfrastructure, Listener, ListenerSet, Namespace
from xds.kube.objects import ConfigMap
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.bound import ListenerKey
from xds.traffic.tls import Certificate
from xds.translate.gateway.attached.attachment import allows_namespace
from xds.translate.gateway.attached.hostnames import ANY, is_hostname
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.listening.addresses import Assignment, recorded
from xds.translate.gateway.listening.conflicts import without_conflicts
from xds.translate.gateway.listening.gateway_use import GatewayUse, parent_use
from xds.translate.gateway.listening.listener_tls import ListenerTls
from xds.translate.gateway.listening.service_record import GatewayPort, ServiceRecord
from xds.translate.gateway.listening.services import GatewayService, parameter_references, parameters, unaddressed
from xds.translate.gateway.listening.slots import (
    KINDS_BY_PROTOCOL,
    Family,
    Owner,
    Slot,
    SlotKey,
    by_owner,
    supported_kinds,
)
from xds.translate.gateway.shared.shared_ports import refused_check, refused_port
from xds.translate.gateway.translated import Refusal
from xds.translate.layer4.entries import MAX_PORT

JudgeTls: TypeAlias = Callable[[Gateway, Owner, Listener], ListenerTls]
"""Judges TLS termination at a listener of a Gateway, or of a ListenerSet of the Gateway."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """A Gateway of ours with the objects that count for its listeners.

    Attributes:
        sets: The ListenerSets that name the Gateway, the senior first.
    """

    gateway: Gateway
    assignment: Assignment
    sets: tuple[ListenerSet, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A Gateway of ours with its listeners.

    Attributes:
        owners: The Gateway, and the ListenerSets that name it, attached or not.
        slots: The listeners of the Gateway, and of the ListenerSets that are attached, by object.
        refused: Why the Gateway isn't accepted, whatever its listeners are; None: its listeners decide.
        pending: Why listeners that are in order aren't served yet; None: they are.
        use: The facts that routes depend on.
        tls: Of each listener that ends TLS.
        references: The objects that were looked at.
        parameters: Of the Gateway's Service.
    """

    claimant: Claimant
    owners: Mapping[ObjectRef, Owner]
    slots: Mapping[ObjectRef, tuple[Slot, ...]]
    refused: Refusal | None
    pending: Refusal | None
    use: GatewayUse
    tls: Mapping[SlotKey, ListenerTls] = field(default_factory=dict)
    references: frozenset[ObjectRef] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def gateway(self) -> Gateway:
        return self.claimant.gateway

    @property
    def assignment(self) -> Assignment:
        return self.claimant.assignment

    @property
    def all_slots(self) -> Iterator[Slot]:
        return (slot for slots in self.slots.values() for slot in slots)

    @property
    def service(self) -> GatewayService:
        """The Service that the Gateway should have, with `--gateway-services`."""
        infrastructure = self.gateway.spec.infrastructure or GatewayInfrastructure()
        ports = {GatewayPort(each.listener.port, each.transport) for each in self.all_slots if each.is_accepted}
        labels, annotations = infrastructure.labels or {}, infrastructure.annotations or {}
        return GatewayService(self.gateway.key, frozenset(ports), labels, annotations, self.parameters)

    @property
    def dates(self) -> Iterator[datetime]:
        """The dates at which the judgement of a certificate changes."""
        return (date for each in self.tls.values() for date in each.dates)

    @property
    def problems(self) -> Iterator[Problem]:
        """The problems of certificates."""
        return (problem for each in self.tls.values() for problem in each.problems)

    @property
    def certificates(self) -> Iterator[tuple[Key, Certificate]]:
        return (pair for each in self.tls.values() for pair in each.certificates.items())

    @property
    def credentials(self) -> Iterator[tuple[CredentialKey, Credential]]:
        return (pair for each in self.tls.values() for pair in each.credentials.items())


def plans(context: GatewayContext, claimants: Sequence[Claimant], judge_tls: JudgeTls) -> Steps[list[GatewayPlan]]:
    """Judge Gateways that share an address, or one alone.

    Args:
        context: The surroundings.
        claimants: The Gateways, the senior first: of two listeners that can't share a socket, the senior Gateway's is
            served.
        judge_tls: Judges TLS termination at a listener.
    """
    alone: list[GatewayPlan] = []
    for each in claimants:
        plan = yield from _alone(context, each, judge_tls)
        alone.append(plan)
    layers = [slots for each in alone for slots in each.slots.values()]
    judged = by_owner((yield from without_conflicts(layers)))
    address = context.options.listener_address
    return [
        replace(each, slots={owner: _placed(judged.get(owner, ()), each, address) for owner in each.slots})
        for each in alone
    ]


def _placed(slots: Sequence[Slot], plan: GatewayPlan, address: str) -> tuple[Slot, ...]:
    """The listeners of an object, without sockets while the Gateway isn't served.

    Args:
        slots: The listeners.
        plan: The Gateway.
        address: That target ports of Services are bound at.
    """
    record = plan.assignment.record
    if plan.refused or (plan.pending and not record):
        return tuple(replace(each, sockets=()) for each in slots)
    if record is None:
        return tuple(slots)
    return tuple(replace(each, sockets=_target(each, record, address) if each.sockets else ()) for each in slots)


def _target(slot: Slot, record: ServiceRecord, address: str) -> tuple[ListenerKey, ...]:
    """The socket that the Service of the Gateway leads to; none: the Service doesn't have the port yet."""
    target = record.targets.get(GatewayPort(slot.listener.port, slot.transport))
    return () if target is None else (ListenerKey(address, target, slot.transport),)


def _alone(context: GatewayContext, claimant: Claimant, judge_tls: JudgeTls) -> Steps[GatewayPlan]:
    """The plan of a Gateway without regard to conflicts."""
    gateway, use = claimant.gateway, parent_use(context, claimant.gateway)
    attached = [each for each in claimant.sets if allows(context, gateway, each)]
    tls: dict[SlotKey, ListenerTls] = {}
    slots: dict[ObjectRef, tuple[Slot, ...]] = {}
    owners: tuple[Owner, ...] = (gateway, *attached)
    for owner in owners:
        slots[owner.ref] = tuple(_slots(context, claimant, owner, tls, judge_tls))
        yield
    references = use.references.union(*(each.references for each in tls.values()), parameter_references(gateway))
    chosen = _parameters(context, gateway)
    return GatewayPlan(
        claimant,
        {gateway.ref: gateway, **{each.ref: each for each in claimant.sets}},
        slots,
        claimant.assignment.refused or (chosen if isinstance(chosen, Refusal) else None),
        _pending(context, claimant),
        use,
        tls,
        references.union(
            (ObjectRef(Namespace.kind, "", each.key.namespace) for each in claimant.sets),
            (ObjectRef(ConfigMap.kind, *each) for each in context.options.layer4.config_maps.values()),
        ),
        {} if isinstance(chosen, Refusal) else chosen,
    )


def allows(context: GatewayContext, gateway: Gateway, attached: ListenerSet) -> bool:
    """Whether a Gateway lets a ListenerSet attach."""
    allowed = gateway.spec.allowed_listeners.namespaces
    namespaces = allowed if allowed.from_ else AllowedNamespaces("None")
    return allows_namespace(context.state, namespaces, gateway.key.namespace, attached.key.namespace)


def _parameters(context: GatewayContext, gateway: Gateway) -> Mapping[str, str] | Refusal:
    if context.options.target_ports:
        return parameters(context.state, gateway)
    infrastructure = gateway.spec.infrastructure
    if infrastructure and (reference := infrastructure.parameters_ref):
        message = (
            f"infrastructure.parametersRef names {shown(f'{reference.kind} {reference.name}')}, and without "
            f"--gateway-services there are no parameters, so Gateway {gateway.key} isn't served. Remove parametersRef."
        )
        return Refusal("InvalidParameters", message, FieldPath.of("spec", "infrastructure", "parametersRef"))
    return {}


def _pending(context: GatewayContext, claimant: Claimant) -> Refusal | None:
    if claimant.assignment.missing:
        return claimant.assignment.missing
    if (record := claimant.assignment.record) is not None:
        return None if record.targets and record.addresses else unaddressed(context.options, claimant.gateway, record)
    if context.options.records and set(recorded(claimant.gateway)) != set(claimant.assignment.addresses):
        addresses = ", ".join(claimant.assignment.addresses)
        return Refusal("Pending", f"the listeners are served once status.addresses has {addresses}")
    return None


def _slots(
    context: GatewayContext, claimant: Claimant, owner: Owner, tls: dict[SlotKey, ListenerTls], judge_tls: JudgeTls
) -> Iterator[Slot]:
    """The listeners of an object with the sockets that they ask for."""
    # Without an address, listeners of the Gateway can still conflict with each other.
    bound = dict.fromkeys(map(context.options.bound_address, claimant.assignment.addresses))
    addresses = tuple(bound) or (f"of {claimant.gateway.key}",)
    names: set[str] = set()
    for index, listener in enumerate(owner.spec.listeners or ()):
        slot = Slot(SlotKey(owner.ref, listener.name), claimant.gateway.key, index, listener)
        slot = replace(slot, refused=_refused_listener(slot, names) or refused_port(context, slot, addresses))
        if slot.refused:
            yield slot
            continue
        names.add(listener.name)
        kinds, unresolved = supported_kinds(slot)
        slot = replace(slot, kinds=kinds, unresolved=unresolved)
        if slot.family is Family.TLS:
            found = tls[slot.key] = judge_tls(claimant.gateway, owner, listener)
            refused = found.refused or refused_check(context.options, slot, found.tls, addresses)
            slot = replace(slot, tls=found.tls, refused=refused, unresolved=found.unresolved or unresolved)
        yield replace(slot, sockets=tuple(ListenerKey(each, listener.port, slot.transport) for each in addresses))


def _refused_listener(slot: Slot, names: set[str]) -> Refusal | None:
    """Why a listener is refused before other objects are looked at. An API server lets only the first case pass."""
    listener, effect = slot.listener, f"so listener {shown(slot.listener.name)} isn't served"
    if slot.family is None:
        message = f"protocol {shown(listener.protocol)} isn't known, {effect}. Use {', '.join(KINDS_BY_PROTOCOL)}."
        return Refusal("UnsupportedProtocol", message, slot.field.child("protocol"))
    if listener.name in names:
        message = f"another listener of the object has the same name, {effect}. Rename one."
        return Refusal("UnsupportedValue", message, slot.field.child("name"))
    if not 0 < listener.port <= MAX_PORT:
        message = f"port {listener.port} isn't within 1 to {MAX_PORT}, {effect}. Correct it."
        return Refusal("PortUnavailable", message, slot.field.child("port"))
    if slot.domain != ANY and not is_hostname(slot.domain):
        message = f"hostname {shown(slot.domain)} is neither a DNS name nor a wildcard, {effect}. Correct it."
        return Refusal("UnsupportedValue", message, slot.field.child("hostname"))
    return None
