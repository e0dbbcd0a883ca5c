"""Warming clusters: sent to a proxy as new, while their endpoints are not sent yet.

"Routes are not warmed, i.e., the management plane must ensure that clusters referenced by a route are in place".
"Warming of Cluster is completed only when a new ClusterLoadAssignment response is supplied by management server even
though there is no change in endpoints."
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
"""

from collections.abc import Iterable, Mapping, Set
from math import inf
from typing import Final

from xds.protocol.in_flight import Update
from xds.protocol.messages import Response
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import ResourceType
from xds.snapshot.view import View

WARMING_GRACE_SECONDS: Final = 2.0
"""Time after the ACK of a new cluster for which listeners and routes wait until the proxy asks for its endpoints."""


class Warming:
    """The new clusters of one stream, and the endpoints to send again for new and changed clusters.

    Envoy doesn't ask again for endpoints in its cache, so the server sends them without a request.

    Attributes:
        until: The end of the wait for each warming cluster by name, in seconds; infinite before the ACK.
    """

    __slots__ = ("_clusters_before_endpoints", "_type_streams", "_view", "until")

    def __init__(self, view: View, type_streams: Mapping[ResourceType, TypeStream]) -> None:
        self._view = view
        self._type_streams = type_streams
        self.until: dict[str, float] = {}
        # Clusters sent before the first request for endpoints; None: every cluster.
        self._clusters_before_endpoints: set[str] | None = set()

    def clusters_sent(self, update: Update) -> bool:
        """Start the warming of new clusters. Returns whether endpoints are to be sent again."""
        clusters = self._view.resources(ResourceType.CLUSTER)
        self._end(name for name in update.names if name not in clusters)
        # A cluster found by DNS has no endpoints in the store, and warms by itself.
        with_endpoints = self._view.resources(ResourceType.ENDPOINTS).keys()
        self.until.update(dict.fromkeys(self._routable(update) & clusters.keys() & with_endpoints, inf))
        endpoints = self._type_streams.get(ResourceType.ENDPOINTS)
        if endpoints is not None:
            names = clusters.keys() if update.everything else update.names & clusters.keys()
            return self._send_again(endpoints, names)
        if update.everything:
            self._clusters_before_endpoints = None
        elif self._clusters_before_endpoints is not None:
            self._clusters_before_endpoints = (self._clusters_before_endpoints | update.names) & clusters.keys()
        return False

    def endpoints_resumed(self, endpoints: TypeStream) -> None:
        """Send endpoints again although the proxy resumed with them: clusters sent before wait for them."""
        clusters = self._view.resources(ResourceType.CLUSTER).keys()
        early = self._clusters_before_endpoints
        self._send_again(endpoints, clusters if early is None else early)
        self._clusters_before_endpoints = set()

    def endpoints_sent(self, response: Response) -> None:
        """End the warming of clusters whose endpoints are sent or removed."""
        self._end(resource.name for resource in response.resources)
        self._end(response.removed)

    def acknowledged(self, now: float) -> None:
        """Limit the warming of clusters that the proxy has acknowledged."""
        for name, until in self.until.items():
            if until == inf:
                self.until[name] = now + WARMING_GRACE_SECONDS

    def expire(self, now: float) -> None:
        if self.until:
            self.until = {name: until for name, until in self.until.items() if until > now}

    def deadline(self) -> float:
        """The end of the last wait in seconds; infinite while an ACK is missing."""
        return max(self.until.values(), default=inf)

    def _end(self, names: Iterable[str]) -> None:
        if self.until:
            for name in names:
                self.until.pop(name, None)

    def _routable(self, update: Update) -> Set[str]:
        """The new clusters that a route could name too early. None before the proxy asks for a listener or a route."""
        routing = ResourceType.LISTENER in self._type_streams or ResourceType.ROUTES in self._type_streams
        return self._view.resources(ResourceType.CLUSTER).keys() if update.everything and routing else update.added

    def _send_again(self, endpoints: TypeStream, clusters: Set[str]) -> bool:
        existing = self._view.resources(ResourceType.ENDPOINTS)
        covers = endpoints.subscription.covers
        names = frozenset(name for name in clusters if name in existing and covers(name))
        if names:
            endpoints.backlog.request(names)
        return bool(names)
