"""Gateways with all their listeners: the outcome of each, and its conditions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xds.kube.gateway_objects import Gateway, GatewayAddress, ListenerSet
from xds.traffic.bound import ListenerKey
from xds.translate.gateway.addresses import Lease, recorded
from xds.translate.gateway.slots import KINDS_BY_PROTOCOL, Owner, Slot, supported_kinds
from xds.translate.gateway.status import Condition, GatewayStatus, ListenerStatus
from xds.translate.gateway.translated import Refusal


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A Gateway of ours with its listeners.

    Attributes:
        slots: The listeners of the Gateway, and of the ListenerSets that are attached.
        is_recorded: Whether the status of the Gateway has the addresses of the lease.
    """

    gateway: Gateway
    lease: Lease
    slots: tuple[Slot, ...]
    is_recorded: bool

    def slots_of(self, owner: Owner) -> tuple[Slot, ...]:
        return tuple(each for each in self.slots if each.owner.ref == owner.ref)


def plan(gateway: Gateway, lease: Lease, sets: Sequence[ListenerSet], *, records: bool) -> GatewayPlan:
    """Judge the listeners of a Gateway.

    Args:
        gateway: The Gateway.
        lease: Its addresses.
        sets: The ListenerSets that are attached, the senior first.
        records: Whether addresses are recorded: a listener isn't served before.
    """
    is_recorded = not records or set(lease.addresses) == set(recorded(gateway))
    owners: tuple[Owner, ...] = (gateway, *sets)
    slots = [
        _judged(Slot(owner, gateway.key, index, listener))
        for owner in owners
        for index, listener in enumerate(owner.spec.listeners or ())
    ]
    served = lease.addresses if is_recorded and lease.refused is None else ()
    return GatewayPlan(gateway, lease, tuple(_bound(each, served) for each in slots), is_recorded)


def _judged(slot: Slot) -> Slot:
    listener = slot.listener
    if listener.protocol not in KINDS_BY_PROTOCOL:
        message = (
            f"protocol {listener.protocol} of listener {listener.name} isn't known, so the listener isn't served; "
            f"use one of {', '.join(KINDS_BY_PROTOCOL)}"
        )
        return replace(slot, refused=Refusal("UnsupportedProtocol", message, slot.field.child("protocol")))
    kinds, unresolved = supported_kinds(listener)
    return replace(slot, kinds=kinds, unresolved=unresolved)


def _bound(slot: Slot, addresses: Iterable[str]) -> Slot:
    if not slot.is_accepted or slot.listener.protocol != "HTTP":
        return slot
    keys = tuple(ListenerKey(address, slot.listener.port, slot.transport) for address in addresses)
    return replace(slot, sockets=keys)


def gateway_status(plan: GatewayPlan, attached: Mapping[str, int]) -> GatewayStatus:
    """The status of a Gateway.

    Args:
        plan: The Gateway with its listeners.
        attached: Number of routes by listener.
    """
    slots = plan.slots_of(plan.gateway)
    return GatewayStatus(
        plan.gateway.metadata.generation,
        _conditions(plan, slots),
        tuple(listener_status(each, attached.get(each.listener.name, 0)) for each in slots),
        tuple(map(GatewayAddress, plan.lease.addresses)),
    )


def _conditions(plan: GatewayPlan, slots: Sequence[Slot]) -> tuple[Condition, ...]:
    refused, missing = plan.lease.refused, plan.lease.missing
    if refused:
        return Condition.of("Accepted", refused), Condition.false("Programmed", "Invalid", refused.message)
    accepted = Condition.true("Accepted")
    if any(not each.is_accepted for each in slots):
        accepted = Condition.true("Accepted", "ListenersNotValid", "some listeners aren't served")
    if missing:
        return accepted, Condition.of("Programmed", missing)
    if not plan.is_recorded:
        return accepted, Condition.false("Programmed", "Pending", "the addresses are being recorded")
    return accepted, Condition.true("Programmed")


def listener_status(slot: Slot, attached: int) -> ListenerStatus:
    return ListenerStatus(slot.listener.name, slot.kinds, attached, tuple(_slot_conditions(slot)))


def _slot_conditions(slot: Slot) -> Iterable[Condition]:
    wrong = slot.conflict or slot.refused
    yield Condition.of("Accepted", wrong)
    if slot.sockets:
        yield Condition.true("Programmed")
    else:
        yield Condition.false("Programmed", "Invalid" if wrong else "Pending")
    yield Condition.of("ResolvedRefs", slot.unresolved)
    yield Condition.false("Conflicted", "NoConflicts")
