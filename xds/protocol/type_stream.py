"""One type on one stream: what is subscribed, what the proxy has still to be told, and what it said about the rest."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from math import inf
from typing import Final

from xds.protocol.backlog import BEFORE, Backlog, SharedChange, Update, oldest
from xds.protocol.in_flight import InFlight
from xds.protocol.messages import Acknowledged, Rejected, Rejection, Variant
from xds.protocol.rejection.bisection import Bisection
from xds.protocol.rejection.nack import NAMED, TRUNCATED, RejectedResource, named, unknown, without_keys
from xds.protocol.responses import ResponseCache, ResponseContent
from xds.protocol.status import DeliveryState, TypeStatus, VersionStamp
from xds.protocol.subscription import Demand, Subscription, initial_subscription
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange, Revision

FULL_SET: Final = frozenset({ResourceType.LISTENER, ResourceType.CLUSTER})
"""The types of which a state-of-the-world response holds all, so that what it omits is removed.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#grouping-resources-into-responses
"""

MESSAGE_LIMIT: Final = 4096
"""Characters kept of the words of a rejection: they may quote whole resources."""


class TypeStream:
    """The state of one type on one stream. It decides what a response holds, not when it may go."""

    __slots__ = (
        "_acknowledged",
        "_nonce",
        "_rejection",
        "_sent",
        "_variant",
        "backlog",
        "flight",
        "refusals",
        "sends_full_set",
        "subscription",
        "trials",
        "type",
    )

    def __init__(self, type_: ResourceType, variant: Variant) -> None:
        self.type = type_
        self._variant = variant
        self.sends_full_set = variant is Variant.SOTW and type_ in FULL_SET
        self.subscription: Subscription = initial_subscription(type_)
        self.backlog = Backlog(removable=variant is Variant.DELTA or self.sends_full_set)
        self.flight: InFlight | None = None
        self.refusals: dict[str, RejectedResource] = {}
        self.trials = Bisection()
        self._nonce = 0
        self._sent: tuple[str, float] | None = None  # a Stamp once somebody looks
        self._acknowledged: tuple[str, float] | None = None
        self._rejection: Rejection | None = None

    @property
    def rejection(self) -> Rejection | None:
        """The last one."""
        return self._rejection

    @property
    def sent_at(self) -> float:
        """When the last response was sent, in seconds; infinite if none was."""
        return self._sent[1] if self._sent else inf

    @property
    def due(self) -> bool:
        """Whether there is something to say and nothing unanswered: at most one response is in flight."""
        return self.flight is None and bool(self.backlog or self.trials.parts)

    @property
    def is_open(self) -> bool:
        """Whether something is unsaid or unanswered."""
        return bool(self.flight or self.backlog or self.trials.parts)

    @property
    def adds(self) -> bool:
        """Whether something is to be sent that the proxy doesn't have yet."""
        return self.backlog.adds or self.trials.adds

    @property
    def oldest_unanswered(self) -> int | None:
        """The oldest revision that the proxy has not answered yet."""
        return oldest(self.flight.news.since if self.flight else None, self.backlog.since)

    @property
    def lacks(self) -> float:
        """The oldest revision that the proxy may not work with yet: all before it are told and acknowledged. Infinite
        if there is none; 0 while it works with something else than what is served, since it refused that.
        """
        if self.trials.parts or any(refusal.apart for refusal in self.refusals.values()):
            return 0
        doubtful = self.backlog.doubtful
        if self.flight:
            doubtful = oldest(doubtful, oldest(self.flight.news.doubtful, self.flight.response.revision + 1))
        return inf if doubtful is None else doubtful

    @property
    def refused(self) -> list[str]:
        """The names that the proxy refused and that didn't change since."""
        return [name for name, refusal in self.refusals.items() if refusal.version is not None]

    def is_stale(self, nonce: str) -> bool:
        """Whether a request with this nonce was made before the proxy saw the last response.

        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
        """
        return self._nonce > 0 and nonce not in ("", str(self._nonce))

    def note(self, changes: Iterable[ResourceChange], revision: Revision) -> bool:
        """Resources of this type are served differently. Returns whether the proxy is to be told of it."""
        if not (revision.from_proxies or self.refusals or self.trials.parts):
            return self.backlog.note(changes, self.subscription, revision.number)
        told = False
        for change in changes:
            if self.subscription.covers(change.name):
                told |= self._note(change, revision)
        return told

    def _note(self, change: ResourceChange, revision: Revision) -> bool:
        name = change.name
        if revision.from_proxies:
            self._revise(change, revision.number)
            return name in self.backlog.upserts
        refusal = self.refusals.pop(name, None)
        apart = name in self.trials or (refusal is not None and refusal.apart)
        told = self.backlog.put(name, self._base(change, refusal), change.new, revision.number)
        if apart and change.new is not None:
            self.backlog.date_back(name)
        return told

    def spare(self, name: str, base: Resource) -> None:
        """The proxy brought this, and what replaced it was refused by others: it keeps what it has."""
        self.refusals[name] = RejectedResource(None, base, apart=True)

    def ask(self, demand: Demand) -> None:
        """Take over what a request asks for; drop what is asked for no more."""
        old, new = self.subscription, demand.subscription
        self.subscription = new
        if old is not new and (old.wildcard > new.wildcard or not old.names <= new.names):
            self._forget()
        if demand.everything and self.flight and not old.wildcard:
            # What is in flight will be the proxy's, whether or not it is asked for right now.
            old = replace(old, names=old.names.union(item.name for item in self.flight.response.resources))
        if demand.names or demand.everything:
            self.backlog.ask(demand.names, everything=demand.everything, before=old, doubt=self._doubt(demand))

    def resubscribe(self, subscription: Subscription) -> None:
        """Take over what is asked for now, of which nothing needs to be told."""
        self.subscription = subscription
        self._forget()

    def end_legacy(self) -> None:
        """A name was given, if in a request that is otherwise ignored."""
        self.subscription = replace(self.subscription, legacy=False)

    def send(self, composer: ResponseCache, *, free: bool, held: Set[str], now: float) -> InFlight | None:
        """Make the response for all that may go: updates if they are `free`, removals that are not `held`.

        Returns None if there is nothing that the protocol has a word for.
        """
        if self.trials.parts:
            return self._fly(composer, self._try(), now)
        if not self.backlog.ready(free=free, held=held):
            return None
        single = None if self.refusals or self.sends_full_set or not free else self.backlog.single
        if single is not None:
            return self._join(composer, single, now)
        return self._fly(composer, self.backlog.take(free=free, held=held, whole=self.sends_full_set), now)

    def recognize(self, version: str, now: float) -> None:
        """The proxy brought all that it should have from another stream, where it acknowledged it."""
        self._acknowledged = version, now

    def acknowledge(self, now: float) -> Acknowledged:
        """The proxy took what is in flight."""
        flight = self._land()
        if self.refusals:
            for resource in flight.response.resources:
                refusal = self.refusals.get(resource.name)
                if refusal and refusal.version == resource.version:
                    del self.refusals[resource.name]
        self._acknowledged = flight.response.version, now
        return flight.acknowledged

    def reject(self, message: str, current: Mapping[str, Resource], now: float) -> Rejected:
        """The proxy refused what is in flight. What is known to be refused for its own sake does not go out again until
        it changes or is asked for; all of which nothing is known is tried again in parts. `current` is what is served.
        """
        flight = self._land()
        bases, versions = flight.bases, dict(flight.resources)
        blamed, innocent = self._judge(bases, versions.keys(), message)
        suspects = {name: base for name, base in bases.items() if name not in blamed and name not in innocent}
        for name in filter(self.subscription.covers, blamed):
            self._refuse(name, versions[name], bases[name], current.get(name))
        self.trials.begin({name: base for name, base in suspects.items() if self._is_doubtful(name, base, current)})
        found = tuple((name, versions[name]) for name in sorted(blamed))
        response, words = flight.response, without_keys(message)[:MESSAGE_LIMIT]
        self._rejection = Rejection(response.version, now, words, flight.resources, found)
        return Rejected(self.type, response, self._rejection)

    def delivery_state(self, name: str) -> DeliveryState:
        """The state of an existing resource at this proxy."""
        if not self.subscription.covers(name):
            return DeliveryState.NOT_SUBSCRIBED
        if name in self.refusals:
            return DeliveryState.REJECTED
        backlog = self.backlog
        if backlog.everything or name in backlog.asked or name in backlog.upserts or name in self.trials:
            return DeliveryState.PENDING
        if self.flight and (self.flight.news.everything or name in self.flight.news.names):
            return DeliveryState.IN_FLIGHT
        return DeliveryState.SYNCED

    def status(self) -> TypeStatus:
        refused = tuple(sorted(self.refused))
        return TypeStatus(
            type=self.type,
            subscribed=len(self.subscription.names),
            wildcard=self.subscription.wildcard,
            sent=VersionStamp(*self._sent) if self._sent else None,
            acknowledged=VersionStamp(*self._acknowledged) if self._acknowledged else None,
            last_rejection=self._rejection,
            rejected_count=len(refused),
            in_flight=self.flight is not None,
            pending=len(self.backlog) + len(self.trials),
            rejected_names=refused,
        )

    def _judge(self, bases: Mapping[str, Resource | None], sent: Set[str], words: str) -> tuple[Set[str], Set[str]]:
        """Of the names in a refused response, those that are to blame, and those that the proxy took all the same."""
        if len(bases) == 1:
            return sent & bases.keys(), bases.keys() - sent
        blamed = named(self.type, words, sent)
        if blamed and not words.endswith(TRUNCATED):
            return blamed, bases.keys() - blamed
        return blamed, bases.keys() - sent if self.type in NAMED else frozenset()

    def _refuse(self, name: str, version: str, base: Resource | None, served: Resource | None) -> None:
        """The proxy has still its base of this name, and will not get this version again."""
        if not self.backlog.covers(name) and name not in self.refusals:
            self.refusals[name] = RejectedResource(version, base, apart=True)
            return
        if name in self.refusals:  # others were faster to refuse it
            self.refusals[name] = RejectedResource(version, base, apart=base is not None and served is None)
            if served is None:
                return
            if served.version == version:
                self.refusals[name].apart = True
                self.backlog.drop(name)
                return
        self.backlog.rebase(name, base, served)

    def _is_doubtful(self, name: str, base: Resource | None, current: Mapping[str, Resource]) -> bool:
        """Whether this must be sent again for what was refused with it; what changed will be sent anyway."""
        if not self.subscription.covers(name):
            return False
        if name in self.refusals:
            self.refusals[name].base = base
        if not self.backlog.covers(name):
            return name not in self.refusals
        self.backlog.rebase(name, self._doubted(base, current.get(name)), current.get(name))
        return False

    def _doubted(self, base: Resource | None, sent: Resource | None) -> Resource | None:
        """What the proxy has of a name after a refusal. Of most types it may have taken what came."""
        known = base or sent
        return base if self.type in NAMED or known is None else unknown(known)

    def _revise(self, change: ResourceChange, revision: int) -> None:
        """What is served goes back to what the fleet accepted last, or to what it refused before and now accepted.

        If there is nothing to go back to, the proxy keeps what it has.
        """
        name, new = change.name, change.new
        before = self.refusals.get(name)
        base = self._base(change, before)
        refusal = self.refusals[name] = RejectedResource(before.version if before else None, base, apart=False)
        if new is None or new.version == refusal.version:
            refusal.apart = base is not None
            self.backlog.drop(name)
        elif refusal.version is None and base is not None and base.version == new.version:
            del self.refusals[name]
        else:
            self.backlog.put(name, base, new, revision)

    def _base(self, change: ResourceChange, refusal: RejectedResource | None) -> Resource | None:
        """What the proxy has of what changed; it waits nowhere any more."""
        base = self.backlog.pop(change)
        if change.name in self.trials:
            return self._doubted(self.trials.pop(change.name), change.old or change.new)
        return refusal.base if refusal else base

    def _try(self) -> Update:
        """Take the next part of what was refused together. A full set is, but for it, what the proxy has: that answers
        those who ask for it again, and what they ask for anew comes later.
        """
        part = self.trials.take()
        told = part.keys() | self.backlog.asked_again if self.sends_full_set else part.keys()
        doubtful = self.backlog.answer(told)
        added = frozenset(name for name, base in part.items() if base is None)
        rest: dict[str, Resource | None] = {}
        if self.sends_full_set:
            removals = {name: removal.base for name, removal in self.backlog.removals.items()}
            anew = dict.fromkeys(self.backlog.asked)
            rest = {**anew, **dict(self.trials), **self.backlog.upserts, **removals}
        return Update(
            names=frozenset(part),
            everything=False,
            added=added,
            kept=_known(rest),
            since=None,
            doubtful=doubtful,
            bases=part,
            withheld=_unknown(rest),
        )

    def _join(self, composer: ResponseCache, single: SharedChange, now: float) -> InFlight | None:
        """Send what other streams have in flight that were to be told of just the same."""
        key = (self._variant, self.type, single)
        flight = composer.flight(key, after=self._nonce)
        if flight is None:
            flight = self._fly(composer, self.backlog.take(free=True, held=frozenset(), whole=False), now)
            if flight is not None:
                composer.share(key, flight)
            return flight
        self.backlog.clear()
        return self._launch(flight, now)

    def _fly(self, composer: ResponseCache, news: Update, now: float) -> InFlight | None:
        response = composer.compose(self._selection(news), after=self._nonce)
        if not response.resources and self._variant is Variant.SOTW and not self.sends_full_set:
            return None
        if self.refusals:
            for resource in response.resources:
                if resource.name in self.refusals:
                    self.refusals[resource.name].base = resource
        return self._launch(InFlight(response, news, Acknowledged(self.type, response)), now)

    def _launch(self, flight: InFlight, now: float) -> InFlight:
        response = flight.response
        self._nonce = int(response.nonce)
        self._sent = response.version, now
        self.flight = flight
        return flight

    def _forget(self) -> None:
        """Drop what is asked for no more."""
        covers = self.subscription.covers
        self.backlog.forget(self.subscription)
        self.trials.forget(covers)
        self.refusals = {name: refusal for name, refusal in self.refusals.items() if covers(name)}

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

    def _selection(self, news: Update) -> ResponseContent:
        if not self.sends_full_set:
            return ResponseContent(self._variant, self.type, news.names, news.everything, news.kept)
        everything = self.subscription.wildcard
        names = frozenset() if everything else self.subscription.names
        apart = {name: each.base for name, each in self.refusals.items() if each.apart and name not in news.names}
        kept, withheld = (*news.kept, *_known(apart)), news.withheld | _unknown(apart)
        return ResponseContent(self._variant, self.type, names, everything, kept, withheld)

    def _land(self) -> InFlight:
        if self.flight is None:
            raise RuntimeError("nothing is in flight")
        flight, self.flight = self.flight, None
        return flight


def _known(bases: Mapping[str, Resource | None]) -> tuple[Resource, ...]:
    """Those that can be sent again, by name."""
    return tuple(base for _, base in sorted(bases.items()) if base is not None and base.body)


def _unknown(bases: Mapping[str, Resource | None]) -> frozenset[str]:
    """The names of the others."""
    return frozenset(name for name, base in bases.items() if base is None or not base.body)
