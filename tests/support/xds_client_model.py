"""A model of an xDS client and its world without a wire: sends requests to a session, and checks each response.

`World` commits to a store and passes the revisions on; `Client` is one stream, delta or state of the world. On every
response the client asserts the invariants: the response was necessary, no response of the type was in flight, no route
names a cluster that was not sent, and no cluster is removed while a route at the client names it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from xds.protocol.builds import build_of
from xds.protocol.fleet import Fleet
from xds.protocol.messages import DeltaRequest, Event, Node, Rejected, Response, SotwRequest, Variant
from xds.protocol.rejection.nack import NAMED_TYPES
from xds.protocol.session import Session
from xds.protocol.subscription import LEGACY_WILDCARD
from xds.protocol.type_stream import FULL_SET_TYPES
from xds.snapshot.resource import Resource, ResourceType, resource, route_configuration_of
from xds.snapshot.store import Revision, Store

CDS, EDS, SDS, ECDS, LDS, RDS, VHDS = ResourceType

NODE = Node("envoy-1", "fleet", "envoy 1.40.0")

Bodies = Mapping[str, str | None]


class World:
    """A store, a clock, and the clients of the store."""

    def __init__(self, **kinds: Bodies) -> None:
        self.store = Store()
        self.fleet = Fleet(self.store, inline, vhds=True)
        self.build = self.fleet.build(build_of(NODE), 0.0)
        self.last_good = self.build.last_good
        self.served = self.last_good.served
        self.clients: list[Client] = []
        self.now = 100.0
        self.unfinished = False
        self.commit(**kinds)

    def commit(self, **kinds: Bodies) -> Revision | None:
        """Commit bodies by type (`cds={"a": "text"}`; None removes), and tell the clients."""
        types = {type_.short: type_ for type_ in ResourceType}
        changes = {
            (types[kind], name): None if body is None else resource(types[kind], name, body.encode())
            for kind, bodies in kinds.items()
            for name, body in bodies.items()
        }
        revision = self.store.commit(changes, read_at=self.now, now=self.now, unfinished=self.unfinished)
        served = self.fleet.follow(revision) if revision is not None else []
        self.tell(*(change for _, change in served))
        return served[0][1] if served else None

    def tell(self, *revisions: Revision) -> None:
        """Update every session before a client pulls."""
        for revision in revisions:
            for client in self.clients:
                client.update(revision)
        for client in self.clients:
            client.pull()

    def client(self, variant: Variant = Variant.DELTA) -> "Client":
        client = Client(self, variant)
        self.clients.append(client)
        return client

    def delta(self) -> "Client":
        return self.client(Variant.DELTA)

    def sotw(self) -> "Client":
        return self.client(Variant.SOTW)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for client in self.clients:
            client.pull()


class Interest:
    """The client's subscription of one type, by the letter of the protocol, independent of the code under test."""

    def __init__(self, type_: ResourceType) -> None:
        self.names: set[str] = set()
        self.wildcard = False
        self.named = False
        self.asked = False
        self.wavers = False  # the wildcard came or went later: an older request may still be under way
        self.type = type_
        self.routes: Mapping[str, Resource] | None = (
            None  # of virtual hosts: RouteConfigurations whose virtual hosts are in the wildcard
        )

    def covers(self, name: str) -> bool:
        in_scope = self.routes is None or route_configuration_of(name) in self.routes
        return (self.wildcard and in_scope) or name in self.names


