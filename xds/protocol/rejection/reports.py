"""Reports of rejected resources, with Envoy's message, for the people who can fix the source."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from xds.protocol.fleet import BuildFleet, Fleet
from xds.protocol.messages import Rejected
from xds.protocol.rejection.bind_retries import BIND_RETRY_SECONDS
from xds.protocol.rejection.nack import listener_reasons
from xds.protocol.session import Session
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceKey, Store

BLAMED_HOSTS_LIMIT: Final = 10
"""Virtual hosts that are reported for a rejected RouteConfiguration with virtual hosts inside. Where more may be the
cause, the RouteConfiguration is reported instead.
"""

REPORTS_LIMIT: Final = 200
"""Resources reported at a time."""

REPORTS_PER_NODE_LIMIT: Final = 20
"""Resources reported for one node at a time. A proxy that rejects more has a fault that the first resources show, and
is reported itself.
"""

NODES_LIMIT: Final = 20
"""Nodes reported at a time as rejecting more resources than are reported."""

RECOUNT_SECONDS: Final = 60.0
"""Shortest time between two reports that differ only in the number of proxies. Proxies that come and go, or whose ports
become free one after the other, must not cause an Event each.
"""


@dataclass(frozen=True, slots=True)
class RejectionReport:
    """A wanted resource that proxies reject.

    Attributes:
        message: Envoy's message, from the first NACK; for a listener, its part of the message.
        proxies: Number of rejecting proxies, counted at the first report; for a port that they can't bind, counted
            anew from time to time.
        builds: The builds of which a proxy rejects the resource.
        on_trial: Whether no proxy of these builds has accepted it yet.
        good: The version that the rest of the builds has meanwhile; None: no version.
        of_proxies: Number of proxies that subscribe to the listener, if no proxy rejects it but for its port; 0 for
            other rejections.
    """

    resource: Resource
    message: str
    proxies: int
    builds: tuple[str, ...]
    on_trial: bool
    good: Resource | None
    of_proxies: int = 0

    @property
    def effect(self) -> str:
        """The consequence for the proxies, with `{}` for the name of the resource."""
        if self.of_proxies:
            return (
                f"{{}} cannot bind on {self.proxies} of {self.of_proxies} proxies; these go on without it or with its "
                f"former version, and are sent it again each {BIND_RETRY_SECONDS:.0f} s"
            )
        subject = "a proxy rejects {}" if self.proxies == 1 else f"{self.proxies} proxies reject {{}}"
        builds = f" ({', '.join(self.builds)})" if self.builds else ""
        if not self.on_trial:
            return f"{subject}{builds} and goes on without it or with its former version; proxies that accept it get it"
        if self.good is None:
            return f"{subject}{builds}; until a proxy of that build accepts a version of it, it is left out there"
        return f"{subject}{builds}; until a proxy of that build accepts it, the others there keep the last good version"


@dataclass(frozen=True, slots=True)
class _Message:
    """Envoy's message on one version of a resource, from the first node that rejected the version.

    Attributes:
        unbound: Whether the version is a listener's, and rejected for its port alone.
    """

    version: str
    text: str
    node: str
    unbound: bool


class RejectionReports:
    """Keeps the first message per rejected resource. A message is dropped when the resource is removed, when a proxy
    accepts a later version, or when no proxy rejects the resource any more.

    Attributes:
        nodes_beyond_limit: The ids of nodes that reject resources without a report.
    """

    def __init__(self, wanted: Store, fleet: Fleet) -> None:
        self._wanted = wanted
        self._fleet = fleet
        self._messages: dict[ResourceKey, _Message] = {}
        self._reports: dict[ResourceKey, RejectionReport] = {}
        self._counted_at: dict[ResourceKey, float] = {}
        self._counts: Counter[str] = Counter()
        self.nodes_beyond_limit: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._messages or self.nodes_beyond_limit)

    def add(self, event: Rejected, session: Session) -> None:
        """Record a NACK. The first message on a version stays."""
        build, node, rejection = session.build, session.node_id, event.rejection
        blamed = build.last_good.blamed(event)
        reasons: Mapping[str, str] = {}
        if event.type is ResourceType.LISTENER:
            further = rejection.unbound - {each.name for each in blamed}
            blamed += [each for each in event.response.resources if each.name in further and build.wants(each)]
            reasons = listener_reasons(rejection.message, {name for name, _ in rejection.blamed})
        wanted = [(each.type, each.name, each.version) for each in blamed]
        sent = [(event.type, name, version) for name, version in rejection.blamed]
        for type_, name, version in wanted if 0 < len(wanted) <= BLAMED_HOSTS_LIMIT else sent:
            known = self._messages.get((type_, name))
            if known is None:
                if self._counts[node] >= REPORTS_PER_NODE_LIMIT or len(self._messages) >= REPORTS_LIMIT:
                    if len(self.nodes_beyond_limit) < NODES_LIMIT:
                        self.nodes_beyond_limit.add(node)
                    return
                self._counts[node] += 1
            if known is None or known.version != version or (known.unbound and name not in rejection.unbound):
                text = reasons.get(name, rejection.message)
                self._messages[type_, name] = _Message(
                    version, text, known.node if known else node, name in rejection.unbound
                )

    def current(self, sessions: Collection[Session], now: float) -> list[RejectionReport]:
        """Report the resources rejected now.

        Further proxies that reject the same version don't change a report, unless they can't bind a port: such
        proxies are counted anew each RECOUNT_SECONDS.
        """
        rejecting: dict[ResourceKey, list[Session]] = {key: [] for key in self._messages}
        nodes = set()
        for session in sessions:
            for key in session.rejected():
                nodes.add(session.node_id)
                if key in rejecting:
                    rejecting[key].append(session)
        self.nodes_beyond_limit &= nodes
        self._messages = {
            key: self._updated(key, message, rejecting[key])
            for key, message in self._messages.items()
            if self._applies(key, message, rejecting[key])
        }
        self._counts = Counter(message.node for message in self._messages.values())
        self._counted_at = {key: at for key, at in self._counted_at.items() if key in self._messages}
        self._reports = {
            key: self._report(key, message, rejecting[key], sessions, now) for key, message in self._messages.items()
        }
        return list(self._reports.values())

    def _applies(self, key: ResourceKey, message: _Message, sessions: Sequence[Session]) -> bool:
        """Whether a message is still of interest. A new version that no proxy has tried yet doesn't end a report."""
        type_, name = key
        wanted = self._wanted.get(type_, name)
        if wanted is None or sessions or self._trials(key):
            return wanted is not None
        untried = any(build.last_good.is_untried(type_, name) for build in self._fleet.builds)
        return wanted.version != message.version and untried

    def _updated(self, key: ResourceKey, message: _Message, rejecting: Sequence[Session]) -> _Message:
        """The message, or a bind failure instead once each rejecting proxy only fails to bind the listener's port."""
        type_, name = key
        reasons = [session.unbound_reason(name) for session in rejecting]
        is_unbound = type_ is ResourceType.LISTENER and reasons and all(reasons) and not self._trials(key)
        return replace(message, text=reasons[0], unbound=True) if is_unbound and not message.unbound else message

    def _trials(self, key: ResourceKey) -> list[BuildFleet]:
        """The builds in which a resource is on trial."""
        type_, name = key
        return [build for build in self._fleet.builds if name in build.last_good.names_on_trial(type_)]

    def _report(
        self, key: ResourceKey, message: _Message, rejecting: Sequence[Session], sessions: Iterable[Session], now: float
    ) -> RejectionReport:
        wanted, known = self._wanted.get(*key), self._reports.get(key)
        trials = self._trials(key)
        if wanted is None:
            raise RuntimeError("a removed resource has no report")
        unbound = message.unbound and not trials and all(session.unbound_reason(wanted.name) for session in rejecting)
        if known is not None:
            facts = (known.resource.version, known.on_trial, bool(known.of_proxies))
            is_same = facts == (wanted.version, bool(trials), unbound)
            is_recounted = unbound and now >= self._counted_at.get(key, -inf) + RECOUNT_SECONDS
            if wanted.version != message.version or (is_same and not is_recounted):
                return known
        if unbound:
            self._counted_at[key] = now
        goods = (build.last_good.good(*key) for build in trials)
        return RejectionReport(
            resource=wanted,
            message=message.text,
            proxies=max(len(rejecting), 1),
            builds=tuple(sorted({str(session.build.build) for session in rejecting})),
            on_trial=bool(trials),
            good=next((good for good in goods if good is not None), None),
            of_proxies=sum(_is_subscribed(session, wanted) for session in sessions) if unbound else 0,
        )


def _is_subscribed(session: Session, resource: Resource) -> bool:
    subscription = session.subscription(resource.type)
    return subscription is not None and subscription.covers(resource.name)
