"""One stream of one proxy: its requests go in, what the proxy must be told comes out."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from math import inf, isfinite
from typing import Final, TypeAlias

from xds.protocol.backlog import Update, oldest
from xds.protocol.fleet import Fleet
from xds.protocol.in_flight import InFlight
from xds.protocol.messages import (
    DeltaRequest,
    ErrorCode,
    Event,
    Node,
    ProtocolError,
    Request,
    Response,
    Resumed,
    SotwRequest,
    Unserved,
    Variant,
)
from xds.protocol.ordering import (
    CLUSTER_WAIT_LIMIT_SECONDS,
    RESUME_GRACE_SECONDS,
    ROUTING,
    Warming,
    adds_clusters,
    held_removals,
    kept_waiting,
    routing_is_watched,
    send_order,
    updates_are_free,
)
from xds.protocol.status import DeliveryState, OutOfSync, Status, StreamHealth
from xds.protocol.subscription import Demand, Subscription, after_delta, after_sotw, check_count
from xds.protocol.type_stream import TypeStream
from xds.protocol.virtual_hosts import VirtualHosts
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceKey, Revision

UNSERVED_LIMIT: Final = 16
"""Type URLs remembered of those that are not served."""

Subscriptions: TypeAlias = tuple[tuple[ResourceType, Subscription], ...]

_TYPES: Final = {str(type_): type_ for type_ in ResourceType}


class Session:
    """One stream, and four duties of its caller.

    The caller

    - gives each request to `receive`, in order, and ends the stream on ProtocolError;
    - gives the events that it returns to the fleet's `judge`;
    - gives what the fleet's `follow` or `judge` returns to `update`, before anything else, if a subscription covers
      what changed;
    - after each of these, and when `deadline` has passed, sends all that `take_responses` returns, in this order.

    Times are seconds of one monotonic clock. `node` is who is asking; None before the first request. `resubscribed` is
    whether `subscriptions` may differ from what they were when the caller last made it False.
    """

    __slots__ = (
        "_brought",
        "_composer",
        "_last_good",
        "_names",
        "_open",
        "_patience_until",
        "_resuming_until",
        "_since",
        "_unserved",
        "_untold",
        "_view",
        "_virtual_hosts",
        "_warming",
        "_watches",
        "node",
        "resubscribed",
        "variant",
    )

    def __init__(self, fleet: Fleet, variant: Variant, *, now: float) -> None:
        self._composer = fleet.response_cache(variant)
        self._view = self._composer.view
        self._names = fleet.names
        self._brought = fleet.brought
        self._last_good = fleet.last_good
        self.variant = variant
        self._since = now
        self.node: Node | None = None
        self._watches: dict[ResourceType, TypeStream] = {}
        # All others have nothing to say and nothing unanswered, and need not be asked.
        self._open: dict[ResourceType, TypeStream] = {}
        self.resubscribed = False
        self._virtual_hosts = VirtualHosts(self._view, self._watches, self._names)
        self._warming = Warming()
        self._patience_until: float | None = None
        self._resuming_until: float | None = None
        # Clusters that were sent before anyone asked for endpoints; None: all of them.
        self._untold: set[str] | None = set()
        self._unserved: dict[str, None] = {}

    @property
    def oldest_unanswered(self) -> int | None:
        """The number of the oldest revision of which this proxy has not answered all; None if there is none."""
        found = None
        for watch in self._open.values():
            found = oldest(found, watch.oldest_unanswered)
        return found

    def subscription(self, type_: ResourceType) -> Subscription | None:
        """What is asked for of this type; None before its first request."""
        watch = self._watches.get(type_)
        return watch.subscription if watch else None

    @property
    def subscriptions(self) -> Subscriptions:
        """What is asked for, of all types that were asked for."""
        return tuple((type_, watch.subscription) for type_, watch in self._watches.items())

    def status(self) -> Status:
        types = tuple(self._watches[type_].status() for type_ in ResourceType if type_ in self._watches)
        return Status(self.variant, self.node, self._since, types, tuple(self._unserved))

    def health(self) -> StreamHealth:
        unanswered = tuple((type_, watch.sent_at) for type_, watch in self._open.items() if watch.flight)
        return StreamHealth(self.node, self._since, self._watches.keys(), unanswered)

    def rejected(self) -> Iterator[ResourceKey]:
        """The resources that this proxy refused, and that didn't change since."""
        for type_, watch in self._watches.items():
            yield from ((type_, name) for name in watch.refused)

    def out_of_sync(self, resources: Iterable[Resource]) -> tuple[OutOfSync, ...]:
        """The resources, of these of the snapshot, that the proxy doesn't have. Inlined virtual hosts count as their
        RouteConfiguration.
        """
        found: dict[Resource, OutOfSync] = {}
        for resource in resources:
            sent_as = self._view.holder(resource)
            type_stream = self._watches.get(sent_as.type)
            state = type_stream.delivery_state(sent_as.name) if type_stream else DeliveryState.NOT_SUBSCRIBED
            subscribed = state is not DeliveryState.NOT_SUBSCRIBED
            if subscribed and resource.name in self._last_good.rejected(resource.type):
                state = DeliveryState.REJECTED
            if state is not DeliveryState.SYNCED and sent_as not in found:
                rejection = type_stream.rejection if type_stream and state is DeliveryState.REJECTED else None
                message = rejection.message if rejection else ""
                found[sent_as] = OutOfSync(sent_as.type, sent_as.name, state, message)
        return tuple(found.values())

    @property
    def is_active(self) -> bool:
        """Whether there may be something to say or unanswered, or time alone may change something."""
        return bool(self._open) or self._is_timed

    def deadline(self) -> float | None:
        """When `take_responses` should be called even if nothing happens. The end of what is unfinished happens."""
        if not self._is_timed or self._view.unfinished:
            return None
        ends = (self._end_of_warming(), self._end_of_patience(), self._end_of_resuming())
        return min((at for at in ends if at is not None), default=None)

    def receive(self, request: Request, now: float) -> list[Event]:
        """Take a request, and say what it meant.

        Raises:
            ProtocolError: the stream must end.
        """
        if self.node is None:
            self._identify(request)
        type_ = _TYPES.get(request.type_url)
        if type_ not in self._view.types:
            return self._not_served(request.type_url)
        watch = self._watches.get(type_)
        if watch is None:
            return self._first(TypeStream(type_, self.variant), request, now)
        # "The management server should not send a DiscoveryResponse for any DiscoveryRequest that has a stale nonce",
        # but in delta "must honor changes to the subscription state even if the nonce is stale".
        if isinstance(request, SotwRequest) and watch.is_stale(request.nonce):
            if request.names:
                watch.end_legacy()
            return []
        self._open[type_] = watch
        events = self._answered(watch, request, now)
        if not _is_repetition(request, watch.subscription):
            self._resubscribe(watch, request)
        if not watch.is_open:
            del self._open[type_]
        return events

    def update(self, revision: Revision) -> bool:
        """The store has become this revision. Costs what changed, not what is subscribed.

        Returns whether the proxy is to be told of it.
        """
        changes = self._view.changes(revision)
        concerned = False
        for type_, of_type in changes.items():
            watch = self._watches.get(type_)
            if watch is not None and watch.note(of_type, revision):
                self._open[type_] = watch
                concerned = True
        routes = changes.get(ResourceType.ROUTES)
        if routes and ResourceType.ROUTES in self._watches:
            self._virtual_hosts.changed(routes)
            self._virtual_hosts_changed()
        return concerned

    def take_responses(self, now: float) -> list[Response]:
        """What may be sent now; each counts as sent from here on."""
        if self._is_timed:
            self._expire(now)
        return self._send_due(now) if self._open else []

    def _identify(self, request: Request) -> None:
        # "Only the first request on a stream is guaranteed to carry the node identifier."
        if request.node is None:
            raise ProtocolError(ErrorCode.INVALID_ARGUMENT, "the first request of a stream must have a node")
        if not self._view.revision:
            raise ProtocolError(ErrorCode.UNAVAILABLE, "there is no snapshot yet, try again")
        self.node = request.node

    def _not_served(self, type_url: str) -> list[Event]:
        """A type that is not served is not answered: the stream serves the others."""
        if type_url in self._unserved or len(self._unserved) >= UNSERVED_LIMIT:
            return []
        self._unserved[type_url] = None
        return [Unserved(type_url)]

    def _send_due(self, now: float) -> list[Response]:
        responses = []
        for type_ in send_order(self._open):
            watch = self._open.get(type_)
            if watch is None or watch.flight is not None:
                continue
            if not watch.is_open:
                del self._open[type_]
            elif flight := self._send(watch, now):
                responses.append(flight.response)
        if self._patience_until is not None and kept_waiting(self._watches) == inf:
            self._patience_until = None
        return responses

    @property
    def _is_timed(self) -> bool:
        """Whether time alone may change something."""
        return self._patience_until is not None or self._resuming_until is not None or bool(self._warming.until)

    def _expire(self, now: float) -> None:
        self._warming.expire(now)
        if self._resuming_until is not None and (
            now >= self._resuming_until or routing_is_watched(self._watches, self._view.types)
        ):
            self._resuming_until = None
        if not any(watch.due for watch in self._open.values()):
            self._patience_until = None

    def _virtual_hosts_changed(self) -> None:
        """What is to be told of them may be more, and their subscription another."""
        self.resubscribed = True
        if ResourceType.VIRTUAL_HOST in self._watches:
            self._open[ResourceType.VIRTUAL_HOST] = self._watches[ResourceType.VIRTUAL_HOST]

    def _end_of_warming(self) -> float | None:
        waiting = any(type_ in self._watches and len(self._watches[type_].backlog) for type_ in ROUTING)
        deadline = self._warming.deadline()
        return deadline if waiting and isfinite(deadline) and not adds_clusters(self._watches) else None

    def _end_of_patience(self) -> float | None:
        if self._patience_until is None or adds_clusters(self._watches, unsent=True):
            return None
        return self._patience_until

    def _is_out_of_patience(self, now: float) -> bool:
        end = self._end_of_patience()
        return end is not None and now >= end

    def _end_of_resuming(self) -> float | None:
        clusters = self._watches.get(ResourceType.CLUSTER)
        return self._resuming_until if clusters and clusters.backlog.removals else None

    def _first(self, watch: TypeStream, request: Request, now: float) -> list[Event]:
        """The first request of a type; a nonce in it is another stream's."""
        demand = self._demand(watch.subscription, request)
        known = request.initial_resource_versions if isinstance(request, DeltaRequest) else {}
        check_count(len(known), request.type_url)
        self._watches[watch.type] = self._open[watch.type] = watch
        self.resubscribed = True
        if watch.type is ResourceType.ROUTES:
            self._virtual_hosts.brought(filter(demand.subscription.covers, known))
        if known:
            self._brought.resume(watch, demand, known, self._view, self._last_good.withdrawn(watch.type))
            if watch.type is ResourceType.ENDPOINTS:
                self._resend_untold(watch)
            elif watch.type is ResourceType.CLUSTER:
                self._resuming_until = now + RESUME_GRACE_SECONDS
            elif watch.type is ResourceType.VIRTUAL_HOST and demand.subscription.scope is not None:
                self._virtual_hosts.leave(known)
            if not watch.backlog:
                watch.recognize(self._view.version(watch.type), now)
            return [Resumed(watch.type, known)]
        watch.ask(demand)
        return []

    def _answered(self, watch: TypeStream, request: Request, now: float) -> list[Event]:
        """An answer bears the nonce of what is in flight; without one, a request only changes the subscription."""
        if watch.flight is None or request.nonce != watch.flight.response.nonce:
            return []
        clusters = watch.type is ResourceType.CLUSTER
        if clusters and self._patience_until is None and watch.flight.response.revision >= kept_waiting(self._watches):
            self._patience_until = now + CLUSTER_WAIT_LIMIT_SECONDS
        # "The preferred mechanism for a server to detect a NACK is to look for the presence of the error_detail field"
        if request.error is not None:
            if clusters:
                self._warming.end_all()
            return [watch.reject(request.error, self._view.resources(watch.type), now)]
        if clusters:
            self._warming.acknowledged(now)
        return [watch.acknowledge(now)]

    def _resubscribe(self, watch: TypeStream, request: Request) -> None:
        demand = self._demand(watch.subscription, request)
        if demand.everything and watch.flight:
            # What is in flight will be the proxy's, whether or not it was asked for when it was removed.
            flying = frozenset(resource.name for resource in watch.flight.response.resources)
            demand = replace(demand, names=demand.names | (flying - self._view.resources(watch.type).keys()))
        before = watch.subscription
        watch.ask(demand)
        if watch.subscription is not before:
            self.resubscribed = True
            if watch.type is ResourceType.ROUTES:
                self._virtual_hosts.unsubscribed()
                self._virtual_hosts_changed()
        # Under a wildcard, names that are dropped again are still to be told.
        check_count(len(watch.backlog.asked), request.type_url)

    def _demand(self, old: Subscription, request: Request) -> Demand:
        names = self._names
        match request:
            case DeltaRequest():
                demand = after_delta(old, request.subscribe, request.unsubscribe, names)
            case SotwRequest():
                demand = after_sotw(old, request.names, names)
        check_count(len(demand.subscription.names), request.type_url)
        return self._virtual_hosts.limit(demand) if request.type_url == ResourceType.VIRTUAL_HOST else demand

    def _send(self, watch: TypeStream, now: float) -> InFlight | None:
        type_ = watch.type
        if type_ is ResourceType.CLUSTER and self._end_of_resuming() is not None:
            return None
        free = type_ is ResourceType.ENDPOINTS or self._is_free(type_, now)
        held = held_removals(watch, self._watches, free=free)
        flight = watch.send(self._composer, free=free, held=held, now=now)
        if flight is None:
            return None
        if type_ is ResourceType.CLUSTER:
            self._clusters_sent(flight.news)
        elif type_ is ResourceType.ENDPOINTS and self._warming.until:
            self._warming.end(resource.name for resource in flight.response.resources)
            self._warming.end(flight.response.removed)
        elif type_ is ResourceType.ROUTES:
            self._virtual_hosts.sent(resource.name for resource in flight.response.resources)
            self._virtual_hosts_changed()
        return flight

    def _is_free(self, type_: ResourceType, now: float) -> bool:
        """Whether updates of a type may go now. Those of endpoints may always."""
        if self._view.unfinished:
            return False
        return updates_are_free(type_, self._watches, self._warming) or self._is_out_of_patience(now)

    def _clusters_sent(self, news: Update) -> None:
        """A cluster that is new or changed warms until its endpoints are sent, and Envoy doesn't ask for what it has.

        "Warming of Cluster is completed only when a new ClusterLoadAssignment response is supplied by management
        server even though there is no change in endpoints."
        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
        """
        clusters = self._view.resources(ResourceType.CLUSTER)
        self._warming.end(name for name in news.names if name not in clusters)
        # A cluster that is found by DNS has no endpoints in the store, and warms by itself.
        assigned = self._view.resources(ResourceType.ENDPOINTS).keys()
        self._warming.start(self._routable(news) & clusters.keys() & assigned)
        endpoints = self._watches.get(ResourceType.ENDPOINTS)
        if endpoints is not None:
            self._send_endpoints(endpoints, clusters.keys() if news.everything else news.names & clusters.keys())
        elif news.everything:
            self._untold = None
        elif self._untold is not None:
            self._untold = (self._untold | news.names) & clusters.keys()

    def _routable(self, news: Update) -> Set[str]:
        """The new clusters that a route could name too early. Before a listener or a route is asked for, none does."""
        routing = ResourceType.LISTENER in self._watches or ResourceType.ROUTES in self._watches
        return self._view.resources(ResourceType.CLUSTER).keys() if news.everything and routing else news.added

    def _resend_untold(self, endpoints: TypeStream) -> None:
        """Clusters were sent before the first request for endpoints: it may say that it has them, and they are right,
        but the clusters wait for them.
        """
        clusters = self._view.resources(ResourceType.CLUSTER).keys()
        self._send_endpoints(endpoints, clusters if self._untold is None else self._untold)
        self._untold = set()

    def _send_endpoints(self, watch: TypeStream, clusters: Set[str]) -> None:
        """Send the endpoints of these clusters again, as far as they are asked for."""
        existing = self._view.resources(ResourceType.ENDPOINTS)
        again = frozenset(name for name in clusters if name in existing and watch.subscription.covers(name))
        if again:
            watch.backlog.ask(again)
            self._open[ResourceType.ENDPOINTS] = watch


def _is_repetition(request: Request, asked: Subscription) -> bool:
    """Whether it asks for just what is asked for already, as most answers do."""
    if isinstance(request, DeltaRequest):
        return not request.subscribe and not request.unsubscribe and (asked.wildcard or not asked.legacy)
    return request.names is asked.names and bool(request.names) and not asked.wildcard
