"""The list of Gateways, read from the live state."""

from collections.abc import Iterable
from dataclasses import dataclass

from xds.explain.gateway_objects import is_failed
from xds.explain.ingress import Acceptance
from xds.problems.problem import Key, ObjectRef
from xds.translate.gateway.listening.plans import GatewayPlan
from xds.translate.gateway.routes import RouteOutcome
from xds.translate.gateway.status import Condition, GatewayStatus, RouteStatus, WantedStatus


@dataclass(frozen=True, slots=True)
class ListedGateway:
    """A Gateway of ours.

    Attributes:
        plan: The Gateway and its listeners.
        status: The status that the Gateway should have.
        acceptance: By the conditions of the Gateway and of its own listeners.
        routes: The routes that a listener has accepted, sorted.
    """

    plan: GatewayPlan
    status: GatewayStatus
    acceptance: Acceptance
    routes: tuple[ObjectRef, ...]


def attached(outcome: RouteOutcome) -> Iterable[tuple[Key, ObjectRef]]:
    """The Gateways that a route is attached to, each with the route."""
    return ((gateway, outcome.route.ref) for gateway in outcome.gateways)


def acceptance(status: WantedStatus | None) -> Acceptance:
    """The acceptance of a Gateway, by the conditions of the Gateway and of its own listeners."""
    if not isinstance(status, GatewayStatus):
        return Acceptance.NOT_SERVED
    failed = [_any_failed(each.conditions) for each in status.listeners]
    if not (_any_failed(status.conditions) or any(failed)):
        return Acceptance.ACCEPTED
    return Acceptance.NOT_SERVED if all(failed) else Acceptance.PARTLY


def is_faulty(status: WantedStatus | None) -> bool:
    """Whether a condition of a route fails."""
    return isinstance(status, RouteStatus) and any(_any_failed(each.conditions) for each in status.parents)


def _any_failed(conditions: Iterable[Condition]) -> bool:
    return any(map(is_failed, conditions))
