"""Explains an object of the Gateway API: its conditions, a Gateway's listeners, a route's parents and matches."""

from collections.abc import Iterable, Iterator
from typing import Final

from xds.explain.explanation import path_type_word
from xds.explain.gateway_facts import GatewayFacts
from xds.explain.ingress import Acceptance, Unit, UnitStatus, is_served
from xds.explain.layer4_endpoints import counted
from xds.explain.layer4_objects import ObjectExplanation, Use
from xds.explain.policies import policy_texts
from xds.explain.redirects import redirect_words
from xds.kube.gateway_objects import GatewayClass, ListenerSet, ParentReference
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import ObjectRef
from xds.problems.text import shown
from xds.traffic.actions import Forward, RequestRedirect
from xds.traffic.backends import BackendKey
from xds.traffic.layer4 import Layer4Route
from xds.traffic.routes import Route
from xds.translate.gateway.listening.slots import Slot
from xds.translate.gateway.routes import ParentOutcome, RouteOutcome
from xds.translate.gateway.status import (
    ClassStatus,
    Condition,
    GatewayStatus,
    ListenerSetStatus,
    ListenerStatus,
    PolicyStatus,
)
from xds.translate.gateway.translated import TranslatedRoute


def explain_gateway_object(facts: GatewayFacts) -> ObjectExplanation:
    """Explain the state of an object. May run in any thread, as all listeners, matches and endpoints are read."""
    units = tuple(_units(facts))
    good = sum(map(is_served, units))
    if facts.status is None:
        acceptance = Acceptance.NOT_OURS
    elif good == len(units):
        acceptance = Acceptance.ACCEPTED
    else:
        acceptance = Acceptance.PARTLY if good else Acceptance.NOT_SERVED
    uses = tuple(Use(facts.object, each) for each in units)
    return ObjectExplanation(facts.object, acceptance, _role(facts), uses, facts.problems, facts.resources, facts.since)


def _role(facts: GatewayFacts) -> str:
    if facts.status is None:
        return _why_not_ours(facts.object)
    if isinstance(facts.status, GatewayStatus):
        addresses = ", ".join(each.value for each in facts.status.addresses) or "no address yet"
        named = facts.plan.gateway.spec.gateway_class_name if facts.plan else ""
        return f"a Gateway of class {named} at {addresses}"
    if isinstance(facts.status, ClassStatus):
        return f"the class of {_count(facts.gateways, 'Gateway')}"
    if facts.outcome:
        return f"attached to {_count(len(facts.outcome.slots), 'listener')}"
    return ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _why_not_ours(about: ObjectRef) -> str:
    if about.kind == GatewayClass.kind:
        return "its controllerName, or --gateway-class, names another controller"
    parent = "Gateway" if about.kind == ListenerSet.kind else "Gateway or ListenerSet"
    return (
        "its GatewayClass isn't ours" if about.kind == "Gateway" else f"no {parent} of ours has to do with the object"
    )


def _units(facts: GatewayFacts) -> Iterator[Unit]:
    status = facts.status
    if isinstance(status, ClassStatus | GatewayStatus | ListenerSetStatus):
        yield from _conditions(status.conditions)
    if isinstance(status, GatewayStatus | ListenerSetStatus):
        by_name = {each.name: each for each in status.listeners}
        for slot in facts.slots:
            yield _listener(slot, by_name.get(slot.listener.name))
    if isinstance(status, PolicyStatus):
        for ancestor in status.ancestors:
            yield _judged(WHOLE_OBJECT, _parent(ancestor.parent), ancestor.conditions)
    if facts.outcome:
        yield from _route_units(facts, facts.outcome)


def _conditions(conditions: Iterable[Condition]) -> Iterator[Unit]:
    """The conditions of the whole object that show a fault; without a fault, one unit for all conditions."""
    failed = [each for each in conditions if is_failed(each)]
    for each in failed:
        yield Unit(WHOLE_OBJECT, f"condition {each.type}", UnitStatus.LEFT_OUT, f"{each.reason}: {each.message}")
    if not failed:
        yield Unit(WHOLE_OBJECT, "conditions", UnitStatus.SERVED, ", ".join(each.type for each in conditions))


_NEGATIVE: Final = frozenset(
    {"Conflicted", "PartiallyInvalid", "OverlappingTLSConfig", "InsecureFrontendValidationMode"}
)
"""The types of conditions that are true where something is wrong."""


def is_failed(condition: Condition) -> bool:
    """Whether the status of a condition shows a fault."""
    return (condition.status is True) == (condition.type in _NEGATIVE)


def _judged(field: FieldPath, text: str, conditions: Iterable[Condition], why: str = "") -> Unit:
    failed = [each for each in conditions if is_failed(each)]
    if not failed:
        return Unit(field, text, UnitStatus.SERVED, why)
    words = "; ".join(f"{each.type} {each.reason}: {each.message}" for each in failed)
    accepted = all(each.type != "Accepted" for each in failed)
    return Unit(field, text, UnitStatus.BROKEN if accepted else UnitStatus.LEFT_OUT, words)


