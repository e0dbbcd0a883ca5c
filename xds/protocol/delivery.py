"""Where one resource stands between the snapshot and one proxy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from xds.protocol.rejection.last_good import Verdicts
from xds.protocol.type_stream import Watch
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.view import View


class Standing(StrEnum):
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
class Lack:
    """A resource that a proxy has not as it is in the snapshot; `message` is what it said to a rejection."""

    type: ResourceType
    name: str
    standing: Standing
    message: str = ""


def lacks(
    watches: Mapping[ResourceType, Watch], resources: Iterable[Resource], verdicts: Verdicts, view: View
) -> Iterator[Lack]:
    """Which of these resources of the snapshot the proxy with these watches has not, and why.

    `view` is how it sees the snapshot: a RouteConfiguration may stand for a virtual host in it.
    """
    told = set()
    for resource in resources:
        held = view.holder(resource)
        watch = watches.get(held.type)
        found = standing(watch, held.name)
        if found is not Standing.NOT_ASKED and resource.name in verdicts.refused(resource.type):
            found = Standing.REJECTED
        if found is not Standing.CURRENT and held not in told:
            told.add(held)
            refused = watch.rejection if watch and found is Standing.REJECTED else None
            yield Lack(held.type, held.name, found, refused.message if refused else "")


def standing(watch: Watch | None, name: str) -> Standing:
    """What a proxy has of a resource that exists. `watch` is that of its type; None: the proxy never asked for one."""
    if watch is None or not watch.subscription.covers(name):
        return Standing.NOT_ASKED
    if name in watch.refusals:
        return Standing.REJECTED
    backlog = watch.backlog
    if backlog.everything or name in backlog.asked or name in backlog.upserts or name in watch.trials:
        return Standing.WAITING
    if watch.flight and (watch.flight.news.everything or name in watch.flight.news.names):
        return Standing.IN_FLIGHT
    return Standing.CURRENT
