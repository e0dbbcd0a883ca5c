"""One resource type on one stream: the subscription, the backlog, the response in flight and the rejections.

               note (change), apply (request)
                     │
                     ▼
    nothing due ─▶ backlog ── send ──▶ in flight ── acknowledge ──▶ nothing due, or the rest of the backlog
                     ▲                     │
                     └── rejections ◀── reject

At most one response is in flight. Changes until its ACK wait in the backlog, merged.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from math import inf
from typing import Final

from xds.protocol.backlog import BEFORE_STREAM, Backlog, SharedChange, oldest, sendable, unsendable
from xds.protocol.in_flight import InFlight, Update
from xds.protocol.messages import Acknowledged, Rejected, Rejection, Variant
from xds.protocol.rejection.bind_retries import NO_BIND_RETRIES, BindRetries
from xds.protocol.rejection.nack import printable
from xds.protocol.rejection.rejected import Wanted
from xds.protocol.rejection.rejections import Rejections
from xds.protocol.responses import ResponseCache, ResponseContent
from xds.protocol.status import DeliveryState, TypeStatus, VersionStamp
from xds.protocol.subscription import Demand, Subscription, initial_subscription
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange, Revision

FULL_SET_TYPES: Final = frozenset({ResourceType.LISTENER, ResourceType.CLUSTER})
"""The types of which a state-of-the-world response holds every resource: an omitted resource is removed.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#grouping-resources-into-responses
"""


class TypeStream:
    """The state of one type on one stream. Decides the content of a response; the session decides its time.

    Attributes:
        in_flight: The response without an answer yet; None: the proxy has answered.
        last_rejection: The last NACK, but for a repeated failure to bind listeners; None: no NACK.
        rejections: None: the proxy has no rejected resource.
        sends_full_set: Whether a response holds every resource of the type.
    """

    __slots__ = (
        "_acknowledged",
        "_nonce",
        "_sent",
        "_variant",
        "backlog",
        "in_flight",
        "last_rejection",
        "rejections",
        "sends_full_set",
        "subscription",
        "type",
    )

    def __init__(self, type_: ResourceType, variant: Variant) -> None:
        self.type = type_
        self._variant = variant
        self.sends_full_set = variant is Variant.SOTW and type_ in FULL_SET_TYPES
        self.subscription: Subscription = initial_subscription(type_)
        self.backlog = Backlog(removable=variant is Variant.DELTA or self.sends_full_set)
        self.in_flight: InFlight | None = None
        self.rejections: Rejections | None = None
        self.last_rejection: Rejection | None = None
        self._nonce = 0
        # Version and time in seconds; `status` makes VersionStamps of them.
        self._sent: tuple[str, float] | None = None
        self._acknowledged: tuple[str, float] | None = None

    @property
    def sent_at(self) -> float:
        """Time of the last response in seconds; infinite if there was none."""
        return self._sent[1] if self._sent else inf

    @property
    def is_open(self) -> bool:
        """Whether content is unsent or unanswered."""
        if self.in_flight is not None or self.backlog:
            return True
        return self.rejections is not None and bool(self.rejections.bisection.parts)

    @property
    def due(self) -> bool:
        """Whether a response may be sent: content is unsent, and nothing is in flight."""
        return self.in_flight is None and self.is_open

    @property
    def adds(self) -> bool:
        """Whether a resource is to be sent that the proxy doesn't have."""
        return self.backlog.adds or (self.rejections is not None and self.rejections.bisection.adds)

    @property
    def oldest_unanswered(self) -> int | None:
        """The oldest revision that the proxy has not answered; None: there is none."""
        return oldest(self.in_flight.update.oldest_revision if self.in_flight else None, self.backlog.oldest_revision)

    @property
    def unconfirmed_since(self) -> float:
        """The oldest revision that the proxy may not work with yet: older revisions are sent and acknowledged.

        Infinite if there is none; 0 while the proxy works with another version than the served one after a rejection.
        """
        if self.rejections is not None and self.rejections.differ_from_served:
            return 0
        uncertain = self.backlog.uncertain_since
        if self.in_flight:
            in_flight = oldest(self.in_flight.update.uncertain_since, self.in_flight.response.revision + 1)
            uncertain = oldest(uncertain, in_flight)
        return inf if uncertain is None else uncertain

    @property
    def rejected_names(self) -> list[str]:
        """Names of resources rejected by the proxy and unchanged since."""
        if self.rejections is None:
            return []
        return [name for name, rejected in self.rejections.rejected.items() if rejected.version is not None]

    def is_stale(self, nonce: str) -> bool:
        """Whether a request with this nonce was made before the proxy saw the last response.

        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
        """
        return self._nonce > 0 and nonce not in ("", str(self._nonce))

    def note(self, changes: Iterable[ResourceChange], revision: Revision) -> bool:
        """Record changes of served resources of this type. Returns whether a subscribed one is to be sent."""
        if self.rejections is None and not revision.from_proxies:
            return self.backlog.note(changes, self.subscription, revision.number)
        rejections, covers = self._open_rejections(), self.subscription.covers
        unsent = [rejections.note(change, revision) for change in changes if covers(change.name)]
        self._close_rejections()
        return any(unsent)

    def keep_current(self, name: str, base: Resource) -> None:
        """Leave a resumed version at the proxy: other proxies rejected its successor, and nothing is served instead."""
        self._open_rejections().keep_current(name, base)

    def offer(self, offers: Mapping[str, Resource], served: Mapping[str, Resource]) -> bool:
        """Send versions on trial that are subscribed, for the proxy's own answer. Returns whether there is one."""
        covered = {name: resource for name, resource in offers.items() if self.subscription.covers(name)}
        offered = bool(covered) and self._open_rejections().offer(covered, served, self.in_flight)
        self._close_rejections()
        return offered

    @property
    def has_open_offer(self) -> bool:
        """Whether a version on trial is unsent or unanswered."""
        return self.rejections is not None and bool(self.rejections.offers)

    def apply(self, demand: Demand) -> None:
        """Take over the subscription of a request, and have the requested resources sent."""
        old, new = self.subscription, demand.subscription
        self.subscription = new
        if old is not new and (old.wildcard > new.wildcard or not old.names <= new.names):
            self._forget_uncovered()
        if demand.everything and self.in_flight and not old.wildcard:
            # The proxy will have the resources in flight, whether or not they are subscribed right now.
            in_flight = (resource.name for resource in self.in_flight.response.resources)
            old = replace(old, names=old.names.union(in_flight))
        if demand.names or demand.everything:
            self.backlog.request(
                demand.names,
                everything=demand.everything,
                before=old,
                uncertain_since=self._uncertain_since(demand),
            )

    def resubscribe(self, subscription: Subscription) -> None:
        """Take over a subscription without a request: nothing is sent for it."""
        self.subscription = subscription
        self._forget_uncovered()

    def end_legacy(self) -> None:
        """Note that a request named a resource, even if the request is otherwise ignored."""
        self.subscription = replace(self.subscription, legacy=False)

    def send(
        self, responses: ResponseCache, *, updates_allowed: bool, delayed: Set[str], now: float
    ) -> InFlight | None:
        """Make the next response, which is in flight from here on. Parts of a bisection go first.

        Args:
            responses: Makes or shares the response.
            updates_allowed: Whether changes may go that were not requested.
            delayed: Names of removals that must wait.
            now: Seconds.

        Returns:
            None: nothing may go, or the protocol has no word for the content.
        """
        rejections = self.rejections
        if rejections is not None and rejections.bisection.parts:
            return self._send(responses, rejections.next_test(), now)
        backlog = self.backlog
        if not backlog.ready(updates_allowed=updates_allowed, delayed=delayed):
            return None
        if updates_allowed and rejections is None and not self.sends_full_set:
            change = backlog.single_change
            if change is not None:
                return self._send_shared(responses, change, now)
        update = backlog.take(updates_allowed=updates_allowed, delayed=delayed, full_set=self.sends_full_set)
        return self._send(responses, update, now)

    def resumed(self, version: str, now: float) -> None:
        """Count the set of this version as acknowledged: the proxy resumed with every resource."""
        self._acknowledged = version, now

    def acknowledge(self, wanted: Wanted, now: float) -> Acknowledged:
        """Record an ACK of the response in flight."""
        in_flight = self._take_in_flight()
        if self.rejections is not None:
            self.rejections.acknowledged(in_flight.response, wanted)
            self._close_rejections()
        self._acknowledged = in_flight.response.version, now
        return in_flight.acknowledged

    def reject(self, message: str, served: Mapping[str, Resource], wanted: Wanted, now: float) -> Rejected:
        """Record a NACK of the response in flight.

        Blamed resources are not sent again until they change or are requested; suspects are sent again in parts.
        `served` are the resources of this type that the fleet serves, by name.
        """
        in_flight = self._take_in_flight()
        blame = self._open_rejections().add(in_flight, message, self.subscription, served, wanted, now=now)
        self._close_rejections()
        response = in_flight.response
        message = printable(message, response.resources)
        rejection = Rejection(response.version, now, message, in_flight.resources, *blame)
        if not blame.is_repeated:
            self.last_rejection = rejection
        return Rejected(self.type, response, rejection)

    @property
    def bind_retries(self) -> BindRetries:
        """The listeners that the proxy could not bind."""
        return self.rejections.bind_retries if self.rejections is not None else NO_BIND_RETRIES

    def retry(self, served: Mapping[str, Resource], on_trial: Mapping[str, Resource], now: float) -> bool:
        """Send listeners again that the proxy could not bind, if it is time. Returns whether there is one to send."""
        return self.rejections is not None and self.rejections.retry(served, on_trial, self.in_flight, now)

    def rejection_message(self, name: str) -> str:
        """Envoy's message on a rejected resource."""
        return self.bind_retries.reason(name) or (self.last_rejection.message if self.last_rejection else "")

    def delivery_state(self, name: str) -> DeliveryState:
        """The state of an existing resource at this proxy."""
        if not self.subscription.covers(name):
            return DeliveryState.NOT_SUBSCRIBED
        if self.rejections is not None and name in self.rejections:
            rejected = self.rejections.rejected.get(name)
            return DeliveryState.REJECTED if rejected and rejected.version is not None else DeliveryState.PENDING
        backlog = self.backlog
        if backlog.everything or name in backlog.requested or name in backlog.upserts:
            return DeliveryState.PENDING
        if self.in_flight and (self.in_flight.update.everything or name in self.in_flight.update.names):
            return DeliveryState.IN_FLIGHT
        return DeliveryState.SYNCED

    @property
    def has_all(self) -> bool:
        """Whether every change is sent and accepted: as `status` says, at less cost."""
        is_searching = self.rejections is not None and len(self.rejections.bisection)
        return self.in_flight is None and not self.backlog and not is_searching and not self.rejected_names

    def status(self) -> TypeStatus:
        rejected = tuple(sorted(self.rejected_names))
        suspects = len(self.rejections.bisection) if self.rejections is not None else 0
        return TypeStatus(
            type=self.type,
            subscribed=len(self.subscription.names),
            wildcard=self.subscription.wildcard,
            sent=VersionStamp(*self._sent) if self._sent else None,
            acknowledged=VersionStamp(*self._acknowledged) if self._acknowledged else None,
            last_rejection=self.bind_retries.beside(self.last_rejection, rejected),
            rejected_count=len(rejected),
            in_flight=self.in_flight is not None,
            pending=len(self.backlog) + suspects,
            rejected_names=rejected,
        )

    def _open_rejections(self) -> Rejections:
        if self.rejections is None:
            self.rejections = Rejections(self.type, self.backlog, full_set=self.sends_full_set)
        return self.rejections

    def _close_rejections(self) -> None:
        if not self.rejections:
            self.rejections = None

    def _send_shared(self, responses: ResponseCache, change: SharedChange, now: float) -> InFlight | None:
        """Send the response that other streams with the same single change have in flight."""
        key = (self._variant, self.type, change)
        in_flight = responses.in_flight(key, after=self._nonce)
        if in_flight is None:
            update = self.backlog.take(updates_allowed=True, delayed=frozenset(), full_set=False)
            in_flight = self._send(responses, update, now)
            if in_flight is not None:
                responses.share(key, in_flight)
            return in_flight
        self.backlog.clear()
        return self._put_in_flight(in_flight, now)

    def _send(self, responses: ResponseCache, update: Update, now: float) -> InFlight | None:
        response = responses.response(self._content(update), after=self._nonce)
        if not response.resources and self._variant is Variant.SOTW and not self.sends_full_set:
            return None
        if self.rejections is not None:
            self.rejections.sent(response)
        return self._put_in_flight(InFlight(response, update, Acknowledged(self.type, response)), now)

    def _put_in_flight(self, in_flight: InFlight, now: float) -> InFlight:
        response = in_flight.response
        self._nonce = int(response.nonce)
        self._sent = response.version, now
        self.in_flight = in_flight
        return in_flight

    def _take_in_flight(self) -> InFlight:
        if self.in_flight is None:
            raise RuntimeError("nothing is in flight")
        in_flight, self.in_flight = self.in_flight, None
        return in_flight

    def _forget_uncovered(self) -> None:
        self.backlog.forget(self.subscription)
        if self.rejections is not None:
            self.rejections.forget(self.subscription)
            self._close_rejections()

    def _uncertain_since(self, demand: Demand) -> int | None:
        """The revision before which the proxy may have the requested resources: resumed from another stream, or in
        flight and meanwhile unsubscribed and subscribed again. None: the proxy doesn't have them.
        """
        if not self._nonce:
            return BEFORE_STREAM
        if self.in_flight is None:
            return None
        in_flight = (resource.name for resource in self.in_flight.response.resources)
        again = demand.everything or not demand.names.isdisjoint(in_flight)
        return self.in_flight.response.revision + 1 if again else None

    def _content(self, update: Update) -> ResponseContent:
        if not self.sends_full_set:
            return ResponseContent(self._variant, self.type, update.names, update.everything, update.kept)
        everything = self.subscription.wildcard
        names = frozenset() if everything else self.subscription.names
        bases = self.rejections.differing_bases(update.names) if self.rejections is not None else {}
        kept, withheld = (*update.kept, *sendable(bases)), update.withheld | unsendable(bases)
        return ResponseContent(self._variant, self.type, names, everything, kept, withheld)