def _listener(slot: Slot, status: ListenerStatus | None) -> Unit:
    listener = slot.listener
    host = f" for {shown(listener.hostname)}" if listener.hostname else ""
    at = ", ".join(each.socket for each in slot.sockets) or f"port {listener.port}"
    text = f"listener {listener.name}, {listener.protocol} on {at}{host}"
    if status is None:
        return Unit(slot.field, text, UnitStatus.LEFT_OUT, "not judged yet")
    routes = f"{status.attached_routes} {'route is' if status.attached_routes == 1 else 'routes are'} attached"
    return _judged(slot.field, text, status.conditions, routes)


def _parent(reference: ParentReference) -> str:
    name = f"{reference.namespace}/{reference.name}" if reference.namespace else reference.name
    section = f", listener {reference.section_name}" if reference.section_name else ""
    port = f", port {reference.port}" if reference.port else ""
    return f"{reference.kind} {name}{section}{port}"


def _route_units(facts: GatewayFacts, outcome: RouteOutcome) -> Iterator[Unit]:
    for parent_outcome in outcome.parents:
        parent = parent_outcome.attachment.parent
        yield _judged(parent.field, _parent(parent.reference), parent_outcome.conditions(), _places(parent_outcome))
    translated = next(iter(outcome.translated.values()), None)
    if translated:
        yield from _matches(facts, translated)


def _places(parent_outcome: ParentOutcome) -> str:
    """The listeners with the hosts for which a route is attached."""
    places = []
    for listener in parent_outcome.attachment.listeners:
        sockets = ", ".join(each.socket for each in listener.slot.sockets) or "no address yet"
        hosts = ", ".join(map(shown, listener.domains[:5])) if listener.domains != ("*",) else "any host"
        more = f" and {len(listener.domains) - 5} more" if len(listener.domains) > 5 else ""
        places.append(f"listener {listener.slot.listener.name} ({sockets}) for {hosts}{more}")
    return "; ".join(places)


def _matches(facts: GatewayFacts, translated: TranslatedRoute) -> Iterator[Unit]:
    for route in translated.routes:
        conditions = "".join(f" and {each}" for each in route.conditions)
        text = f"{path_type_word(route)} {shown(route.path)}{conditions}"
        rule = _rule(route.origin.field)
        faults = [each for each in (*translated.left_out, *translated.broken) if _rule(each.field) == rule]
        yield _match(facts, route, text, "; ".join(dict.fromkeys(each.message for each in faults)))
    if translated.forward:
        yield _forwarded(facts, translated.forward)
    served = {_rule(each.origin.field) for each in translated.routes}
    for refusal in translated.left_out:
        if _rule(refusal.field) not in served:
            yield Unit(refusal.field, "rule", UnitStatus.LEFT_OUT, refusal.message)


def _rule(field: FieldPath) -> tuple[object, ...]:
    """The rule of a field."""
    return field.parts[:3]


def _match(facts: GatewayFacts, route: Route, text: str, faults: str) -> Unit:
    field, action = route.origin.field, route.action
    policy = "; ".join(f"{subject}: {words}" for subject, words in policy_texts(route))
    if isinstance(action, RequestRedirect):
        return Unit(field, text, UnitStatus.SERVED, redirect_words(action))
    if not isinstance(action, Forward) or action.status:
        status = action.status if isinstance(action, Forward) else 500
        why = faults or "there is no backend"
        return Unit(field, text, UnitStatus.BROKEN, f"answers {status}: {why}")
    shares = [(each.key, each.weight) for each in action.shares]
    return _to_backends(facts, field, text, shares, policy)


def _forwarded(facts: GatewayFacts, route: Layer4Route) -> Unit:
    shares = [(each.backend, each.weight) for each in route.shares]
    text = f"connections to Service {route.service}"
    return _to_backends(facts, route.origin.field, text, shares, "")


def _to_backends(
    facts: GatewayFacts, field: FieldPath, text: str, shares: list[tuple[BackendKey | None, int]], policy: str
) -> Unit:
    """A match with its first backend; the others are in the reason."""
    words = [f"of {sum(weight for _, weight in shares)} requests, {_shares(facts, shares)}"] if len(shares) > 1 else []
    why = "; ".join((*words, *([policy] if policy else [])))
    counts = {key: counted(facts.used[key]) for key, _ in shares if key and key in facts.used}
    first = next(iter(counts), None)
    if first is None:
        return Unit(field, text, UnitStatus.BROKEN, why or "its backend can't be used")
    own = counts[first]
    alive = all(each.any_healthy for each in counts.values())
    status = UnitStatus.SERVED if alive else UnitStatus.NO_ENDPOINTS
    return Unit(field, text, status, why, backend=first, healthy=own.healthy, draining=own.draining)


def _shares(facts: GatewayFacts, shares: list[tuple[BackendKey | None, int]]) -> str:
    named = ((str(key) if key in facts.used else "an error", weight) for key, weight in shares)
    return ", ".join(f"{name} gets {weight}" for name, weight in named)