class Client:
    """One stream.

    Attributes:
        told: The last version that the server sent, by name.
        held: The last version that the client accepted.
    """

    def __init__(self, world: World, variant: Variant) -> None:
        self.world = world
        self.variant = variant
        self.session = Session(world.fleet, variant, now=world.now)
        self.view = world.build.response_cache(variant).view
        self.interests = {type_: Interest(type_) for type_ in ResourceType}
        self.told: dict[ResourceType, dict[str, Resource]] = {type_: {} for type_ in ResourceType}
        self.held: dict[ResourceType, dict[str, Resource]] = {type_: {} for type_ in ResourceType}
        self.refused: dict[ResourceType, dict[str, str]] = {type_: {} for type_ in ResourceType}
        self.again: dict[ResourceType, set[str]] = {type_: set() for type_ in ResourceType}
        self.again_all: set[ResourceType] = set()
        self.configured: set[str] = set()  # RouteConfigurations sent or restored without their virtual hosts so far
        self.wire: dict[ResourceType, Response] = {}
        self.news: dict[ResourceType, set[str]] = {}
        self.nonces: dict[ResourceType, str] = {}
        self.seen: set[tuple[ResourceType, str]] = set()
        self.inbox: list[Response] = []
        self.events: list[Event] = []
        self.node: Node | None = NODE

    # Requests of the client.

    def subscribe(self, type_: ResourceType, *names: str, known: Mapping[str, str] | None = None) -> list[Response]:
        """Ask for names (none: an empty request), with the versions known from another stream."""
        self._want(type_, names, known or {})
        if self.variant is Variant.DELTA:
            return self._ask(DeltaRequest(type_, frozenset(names), initial_resource_versions=known or {}))
        return self._ask(self._list(type_))

    def unsubscribe(self, type_: ResourceType, *names: str) -> list[Response]:
        interest = self.interests[type_]
        if self.variant is Variant.SOTW and not interest.named:
            return []  # an empty list would still mean everything
        dropped = set(names) & interest.names
        interest.named = interest.wavers = True
        interest.wildcard = interest.wildcard and "*" not in names
        interest.names -= dropped
        self._drop_uncovered(type_)
        if self.variant is Variant.DELTA:
            self.again[type_] |= dropped if interest.wildcard else set()
            return self._ask(DeltaRequest(type_, unsubscribe=frozenset(names)))
        return self._ask(self._list(type_))

    def ack(self, type_: ResourceType) -> list[Response]:
        """Take the response on the wire and say so."""
        response = self.wire.pop(type_)
        self._apply(response, self.news.pop(type_))
        return self._answer(response, None)

    def nack(self, type_: ResourceType, words: str = "no") -> list[Response]:
        """Reject the whole response; of clusters and listeners, everything except removals. Resources rejected together
        may come again.
        """
        response = self.wire.pop(type_)
        news = self.news.pop(type_)
        if type_ in NAMED_TYPES or not response.resources:
            self._apply_removals(response)
        for item in response.resources:
            if item.name in news and self.interests[type_].covers(item.name):
                self.refused[type_][item.name] = item.version
        together = news.union(response.removed)
        if len(together) > 1:
            self.again[type_] |= set(filter(self.interests[type_].covers, together))
        return self._answer(response, words)

    def answer(self, type_: ResourceType, bad: str = "bad") -> list[Response]:
        """Answer as Envoy: reject resources with a bad body, by name and alone in clusters and listeners."""
        response = self.wire[type_]
        blamed = [item.name for item in response.resources if bad in item.body.decode()]
        if not blamed:
            return self.ack(type_)
        if type_ not in NAMED_TYPES:
            return self.nack(type_, "something is wrong")
        self.wire.pop(type_)
        self._apply(response, self.news.pop(type_) - set(blamed), without=blamed)
        self.refused[type_] |= {item.name: item.version for item in response.resources if item.name in blamed}
        return self._answer(
            response, "Error adding/updating cluster(s) " + ", ".join(f"{each}: bad" for each in blamed)
        )

    def settle_as_envoy(self) -> list[Response]:
        """`settle`, with rejections of bad resources."""
        start = len(self.inbox)
        quiet = 0
        while quiet < 3:
            for type_ in list(self.wire):
                self.answer(type_)
            quiet = 0 if self.wire else quiet + 1
            self.world.pass_time(3.0 if quiet else 0.0)
        return self.inbox[start:]

    def settle(self) -> list[Response]:
        """Acknowledge all responses, now and later, until none comes even after a while."""
        start = len(self.inbox)
        quiet = 0
        while quiet < 3:  # a wait may be followed by another
            for type_ in list(self.wire):
                self.ack(type_)
            quiet = 0 if self.wire else quiet + 1
            self.world.pass_time(3.0 if quiet else 0.0)
        return self.inbox[start:]

    def update(self, revision: Revision) -> None:
        self.session.update(revision)
        if self.variant is Variant.DELTA:
            back = (change for change in revision.by_type.get(RDS, ()) if change.old is None and change.new is not None)
            self.configured |= {change.name for change in back if change.name in self.told[RDS]}

    def pull(self) -> list[Response]:
        """Take the session's responses, and check them."""
        responses = self.session.take_responses(self.world.now)
        for response in responses:
            self._check(response)
        self.inbox += responses
        assert not self.session.take_responses(self.world.now), "asked twice, it says more"
        return responses

    def versions(self, type_: ResourceType) -> dict[str, str]:
        """The versions that the client's next stream would resume with."""
        return {name: item.version for name, item in self.held[type_].items()}

    def _list(self, type_: ResourceType, nonce: str | None = None, error: str | None = None) -> SotwRequest:
        interest = self.interests[type_]
        names = interest.names | ({"*"} if interest.wildcard and interest.named else set())
        return SotwRequest(type_, frozenset(names), "", nonce or self.nonces.get(type_, ""), error)

    def _ask(self, request: DeltaRequest | SotwRequest) -> list[Response]:
        node, self.node = self.node, None
        kind = type(request)
        fields = {slot: getattr(request, slot) for slot in kind.__slots__}
        self.events = self.session.receive(kind(**{**fields, "node": node}), self.world.now)
        start = len(self.inbox)
        self.world.tell(*self.world.build.learn(self.events, self.session, self.world.now))
        self.pull()
        return self.inbox[start:]

    def _answer(self, response: Response, error: str | None) -> list[Response]:
        self.nonces[response.type] = response.nonce
        if self.variant is Variant.DELTA:
            responses = self._ask(DeltaRequest(response.type, nonce=response.nonce, error=error))
        else:
            responses = self._ask(self._list(response.type, response.nonce, error))
        assert isinstance(self.events[0], Rejected) == (error is not None)
        return responses

    def _want(self, type_: ResourceType, names: Collection[str], known: Mapping[str, str]) -> None:
        interest = self.interests[type_]
        if type_ is VHDS and not interest.asked and self.interests[RDS].asked:
            interest.routes = self.told[RDS]
        plain = set(names) - {"*"}
        all_ = "*" in names or (not names and not interest.named and type_ in LEGACY_WILDCARD)
        delta = self.variant is Variant.DELTA
        first_all = all_ and (not interest.wildcard or (delta and "*" in names))
        if not delta:
            plain -= interest.names
        interest.wavers = interest.wavers or (interest.asked and (all_ or not delta))
        interest.wildcard = interest.wildcard or all_
        if not delta and names and not interest.named and "*" not in names:
            interest.wildcard = False  # the list says no "*"
        interest.named = interest.named or bool(names)
        interest.names |= plain
        self._learn(type_, known)
        if first_all and not known:
            self.again_all.add(type_)
            if type_ in self.wire and delta:  # may have been removed while nobody asked
                self.again[type_] |= {item.name for item in self.wire[type_].resources}
        self.again[type_] |= {name for name in plain if not self._is_right(type_, name, known)}
        self._drop_uncovered(type_)
        if delta and type_ is EDS and not interest.asked:  # clusters that were sent before wait for their endpoints
            self.again[EDS] |= {name for name in self.told[CDS] if interest.covers(name)}
        interest.asked = True

    def _is_right(self, type_: ResourceType, name: str, known: Mapping[str, str]) -> bool:
        item = self.view.resources(type_).get(name)
        return item is not None and known.get(name) == item.version

    def _learn(self, type_: ResourceType, known: Mapping[str, str]) -> None:
        items = {name: Resource(type_, name, b"?", version) for name, version in known.items()}
        self.told[type_] |= items
        self.held[type_] |= items

    def _drop_uncovered(self, type_: ResourceType) -> None:
        covers = self.interests[type_].covers
        for names in (self.told[type_], self.held[type_], self.refused[type_]):
            for name in [name for name in names if not covers(name)]:
                del names[name]
        self.again[type_] = set(filter(covers, self.again[type_]))
        if type_ is RDS:
            self._drop_uncovered(VHDS)
        if not self.interests[type_].wildcard:
            self.again_all.discard(type_)

    # Checks of the client.

    def _check(self, response: Response) -> None:
        type_ = response.type
        names = [item.name for item in response.resources]
        assert type_ not in self.wire, f"two {type_.short} responses in flight"
        assert (type_, response.nonce) not in self.seen, "the nonce is not unique"
        assert [*names] == sorted(set(names)), "a name twice, or out of order"
        assert not set(names) & set(response.removed), "a name both sent and removed"
        assert all(item.type is type_ for item in response.resources)
        assert response.variant is self.variant
        full = self.variant is Variant.SOTW and type_ in FULL_SET_TYPES
        news = self._news(response)
        self._check_necessary(response, news, full=full)
        gone = set(self.told[type_]) - set(names) if full else set(self.told[type_]) & set(response.removed)
        self._check_order(response, gone)
        self._note_sent(response, news, gone)

    def _news(self, response: Response) -> set[str]:
        """The resources that the client had reason to expect: changed, or asked for."""
        told, again = self.told[response.type], self.again[response.type]
        return {
            item.name
            for item in response.resources
            if response.type in self.again_all
            or item.name in again
            or (response.type is VHDS and route_configuration_of(item.name) in self.configured)
            or item.name not in told
            or told[item.name].version != item.version
        }

    def _check_necessary(self, response: Response, news: set[str], *, full: bool) -> None:
        type_, covers = response.type, self.interests[response.type].covers
        told, again, all_ = self.told[type_], self.again[type_], type_ in self.again_all
        names = {item.name for item in response.resources}
        if self.view.unfinished and not full and type_ is not EDS:
            asked = {name for name in names if route_configuration_of(name) in self.configured}
            assert all_ or names <= again | asked, "an update amid a change"
        if full:
            assert news or all_ or again or set(told) - names, "a full set without news"
            existing = set(filter(covers, self.view.resources(type_)))
            if again:  # a trial response has a part of the rejected resources: further news may come later
                existing &= self.held[type_].keys()
            assert names >= existing - self.refused[type_].keys() - again, "a full set that isn't"
        else:
            assert names == news, f"sent again without reason: {names - news}"
            assert all_ or names or response.removed, "an empty response"
        assert all(map(covers, names)), "what nobody asked for"
        for name in response.removed:
            assert name not in self.view.resources(type_)
            configured = route_configuration_of(name) in self.configured or name.endswith("/_")
            if type_ is VHDS and (all_ or configured or not covers(name)):
                continue  # left behind by a RouteConfiguration, or a name without a virtual host
            assert covers(name), "the removal of what nobody asked for"
            assert name in told or name in again, "the removal of what was never there"

    def _check_order(self, response: Response, gone: Iterable[str]) -> None:
        type_ = response.type
        if type_ in (RDS, VHDS) and self.interests[CDS].wildcard and not self.interests[CDS].wavers:
            for item in response.resources:
                configured = type_ is VHDS and route_configuration_of(item.name) in self.configured
                if item.name not in self.again[type_] and type_ not in self.again_all and not configured:
                    missing = clusters_of(item) - set(self.told[CDS]) - self.world.last_good.withdrawn(CDS)
                    assert not missing, f"a route to {missing}, which was not sent"
        if type_ is CDS:
            for route in (*self.held[RDS].values(), *self._virtual_hosts_in_use()):
                if route.name in self.view.resources(route.type) or self.variant is Variant.DELTA:
                    assert not clusters_of(route) & set(gone) & self.held[CDS].keys(), (
                        "the removal of a cluster that a route still names"
                    )

    def _virtual_hosts_in_use(self) -> Iterator[Resource]:
        """Virtual hosts of a removed RouteConfiguration may stay for a while; Envoy drops those of a rejected one."""
        configured = self.held[RDS] if self.interests[RDS].asked else None
        for name in self.held[VHDS].keys() & self.view.resources(VHDS).keys():
            if configured is None or route_configuration_of(name) in configured:
                yield self.held[VHDS][name]

    def _note_sent(self, response: Response, news: set[str], gone: Iterable[str]) -> None:
        type_ = response.type
        if type_ is CDS:
            self.again[EDS] |= {name for name in news if self.interests[EDS].covers(name)}
        if type_ is RDS and self.variant is Variant.DELTA:
            self.configured |= {item.name for item in response.resources}
        elif type_ is VHDS:
            self.configured.clear()
        for name in gone:
            self.told[type_].pop(name, None)
        sent = {item.name: item for item in response.resources}
        self.told[type_] |= sent
        if (
            not self.again[type_] or sent.keys() >= self.again[type_]
        ):  # else a part of the rejected resources comes first
            self.again_all.discard(type_)
        self.again[type_] -= sent.keys() | set(response.removed)
        self.wire[type_] = response
        self.news[type_] = news
        self.seen.add((type_, response.nonce))

    def _apply(self, response: Response, news: set[str], without: Collection[str] = ()) -> None:
        type_ = response.type
        self._apply_removals(response)
        covered = [
            item for item in response.resources if self.interests[type_].covers(item.name) and item.name not in without
        ]
        self.held[type_] |= {item.name: item for item in covered}
        for name in news:
            self.refused[type_].pop(name, None)

    def _apply_removals(self, response: Response) -> None:
        type_, names = response.type, {item.name for item in response.resources}
        full = self.variant is Variant.SOTW and type_ in FULL_SET_TYPES
        for name in set(self.held[type_]) - names if full else set(response.removed):
            self.held[type_].pop(name, None)
            self.refused[type_].pop(name, None)


def inline(configuration: bytes, virtual_hosts: Iterable[bytes]) -> bytes:
    """A made-up RouteConfiguration with its made-up virtual hosts inside, ending in `:cluster,cluster`."""
    parts = [configuration, *virtual_hosts]
    clusters = b",".join(part.rpartition(b":")[2] for part in parts if b":" in part)
    return b"+".join(parts).replace(b":", b" ") + b":" + clusters if len(parts) > 1 else configuration


def clusters_of(route: Resource) -> set[str]:
    """The clusters of a made-up RouteConfiguration, whose body is `version:cluster,cluster`."""
    return set(filter(None, route.body.decode().rpartition(":")[2].split(","))) if b":" in route.body else set()


def told(responses: Iterable[Response]) -> list[tuple[str, list[str], list[str]]]:
    """Responses in short, to compare: type, names sent, names removed."""
    return [(r.type.short, [item.name for item in r.resources], list(r.removed)) for r in responses]
