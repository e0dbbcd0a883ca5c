"""Rejections in statuses of the Gateway API: `Programmed` is false while no proxy of a build has accepted a resource.

The specification knows the condition of Gateways and listeners. A route has the condition only while a resource of the
route is rejected.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.protocol.rejection.reports import RejectionReport
from xds.translate.gateway.status import (
    Condition,
    GatewayStatus,
    ListenerSetStatus,
    ListenerStatus,
    RouteStatus,
    WantedStatus,
)

PROGRAMMED: Final = "Programmed"
INVALID: Final = "Invalid"
ADDRESS_NOT_USABLE: Final = "AddressNotUsable"


@dataclass(frozen=True, slots=True, order=True)
class Rejection:
    """The proxies' answer to a resource of an object.

    Attributes:
        message: The proxy's words, and the effect.
        reason: Of the condition.
        listener: The index of the listener to blame; None: each, or none is known.
    """

    message: str
    reason: str = INVALID
    listener: int | None = None


def rejections(found: Mapping[RejectionReport, Iterable[Problem]]) -> dict[ObjectRef, tuple[Rejection, ...]]:
    """The rejections of each object. A resource that a proxy of each build has accepted doesn't count.

    Args:
        found: The problems of each report.
    """
    collected: dict[ObjectRef, set[Rejection]] = {}
    for report, problems in found.items():
        is_unbound = 0 < report.of_proxies <= report.proxies
        if report.on_trial or is_unbound:
            for problem in problems:
                text = f"{problem.message.rstrip('.')}. {problem.remedy}".strip()
                reason = ADDRESS_NOT_USABLE if is_unbound else INVALID
                rejection = Rejection(text, reason, _listener(problem.field))
                collected.setdefault(problem.object, set()).add(rejection)
    return {about: tuple(sorted(each, key=_order)) for about, each in collected.items()}


def _order(rejection: Rejection) -> tuple[str, str]:
    return rejection.message, rejection.reason


def _listener(field: FieldPath) -> int | None:
    match field.parts:
        case ("spec", "listeners", int(index), *_):
            return index
    return None


def with_rejections(status: WantedStatus, found: tuple[Rejection, ...]) -> WantedStatus:
    """The status of an object with rejected resources. A condition that is false for another reason stays."""
    if not found:
        return status
    match status:
        case GatewayStatus() | ListenerSetStatus():
            listeners = tuple(_rejected_listener(*each, found) for each in enumerate(status.listeners))
            return replace(status, conditions=_with_false(status.conditions, found), listeners=listeners)
        case RouteStatus():
            parents = (replace(each, conditions=_with_false(each.conditions, found)) for each in status.parents)
            return replace(status, parents=tuple(parents))
    return status


def _rejected_listener(index: int, listener: ListenerStatus, found: tuple[Rejection, ...]) -> ListenerStatus:
    # a listener's condition has no reason for addresses
    blamed = tuple(replace(each, reason=INVALID) for each in found if each.listener in (None, index))
    return replace(listener, conditions=_with_false(listener.conditions, blamed)) if blamed else listener


def _with_false(conditions: tuple[Condition, ...], found: tuple[Rejection, ...]) -> tuple[Condition, ...]:
    known = next((each for each in conditions if each.type == PROGRAMMED), None)
    if known is not None and known.status is False:
        return conditions
    text = " ".join(dict.fromkeys(each.message for each in found))
    rejected = Condition.false(PROGRAMMED, found[0].reason, text)
    if known is None:
        return (*conditions, rejected)
    return tuple(rejected if each is known else each for each in conditions)
