"""Trials over random fleets: a rejection hurts only the proxy that can't take the version.

Covers fleets of several builds with honest and hostile proxies, with and without VHDS, delta and state of the world,
under random changes of the source, and with ports that are busy for a while. Excludes the wire and the server's queues.
"""

from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.trial_model import KINDS, NAMES, Proxy, TrialFleet, settle
from tests.support.xds_client_model import CDS, ECDS, EDS, LDS, RDS, SDS, VHDS
from xds.protocol.builds import BUILDS_LIMIT
from xds.protocol.messages import Variant
from xds.snapshot.resource import ResourceType, route_configuration_of
from xds.snapshot.store import ResourceKey

SOFTWARE = 3

Member: TypeAlias = tuple[str, int, Variant, bool]
Operation: TypeAlias = tuple[str, int, str, str]

members = st.tuples(
    st.sampled_from(["honest", "honest", "honest", "slow", *KINDS]),
    st.integers(0, SOFTWARE - 1),
    st.sampled_from(Variant),
    st.booleans(),
)
ROUTES = [*NAMES[RDS], *NAMES[VHDS]]
OTHERS = [f"{type_.short} {name}" for type_ in ResourceType for name in NAMES[type_]]
bad = st.sampled_from(["", "", "", "!0", "!1", "!0!1!2"])
seconds = st.sampled_from(["0.05", "1", "3", "6"])
operations = st.one_of(
    st.tuples(st.just("route"), st.integers(0, 7), st.sampled_from(ROUTES), bad),
    st.tuples(st.just("touch"), st.just(0), st.sampled_from(OTHERS), bad),
    st.tuples(st.just("revert"), st.integers(0, 5), st.sampled_from(OTHERS), st.just("")),
    st.tuples(st.just("remove"), st.just(0), st.sampled_from([*ROUTES, *NAMES[SDS], *NAMES[LDS]]), st.just("")),
    st.tuples(st.just("wait"), st.just(0), st.just(""), seconds),
    st.tuples(st.just("act"), st.integers(0, 20), st.just(""), st.just("")),
    st.tuples(st.just("all"), st.integers(0, 6), st.just(""), st.just("")),
    st.tuples(st.just("leave"), st.integers(0, 20), st.just(""), st.just("")),
    st.tuples(st.just("settle"), st.just(0), st.just(""), st.just("")),
    st.tuples(st.sampled_from(["connect", "restart"]), st.integers(0, 20), st.just(""), st.just("")),
    st.tuples(st.just("busy"), st.integers(0, 20), st.sampled_from(NAMES[LDS]), st.just("")),
    st.tuples(st.just("again"), st.integers(0, 20), st.sampled_from([EDS, SDS, ECDS, RDS]), st.just("")),
)


class Source:
    """A consistent snapshot under change: each cluster that a route names exists, with endpoints, and no other."""

    def __init__(self, fleet: TrialFleet) -> None:
        self.fleet = fleet
        self.routes: dict[str, tuple[frozenset[str], str]] = {}
        self.serial = 0

    @property
    def clusters(self) -> frozenset[str]:
        return frozenset[str]().union(*(clusters for clusters, _ in self.routes.values()))

    def route(self, name: str, clusters: frozenset[str] | None, faults: str) -> None:
        parent = route_configuration_of(name)
        before = self.clusters
        gone: list[str] = []
        if clusters is None:
            gone = [each for each in self.routes if each == name or route_configuration_of(each) == name]
            for each in gone:
                del self.routes[each]
        elif not parent or parent in self.routes:
            self.routes[name] = clusters, faults
        after = self.clusters
        changes: dict[ResourceKey, str | None] = {}
        for cluster in sorted(before ^ after):
            for type_ in (CDS, EDS):
                changes[type_, cluster] = self.body("") if cluster in after else None
        for each in gone or [name]:
            type_ = VHDS if route_configuration_of(each) else RDS
            if each in self.routes:
                changes[type_, each] = f"{self.body(faults)}:{','.join(sorted(self.routes[each][0]))}"
            elif each in gone:
                changes[type_, each] = None
        self.fleet.commit(changes)

    def touch(self, type_: ResourceType, name: str, faults: str) -> None:
        if type_ in (RDS, VHDS):
            if name in self.routes:
                self.route(name, self.routes[name][0], faults)
        elif type_ not in (CDS, EDS) or name in self.clusters:
            self.fleet.commit({(type_, name): self.body(faults)})

    def revert(self, type_: ResourceType, name: str, back: int) -> None:
        """Go back to a former body of an existing resource without references."""
        bodies = list(self.fleet.sources.get((type_, name), {}).values())
        if type_ in (RDS, VHDS) or not bodies or self.fleet.store.get(type_, name) is None:
            return
        self.fleet.commit({(type_, name): bodies[-1 - back % len(bodies)]})

    def remove(self, name: str) -> None:
        if name in ROUTES:
            self.route(name, None, "")
        else:
            self.fleet.commit({(SDS if name in NAMES[SDS] else LDS, name): None})

    def body(self, faults: str) -> str:
        self.serial += 1
        return f"body {self.serial}{faults} "


