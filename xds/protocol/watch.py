"""One type on one stream: what is subscribed, what the proxy has still to be told, and what it said about the rest."""

from collections.abc import Set
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from xds.protocol.backlog import BEFORE, Backlog, Taken, oldest
from xds.protocol.composer import Composer, Selection
from xds.protocol.events import Acknowledged, Rejected
from xds.protocol.messages import Response, Variant
from xds.protocol.status import Rejection, Stamp, TypeStatus
from xds.protocol.subscription import Demand, Subscription, unasked
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import ResourceChange

FULL_SET: Final = frozenset({ResourceType.LISTENER, ResourceType.CLUSTER})
"""The types of which a state-of-the-world response holds all, so that what it omits is removed.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#grouping-resources-into-responses
"""

MESSAGE_LIMIT: Final = 4096
"""Characters kept of the words of a rejection: they may quote whole resources."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A response that the proxy has not answered yet, and what was news in it."""

    response: Response
    news: Taken

    @property
    def adds(self) -> bool:
        return self.news.everything or bool(self.news.added)

    @property
    def resources(self) -> tuple[tuple[str, str], ...]:
        """Names and versions of what was news: the rest of a full set had been sent before."""
        return tuple(
            (resource.name, resource.version)
            for resource in self.response.resources
            if self.news.everything or resource.name in self.news.names
        )


