"""Make before break: the order of the types on one stream.

"CDS updates (if any) must always be pushed first. EDS updates (if any) must arrive after CDS updates for the respective
clusters. LDS updates must arrive after corresponding CDS/EDS updates. RDS updates related to the newly added listeners
must arrive after CDS/EDS/LDS updates. [...] Stale CDS clusters and related EDS endpoints (ones no longer being
referenced) can then be removed."
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations

Three waits have an end in time: for the endpoints of new clusters (`Warming`), for the new clusters of later revisions
(CLUSTER_WAIT_LIMIT_SECONDS), and for the first requests of a resumed proxy (RESUME_GRACE_SECONDS).
"""

from collections.abc import Collection, Mapping, Sequence, Set
from math import inf, isfinite
from typing import Final, TypeAlias

from xds.protocol.backlog import Removal
from xds.protocol.in_flight import InFlight
from xds.protocol.type_stream import TypeStream
from xds.protocol.warming import Warming
from xds.snapshot.resource import ResourceType
from xds.snapshot.view import View

RESUME_GRACE_SECONDS: Final = 0.1
"""Time for which a first response removing clusters waits until a resumed proxy asks for listeners and routes too:
its present ones may name the clusters. Envoy asks for all types at once.
"""

CLUSTER_WAIT_LIMIT_SECONDS: Final = 5.0
"""Time after the ACK of the clusters of their own revision for which listeners and routes wait for new clusters of
later revisions. Without the limit, a steady stream of new clusters would delay routes for ever.
"""

SEND_ORDER: Final = (*ResourceType, *ResourceType)
"""Twice: sending routes may release a removal of clusters, which comes first in the order."""

LEADING_TYPES: Final = frozenset({ResourceType.CLUSTER, ResourceType.ROUTES})
"""Types that make other types due when sent: endpoints, virtual hosts."""

ROUTING_TYPES: Final = (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST)
"""Types that lead requests to clusters."""

_NO_NAMES: Final[Set[str]] = frozenset()

TypeStreams: TypeAlias = Mapping[ResourceType, TypeStream]


class Ordering:
    """The waits of one stream. Times are seconds of one monotonic clock.

    Attributes:
        cluster_wait_until: The end of the wait of listeners and routes for new clusters of later revisions; None: the
            clusters of their own revision have no ACK yet, or no listener or route waits.
        warming: New clusters whose endpoints are not sent yet.
    """

    __slots__ = ("_resuming_until", "_type_streams", "_view", "cluster_wait_until", "warming")

    def __init__(self, view: View, type_streams: TypeStreams) -> None:
        self._view = view
        self._type_streams = type_streams
        self.warming = Warming(view, type_streams)
        self.cluster_wait_until: float | None = None
        self._resuming_until: float | None = None

    @property
    def is_timed(self) -> bool:
        """Whether time alone may end a wait."""
        return self.cluster_wait_until is not None or self._resuming_until is not None or bool(self.warming.until)

    def deadline(self) -> float | None:
        """The next end of a wait; None: there is none. The end of an unfinished change comes as a revision instead."""
        if not self.is_timed or self._view.unfinished:
            return None
        ends = (self._end_of_warming(), self._end_of_cluster_wait(), self._end_of_resuming())
        return min((at for at in ends if at is not None), default=None)

    def expire(self, now: float) -> None:
        """End the waits whose time is over."""
        self.warming.expire(now)
        if self._resuming_until is not None and (now >= self._resuming_until or self._is_routing_requested()):
            self._resuming_until = None
        if not any(type_stream.due for type_stream in self._type_streams.values()):
            self.cluster_wait_until = None

    def clusters_resumed(self, now: float) -> None:
        """Start the wait for the first requests of a proxy that resumed with clusters."""
        self._resuming_until = now + RESUME_GRACE_SECONDS

    def clusters_answered(self, in_flight: InFlight, now: float, *, rejected: bool) -> None:
        """Start or end the waits that follow an ACK or NACK of clusters."""
        delayed_since = oldest_delayed_revision(self._type_streams)
        if self.cluster_wait_until is None and in_flight.response.revision >= delayed_since:
            self.cluster_wait_until = now + CLUSTER_WAIT_LIMIT_SECONDS
        if rejected:
            self.warming.until.clear()
        else:
            self.warming.acknowledged(now)

    def end_cluster_wait(self) -> None:
        """End the wait for new clusters if no listener or route waits any more."""
        if oldest_delayed_revision(self._type_streams) == inf:
            self.cluster_wait_until = None

    def may_send_clusters(self) -> bool:
        return self._end_of_resuming() is None

    def may_send_updates(self, type_: ResourceType, now: float) -> bool:
        """Whether changes of a type may go now that were not requested. Endpoints always may."""
        if self._view.unfinished:
            return False
        if type_ not in ROUTING_TYPES or not (self.warming.until or adds_clusters(self._type_streams)):
            return True
        end = self._end_of_cluster_wait()
        return end is not None and now >= end

    def _end_of_warming(self) -> float | None:
        pending = any(type_ in self._type_streams and len(self._type_streams[type_].backlog) for type_ in ROUTING_TYPES)
        deadline = self.warming.deadline()
        return deadline if pending and isfinite(deadline) and not adds_clusters(self._type_streams) else None

    def _end_of_cluster_wait(self) -> float | None:
        if self.cluster_wait_until is None or adds_clusters(self._type_streams, unsent=True):
            return None
        return self.cluster_wait_until

    def _end_of_resuming(self) -> float | None:
        clusters = self._type_streams.get(ResourceType.CLUSTER)
        return self._resuming_until if clusters and clusters.backlog.removals else None

    def _is_routing_requested(self) -> bool:
        return all(type_ in self._type_streams for type_ in ROUTING_TYPES if type_ in self._view.types)