def act(fleet: TrialFleet, source: Source, operation: Operation) -> None:
    verb, number, name, text = operation
    proxy = fleet.proxies[number % len(fleet.proxies)]
    match verb:
        case "route":
            clusters = frozenset(c for bit, c in enumerate(NAMES[CDS]) if number >> bit & 1)
            source.route(name, clusters, text)
        case "touch" | "revert":
            short, _, name = name.partition(" ")
            type_ = next(each for each in ResourceType if each.short == short)
            source.touch(type_, name, text) if verb == "touch" else source.revert(type_, name, number)
        case "remove":
            source.remove(name)
        case "wait":
            fleet.pass_time(float(text))
        case "act":
            proxy.act()
        case "all":
            for _ in range(number):
                for each in fleet.proxies:
                    each.act()
        case "leave":
            proxy.disconnect()
        case "connect" | "restart":
            if verb == "restart":
                proxy.disconnect()
            proxy.connect(fresh=verb == "restart")
        case "settle":
            settle(fleet)
        case "busy":
            if proxy.honest:
                proxy.busy ^= {name}
        case "again":
            proxy.request_again(ResourceType(name))


def run(team: list[Member], steps: list[Operation], *, vhds: bool) -> TrialFleet:
    fleet = TrialFleet(vhds=vhds)
    source = Source(fleet)
    source.route("r1", frozenset({"c1"}), "")
    source.route("r1/a", frozenset({"c2"}), "")
    fleet.commit({(SDS, "s1"): "secret"})
    for kind, software, variant, connected in team:
        claimed = (software + 1) % SOFTWARE if kind == "liar" else None
        proxy = Proxy(fleet, software, variant, kind, claimed)
        if connected:
            proxy.connect()
    for step in steps:
        act(fleet, source, step)
        fleet.check()
    settle(fleet)
    fleet.check()
    check(fleet)
    if any(proxy.busy for proxy in fleet.proxies):
        for proxy in fleet.proxies:
            proxy.busy.clear()
        settle(fleet)
        fleet.check()
        check(fleet)
    return fleet


def check(fleet: TrialFleet) -> None:
    for proxy in fleet.connected:
        if proxy.honest:
            proxy.check_settled()
            proxy.check_clusters()


@settings(deadline=None)
@given(st.lists(members, min_size=1, max_size=8), st.lists(operations, max_size=25), st.booleans())
def test_every_honest_proxy_ends_up_with_what_it_accepts(
    team: list[Member], steps: list[Operation], vhds: bool
) -> None:
    run(team, steps, vhds=vhds)


@settings(deadline=None, max_examples=30)
@given(
    hostile=st.lists(st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(Variant)), min_size=1, max_size=20),
    honest=st.lists(st.tuples(st.sampled_from(["honest", "slow"]), st.sampled_from(Variant)), min_size=1, max_size=3),
    steps=st.lists(operations, max_size=8),
    late=st.lists(operations, max_size=6),
    vhds=st.booleans(),
)
def test_a_proxy_among_hostile_ones_ends_up_with_what_it_accepts(
    hostile: list[tuple[str, Variant]],
    honest: list[tuple[str, Variant]],
    steps: list[Operation],
    late: list[Operation],
    vhds: bool,
) -> None:
    """The hostile proxies have rejected everything before an honest proxy of their build connects."""
    team = [(kind, 0, variant, True) for kind, variant in hostile if kind != "liar"]
    team += [(kind, 2, variant, True) for kind, variant in hostile if kind == "liar"]
    team += [(kind, 0, variant, False) for kind, variant in honest]
    connects = [("connect", len(hostile) + number, "", "") for number in range(len(honest))]
    run(team, [*steps, ("settle", 0, "", ""), *connects, *late], vhds=vhds)


@pytest.mark.parametrize("vhds", [True, False])
@pytest.mark.parametrize("variant", list(Variant))
@pytest.mark.parametrize("kind", ["rejects all", "blames all", "half", "silent", "flaps", "crashes"])
def test_proxies_of_builds_beyond_the_limit_get_what_they_accept(kind: str, variant: Variant, *, vhds: bool) -> None:
    fleet = TrialFleet(vhds=vhds)
    source = Source(fleet)
    source.route("r1", frozenset({"c1"}), "")
    for software in range(BUILDS_LIMIT):
        Proxy(fleet, software + 10, Variant.DELTA).connect()
    for software in (50, 51, 51):
        Proxy(fleet, software, variant, kind).connect()
    settle(fleet)
    for software in (50, 51, 52):
        Proxy(fleet, software, variant).connect()
    source.touch(RDS, "r1", "!52")
    settle(fleet)
    fleet.check()
    check(fleet)
    assert len({proxy.session.build for proxy in fleet.connected}) == BUILDS_LIMIT + 1
