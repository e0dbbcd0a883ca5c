"""One ADS stream of one proxy as a state machine: requests and revisions go in, responses come out."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import inf
from typing import Final, TypeAlias

from xds.protocol.backlog import oldest
from xds.protocol.builds import build_of
from xds.protocol.fleet import BuildFleet, Fleet
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
from xds.protocol.ordering import Ordering, delayed_removals, send_order
from xds.protocol.rejection.trial import OFFER_GROUPS, Offers
from xds.protocol.status import DeliveryState, OutOfSync, Status, StreamHealth
from xds.protocol.subscription import Demand, Subscription, after_delta, after_sotw, check_count
from xds.protocol.type_stream import TypeStream
from xds.protocol.virtual_hosts import VirtualHostScope
from xds.snapshot.resource import Resource, ResourceType, route_configuration_of
from xds.snapshot.store import ResourceKey, Revision

UNSERVED_LIMIT: Final = 16
"""Type URLs remembered that are not served."""

Subscriptions: TypeAlias = tuple[tuple[ResourceType, Subscription], ...]

_TYPES: Final = {str(type_): type_ for type_ in ResourceType}


class Session:
    """One stream.

    The caller

    - gives each request to `receive`, in order, and ends the stream on ProtocolError;
    - gives the returned events to the `learn` of the session's build;
    - gives each revision of its build to `update`, before any other call, if a subscription covers a change in it;
    - after each of these calls, and when `deadline` has passed, sends the responses of `take_responses`, in order.

    Times are seconds of one monotonic clock.

    Attributes:
        node: None: no request has come yet.
        resubscribed: Whether `subscriptions` may have changed; the caller sets it to False.
        asked: See `rejection.trial.Candidate`.
    """

    __slots__ = (
        "_build",
        "_fleet",
        "_names",
        "_open",
        "_ordering",
        "_responses",
        "_resumed_versions",
        "_retry_at",
        "_since",
        "_type_streams",
        "_unserved",
        "_view",
        "_virtual_hosts",
        "asked",
        "node",
        "resubscribed",
        "variant",
    )

    def __init__(self, fleet: Fleet, variant: Variant, *, now: float) -> None:
        self._fleet = fleet
        self._names = fleet.names
        self._resumed_versions = fleet.resumed_versions
        self.variant = variant
        self._since = now
        self.node: Node | None = None
        self._type_streams: dict[ResourceType, TypeStream] = {}
        # The type streams with unsent or unanswered content.
        self._open: dict[ResourceType, TypeStream] = {}
        self.resubscribed = False
        self.asked = [0 for _ in OFFER_GROUPS]
        # The earliest time at which a listener that the proxy could not bind may be sent again; infinite: none waits.
        self._retry_at = inf
        self._unserved: dict[str, None] = {}
        self._join(fleet.unnamed)

    def _join(self, build: BuildFleet) -> None:
        """Follow the snapshot that is served to a build."""
        self._build = build
        self._responses = build.response_cache(self.variant)
        self._view = self._responses.view
        self._virtual_hosts = VirtualHostScope(self._view, self._type_streams, self._names)
        self._ordering = Ordering(self._view, self._type_streams)

    @property
    def node_id(self) -> str:
        """The proxy's node id; empty before the first request."""
        return self.node.id if self.node else ""

    @property
    def oldest_unanswered(self) -> int | None:
        """The oldest revision that this proxy has not answered; None: there is none."""
        found = None
        for type_stream in self._open.values():
            found = oldest(found, type_stream.oldest_unanswered)
        return found

    @property
    def is_active(self) -> bool:
        """Whether content is unsent or unanswered, or time alone may end a wait."""
        return bool(self._open) or self._ordering.is_timed or self._retry_at < inf

    def subscription(self, type_: ResourceType) -> Subscription | None:
        """The subscription to a type; None: no request for the type has come yet."""
        type_stream = self._type_streams.get(type_)
        return type_stream.subscription if type_stream else None

    @property
    def subscriptions(self) -> Subscriptions:
        """The subscriptions to every type that was requested."""
        return tuple((type_, type_stream.subscription) for type_, type_stream in self._type_streams.items())

    def status(self) -> Status:
        streams = (self._type_streams[type_] for type_ in ResourceType if type_ in self._type_streams)
        types = tuple(replace(each.status(), on_trial=self._count_on_trial(each)) for each in streams)
        return Status(self.variant, self.node, self._since, types, tuple(self._unserved))

    def _count_on_trial(self, type_stream: TypeStream) -> int:
        names = set(self._build.last_good.names_on_trial(type_stream.type))
        if type_stream.type is ResourceType.ROUTES and ResourceType.VIRTUAL_HOST not in self._view.types:
            names.update(map(route_configuration_of, self._build.last_good.names_on_trial(ResourceType.VIRTUAL_HOST)))
        names.difference_update(type_stream.rejected_names)
        return sum(map(type_stream.subscription.covers, names))

    @property
    def is_in_sync(self) -> bool:
        """Whether the proxy has accepted everything, with nothing on trial; False before the first subscription."""
        streams = self._type_streams.values()
        return bool(streams) and all(each.has_all and not self._count_on_trial(each) for each in streams)

    def health(self) -> StreamHealth:
        unanswered = tuple((type_, each.sent_at) for type_, each in self._open.items() if each.in_flight)
        return StreamHealth(self.node, self._since, self._type_streams.keys(), unanswered)

    def rejected(self) -> Iterator[ResourceKey]:
        """Keys of resources rejected by this proxy and unchanged since."""
        for type_, type_stream in self._type_streams.items():
            yield from ((type_, name) for name in type_stream.rejected_names)

    def unbound_reason(self, listener: str) -> str:
        """Envoy's reason why the proxy can't bind a listener; empty: no bind failure is known."""
        type_stream = self._type_streams.get(ResourceType.LISTENER)
        return type_stream.bind_retries.reason(listener) if type_stream is not None else ""

    def out_of_sync(self, resources: Iterable[Resource]) -> tuple[OutOfSync, ...]:
        """Find resources of the snapshot that the proxy doesn't have. Inlined virtual hosts count as their
        RouteConfiguration.
        """
        found: dict[Resource, OutOfSync] = {}
        for resource in resources:
            sent_as = self._view.holder(resource)
            type_stream = self._type_streams.get(sent_as.type)
            state = type_stream.delivery_state(sent_as.name) if type_stream else DeliveryState.NOT_SUBSCRIBED
            subscribed = state is not DeliveryState.NOT_SUBSCRIBED
            if (
                subscribed
                and state is not DeliveryState.REJECTED
                and resource.name in self._build.last_good.names_on_trial(resource.type)
            ):
                state = DeliveryState.ON_TRIAL
            if state is not DeliveryState.SYNCED and sent_as not in found:
                is_rejected = type_stream is not None and state is DeliveryState.REJECTED
                message = type_stream.rejection_message(sent_as.name) if type_stream and is_rejected else ""
                found[sent_as] = OutOfSync(sent_as.type, sent_as.name, state, message)
        return tuple(found.values())

    def deadline(self) -> float | None:
        """The time for the next `take_responses` if nothing else happens; None: no wait has an end in time."""
        at = self._ordering.deadline()
        if self._retry_at == inf:
            return at
        if not self._type_streams[ResourceType.LISTENER].bind_retries:
            return at
        return self._retry_at if at is None else min(self._retry_at, at)

    def receive(self, request: Request, now: float) -> list[Event]:
        """Take in a request, and return its meaning.

        Raises:
            ProtocolError: the stream must end.
        """
        if self.node is None:
            self._identify(request, now)
        type_ = _TYPES.get(request.type_url)
        if type_ not in self._view.types:
            return self._receive_unserved(request.type_url)
        type_stream = self._type_streams.get(type_)
        if type_stream is None:
            return self._receive_first(TypeStream(type_, self.variant), request, now)
        # "The management server should not send a DiscoveryResponse for any DiscoveryRequest that has a stale nonce",
        # but in delta "must honor changes to the subscription state even if the nonce is stale".
        if isinstance(request, SotwRequest) and type_stream.is_stale(request.nonce):
            if request.names:
                type_stream.end_legacy()
            return []
        self._open[type_] = type_stream
        events = self._receive_answer(type_stream, request, now)
        if not _is_repetition(request, type_stream.subscription):
            self._resubscribe(type_stream, request)
        if not type_stream.is_open:
            del self._open[type_]
        return events

    def update(self, revision: Revision) -> bool:
        """Take in a revision of the served snapshot. Costs the changes in it, not the subscriptions.

        Returns:
            Whether a subscribed change is to be sent.
        """
        changes = self._view.changes(revision)
        unsent = False
        for type_, of_type in changes.items():
            type_stream = self._type_streams.get(type_)
            if type_stream is not None and type_stream.note(of_type, revision):
                self._open[type_] = type_stream
                unsent = True
        routes = changes.get(ResourceType.ROUTES)
        if routes and ResourceType.ROUTES in self._type_streams:
            self._virtual_hosts.routes_changed(routes)
            self._virtual_hosts_changed()
        return unsent

    @property
    def build(self) -> BuildFleet:
        """The build of the proxy; before the first request one that nothing is served to."""
        return self._build

    def offer(self, offers: Offers) -> bool:
        """Send wanted versions on trial that are subscribed, for the proxy's own answer. Returns whether there is one.

        Without VHDS, virtual hosts are offered inside of their RouteConfiguration, as the source wants it. A proxy that
        waits for its first clusters or listeners gets the served ones before: Envoy starts with the first response.
        """
        offered = False
        for type_, resources in self._build.offers(offers, self.variant).items():
            type_stream = self._type_streams.get(type_)
            if type_stream is None or type_stream.backlog.everything:
                continue
            if type_stream.offer(resources, self._view.resources(type_)):
                self._open[type_] = type_stream
                offered = True
        return offered

    @property
    def has_open_offer(self) -> bool:
        """Whether a version on trial is unsent or unanswered."""
        return any(each.has_open_offer for each in self._open.values())

    def take_responses(self, now: float) -> list[Response]:
        """Make the responses that may go now. They count as sent."""
        ordering, responses = self._ordering, list[Response]()
        if ordering.is_timed:
            ordering.expire(now)
        if self._retry_at <= now:
            self._retry(now)
        if not self._open:
            return responses
        for type_ in send_order(self._open):
            type_stream = self._open.get(type_)
            if type_stream is None or type_stream.in_flight is not None:
                continue
            if not type_stream.is_open:
                del self._open[type_]
            elif in_flight := self._send(type_stream, now):
                responses.append(in_flight.response)
        if ordering.cluster_wait_until is not None:
            ordering.end_cluster_wait()
        return responses

    def _retry(self, now: float) -> None:
        """Send listeners again that the proxy could not bind."""
        listeners = self._type_streams[ResourceType.LISTENER]
        on_trial = self._build.last_good.on_trial((ResourceType.LISTENER,)).get(ResourceType.LISTENER, {})
        if listeners.retry(self._view.resources(ResourceType.LISTENER), on_trial, now):
            self._open[ResourceType.LISTENER] = listeners
        self._retry_at = listeners.bind_retries.next_at

    def _identify(self, request: Request, now: float) -> None:
        # "Only the first request on a stream is guaranteed to carry the node identifier."
        if request.node is None:
            raise ProtocolError(ErrorCode.INVALID_ARGUMENT, "the first request of a stream must have a node")
        if not self._fleet.has_snapshot:
            raise ProtocolError(ErrorCode.UNAVAILABLE, "there is no snapshot yet, try again")
        self.node = request.node
        self._join(self._fleet.join(build_of(request.node), self, now))

    def _receive_unserved(self, type_url: str) -> list[Event]:
        """A request for a type that is not served has no answer, and the stream goes on."""
        if type_url in self._unserved or len(self._unserved) >= UNSERVED_LIMIT:
            return []
        self._unserved[type_url] = None
        return [Unserved(type_url)]

    def _receive_first(self, type_stream: TypeStream, request: Request, now: float) -> list[Event]:
        """The first request of a type. A nonce in it belongs to another stream."""
        demand = self._demand(type_stream.subscription, request)
        versions = request.initial_resource_versions if isinstance(request, DeltaRequest) else {}
        check_count(len(versions), request.type_url)
        type_ = type_stream.type
        self._type_streams[type_] = self._open[type_] = type_stream
        self.resubscribed = True
        self._ask_again()
        if type_ is ResourceType.ROUTES:
            self._virtual_hosts.routes_resumed(filter(demand.subscription.covers, versions))
        if not versions:
            type_stream.apply(demand)
            return []
        self._resumed_versions.resume(type_stream, demand, versions, self._view, self._build.last_good.withdrawn(type_))
        if type_ is ResourceType.ENDPOINTS:
            self._ordering.warming.endpoints_resumed(type_stream)
        elif type_ is ResourceType.CLUSTER:
            self._ordering.clusters_resumed(now)
        elif type_ is ResourceType.VIRTUAL_HOST and demand.subscription.scope is not None:
            self._virtual_hosts.hosts_resumed(versions)
        if not type_stream.backlog:
            type_stream.resumed(self._view.version(type_), now)
        return [Resumed(type_, versions)]

    def _receive_answer(self, type_stream: TypeStream, request: Request, now: float) -> list[Event]:
        """An ACK or NACK has the nonce of the response in flight; any other request only changes the subscription."""
        in_flight = type_stream.in_flight
        if in_flight is None or request.nonce != in_flight.response.nonce:
            return []
        # "The preferred mechanism for a server to detect a NACK is to look for the presence of the error_detail field"
        if type_stream.type is ResourceType.CLUSTER:
            self._ordering.clusters_answered(in_flight, now, rejected=request.error is not None)
        if request.error is not None:
            event = type_stream.reject(request.error, self._view.resources(type_stream.type), self._build, now)
            if event.rejection.unbound:
                self._retry_at = type_stream.bind_retries.next_at
            return [event]
        return [type_stream.acknowledge(self._build, now)]

    def _resubscribe(self, type_stream: TypeStream, request: Request) -> None:
        demand = self._demand(type_stream.subscription, request)
        if demand.everything and type_stream.in_flight:
            # The proxy will have the resources in flight, even if they were removed while nothing was subscribed.
            in_flight = frozenset(resource.name for resource in type_stream.in_flight.response.resources)
            removed = in_flight - self._view.resources(type_stream.type).keys()
            demand = replace(demand, names=demand.names | removed)
        before = type_stream.subscription
        type_stream.apply(demand)
        if type_stream.subscription is not before:
            self.resubscribed = True
            self._ask_again()
            if type_stream.type is ResourceType.ROUTES:
                self._virtual_hosts.routes_unsubscribed()
                self._virtual_hosts_changed()
        # Under a wildcard, unsubscribed names still have to be sent.
        check_count(len(type_stream.backlog.requested), request.type_url)

    def _demand(self, old: Subscription, request: Request) -> Demand:
        match request:
            case DeltaRequest():
                demand = after_delta(old, request.subscribe, request.unsubscribe, self._names)
            case SotwRequest():
                demand = after_sotw(old, request.names, self._names)
        check_count(len(demand.subscription.names), request.type_url)
        return self._virtual_hosts.limit(demand) if request.type_url == ResourceType.VIRTUAL_HOST else demand

    def _ask_again(self) -> None:
        """Let the trial of the build look at a changed subscription."""
        self.asked = [0 for _ in OFFER_GROUPS]
        self._build.trial.is_settled = False

    def _virtual_hosts_changed(self) -> None:
        """Virtual hosts may be due, and their subscription may have another scope."""
        self.resubscribed = True
        self._ask_again()
        if ResourceType.VIRTUAL_HOST in self._type_streams:
            self._open[ResourceType.VIRTUAL_HOST] = self._type_streams[ResourceType.VIRTUAL_HOST]

    def _send(self, type_stream: TypeStream, now: float) -> InFlight | None:
        type_, ordering = type_stream.type, self._ordering
        if type_ is ResourceType.CLUSTER and not ordering.may_send_clusters():
            return None
        allowed = type_ is ResourceType.ENDPOINTS or ordering.may_send_updates(type_, now)
        delayed = delayed_removals(type_stream, self._type_streams, updates_allowed=allowed)
        if type_stream.backlog.everything and self._build.last_good.is_any_on_trial:
            self._ask_again()
        in_flight = type_stream.send(self._responses, updates_allowed=allowed, delayed=delayed, now=now)
        if in_flight is None:
            return None
        if type_ is ResourceType.CLUSTER:
            if ordering.warming.clusters_sent(in_flight.update):
                self._open[ResourceType.ENDPOINTS] = self._type_streams[ResourceType.ENDPOINTS]
        elif type_ is ResourceType.ENDPOINTS and ordering.warming.until:
            ordering.warming.endpoints_sent(in_flight.response)
        elif type_ is ResourceType.ROUTES:
            self._virtual_hosts.routes_sent(resource.name for resource in in_flight.response.resources)
            self._virtual_hosts_changed()
        return in_flight


def _is_repetition(request: Request, current: Subscription) -> bool:
    """Whether a request leaves the subscription as it is, like most ACKs."""
    if isinstance(request, DeltaRequest):
        return not request.subscribe and not request.unsubscribe and (current.wildcard or not current.legacy)
    return request.names is current.names and bool(request.names) and not current.wildcard
