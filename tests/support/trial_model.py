"""A fleet of made-up proxies without a wire, honest and hostile, on builds and trials as the server drives them.

`TrialFleet` does the part of `server.ads`, `server.fanout` and `server.trials`; `Proxy` is the client on one or more
streams. An honest proxy accepts a resource by its software and the resource's body alone: a body that holds `!1` is
rejected by software 1. A hostile proxy behaves by its `kind`, see `KINDS`.

Each step checks that no response repeats a version that the proxy rejected on the stream, that no round of a trial asks
more proxies than allowed, and that a resource shown as delivered is at the proxy.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Final

from tests.support.xds_client_model import CDS, ECDS, EDS, LDS, RDS, SDS, VHDS, inline
from xds.protocol.fleet import BuildFleet, Fleet
from xds.protocol.messages import DeltaRequest, Event, Node, Rejected, Response, SotwRequest, Variant
from xds.protocol.rejection.bind_retries import BIND_RETRY_SECONDS
from xds.protocol.rejection.nack import CANNOT_BIND, NAMED_TYPES
from xds.protocol.rejection.trial import Candidate
from xds.protocol.session import Session
from xds.protocol.status import DeliveryState
from xds.protocol.type_stream import FULL_SET_TYPES
from xds.server.subscribers import SubscriberIndex
from xds.snapshot.resource import Resource, ResourceType, resource, route_configuration_of
from xds.snapshot.store import ResourceKey, Revision, Store
from xds.snapshot.view import InlinedView

NAMES: Final[Mapping[ResourceType, tuple[str, ...]]] = {
    CDS: ("c1", "c2", "c3"),
    EDS: ("c1", "c2", "c3"),
    SDS: ("s1", "s2"),
    ECDS: ("e1", "e2"),
    LDS: ("l1", "l2"),
    RDS: ("r1", "r2"),
    VHDS: ("r1/a", "r1/b", "r2/a"),
}

WILDCARD_TYPES: Final = (CDS, LDS, VHDS)

SLOW_SECONDS: Final = 7.0
"""Time that a slow honest proxy takes for an answer: longer than a round."""

ROUND_SECONDS: Final = 5.0

KINDS: Final = {
    "rejects all": "NACKs each response, blaming nothing",
    "blames all": "NACKs each response, blaming each resource by name",
    "rejects after ack": "ACKs each response, then NACKs it with the same nonce",
    "half": "answers no listeners and routes, and blames half of a response",
    "old nonces": "NACKs with former nonces before each ACK",
    "silent": "never answers",
    "flaps": "NACKs a response, ends the stream and comes back",
    "crashes": "ends the stream without an answer, and comes back",
    "nags": "NACKs each response and requests the names again",
    "liar": "honest, but of other software than its build says",
}

FLAPS_LIMIT: Final = 5
"""Streams of a proxy that flaps, after which it stays away."""


def clusters_of(body: str) -> set[str]:
    """The clusters in a made-up body `serial!software:cluster,cluster`, as `inline` puts several together."""
    return set(filter(None, body.rpartition(":")[2].split(","))) if ":" in body else set()


class TrialFleet:
    """A store, a clock, and the proxies.

    Attributes:
        accepted: By build and resource, the versions that a proxy of the build acknowledged.
        rejecting: Builds of which a proxy rejected something.
        sources: By resource, each version that was wanted.
        removed: Resources that the source removed, whether or not they came back.
    """

    def __init__(self, *, vhds: bool) -> None:
        self.store = Store()
        self.fleet = Fleet(self.store, inline, vhds=vhds)
        self.vhds = vhds
        self.now = 100.0
        self.proxies: list[Proxy] = []
        self.by_session: dict[Candidate, Proxy] = {}
        self.wanted_inlined = InlinedView(self.store, inline)
        self.accepted: dict[tuple[BuildFleet, ResourceKey], set[str]] = {}
        self.rejecting: set[BuildFleet] = set()
        self.sources: dict[ResourceKey, dict[str, str]] = {}
        self.removed: set[ResourceKey] = set()
        self._subscribers: dict[tuple[BuildFleet, Variant], SubscriberIndex[Proxy]] = {}
        self._timers: dict[BuildFleet, float] = {}
        self._rounds: dict[BuildFleet, Rounds] = {}
        self.serial = 0
        self.commit({(LDS, "l1"): "1"})

    # The source.

    def commit(self, bodies: Mapping[ResourceKey, str | None]) -> None:
        changes = {
            (type_, name): None if body is None else resource(type_, name, body.encode())
            for (type_, name), body in bodies.items()
        }
        revision = self.store.commit(changes, read_at=self.now, now=self.now)
        if revision is None:
            return
        for change in revision.changes:
            if change.new is None:
                self.removed.add((change.type, change.name))
            else:
                self.sources.setdefault((change.type, change.name), {})[change.new.version] = change.new.body.decode()
        for proxy in self.proxies:
            proxy.source_changed(revision)
        served = self.fleet.follow(revision)
        if served:
            self.push(*served)

    def wanted(self, type_: ResourceType, *, inlined: bool) -> Mapping[str, Resource]:
        """The wanted resources, with their bodies, as a stream with or without VHDS sees them."""
        if inlined and type_ in (RDS, VHDS):
            names = self.store.inlined_routes if type_ is RDS else {}
            return {name: self.wanted_inlined.complete(names[name]) for name in names}
        return self.store.resources(type_)

    # The server.

    def join(self, proxy: "Proxy") -> None:
        self.by_session[proxy.session] = proxy

    def leave(self, proxy: "Proxy") -> None:
        build, session = proxy.session.build, proxy.session
        del self.by_session[session]
        if subscribers := self._subscribers.get((build, session.variant)):
            subscribers.remove(proxy)
        if revisions := build.leave(session, self.now):
            self.push(*((build, revision) for revision in revisions))
        self.advance(build)

    def receive(self, proxy: "Proxy", request: DeltaRequest | SotwRequest) -> list[Event]:
        session = proxy.session
        events = session.receive(request, self.now)
        self._index(proxy)
        build = session.build
        if events:
            self._note(build, events)
            if revisions := build.learn(events, session, self.now):
                self.push(*((build, revision) for revision in revisions))
        proxy.note(events)
        self.advance(build)
        self.flush(proxy)
        return events

    def push(self, *revisions: tuple[BuildFleet, Revision]) -> None:
        updated = {proxy: None for build, revision in revisions[:-1] for proxy in self._update(build, revision)}
        for proxy in self._update(*revisions[-1]):
            updated.pop(proxy, None)
            self.flush(proxy)
        for proxy in updated:
            self.flush(proxy)

    def advance(self, build: BuildFleet) -> None:
        rounds = self._rounds.setdefault(build, Rounds(build))
        rounds.check(self)
        timer = self._timers.pop(build, None)
        if timer is None and not build.last_good.is_any_on_trial:
            return
        before = {session: self.by_session[session].offered for session in build.proxies}
        chosen = build.trial.advance(build.proxies, self.now)
        proxies = [self.by_session[session] for session in chosen]
        rounds.begin({proxy: proxy.offered - before[proxy.session] - proxy.in_flight for proxy in proxies}, self)
        for proxy in proxies:
            self.flush(proxy)
        if isfinite(build.trial.deadline):
            self._timers[build] = build.trial.deadline

    def flush(self, proxy: "Proxy") -> None:
        if not proxy.connected:
            return
        responses = proxy.session.take_responses(self.now)
        self._index(proxy)
        for response in responses:
            proxy.take(response)

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := self.next_deadline()) <= end:
            self.now = max(self.now, at)
            for build in [build for build, timer in self._timers.items() if timer <= self.now]:
                self.advance(build)
            for proxy in self.connected:
                deadline = proxy.session.deadline()
                if deadline is not None and deadline <= self.now:
                    self.flush(proxy)
        self.now = end

    def next_deadline(self) -> float:
        """Time of the next timer in the server that is not due yet; infinite if there is none."""
        sessions = (proxy.session.deadline() for proxy in self.connected)
        ends = (*self._timers.values(), *(at for at in sessions if at is not None and at > self.now))
        return min(ends, default=inf)

    @property
    def connected(self) -> list["Proxy"]:
        return [proxy for proxy in self.proxies if proxy.connected]

    def in_trial(self, proxy: "Proxy") -> bool:
        """Whether a proxy is asked in an open round."""
        rounds = self._rounds.get(proxy.session.build)
        return rounds is not None and proxy in rounds.asked

    def _update(self, build: BuildFleet, revision: Revision) -> Iterator["Proxy"]:
        for variant in Variant:
            subscribers = self._subscribers.get((build, variant))
            for proxy in subscribers.streams(build.changes(revision, variant)) if subscribers else ():
                proxy.session.update(revision)
                proxy.hosts_come_again({change.name for change in revision.by_type.get(RDS, ())})
                self._index(proxy)
                yield proxy

    def _index(self, proxy: "Proxy") -> None:
        session = proxy.session
        if session.resubscribed:
            session.resubscribed = False
            group = (session.build, session.variant)
            self._subscribers.setdefault(group, SubscriberIndex()).subscribe(proxy, session.subscriptions)

    def _note(self, build: BuildFleet, events: Iterable[Event]) -> None:
        if any(isinstance(event, Rejected) for event in events):
            self.rejecting.add(build)

    def check(self) -> None:
        """Check what holds at each moment."""
        for build in self.fleet.builds:
            if build not in self.rejecting:
                for type_ in ResourceType:
                    assert build.last_good.served.resources(type_) == self.store.resources(type_), "another build"
        for proxy in self.connected:
            if proxy.honest:
                proxy.check_states()


@dataclass
class Rounds:
    """The rounds of a build.

    Attributes:
        counts: Rounds since the newest version went on trial, for routing (True) and for what routing needs (False).
        asked: The proxies of the last round, each with the versions that it was asked about.
    """

    build: BuildFleet
    counts: Counter[bool] = field(default_factory=Counter)
    known: set[tuple[ResourceKey, str]] = field(default_factory=set)
    asked: dict["Proxy", set[tuple[ResourceKey, str]]] = field(default_factory=dict)
    since: float = -inf
    crashed: bool = False

    def on_trial(self, fleet: TrialFleet) -> set[tuple[ResourceKey, str]]:
        last_good = self.build.last_good
        return {
            ((type_, name), fleet.store.resources(type_)[name].version)
            for type_ in ResourceType
            for name in last_good.names_on_trial(type_)
        }

    def check(self, fleet: TrialFleet) -> None:
        """Note the end of trials, and crashes of asked proxies."""
        on_trial = self.on_trial(fleet)
        if on_trial - self.known:
            self.counts.clear()
        self.known = on_trial
        for proxy, versions in list(self.asked.items()):
            gone = not proxy.connected or proxy.session.build is not self.build
            if gone and proxy.unanswered & versions & on_trial:
                self.crashed = True
            if gone:
                del self.asked[proxy]
        if not on_trial:
            self.crashed = False

    def begin(self, proxies: dict["Proxy", set[tuple[ResourceKey, str]]], fleet: TrialFleet) -> None:
        if not proxies:
            return
        on_trial = self.on_trial(fleet)
        if fleet.now < self.since + ROUND_SECONDS:
            for proxy, versions in self.asked.items():
                late = proxy.in_flight & versions & on_trial if not proxy.inlined else set()
                assert not late, f"a round began before {proxy} answered {late}"
        self.since = fleet.now
        self.asked = proxies
        routing = {key[0] in (LDS, RDS, VHDS) for versions in self.asked.values() for key, _ in versions}
        assert len(routing) <= 1, "routing is offered after what it needs"
        # Empty: a RouteConfiguration of which the parts are in flight, with other virtual hosts inside.
        routing = routing or {True}
        self.counts.update(routing)
        limit = 1 if self.crashed else 2 ** self.counts[True in routing]
        assert 1 <= len(proxies) <= limit, f"{len(proxies)} proxies are asked instead of {limit}"
        assert self.build.trial.deadline <= fleet.now + ROUND_SECONDS


class Proxy:
    """A proxy, on one stream after the other.

    Attributes:
        software: Decides what an honest proxy accepts. `claimed` is the software in its node.
        held: The resources that the proxy accepted and that were not removed since.
        live: The virtual hosts that came while their RouteConfiguration was there: Envoy drops others.
        rejected: On this stream, by resource: the versions that may not be sent again.
        owed: Resources that are sent once more in any version: requested again, or part of another one that was sent.
        unanswered: What was in flight when the stream ended.
        busy: The listeners whose port another process of the machine has.
    """

    def __init__(
        self, fleet: TrialFleet, software: int, variant: Variant, kind: str = "honest", claimed: int | None = None
    ) -> None:
        self.fleet = fleet
        self.software = software
        self.kind = kind
        self.variant = variant
        self.claimed = software if claimed is None else claimed
        self.session: Session
        self.connected = False
        self.held: dict[ResourceType, dict[str, Resource]] = {type_: {} for type_ in ResourceType}
        self.live: dict[str, Resource] = {}
        self.wire: dict[ResourceType, Response] = {}
        self.taken_at: dict[ResourceType, float] = {}
        self.nonces: dict[ResourceType, list[str]] = {}
        self.rejected: dict[ResourceKey, set[str]] = {}
        self.owed: set[ResourceKey] = set()
        self.last_rejected: dict[ResourceKey, str] = {}
        self.sent: Counter[tuple[ResourceKey, str]] = Counter()
        self.sent_count = 0
        self.unanswered: set[tuple[ResourceKey, str]] = set()
        self.flaps = 0
        self.busy: set[str] = set()
        self.subscribed: dict[ResourceType, frozenset[str]] = {}
        fleet.proxies.append(self)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.variant} {self.software}, of build {self.claimed}>"

    @property
    def honest(self) -> bool:
        """Whether the proxy answers each response, by its software."""
        return self.kind in ("honest", "slow", "liar")

    @property
    def inlined(self) -> bool:
        return self.variant is Variant.SOTW or not self.fleet.vhds

    @property
    def types(self) -> list[ResourceType]:
        return [type_ for type_ in ResourceType if not (self.inlined and type_ is VHDS)]

    @property
    def in_flight(self) -> set[tuple[ResourceKey, str]]:
        items = (item for response in self.wire.values() for item in response.resources)
        return {version for item in items for version in self.parts(item)}

    @property
    def offered(self) -> set[tuple[ResourceKey, str]]:
        """The versions on trial that the session has to send, or has in flight."""
        type_streams = self.session._type_streams.values()
        items = (item for each in type_streams if each.rejections for item in each.rejections.offers.values())
        on_trial = Rounds(self.session.build).on_trial(self.fleet)
        return {version for item in items for version in self.parts(item)} & on_trial

    def parts(self, item: Resource) -> set[tuple[ResourceKey, str]]:
        configuration, hosts = getattr(item, "configuration", item), getattr(item, "hosts", {})
        return {((each.type, each.name), each.version) for each in (configuration, *hosts.values())}

    def accepts(self, item: Resource) -> bool:
        return f"!{self.software}" not in item.body.decode()

    def binds(self, item: Resource) -> bool:
        """Whether the machine gives a listener its port. Envoy keeps the socket of a listener that it has."""
        return item.type is not LDS or item.name not in self.busy or item.name in self.held[LDS]

    # The stream.

    def connect(self, *, fresh: bool = False) -> None:
        if self.connected:
            return
        if fresh:
            self.held = {type_: {} for type_ in ResourceType}
            self.live = {}
        self.session = Session(self.fleet.fleet, self.variant, now=self.fleet.now)
        self.connected = True
        self.wire, self.nonces, self.rejected, self.sent, self.taken_at = {}, {}, {}, Counter(), {}
        self.last_rejected = {}
        self.owed = set()
        self.unanswered = set()
        self.fleet.join(self)
        node: Node | None = Node(f"proxy-{self.claimed}", "fleet", f"software{self.claimed} 1.{self.claimed}.0")
        for type_ in self.types:
            names = frozenset() if type_ in WILDCARD_TYPES else frozenset(NAMES[type_])
            self.subscribed[type_] = names
            if self.variant is Variant.DELTA:
                versions = {name: item.version for name, item in self.held[type_].items()}
                self.fleet.receive(self, DeltaRequest(type_, names, initial_resource_versions=versions, node=node))
            else:
                self.fleet.receive(self, SotwRequest(type_, names, node=node))
            node = None

    def disconnect(self) -> None:
        if self.connected:
            self.unanswered = self.in_flight | self.offered
            self.connected = False
            self.fleet.leave(self)

    def request_again(self, type_: ResourceType) -> None:
        """Subscribe to names again, so that all their versions may come again."""
        if not self.connected or type_ not in self.types or type_ in WILDCARD_TYPES:
            return
        names = self.subscribed[type_]
        if self.variant is Variant.DELTA:
            self._forgive(type_)
            self.fleet.receive(self, DeltaRequest(type_, names))
        else:
            nonce = self.nonces[type_][-1] if self.nonces.get(type_) else ""
            if type_ in self.wire:
                return
            self.fleet.receive(self, SotwRequest(type_, names - {max(names)}, "", nonce))
            self._forgive(type_)
            self.fleet.receive(self, SotwRequest(type_, names, "", nonce))

    def _forgive(self, type_: ResourceType) -> None:
        self.owed |= {(type_, name) for name in NAMES[type_]}

    def source_changed(self, revision: Revision) -> None:
        """A rejection lapses with the next version."""
        for change in revision.changes:
            keys = [(change.type, change.name)]
            if change.type is VHDS:
                keys.append((RDS, route_configuration_of(change.name)))
            for key in keys:
                self.rejected.pop(key, None)

    def hosts_come_again(self, configurations: set[str]) -> None:
        """A RouteConfiguration that comes, or comes back, brings its virtual hosts along."""
        self.owed |= {(VHDS, name) for name in NAMES[VHDS] if route_configuration_of(name) in configurations}

    def note(self, events: Iterable[Event]) -> None:
        """Note what the server takes for rejected on this stream."""
        for event in events if self.kind != "nags" else ():
            if isinstance(event, Rejected):
                for name, version in event.rejection.blamed:
                    if name in event.rejection.unbound:
                        continue
                    item = next(each for each in event.response.resources if each.name == name)
                    if self._is_wanted_still(item):
                        self.rejected.setdefault((event.type, name), set()).add(version)

    def _is_wanted_still(self, item: Resource) -> bool:
        """Whether the source has not changed the resource since."""
        wanted = self.fleet.wanted(item.type, inlined=self.inlined).get(item.name)
        return wanted is not None and wanted.version == item.version

    def take(self, response: Response) -> None:
        type_ = response.type
        assert type_ not in self.wire, "two in flight"
        if type_ in FULL_SET_TYPES and not self.nonces.get(type_) and not self.held[type_]:
            served = self.session.build.last_good.served.resources(type_)
            first = {item.name for item in response.resources}
            assert first >= served.keys(), f"{self} begins without {served.keys() - first}"
        for item in response.resources:
            key = (type_, item.name)
            again = self.rejected.get(key, set()) if key not in self.owed else set()
            assert item.version not in again, f"{self} was sent a version again that it rejected: {item}"
            self.sent[(type_, item.name), item.version] += 1
            self.owed.discard(key)
            if type_ is CDS:  # a changed cluster waits for its endpoints, which are sent again
                self.owed.add((EDS, item.name))
            elif type_ is RDS:
                self.hosts_come_again({item.name})
        self.sent_count += 1
        assert len(self.nonces.get(type_, ())) < 1000, "a response without end"
        self.wire[type_] = response
        self.taken_at[type_] = self.fleet.now
        self.nonces.setdefault(type_, []).append(response.nonce)

    # Answers.

    def act(self) -> bool:
        """Do the next thing that the proxy does by itself now. Returns whether there was one."""
        if not self.connected:
            if self.kind in ("flaps", "crashes") and 0 < self.flaps < FLAPS_LIMIT:
                self.connect()
                return True
            return False
        if self.kind == "silent":
            return False
        for type_ in list(self.wire):
            if self.kind == "slow" and self.fleet.now < self.taken_at[type_] + SLOW_SECONDS:
                continue
            if self.kind == "half" and type_ not in (CDS, EDS, SDS, ECDS):
                continue
            self.answer(type_)
            return True
        return False

    def answers_at(self) -> float:
        """The time of the next answer of a slow proxy."""
        if self.kind != "slow" or not self.connected:
            return inf
        return min((self.taken_at[type_] + SLOW_SECONDS for type_ in self.wire), default=inf)

    def answer(self, type_: ResourceType) -> None:
        response = self.wire[type_]
        names = sorted(item.name for item in response.resources)
        match self.kind:
            case "rejects all":
                self._say(type_, "no")
            case "nags":
                self._say(type_, "no")
                if self.sent_count < 60:
                    self.request_again(type_)
            case "blames all":
                self._say(type_, _blame(names))
            case "rejects after ack":
                self._apply(response)
                self._say(type_, None)
                self._send(type_, response.nonce, _blame(names))
            case "half":
                self._say(type_, _blame(names[: (len(names) + 1) // 2]))
            case "old nonces":
                for nonce in (*self.nonces[type_][-3:-1], "0", "99999"):
                    self._send(type_, nonce, _blame(names))
                self._apply(response)
                self._say(type_, None)
            case "flaps" | "crashes":
                self.flaps += 1
                if self.kind == "flaps":
                    self._say(type_, "no")
                self.disconnect()
            case _:
                self._answer_honestly(type_)

    def _answer_honestly(self, type_: ResourceType) -> None:
        response = self.wire[type_]
        bad = [item for item in response.resources if not self.accepts(item)]
        unbound = [item for item in response.resources if self.accepts(item) and not self.binds(item)]
        if not bad and not unbound:
            self._apply(response)
            self._say(type_, None)
            return
        for item in (*bad, *unbound):
            self.last_rejected[type_, item.name] = item.version
        if type_ in NAMED_TYPES:
            self._apply(response, without=(*bad, *unbound))
            reasons = {item.name: "bad" for item in bad} | {item.name: CANNOT_BIND for item in unbound}
            lines = "\n".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
            self._say(type_, f"Error adding/updating listener(s) {lines}" if type_ is LDS else _blame(reasons))
            return
        hosts = [host for item in bad for host in getattr(item, "hosts", {}).values() if not self.accepts(host)]
        self._say(type_, f"bad domain {hosts[0].name.rpartition('/')[2]}" if hosts else "bad ")

    def _apply(self, response: Response, without: Iterable[Resource] = ()) -> None:
        type_ = response.type
        held, names = self.held[type_], {item.name for item in response.resources}
        full = self.variant is Variant.SOTW and type_ in FULL_SET_TYPES
        for name in [name for name in held if (name not in names if full else name in response.removed)]:
            del held[name]
            for host in [host for host in self.live if type_ is RDS and route_configuration_of(host) == name]:
                del self.live[host]
        for item in response.resources:
            if item not in without:
                held[item.name] = item
        if type_ is VHDS:
            parents = self.held[RDS]
            live = {item.name: item for item in response.resources if route_configuration_of(item.name) in parents}
            self.live |= live
            for name in response.removed:
                self.live.pop(name, None)

    def _say(self, type_: ResourceType, error: str | None) -> None:
        """Answer the response in flight."""
        response = self.wire.pop(type_)
        build = self.session.build
        if error is None:
            for item in response.resources:
                for key, version in self.parts(item):
                    self.fleet.accepted.setdefault((build, key), set()).add(version)
        self._send(type_, response.nonce, error)

    def _send(self, type_: ResourceType, nonce: str, error: str | None) -> None:
        if self.variant is Variant.DELTA:
            self.fleet.receive(self, DeltaRequest(type_, nonce=nonce, error=error))
        else:
            self.fleet.receive(self, SotwRequest(type_, self.subscribed[type_], "", nonce, error))

    # Checks.

    def has(self, type_: ResourceType) -> Mapping[str, Resource]:
        return self.live if type_ is VHDS else self.held[type_]

    def check_states(self) -> None:
        """What is shown as delivered is at the proxy, and what is shown as rejected was rejected by it."""
        for type_ in self.types:
            for name, item in self.fleet.store.resources(type_).items():
                shown = self.session.out_of_sync([item])
                wanted = self.fleet.wanted(type_, inlined=self.inlined)[name]
                if not shown and not (type_ is VHDS and route_configuration_of(name) not in self.held[RDS]):
                    held = self.has(type_).get(name)
                    assert held is not None, f"{self}: {type_.short} {name} counts as delivered"
                    assert held.version == wanted.version, f"{self}: {type_.short} {name} counts as delivered"
                if any(each.state is DeliveryState.REJECTED for each in shown):
                    assert (type_, name) in self.last_rejected, f"{self}: {name} counts as rejected"

    def check_settled(self) -> None:
        """The proxy has each wanted version that it accepts, and of others an accepted one or nothing."""
        for type_ in self.types:
            for name, item in self.fleet.wanted(type_, inlined=self.inlined).items():
                if type_ is VHDS and route_configuration_of(name) not in self.held[RDS]:
                    continue
                held = self.has(type_).get(name)
                if held is None and not self.binds(item):
                    continue
                if self.accepts(item):
                    assert held is not None, f"{self} accepts {type_.short} {name} and has nothing"
                    assert held.version == item.version, f"{self} accepts {type_.short} {name} and has another version"
                    shown = self.session.out_of_sync([self.fleet.store.resources(type_)[name]])
                    assert not shown, f"{self} has {type_.short} {name}, shown as {shown}"
                else:
                    assert held is None or self.accepts(held)
                    self._check_rejected(type_, item)

    def _check_rejected(self, type_: ResourceType, item: Resource) -> None:
        states = self.session.out_of_sync([self.fleet.store.resources(type_)[item.name]])
        assert [each.state for each in states] == [DeliveryState.REJECTED], f"{self} {item.name}: {states}"
        assert states[0].message

    def check_clusters(self) -> None:
        """Each cluster that a route of the proxy names is there, unless the proxy's software rejects a version.

        A version from before the route's removal may be left at the proxy, if it rejects the version that came back.
        """
        routes = (*self.held[RDS].values(), *self.live.values())
        for route in routes:
            if {key for key, _ in self.parts(route)} & self.fleet.removed:
                continue
            for cluster in clusters_of(route.body.decode()) - self.held[CDS].keys():
                bodies = self.fleet.sources[CDS, cluster].values()
                assert any(f"!{self.software}" in body for body in bodies), f"{self}: {route} names {cluster}"


def _blame(names: Iterable[str]) -> str:
    return "Error adding/updating cluster(s) " + ", ".join(f"{name}: bad" for name in names)


def settle(fleet: TrialFleet, limit: int = 4000) -> float:
    """Let every proxy answer until nothing happens any more, or nothing but attempts to bind busy ports. Returns the
    seconds that it took.
    """
    start = fleet.now
    for _ in range(limit):
        acted = [proxy.act() for proxy in fleet.proxies]
        if any(acted):
            continue
        at = min(fleet.next_deadline(), *(proxy.answers_at() for proxy in fleet.proxies), inf)
        if at == inf or (at > start + 4 * BIND_RETRY_SECONDS and any(proxy.busy for proxy in fleet.proxies)):
            return fleet.now - start
        fleet.pass_time(max(0.0, at - fleet.now))
    raise AssertionError("the fleet does not settle")
