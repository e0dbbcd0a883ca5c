"""The statuses of GatewayClasses, Gateways, ListenerSets and routes, and the problems that their conditions tell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from xds.kube.gateway_objects import GatewayAddress, GatewayClass
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.translate.gateway.features import SUPPORTED_FEATURES
from xds.translate.gateway.listening.addresses import Assignment
from xds.translate.gateway.listening.listener_tls import insecure_frontend
from xds.translate.gateway.listening.plans import GatewayPlan
from xds.translate.gateway.listening.slots import Slot, SlotKey
from xds.translate.gateway.status import (
    ClassStatus,
    Condition,
    GatewayStatus,
    ListenerSetStatus,
    ListenerStatus,
)
from xds.translate.gateway.translated import Refusal

_ACCEPTED: Final = "Accepted"
_PROGRAMMED: Final = "Programmed"
_RESOLVED_REFS: Final = "ResolvedRefs"

# Problems of a reason of its own, where a condition's reason says that an object is missing or not granted.


def class_refusal(gateway_class: GatewayClass) -> Refusal | None:
    """Why a GatewayClass with our controller name isn't accepted; None: it is."""
    reference = gateway_class.spec.parameters_ref
    if reference is None:
        return None
    message = (
        f"parametersRef names {reference.kind} {reference.name}, and no kind of parameters is known, so Gateways of "
        f"GatewayClass {gateway_class.metadata.name} aren't served. Remove parametersRef."
    )
    return Refusal("InvalidParameters", message, FieldPath.of("spec", "parametersRef"))


def class_status(gateway_class: GatewayClass) -> ClassStatus:
    condition = Condition.of(_ACCEPTED, class_refusal(gateway_class))
    return ClassStatus(gateway_class.metadata.generation, (condition,), SUPPORTED_FEATURES)


def gateway_refusal(plan: GatewayPlan) -> Refusal | None:
    """Why a Gateway isn't accepted; None: it is."""
    slots = plan.slots[plan.gateway.ref]
    if plan.refused or any(each.is_accepted for each in plan.all_slots):
        return plan.refused
    names = ", ".join(each.listener.name for each in slots) or "none"
    message = (
        f"Gateway {plan.gateway.key} has no listener that can be served (listeners: {names}). See their conditions."
    )
    return Refusal("ListenersNotValid", message, FieldPath.of("spec", "listeners"))


def gateway_status(plan: GatewayPlan, attached: Mapping[SlotKey, int]) -> GatewayStatus:
    """The status of a Gateway.

    Args:
        plan: The Gateway with its listeners.
        attached: Number of routes by listener.
    """
    slots = plan.slots[plan.gateway.ref]
    return GatewayStatus(
        plan.gateway.metadata.generation,
        tuple(_gateway_conditions(plan, slots)),
        tuple(_listener_status(each, plan, attached) for each in slots),
        () if plan.refused else _addresses(plan.assignment),
        sum(set_refusal(plan, each.ref) is None for each in plan.claimant.sets),
    )


def _addresses(assignment: Assignment) -> tuple[GatewayAddress, ...]:
    return assignment.record.addresses if assignment.record else tuple(map(GatewayAddress, assignment.addresses))


def _gateway_conditions(plan: GatewayPlan, slots: Sequence[Slot]) -> Iterator[Condition]:
    refused = gateway_refusal(plan)
    if refused:
        yield Condition.of(_ACCEPTED, refused)
        yield Condition.false(_PROGRAMMED, "Invalid", refused.message)
    else:
        yield _accepted(slots)
        yield Condition.of(_PROGRAMMED, plan.pending or _nothing_programmed(plan))
    yield Condition.of(_RESOLVED_REFS, plan.use.unresolved or _unresolved(slots))
    if insecure_frontend(plan.gateway):
        message = "clients without a valid certificate are let in, by validation of mode AllowInsecureFallback"
        yield Condition.true("InsecureFrontendValidationMode", "ConfigurationChanged", message)


def _accepted(slots: Iterable[Slot]) -> Condition:
    names = ", ".join(each.listener.name for each in slots if not each.is_accepted)
    if names:
        return Condition.true(_ACCEPTED, "ListenersNotValid", f"not served: {names}; see the listeners' conditions")
    return Condition.true(_ACCEPTED)


def _nothing_programmed(plan: GatewayPlan) -> Refusal | None:
    if any(each.is_served for each in plan.all_slots):
        return None
    return Refusal("Invalid", f"no listener of Gateway {plan.gateway.key} can be served. See their conditions.")


def _unresolved(slots: Iterable[Slot]) -> Refusal | None:
    names = ", ".join(each.listener.name for each in slots if each.unresolved)
    return Refusal("ListenersNotResolved", f"see the conditions of: {names}") if names else None