def send_order(types: Collection[ResourceType]) -> Sequence[ResourceType]:
    """The order in which to look at the types, of which these are open; sending may open others."""
    return tuple(types) if len(types) == 1 and LEADING_TYPES.isdisjoint(types) else SEND_ORDER


def adds_clusters(type_streams: TypeStreams, *, unsent: bool = False) -> bool:
    """Whether new clusters are unsent, or, unless `unsent`, not acknowledged."""
    clusters = type_streams.get(ResourceType.CLUSTER)
    if clusters is None:
        return False
    return clusters.adds or (not unsent and clusters.in_flight is not None and clusters.in_flight.adds)


def oldest_delayed_revision(type_streams: TypeStreams) -> float:
    """The oldest revision of listeners and routes that waits for nothing but new clusters; infinite if none does."""
    routing = (type_streams[type_] for type_ in ROUTING_TYPES if type_ in type_streams)
    delayed = (each.backlog.oldest_revision for each in routing if each.due and each.backlog.upserts)
    return min((revision for revision in delayed if revision is not None), default=inf)


def delayed_removals(type_stream: TypeStream, type_streams: TypeStreams, *, updates_allowed: bool) -> Set[str]:
    """The names of removals that must wait."""
    removals = type_stream.backlog.removals
    if not removals:
        return _NO_NAMES
    match type_stream.type:
        case ResourceType.CLUSTER:
            return _removed_since(_unconfirmed_since(type_streams, *ROUTING_TYPES), removals)
        case ResourceType.ENDPOINTS:
            return _unremoved_clusters(type_streams.get(ResourceType.CLUSTER)) & removals.keys()
        case ResourceType.LISTENER | ResourceType.VIRTUAL_HOST:
            return _NO_NAMES if updates_allowed else frozenset(removals)
        case ResourceType.SECRET:
            users = _unconfirmed_since(type_streams, ResourceType.CLUSTER, ResourceType.LISTENER)
            return _removed_since(users, removals)
        case ResourceType.EXTENSION | ResourceType.ROUTES:
            return _removed_since(_unconfirmed_since(type_streams, ResourceType.LISTENER), removals)


def _unconfirmed_since(type_streams: TypeStreams, *types: ResourceType) -> float:
    """The oldest revision of these types that the proxy may not work with yet.

    The proxy works with the revision before, or a newer one, so resources removed by then are not named any more. Newer
    updates in flight don't matter; otherwise removals would wait as long as updates keep coming.
    """
    return min((type_streams[type_].unconfirmed_since for type_ in types if type_ in type_streams), default=inf)


def _removed_since(revision: float, removals: Mapping[str, Removal]) -> Set[str]:
    """Names removed in this revision or later."""
    return frozenset(name for name, removal in removals.items() if removal.revision >= revision)


def _unremoved_clusters(clusters: TypeStream | None) -> Set[str]:
    """Clusters removed from the store whose removal the proxy has not acknowledged."""
    if clusters is None:
        return _NO_NAMES
    in_flight = clusters.in_flight.response.removed if clusters.in_flight else ()
    return clusters.backlog.removals.keys() | frozenset(in_flight)
