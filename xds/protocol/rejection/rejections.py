"""The rejected resources of one type at one proxy, and the way back to an accepted state.

    a NACK ── add ──▶  blamed resources ────▶  `rejected`: not sent again until they change or are requested;
                                               listeners that can't be bound: after a while (`bind_retries`)
                       accepted resources      done: Envoy applies the good part of some responses
                       all others ──────────▶  `bisection`: sent again in ever smaller parts, each ACKed or NACKed

The reaction of the build reaches every proxy as a change of the served resources (see `last_good`): back to the last
good version, or forward to a version that a proxy accepted after all. In between, a proxy is offered the version on
trial (see `trial`), and answers for itself.
"""

from collections.abc import Mapping, Set

from xds.protocol.backlog import Backlog, sendable, unsendable
from xds.protocol.in_flight import InFlight, Update
from xds.protocol.messages import Response
from xds.protocol.rejection.bind_retries import BindRetries
from xds.protocol.rejection.bisection import Bisection
from xds.protocol.rejection.nack import NAMED_TYPES, TRUNCATED, blamed_names, printable, unbound_names
from xds.protocol.rejection.rejected import Blame, RejectedResource, Wanted
from xds.protocol.subscription import Subscription
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange, Revision


class Rejections:
    """The rejected and offered resources of one type on one stream. Exists from the first until the last is over.

    Attributes:
        rejected: By name.
        bisection: Resources to send in parts: rejected together and none of them blamed yet, or offered.
        offers: Versions on trial that this proxy is asked about, unsent or unanswered, by name.
        bind_retries: The rejected listeners that are sent again.
    """

    __slots__ = ("_backlog", "_full_set", "_type", "bind_retries", "bisection", "offers", "rejected")

    def __init__(self, type_: ResourceType, backlog: Backlog, *, full_set: bool) -> None:
        self._type = type_
        self._backlog = backlog
        self._full_set = full_set
        self.rejected: dict[str, RejectedResource] = {}
        self.bisection = Bisection()
        self.offers: dict[str, Resource] = {}
        self.bind_retries = BindRetries()

    def __bool__(self) -> bool:
        return bool(self.rejected or self.bisection.parts or self.offers)

    def __contains__(self, name: str) -> bool:
        return name in self.rejected or name in self.bisection

    @property
    def differ_from_served(self) -> bool:
        """Whether the proxy works with a version that the fleet doesn't serve.

        A listener that a proxy can't bind and never had doesn't count. Otherwise the proxy would keep every resource
        that the source removes, as long as the port is in use.
        """
        return bool(self.bisection.parts) or any(
            each.differs_from_served and (each.base is not None or name not in self.bind_retries)
            for name, each in self.rejected.items()
        )

    def add(
        self,
        in_flight: InFlight,
        message: str,
        subscription: Subscription,
        served: Mapping[str, Resource],
        wanted: Wanted,
        *,
        now: float,
    ) -> Blame:
        """Sort the resources of a rejected response into blamed, accepted and suspect."""
        bases, versions = in_flight.bases, dict(in_flight.resources)
        sent = {resource.name: resource for resource in in_flight.response.resources}
        blamed, accepted = self._sort(bases.keys(), versions.keys(), message)
        unbound = unbound_names(message, blamed) if self._type is ResourceType.LISTENER else {}
        for name in blamed:
            self._end_offer(name, versions[name])
        for name in accepted & versions.keys():
            self._accept(sent[name], wanted)
        for name in filter(subscription.covers, blamed):
            self._reject(sent[name], bases[name], served.get(name), wanted, is_unbound=name in unbound)
        reasons = {name: printable(reason, [sent[name]]) for name, reason in unbound.items()}
        failed = {name: reason for name, reason in reasons.items() if name in self.rejected}
        repeated = {
            name for name, reason in failed.items() if self.bind_retries.failed(name, versions[name], reason, now)
        }
        suspects = {name: base for name, base in bases.items() if name not in blamed and name not in accepted}
        suspects = {name: base for name, base in suspects.items() if subscription.covers(name)}
        is_repeated = bool(repeated) and repeated == blamed and not suspects
        if suspects:
            again = {name for name, base in suspects.items() if self._must_be_sent_again(name, base, served.get(name))}
            self.bisection.begin({name: suspects[name] for name in again})
        return Blame(tuple((name, versions[name]) for name in sorted(blamed)), frozenset(unbound), is_repeated)

    def retry(
        self,
        served: Mapping[str, Resource],
        on_trial: Mapping[str, Resource],
        in_flight: InFlight | None,
        now: float,
    ) -> bool:
        """Send listeners again that could not be bound, if it is time. Returns whether there is one to send.

        Sends the version that the fleet serves, or offers a version on trial for the proxy's own answer.
        """
        answering = {resource.name for resource in in_flight.response.resources} if in_flight is not None else set()
        part: dict[str, Resource | None] = {}
        offers: dict[str, Resource] = {}
        for name, version in self.bind_retries.take_due(now).items():
            if name in answering or name in self.offers or name in self.bisection:
                continue
            if name in self.rejected and name in served and served[name].version == version:
                part[name] = self.rejected[name].base
            elif name in self.rejected and name in on_trial and on_trial[name].version == version:
                offers[name] = on_trial[name]
            else:
                self.bind_retries.forget(name)
        if part:
            self.bisection.parts.insert(0, part)
        return self.offer(offers, served, in_flight) or bool(part)

    def offer(self, offers: Mapping[str, Resource], served: Mapping[str, Resource], in_flight: InFlight | None) -> bool:
        """Send versions on trial, for the proxy's own answer. Returns whether there is one to send.

        A version that the proxy rejected is left out. A version in flight is sent again only if the proxy rejects the
        whole response.
        """
        sent = dict(in_flight.resources) if in_flight is not None else {}
        part: dict[str, Resource | None] = {}
        for name, resource in offers.items():
            rejected = self.rejected.get(name)
            versions = rejected.versions if rejected else frozenset[str]()
            if resource.version in versions or name in self.offers or name in self.bisection:
                continue
            if resource.version == sent.get(name):
                self.offers[name] = resource
                continue
            base = rejected.base if rejected else self._backlog.base(name, served.get(name))
            version = rejected.version if rejected else None
            now = served.get(name)
            differs = (base and base.version) != (now and now.version)
            self.rejected[name] = RejectedResource(version, base, differs, versions)
            self._backlog.drop(name)
            self.offers[name] = resource
            part[name] = base
        if part:
            self.bisection.parts.insert(0, part)
        return bool(part)

    def keep_current(self, name: str, base: Resource) -> None:
        """Leave a resumed version at the proxy: other proxies rejected its successor, and nothing is served instead."""
        self.rejected[name] = RejectedResource(None, base, differs_from_served=True)

    def note(self, change: ResourceChange, revision: Revision) -> bool:
        """Record a change of a served resource. Returns whether it is to be sent."""
        name = change.name
        self.offers.pop(name, None)
        self.bind_retries.forget(name)
        if revision.from_proxies:
            self._follow_fleet(change, revision.number)
            return name in self._backlog.upserts
        rejected = self.rejected.pop(name, None)
        differs = name in self.bisection or (rejected is not None and rejected.differs_from_served)
        unsent = self._backlog.put(name, self._pop_base(change, rejected), change.new, revision.number)
        if differs and change.new is not None:
            self._backlog.date_back(name)
        return unsent

    def sent(self, response: Response) -> None:
        """Take what is sent for the proxy's version: the proxy asked for it again."""
        for resource in response.resources:
            if resource.name in self.rejected:
                self.rejected[resource.name].base = resource

    def acknowledged(self, response: Response, wanted: Wanted) -> None:
        """Forget rejections of versions that the proxy has accepted now, and of those that the source has replaced."""
        for resource in response.resources:
            self._accept(resource, wanted)

    def _accept(self, resource: Resource, wanted: Wanted) -> None:
        name = resource.name
        was_offered = self._end_offer(name, resource.version)
        rejected = self.rejected.get(name)
        if rejected is None:
            return
        was_unbound = self.bind_retries.bound(name, resource.version)
        if was_offered:  # the fleet is served the version too, in a moment: see `_follow_fleet`
            rejected.version, rejected.differs_from_served = None, True
        elif was_unbound:  # the fleet serves the version
            rejected.differs_from_served = False
            if rejected.version in (None, resource.version) and name not in self.offers:
                del self.rejected[name]
        elif rejected.version == resource.version:
            del self.rejected[name]
        else:
            rejected.version = None if wanted.wants(resource) else rejected.version
            if rejected.follows_served and name not in self.offers:
                del self.rejected[name]

    def _end_offer(self, name: str, version: str | None) -> bool:
        """Note the answer to an offer. The answer to an older version, in flight at the offer, is none.

        Returns:
            Whether the version was offered.
        """
        if name not in self.offers or self.offers[name].version != version:
            return False
        del self.offers[name]
        return True

    def forget(self, subscription: Subscription) -> None:
        """Drop names that the subscription doesn't cover."""
        self.bisection.keep(subscription.covers)
        self.bind_retries.keep(subscription.covers)
        self.offers = {name: offer for name, offer in self.offers.items() if subscription.covers(name)}
        self.rejected = {name: rejected for name, rejected in self.rejected.items() if subscription.covers(name)}

    def next_test(self) -> Update:
        """Take the next part of the bisection.

        A full-set response carries the part under test plus everything the proxy already has. New subscriptions wait
        for the next response.
        """
        part, backlog = self.bisection.take(), self._backlog
        uncertain_since = backlog.answer(part.keys() | backlog.requested_again if self._full_set else part.keys())
        rest: dict[str, Resource | None] = {}
        if self._full_set:
            removals = {name: removal.base for name, removal in backlog.removals.items()}
            rest = {**dict.fromkeys(backlog.requested), **dict(self.bisection), **backlog.upserts, **removals}
        return Update(
            names=frozenset(part),
            everything=False,
            added=frozenset(name for name, base in part.items() if base is None),
            kept=(*(self.offers[name] for name in sorted(part) if name in self.offers), *sendable(rest)),
            oldest_revision=None,
            uncertain_since=uncertain_since,
            bases=part,
            withheld=unsendable(rest),
        )

    def differing_bases(self, besides: Set[str]) -> dict[str, Resource | None]:
        """The proxy's versions that differ from the served ones: a full set must repeat them."""
        return {
            name: rejected.base
            for name, rejected in self.rejected.items()
            if rejected.differs_from_served and name not in besides
        }

    def _sort(self, names: Set[str], sent: Set[str], message: str) -> tuple[Set[str], Set[str]]:
        """The blamed and the accepted names of a rejected response. `sent` is without the removals in it."""
        if len(names) == 1:
            return sent & names, names - sent
        blamed = blamed_names(self._type, message, sent)
        if blamed and not message.endswith(TRUNCATED):
            return blamed, names - blamed
        return blamed, names - sent if self._type in NAMED_TYPES else frozenset()

    def _reject(
        self,
        resource: Resource,
        base: Resource | None,
        served: Resource | None,
        wanted: Wanted,
        *,
        is_unbound: bool,
    ) -> None:
        """Record a rejected version, which is not sent again, or not at once. The proxy still has its base."""
        name, version = resource.name, resource.version
        if self._full_set and base is not None and base.version == version:
            base = None  # a full set would repeat the base
        known = self.rejected.get(name)  # other proxies rejected the version first, or this one another
        rejected = known.versions if known else frozenset[str]()
        versions = rejected if is_unbound else rejected | {version}
        if known is None and self._backlog.has_change(name):
            self._backlog.rebase(name, base, served)
        elif known is None or (served is not None and (served.version == version or served.version in versions)):
            before = known.version if known and is_unbound else None
            shown = before or (version if is_unbound or not wanted.has_replaced(resource) else None)
            self.rejected[name] = RejectedResource(shown, base, differs_from_served=True, versions=versions)
            self._backlog.drop(name)
        else:
            shown = known.version if wanted.has_replaced(resource) else version
            self.rejected[name] = RejectedResource(shown, base, base is not None and served is None, versions)
            if served is not None:
                self._backlog.rebase(name, base, served)

    def _must_be_sent_again(self, name: str, base: Resource | None, served: Resource | None) -> bool:
        """Whether a suspect is part of the bisection: no, if a change of it is sent anyway, or others rejected it."""
        rejected = self.rejected.get(name)
        if rejected is not None:
            rejected.base = base
        if name in self.bisection:  # offered meanwhile
            self.bisection.rebase(name, base)
            return False
        if name in self.offers:
            self._backlog.drop(name)
            return True
        if not self._backlog.has_change(name):
            if rejected is None:
                return True
            is_served = served is not None and served.version not in rejected.versions
            return is_served and (base and base.version) != (served and served.version)
        self._backlog.rebase(name, self._presumed_base(base, served), served)
        return False

    def _presumed_base(self, base: Resource | None, sent: Resource | None) -> Resource | None:
        """The version that the proxy has of a suspect. Of most types Envoy may have applied what was sent: then the
        base is a version that no resource has.
        """
        known = base or sent
        return base if self._type in NAMED_TYPES or known is None else Resource(known.type, known.name, b"", "")

    def _follow_fleet(self, change: ResourceChange, revision: int) -> None:
        """Follow the fleet back to a last good version, or forward to a version accepted after all.

        Where nothing is left to serve, the proxy keeps its version.
        """
        name, new = change.name, change.new
        before = self.rejected.get(name)
        base = self._pop_base(change, before)
        version = before.version if before else None
        versions = before.versions if before else frozenset[str]()
        if new is None or new.version in versions:
            # A full set leaves out the rejected version, also if the proxy has none instead.
            differs = new is not None or base is not None
            self.rejected[name] = RejectedResource(version, base, differs, versions)
            self._backlog.drop(name)
        elif version is None and base is not None and base.version == new.version:
            self.rejected.pop(name, None)
        else:
            self.rejected[name] = RejectedResource(version, base, differs_from_served=False, versions=versions)
            self._backlog.put(name, base, new, revision)

    def _pop_base(self, change: ResourceChange, rejected: RejectedResource | None) -> Resource | None:
        """Take a changed resource out of backlog and bisection, and return the proxy's version."""
        base = self._backlog.pop(change)
        if change.name in self.bisection:
            return self._presumed_base(self.bisection.pop(change.name), change.old or change.new)
        return rejected.base if rejected else base
