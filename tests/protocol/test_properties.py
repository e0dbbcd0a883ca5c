"""After any sequence of commits, subscriptions and answers, a stream has the resources that a new stream would get.

Covers delta and state of the world through the client model, which checks every message on the way: at most one in
flight, none without reason, no route before its cluster, no cluster removed before its routes. Delta clients also
reconnect. Excludes types that are not served.

Snapshots are consistent at every commit, like the product's: every name in a route has exactly one cluster with
endpoints.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.xds_client_model import CDS, ECDS, EDS, LDS, RDS, SDS, VHDS, Client, World
from xds.protocol.messages import Variant
from xds.snapshot.resource import ResourceType
from xds.snapshot.resource import route_configuration_of as parent

CLUSTERS = ["c1", "c2", "c3", "c4"]
NAMES = {
    CDS: CLUSTERS,
    EDS: CLUSTERS,
    SDS: ["s1", "s2"],
    ECDS: ["e1", "e2"],
    LDS: ["l1", "l2"],
    RDS: ["r1", "r2"],
    VHDS: ["r1/a", "r1/b", "r2/a"],
}

Operation: TypeAlias = tuple[str, ResourceType, tuple[str, ...]]


@dataclass
class Content:
    """A consistent snapshot under change."""

    world: World
    routes: dict[str, frozenset[str]] = field(default_factory=dict)
    present: set[tuple[ResourceType, str]] = field(default_factory=set)
    serial: int = 0

    def route(self, name: str, clusters: frozenset[str] | None) -> None:
        """Point a RouteConfiguration or a virtual host elsewhere (None: remove), with its clusters and endpoints.

        No virtual host is without a RouteConfiguration.
        """
        before, routes = self.clusters, dict(self.routes)
        if clusters is None:
            self.routes = {each: to for each, to in routes.items() if each != name and parent(each) != name}
        elif parent(name) in ("", *routes):
            self.routes[name] = clusters
        after = self.clusters
        bodies = {cluster: self.body() for cluster in after - before}
        gone = dict.fromkeys(before - after)
        changed = {each for each in (*routes, *self.routes) if self.routes.get(each) is not routes.get(each)}
        told = {each: self.told(each) for each in sorted(changed)}
        rds, vhds = ({each: told[each] for each in told if bool(parent(each)) is inside} for inside in (False, True))
        self.world.commit(cds=bodies | gone, eds=bodies | gone, rds=rds, vhds=vhds)

    def told(self, name: str) -> str | None:
        return f"{self.body()}:{','.join(sorted(self.routes[name]))}" if name in self.routes else None

    def touch(self, type_: ResourceType, name: str) -> None:
        """Change an existing resource, or add or remove a resource without dependents."""
        if type_ in (RDS, VHDS):
            if name in self.routes:
                self.route(name, frozenset(list(self.routes[name])))
        elif type_ in (CDS, EDS):
            if name in self.clusters:
                self.world.commit(**{type_.short: {name: self.body()}})
        else:
            self.world.commit(**{type_.short: {name: self.body()}})

    def revert(self, type_: ResourceType, name: str) -> None:
        """Give a resource a body from before."""
        if type_ in (SDS, LDS) or (type_ in (CDS, EDS) and name in self.clusters):
            self.world.commit(**{type_.short: {name: "same as ever"}})

    @property
    def clusters(self) -> frozenset[str]:
        return frozenset().union(*self.routes.values())

    def body(self) -> str:
        self.serial += 1
        return f"body {self.serial}"


def operations(*, delta: bool) -> st.SearchStrategy[list[Operation]]:
    types = st.sampled_from([type_ for type_ in ResourceType if delta or type_ is not VHDS])
    by_type = types.flatmap(
        lambda type_: st.tuples(
            st.sampled_from(["touch", "revert", "remove", "subscribe", "unsubscribe"]),
            st.just(type_),
            st.lists(st.sampled_from([*NAMES[type_], "*"]), min_size=1, max_size=3, unique=True).map(tuple),
        )
    )
    routes = st.tuples(
        st.just("route"),
        st.sampled_from([RDS]),
        st.tuples(st.sampled_from([*NAMES[RDS], *NAMES[VHDS]]), *[st.sampled_from([*CLUSTERS, ""])] * 2),
    )
    unroutes = st.tuples(st.just("unroute"), st.just(RDS), st.tuples(st.sampled_from([*NAMES[RDS], *NAMES[VHDS]])))
    answers = st.tuples(st.sampled_from(["ack", "ack", "ack", "nack", "wait"]), types, st.just(()))
    stages = st.tuples(st.sampled_from(["begin", "end"]), st.just(CDS), st.just(()))
    reconnects = st.just(("reconnect", CDS, ()))
    kinds = [
        by_type,
        by_type,
        routes,
        routes,
        answers,
        answers,
        answers,
        stages,
        *([unroutes, reconnects] if delta else []),
    ]
    return st.lists(st.one_of(*kinds), max_size=60)


def act(operation: Operation, content: Content, client: Client) -> None:
    verb, type_, names = operation
    match verb:
        case "ack" | "nack" if type_ in client.wire:
            (client.ack if verb == "ack" else client.nack)(type_)
        case "wait":
            content.world.pass_time(0.8)
        case "begin" | "end":
            content.world.unfinished = verb == "begin"
            content.world.commit()
        case "subscribe":
            client.subscribe(type_, *names)
        case "unsubscribe":
            client.unsubscribe(type_, *names)
        case "touch" | "revert":
            for name in names:
                (content.touch if verb == "touch" else content.revert)(type_, name)
        case "remove" if type_ in (SDS, LDS):
            content.world.commit(**{type_.short: dict.fromkeys(names)})
        case "route":
            content.route(names[0], frozenset(filter(None, names[1:])))
        case "unroute":
            content.route(names[0], None)


def again(client: Client, *, remembers: bool) -> Client:
    """A new stream with the subscriptions of an old stream and, if wanted, its versions."""
    other = client.world.client(client.variant)
    for type_, interest in client.interests.items():
        names = [*interest.names, *(["*"] if interest.wildcard else [])]
        if names:
            other.subscribe(type_, *names, known=client.versions(type_) if remembers else None)
    return other


def replace_rejected(client: Client, content: Content) -> None:
    """Replace every resource that the proxy rejected on its streams."""
    known = {status.type: status.rejected_names for status in client.session.status().types}
    last_good = client.world.last_good
    for type_, rejected in client.refused.items():
        for name in {*rejected, *known.get(type_, ()), *last_good.names_on_trial(type_)}:
            content.touch(type_, name)
    client.settle()


def in_use(client: Client, virtual_hosts: dict[str, str]) -> dict[str, str]:
    """The virtual hosts that a client subscribes to, with their RouteConfiguration if a client subscribes to any."""
    interest, configured = client.interests[VHDS], client.held[RDS]
    return {
        name: version
        for name, version in virtual_hosts.items()
        if interest.covers(name) and (interest.routes is None or parent(name) in configured)
    }


def check(client: Client, content: Content) -> None:
    content.world.unfinished = False
    content.world.commit()
    client.settle()
    view = client.view
    for type_ in client.view.types:
        held = client.versions(type_)
        for name, item in view.resources(type_).items():
            if client.interests[type_].covers(name) and (type_ is not VHDS or parent(name) in view.resources(RDS)):
                assert item.version in (held.get(name), client.refused[type_].get(name))
    replace_rejected(client, content)
    other = again(client, remembers=False)
    other.settle()
    gone = (
        {RDS, EDS, SDS} if client.variant is Variant.SOTW else set()
    )  # without a word for a removal the resource fades out
    for type_ in client.view.types:
        held = client.versions(type_)
        existing = {
            name: version for name, version in held.items() if type_ not in gone or name in view.resources(type_)
        }
        asked = other.versions(type_)
        if type_ is VHDS:
            # A new stream without RouteConfigurations gets every virtual host; and hosts left over from a
            # RouteConfiguration stay at the proxy while subscribed.
            existing, asked = (in_use(client, existing), in_use(client, asked))
        assert existing == asked
    assert client.session.oldest_unanswered is None
    assert client.session.deadline() is None
    assert not [name for type_ in ResourceType for name in client.refused[type_] if name in view.resources(type_)]
    assert all(not status.rejected_count and not status.pending for status in client.session.status().types)


@pytest.mark.parametrize("envoy", [True, False], ids=["wildcards", "names"])
@settings(deadline=None)  # a busy machine is no finding
@given(data=st.data())
def test_a_delta_stream_converges_to_the_state_of_a_new_stream(envoy: bool, data: st.DataObject) -> None:
    run(Variant.DELTA, data.draw(operations(delta=True)), envoy=envoy)


@pytest.mark.parametrize("envoy", [True, False], ids=["wildcards", "names"])
@settings(deadline=None)  # a busy machine is no finding
@given(data=st.data())
def test_a_sotw_stream_converges_to_the_state_of_a_new_stream(envoy: bool, data: st.DataObject) -> None:
    run(Variant.SOTW, data.draw(operations(delta=False)), envoy=envoy)


def test_a_full_set_in_a_bisection_answers_repeated_requests() -> None:
    """The wildcard becomes names amid a bisection."""
    steps: list[Operation] = [
        ("ack", CDS, ()),
        ("route", RDS, ("r1", "c2", "c4")),
        ("touch", CDS, ("c1",)),
        ("nack", CDS, ()),
        ("touch", CDS, ("c1",)),
        ("subscribe", CDS, ("c1", "c4")),
    ]
    run(Variant.SOTW, steps, envoy=True)


@pytest.mark.parametrize("variant", list(Variant))
def test_a_cluster_stays_while_routes_without_it_are_rejected(variant: Variant) -> None:
    """Newer routes are in flight, but the proxy still works with the routes from before the rejection."""
    steps: list[Operation] = [
        ("ack", CDS, ()),
        ("route", RDS, ("r1", "", "")),
        ("ack", RDS, ()),
        ("route", RDS, ("r1", "c2", "c2")),
        ("nack", RDS, ()),
    ]
    run(variant, steps, envoy=True)


def run(variant: Variant, steps: list[Operation], *, envoy: bool) -> None:
    world = World(lds={"l1": "1"}, sds={"s1": "1"})
    content = Content(world)
    content.route("r1", frozenset({"c1"}))
    client = world.client(variant)
    if envoy:
        for type_ in (CDS, LDS):
            client.subscribe(type_)
        client.subscribe(EDS, "c1")
        client.subscribe(RDS, *NAMES[RDS])
        if variant is Variant.DELTA:
            client.subscribe(VHDS)
    for step in steps:
        if step[0] == "reconnect":
            world.clients.remove(client)
            client = again(client, remembers=True)
        else:
            act(step, content, client)
    check(client, content)