def set_refusal(plan: GatewayPlan, of: ObjectRef) -> Refusal | None:
    """Why a ListenerSet isn't accepted; None: it is."""
    slots = plan.slots.get(of)
    at = FieldPath.of("spec", "parentRef")
    if slots is None:
        message = (
            f"Gateway {plan.gateway.key} lets no ListenerSet of namespace {of.namespace} attach, so ListenerSet "
            f"{of.key} isn't served. Change allowedListeners of the Gateway."
        )
        return Refusal("NotAllowed", message, at)
    if plan.refused:
        message = (
            f"Gateway {plan.gateway.key} isn't accepted, so ListenerSet {of.key} isn't served: {plan.refused.message}"
        )
        return Refusal("ParentNotAccepted", message, at)
    if any(each.is_usable for each in slots):
        return None
    message = f"ListenerSet {of.key} has no listener that can be served. See their conditions."
    return Refusal("ListenersNotValid", message, FieldPath.of("spec", "listeners"))


def set_status(plan: GatewayPlan, of: ObjectRef, attached: Mapping[SlotKey, int]) -> ListenerSetStatus:
    """The status of a ListenerSet that names a Gateway of ours.

    Args:
        plan: The Gateway with its listeners.
        of: The ListenerSet.
        attached: Number of routes by listener.
    """
    slots, refused = plan.slots.get(of, ()), set_refusal(plan, of)
    programmed = Condition.of(_PROGRAMMED, refused)
    if refused is None and plan.pending:
        programmed = Condition.false(_PROGRAMMED, "ParentNotProgrammed", plan.pending.message)
    return ListenerSetStatus(
        plan.owners[of].metadata.generation,
        (Condition.of(_ACCEPTED, refused) if refused else _accepted(slots), programmed),
        tuple(_listener_status(each, plan, attached) for each in slots),
    )


def _listener_status(slot: Slot, plan: GatewayPlan, attached: Mapping[SlotKey, int]) -> ListenerStatus:
    conditions = tuple(_listener_conditions(slot, plan))
    return ListenerStatus(slot.listener.name, slot.kinds, attached.get(slot.key, 0), conditions)


def _listener_conditions(slot: Slot, plan: GatewayPlan) -> Iterator[Condition]:
    yield Condition.of(_ACCEPTED, slot.conflict or slot.refused)
    yield _programmed(slot, plan)
    yield Condition.of(_RESOLVED_REFS, slot.unresolved)
    if slot.conflict:
        yield Condition.true("Conflicted", slot.conflict.reason, slot.conflict.message)
    else:
        yield Condition.false("Conflicted", "NoConflicts")
    if slot.overlaps:
        message = "a listener of the same port has names of this one, too; requests on the wrong connection answer 421"
        yield Condition.true("OverlappingTLSConfig", "OverlappingHostnames", message)


def _programmed(slot: Slot, plan: GatewayPlan) -> Condition:
    if slot.conflict:
        return Condition.of(_PROGRAMMED, slot.conflict)
    wrong = slot.refused or (None if slot.is_usable else slot.unresolved) or plan.refused
    if wrong:
        return Condition.false(_PROGRAMMED, "Invalid", wrong.message)
    if plan.pending:
        return Condition.false(_PROGRAMMED, "Pending", plan.pending.message)
    if not slot.sockets:
        message = (
            f"the Service of the Gateway has no port {slot.listener.port} yet. If that lasts, see the leader's log."
        )
        return Condition.false(_PROGRAMMED, "Pending", message)
    return Condition.true(_PROGRAMMED)


def gateway_problems(plan: GatewayPlan) -> Iterator[Problem]:
    """The problems of a Gateway, and of the ListenerSets that name it."""
    ref = plan.gateway.ref
    for each in (gateway_refusal(plan), plan.assignment.missing):
        if each:
            yield problem(ref, Reason.GATEWAY_REFUSED, each)
    if plan.use.unresolved:
        yield problem(ref, Reason.REFERENCE_UNRESOLVED, plan.use.unresolved)
    for owner in plan.claimant.sets:
        if refused := set_refusal(plan, owner.ref):
            yield problem(owner.ref, Reason.GATEWAY_REFUSED, refused)
    for slot in plan.all_slots:
        if wrong := slot.conflict or slot.refused:
            yield problem(slot.key.owner, Reason.LISTENER_REFUSED, wrong)
        if slot.unresolved:
            reason = Reason.REFERENCE_UNRESOLVED
            yield problem(slot.key.owner, reason, slot.unresolved)
    yield from plan.problems


def problem(about: ObjectRef, reason: Reason, refusal: Refusal) -> Problem:
    """The problem that a false condition tells.

    A condition has neither a field nor a remedy, so a message without a remedy beside may begin with the field and end
    in a sentence with the remedy.
    """
    message, remedy = refusal.message, refusal.remedy or reason.remedy
    if not refusal.remedy and message.endswith(".") and ". " in message:
        message, _, remedy = message.rpartition(". ")
    return Problem(about, reason, message.removeprefix(f"{refusal.field}: "), remedy, refusal.field)