class Watch:
    """The state of one type on one stream. It decides what a response holds, not when it may go."""

    __slots__ = (
        "_acknowledged",
        "_nonce",
        "_rejection",
        "_sent",
        "_variant",
        "backlog",
        "flight",
        "rejected",
        "subscription",
        "type",
    )

    def __init__(self, type_: ResourceType, variant: Variant) -> None:
        self.type = type_
        self._variant = variant
        self.subscription: Subscription = unasked(type_)
        self.backlog = Backlog(removable=variant is Variant.DELTA or self.sends_full_set)
        self.flight: Flight | None = None
        self.rejected: dict[str, str] = {}
        self._nonce = 0
        self._sent: Stamp | None = None
        self._acknowledged: Stamp | None = None
        self._rejection: Rejection | None = None

    @property
    def sends_full_set(self) -> bool:
        return self._variant is Variant.SOTW and self.type in FULL_SET

    @property
    def rejection(self) -> Rejection | None:
        """The last one."""
        return self._rejection

    @property
    def due(self) -> bool:
        """Whether there is something to say and nothing unanswered: at most one response is in flight."""
        return self.flight is None and bool(self.backlog)

    @property
    def behind(self) -> int | None:
        """The oldest revision that the proxy has not answered yet."""
        return oldest(self.flight.news.since if self.flight else None, self.backlog.since)

    @property
    def lacks(self) -> float:
        """The oldest revision that the proxy may not work with yet: all before it are told and acknowledged. Infinite
        if there is none; 0 while something stands that it refused, since it then goes on with what it had.
        """
        if self.rejected:
            return 0
        doubtful = self.backlog.doubtful
        if self.flight:
            doubtful = oldest(doubtful, oldest(self.flight.news.doubtful, self.flight.response.revision + 1))
        return inf if doubtful is None else doubtful

    def is_stale(self, nonce: str) -> bool:
        """Whether a request with this nonce was made before the proxy saw the last response.

        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
        """
        return self._nonce > 0 and nonce not in ("", str(self._nonce))

    def note(self, change: ResourceChange, revision: int) -> None:
        """A resource of this type changed in the store."""
        if self.subscription.covers(change.name):
            self.backlog.note(change, revision)
            if change.name in self.backlog.vanished:
                self.rejected.pop(change.name, None)

    def ask(self, demand: Demand) -> None:
        """Take over what a request asks for; drop what is asked for no more."""
        old, new = self.subscription, demand.subscription
        self.subscription = new
        if old is not new and (old.wildcard > new.wildcard or not old.names <= new.names):
            self.backlog.forget(new)
            self.rejected = {name: version for name, version in self.rejected.items() if new.covers(name)}
        if demand.everything and self.flight and not old.wildcard:
            # What is in flight will be the proxy's, whether or not it is asked for right now.
            old = replace(old, names=old.names.union(item.name for item in self.flight.response.resources))
        if demand.names or demand.everything:
            self.backlog.ask(demand.names, everything=demand.everything, before=old, doubt=self._doubt(demand))

    def end_legacy(self) -> None:
        """A name was given, if in a request that is otherwise ignored."""
        self.subscription = replace(self.subscription, legacy=False)

    def send(self, composer: Composer, *, free: bool, held: Set[str], now: float) -> Flight | None:
        """Make the response for all that may go: updates if they are `free`, removals that are not `held`.

        Returns None if there is nothing that the protocol has a word for.
        """
        if not self.backlog.ready(free=free, held=held):
            return None
        news = self.backlog.take(free=free, held=held, whole=self.sends_full_set)
        response = composer.compose(self._selection(news), after=self._nonce)
        if not response.resources and self._variant is Variant.SOTW and not self.sends_full_set:
            return None
        self._nonce = int(response.nonce)
        self._sent = Stamp(response.version, now)
        self.flight = Flight(response, news)
        return self.flight

    def recognize(self, version: str, now: float) -> None:
        """The proxy brought all that it should have from another stream, where it acknowledged it."""
        self._acknowledged = Stamp(version, now)

    def acknowledge(self, now: float) -> Acknowledged:
        """The proxy took what is in flight."""
        response = self._land().response
        if self.sends_full_set:
            self.rejected.clear()
        elif self.rejected:
            for name in (*(resource.name for resource in response.resources), *response.removed):
                self.rejected.pop(name, None)
        self._acknowledged = Stamp(response.version, now)
        return Acknowledged(self.type, response.nonce, response.version, response.revision)

    def reject(self, message: str, now: float) -> Rejected:
        """The proxy refused what is in flight. It counts as sent: the same version does not go out again, which would
        be refused again, until the name changes or is asked for.
        """
        flight = self._land()
        response, words = flight.response, message[:MESSAGE_LIMIT]
        for name in response.removed:
            self.rejected.pop(name, None)
        self.rejected.update((name, version) for name, version in flight.resources if self._has_a_say(name))
        self._rejection = Rejection(response.version, now, words, flight.resources)
        return Rejected(self.type, response.nonce, response.revision, self._rejection)

    def status(self) -> TypeStatus:
        return TypeStatus(
            type=self.type,
            subscribed=len(self.subscription.names),
            wildcard=self.subscription.wildcard,
            sent=self._sent,
            acknowledged=self._acknowledged,
            rejected=self._rejection,
            rejecting=len(self.rejected),
            in_flight=self.flight is not None,
            waiting=len(self.backlog),
        )

    def _has_a_say(self, name: str) -> bool:
        """Whether a later response may yet replace this name at the proxy."""
        return self.subscription.covers(name) and name not in self.backlog.vanished

    def _doubt(self, demand: Demand) -> int | None:
        """The revision before which what is asked for may be at the proxy as it was: brought from another stream, or in
        flight, and dropped and asked for again meanwhile.
        """
        if not self._nonce:
            return BEFORE
        if self.flight is None:
            return None
        flying = (resource.name for resource in self.flight.response.resources)
        again = demand.everything or not demand.names.isdisjoint(flying)
        return self.flight.response.revision + 1 if again else None

    def _selection(self, news: Taken) -> Selection:
        if self.sends_full_set:
            names, everything = self.subscription.names, self.subscription.wildcard
            return Selection(self._variant, self.type, frozenset() if everything else names, everything, news.kept)
        return Selection(self._variant, self.type, news.names, news.everything, news.kept)

    def _land(self) -> Flight:
        if self.flight is None:
            raise RuntimeError("nothing is in flight")
        flight, self.flight = self.flight, None
        return flight
