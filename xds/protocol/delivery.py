"""Where one resource stands between the snapshot and one proxy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from xds.protocol.rejection.last_good import LastGood
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.view import View


class DeliveryState(StrEnum):
    """What the proxy has of a resource."""

    CURRENT = "current"
    """As it is in the snapshot, and accepted."""
    IN_FLIGHT = "in flight"
    """Sent, and not answered yet."""
    WAITING = "waiting"
    """Not sent yet."""
    REJECTED = "rejected"
    """Refused by it, or by others and accepted by none: the proxy goes on with what was good."""
    NOT_ASKED = "not asked"
    """The proxy hasn't asked for it."""


@dataclass(frozen=True, slots=True)
class OutOfSync:
    """A resource that a proxy has not as it is in the snapshot; `message` is what it said to a rejection."""

    type: ResourceType
    name: str
    standing: DeliveryState
    message: str = ""


def lacks(
    watches: Mapping[ResourceType, TypeStream], resources: Iterable[Resource], verdicts: LastGood, view: View
) -> Iterator[OutOfSync]:
    """Which of these resources of the snapshot the proxy with these watches has not, and why.

    `view` is how it sees the snapshot: a RouteConfiguration may stand for a virtual host in it.
    """
    told = set()
    for resource in resources:
        held = view.holder(resource)
        watch = watches.get(held.type)
        found = standing(watch, held.name)
        if found is not DeliveryState.NOT_ASKED and resource.name in verdicts.refused(resource.type):
            found = DeliveryState.REJECTED
        if found is not DeliveryState.CURRENT and held not in told:
            told.add(held)
            refused = watch.rejection if watch and found is DeliveryState.REJECTED else None
            yield OutOfSync(held.type, held.name, found, refused.message if refused else "")


def standing(watch: TypeStream | None, name: str) -> DeliveryState:
    """What a proxy has of a resource that exists. `watch` is that of its type; None: the proxy never asked for one."""
    if watch is None or not watch.subscription.covers(name):
        return DeliveryState.NOT_ASKED
    if name in watch.refusals:
        return DeliveryState.REJECTED
    backlog = watch.backlog
    if backlog.everything or name in backlog.asked or name in backlog.upserts or name in watch.trials:
        return DeliveryState.WAITING
    if watch.flight and (watch.flight.news.everything or name in watch.flight.news.names):
        return DeliveryState.IN_FLIGHT
    return DeliveryState.CURRENT
