"""Make before break: which types wait for which, on one stream.

"CDS updates (if any) must always be pushed first. EDS updates (if any) must arrive after CDS updates for the respective
clusters. LDS updates must arrive after corresponding CDS/EDS updates. RDS updates related to the newly added listeners
must arrive after CDS/EDS/LDS updates. [...] Stale CDS clusters and related EDS endpoints (ones no longer being
referenced) can then be removed."
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from math import inf
from typing import Final

from xds.protocol.backlog import Removal
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import ResourceType

WARMING_GRACE_SECONDS: Final = 2.0
"""Seconds after the ACK of a new cluster for which listeners and routes wait for its endpoints to be asked for."""

RESUME_GRACE_SECONDS: Final = 0.1
"""Seconds for which the first answer about clusters waits, where it would remove some, for the proxy that brings them
from another stream to ask for listeners and routes too: those that it has may name them. Envoy asks for all at once.
"""

CLUSTER_WAIT_LIMIT_SECONDS: Final = 5.0
"""Seconds after the ACK of the new clusters of their own revision for which listeners and routes wait for those of
later ones. Where there are new clusters all the time, that would be for ever; so then they go right behind them.
"""

SEND_ORDER: Final = (*ResourceType, *ResourceType)
"""Twice: what an update lets go that goes before it in order (the removal of a cluster) goes behind it."""

LEADING: Final = frozenset({ResourceType.CLUSTER, ResourceType.ROUTES})
"""What is sent brings others with it: its endpoints, its virtual hosts."""

ROUTING: Final = (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST)
"""What leads requests to clusters."""

_NOTHING: Final[Set[str]] = frozenset()

Watches = Mapping[ResourceType, TypeStream]


class Warming:
    """The clusters that this stream was sent as new, and not yet their endpoints: no route should name them yet.

    "Routes are not warmed, i.e., the management plane must ensure that clusters referenced by a route are in place".

    `until` has for each the end of its time, in seconds.
    """

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until: dict[str, float] = {}

    def start(self, names: Iterable[str]) -> None:
        """Sent; how long to wait is known once the proxy acknowledges."""
        self.until.update(dict.fromkeys(names, inf))

    def acknowledged(self, now: float) -> None:
        for name, until in self.until.items():
            if until == inf:
                self.until[name] = now + WARMING_GRACE_SECONDS

    def end(self, names: Iterable[str]) -> None:
        """Their endpoints were sent, or the clusters are gone."""
        if self.until:
            for name in names:
                self.until.pop(name, None)

    def end_all(self) -> None:
        self.until.clear()

    def expire(self, now: float) -> None:
        if self.until:
            self.until = {name: until for name, until in self.until.items() if until > now}

    def deadline(self) -> float:
        """When all of them have had their time; infinite while an acknowledgement is missing."""
        return max(self.until.values(), default=inf)


def send_order(types: Collection[ResourceType]) -> Sequence[ResourceType]:
    """In which order to look at all types, of which only these have something open; others may when these are sent."""
    return tuple(types) if len(types) == 1 and LEADING.isdisjoint(types) else SEND_ORDER


def updates_are_free(type_: ResourceType, watches: Watches, warming: Warming) -> bool:
    """Whether updates may go now: listeners and routes wait for new clusters, and those for their endpoints."""
    if type_ not in ROUTING:
        return True
    return not warming.until and not adds_clusters(watches)


def adds_clusters(watches: Watches, *, unsent: bool = False) -> bool:
    """Whether new clusters wait to be sent or acknowledged; `unsent`: to be sent."""
    clusters = watches.get(ResourceType.CLUSTER)
    if clusters is None:
        return False
    return clusters.adds or (not unsent and clusters.flight is not None and clusters.flight.adds)


def kept_waiting(watches: Watches) -> float:
    """The oldest revision of listeners and routes that could go by now, were it not for new clusters; else infinite."""
    routing = (watches[type_] for type_ in ROUTING if type_ in watches)
    waiting = (watch.backlog.since for watch in routing if watch.due and watch.backlog.upserts)
    return min((since for since in waiting if since is not None), default=inf)


def held_removals(watch: TypeStream, watches: Watches, *, free: bool) -> Set[str]:
    """The names among the removals that must wait."""
    removals = watch.backlog.removals
    if not removals:
        return _NOTHING
    match watch.type:
        case ResourceType.CLUSTER:
            return _since(_lacks(watches, *ROUTING), removals)
        case ResourceType.ENDPOINTS:
            return _unremoved_clusters(watches.get(ResourceType.CLUSTER)) & removals.keys()
        case ResourceType.LISTENER | ResourceType.VIRTUAL_HOST:
            return _NOTHING if free else frozenset(removals)
        case ResourceType.SECRET | ResourceType.ROUTES:
            return _since(_lacks(watches, ResourceType.LISTENER), removals)


def routing_is_watched(watches: Watches, served: Set[ResourceType]) -> bool:
    return all(type_ in watches for type_ in ROUTING if type_ in served)


def _lacks(watches: Watches, *types: ResourceType) -> float:
    """The oldest revision of these types that the proxy may not work with yet.

    What it works with is no older than the revision before. So what was removed by then is not named any more; that
    holds while newer updates are on their way, or removals would wait for as long as there are updates.
    """
    return min((watches[type_].lacks for type_ in types if type_ in watches), default=inf)


def _since(revision: float, removals: Mapping[str, Removal]) -> Set[str]:
    """What was removed in this revision or later."""
    return frozenset(name for name, removal in removals.items() if removal.revision >= revision)


def _unremoved_clusters(clusters: TypeStream | None) -> Set[str]:
    """The clusters that the store has no more, and the proxy still has, or has not said that it dropped."""
    if clusters is None:
        return _NOTHING
    flying = clusters.flight.response.removed if clusters.flight else ()
    return clusters.backlog.removals.keys() | frozenset(flying)
