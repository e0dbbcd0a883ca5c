"""Last good versions: a resource goes back if a proxy rejected the wanted version and no proxy accepted it.

Covers several sessions on one store, and a resumed session. Excludes the bisection (test_rules) and the reports.
"""

import sys

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, RDS, SDS, VHDS, Client, World
from xds.protocol.messages import Response, Variant
from xds.protocol.rejection.last_good import REMOVED_LIMIT
from xds.protocol.rejection.nack import CANNOT_BIND
from xds.protocol.status import DeliveryState
from xds.snapshot.resource import ResourceType

both = pytest.mark.parametrize("variant", list(Variant))
every_type = pytest.mark.parametrize("type_", list(ResourceType))
every_stream = pytest.mark.parametrize(
    ("variant", "type_"),
    [(variant, type_) for variant in Variant for type_ in ResourceType if (variant, type_) != (Variant.SOTW, VHDS)],
)


def follower(world: World, variant: Variant, type_: ResourceType, *names: str) -> Client:
    client = world.client(variant)
    client.subscribe(type_, *([] if type_ in (CDS, LDS) else names))
    return client


def held(client: Client, type_: ResourceType) -> dict[str, str]:
    return {name: item.body.decode() for name, item in client.held[type_].items()}


def sent(responses: list[Response]) -> list[dict[str, str]]:
    return [{item.name: item.body.decode() for item in response.resources} for response in responses]


@every_stream
def test_new_proxies_get_the_last_good_version(variant: Variant, type_: ResourceType) -> None:
    world = World(**{type_.short: {"a": "1", "b": "1"}})
    one = follower(world, variant, type_, "a", "b")
    one.settle_as_envoy()
    world.commit(**{type_.short: {"a": "bad"}})
    one.settle_as_envoy()
    two = follower(world, variant, type_, "a", "b")
    two.settle_as_envoy()
    assert sent(two.inbox) == [{"a": "1", "b": "1"}]
    assert held(one, type_) == held(two, type_) == {"a": "1", "b": "1"}
    world.commit(**{type_.short: {"a": "2"}})
    for client in (one, two):
        client.settle_as_envoy()
        assert held(client, type_) == {"a": "2", "b": "1"}
        assert not client.session.status().types[0].rejected_count


@every_stream
def test_a_rejected_resource_without_a_good_version_is_withdrawn(variant: Variant, type_: ResourceType) -> None:
    world = World(**{type_.short: {"a": "bad", "b": "1"}})
    one = follower(world, variant, type_, "a", "b")
    one.settle_as_envoy()
    two = follower(world, variant, type_, "a", "b")
    two.settle_as_envoy()
    assert held(one, type_) == held(two, type_) == {"b": "1"}
    assert not any(item.name == "a" for response in two.inbox for item in response.resources)
    if variant is Variant.DELTA and type_ not in (CDS, LDS):
        assert two.inbox[0].removed == ("a",), "the removal must reach a proxy that waits for the resource"
    world.commit(**{type_.short: {"a": "2"}})
    for client in (one, two):
        client.settle_as_envoy()
        assert held(client, type_) == {"a": "2", "b": "1"}


@every_stream
def test_proxies_with_a_rejected_version_in_flight_go_back(variant: Variant, type_: ResourceType) -> None:
    """Whether or not a proxy rejects the version, no response is repeated, and the proxies end equal."""
    world = World(**{type_.short: {"a": "1"}})
    clients = [follower(world, variant, type_, "a") for _ in range(3)]
    for client in clients:
        client.settle_as_envoy()
    world.commit(**{type_.short: {"a": "bad"}})
    starts = [len(client.inbox) for client in clients]
    for client in clients:
        client.settle_as_envoy()
    assert [len(client.inbox) - start for client, start in zip(clients, starts, strict=True)] == [0, 0, 0]
    assert all(held(client, type_) == {"a": "1"} for client in clients)
    assert [client.session.status().types[0].rejected_names for client in clients] == [("a",)] * 3


@every_stream
def test_a_version_accepted_after_all_is_served_except_to_its_rejecter(variant: Variant, type_: ResourceType) -> None:
    world = World(**{type_.short: {"a": "1"}})
    first, second = (follower(world, variant, type_, "a") for _ in range(2))
    for client in (first, second):
        client.settle()
    world.commit(**{type_.short: {"a": "2"}})
    starts = [len(client.inbox) for client in (first, second)]
    first.nack(type_)
    second.settle()
    world.commit(**{type_.short: {"b": "1"}})
    for client in (first, second):
        client.settle()
    assert held(first, type_)["a"] == "1"
    assert held(second, type_)["a"] == "2"
    new = follower(world, variant, type_, "a")
    new.settle()
    assert held(new, type_)["a"] == "2"
    again = [item.body for response in first.inbox[starts[0] :] for item in response.resources if item.name == "a"]
    assert b"2" not in again


@both
def test_the_source_may_go_back_to_the_last_good_version(variant: Variant) -> None:
    world = World(rds={"a": "1"})
    client = follower(world, variant, RDS, "a")
    client.settle_as_envoy()
    world.commit(rds={"a": "bad"})
    client.settle_as_envoy()
    start = len(client.inbox)
    world.commit(rds={"a": "1"})
    client.settle_as_envoy()
    assert client.inbox[start:] == []
    assert not client.session.status().types[0].rejected_count
    assert not world.last_good.names_on_trial(RDS)


@both
def test_a_last_good_route_keeps_its_cluster_for_new_proxies(variant: Variant) -> None:
    world = World(cds={"a": "1"}, eds={"a": "1"}, lds={"l": "1"}, rds={"r": "1:a"})

    def envoy() -> Client:
        client = world.client(variant)
        for type_, names in ((CDS, []), (EDS, ["a", "b"]), (LDS, []), (RDS, ["r"])):
            client.subscribe(type_, *names)
        client.settle_as_envoy()
        return client

    old = envoy()
    world.commit(cds={"a": None, "b": "1"}, eds={"a": None, "b": "1"}, rds={"r": "bad:b"})
    old.settle_as_envoy()
    new = envoy()
    for client in (old, new):
        assert held(client, CDS) == {"a": "1", "b": "1"}
        assert held(client, EDS) == {"a": "1", "b": "1"}
        assert held(client, RDS) == {"r": "1:a"}
    world.commit(rds={"r": "2:b"})
    for client in (old, new):
        client.settle_as_envoy()
        assert held(client, CDS) == {"b": "1"}
        assert held(client, RDS) == {"r": "2:b"}
    world.commit(rds={"r": "3:b"})
    assert not world.last_good._removed


def come_back(world: World, client: Client, type_: ResourceType) -> Client:
    """A new stream that resumes with the versions of an ended stream."""
    world.clients.remove(client)
    other = world.delta()
    names = [] if type_ in (CDS, LDS) else ["a"]
    other.subscribe(type_, *names, known=client.versions(type_))
    return other


@every_type
def test_a_proxy_resuming_with_the_last_good_version_gets_no_response(type_: ResourceType) -> None:
    world = World(**{type_.short: {"a": "1"}})
    client = follower(world, Variant.DELTA, type_, "a")
    client.settle_as_envoy()
    world.commit(**{type_.short: {"a": "bad"}})
    client.settle_as_envoy()
    other = come_back(world, client, type_)
    assert other.settle_as_envoy() == []
    assert other.inbox == []


@every_type
def test_resuming_with_a_rejected_version_counts_as_acceptance(type_: ResourceType) -> None:
    """On another replica, or after a restart of the server."""
    world = World(**{type_.short: {"a": "1"}})
    waiting, client = (follower(world, Variant.DELTA, type_, "a") for _ in range(2))
    waiting.nack(type_)
    assert "a" in world.last_good.withdrawn(type_)
    client.ack(type_)
    world.commit(**{type_.short: {"a": "2"}})
    client.ack(type_)
    world.last_good._untried[type_].clear()
    assert "a" not in world.last_good.names_on_trial(type_)


@every_type
def test_a_restart_removes_no_older_version_from_a_proxy(type_: ResourceType) -> None:
    """The new process doesn't know the bytes of the proxy's version, and proxies reject the wanted one."""
    before = World(**{type_.short: {"a": "1"}})
    client = follower(before, Variant.DELTA, type_, "a")
    client.settle()
    world = World(**{type_.short: {"a": "bad"}})
    names = [] if type_ in (CDS, LDS) else ["a"]
    clients = [world.delta() for _ in range(2)]
    for each in clients:
        each.subscribe(type_, *names, known=client.versions(type_))
        each.settle_as_envoy()
    late = world.delta()
    late.subscribe(type_, *names, known=client.versions(type_))
    late.settle_as_envoy()
    assert late.inbox == []
    assert all(each.versions(type_) == client.versions(type_) for each in (*clients, late))
    world.commit(**{type_.short: {"a": None}})
    for each in (*clients, late):
        each.settle()
        assert each.versions(type_) == {}, "a deletion reaches the proxy"


def test_a_restart_learns_good_versions_from_resuming_proxies() -> None:
    """Resumed versions get no ACK; still the first rejection after a restart must not go back to nothing."""
    world = World(rds={"a": "1"})
    client = follower(world, Variant.DELTA, RDS, "a")
    client.settle()
    after = World(rds={"a": "1"})
    back = after.delta()
    back.subscribe(RDS, "a", known=client.versions(RDS))
    after.commit(rds={"a": "bad"})
    back.settle_as_envoy()
    new = follower(after, Variant.DELTA, RDS, "a")
    new.settle_as_envoy()
    assert held(new, RDS) == {"a": "1"}


def test_a_port_in_use_does_not_count_against_the_listener() -> None:
    world = World(lds={"a": "1"})
    one = follower(world, Variant.DELTA, LDS)
    one.nack(LDS, f"Error adding/updating listener(s) a: {CANNOT_BIND} '0.0.0.0:80': Address already in use")
    assert one.session.status().types[0].rejected_names == ("a",)
    two = follower(world, Variant.DELTA, LDS)
    two.settle()
    assert held(two, LDS) == {"a": "1"}


@both
def test_a_rejected_version_delays_removals_for_the_rejecting_proxy_only(variant: Variant) -> None:
    """Where another proxy accepted the routes, the rejecting proxy keeps the clusters of its old routes."""
    world = World(cds={"a": "1"}, eds={"a": "1"}, rds={"r": "1:a"})
    clients = [world.client(variant) for _ in range(2)]
    for client in clients:
        client.subscribe(CDS)
        client.subscribe(EDS, "a", "b")
        client.subscribe(RDS, "r")
        client.settle()
    accepts, rejects = clients
    world.commit(cds={"a": None, "b": "1"}, eds={"a": None, "b": "1"}, rds={"r": "2:b"})
    for client in clients:
        client.ack(CDS)
        client.ack(EDS)
    accepts.settle()
    rejects.nack(RDS)
    rejects.settle()
    assert held(accepts, CDS) == {"b": "1"}
    assert held(rejects, CDS) == {"a": "1", "b": "1"}
    world.commit(rds={"r": "3:b"})
    rejects.settle()
    assert held(rejects, CDS) == {"b": "1"}


def test_repeated_acks_of_a_response_cost_the_same_with_many_resources_as_with_few() -> None:
    assert calls_of_an_acknowledgement(10) == calls_of_an_acknowledgement(1000)


def calls_of_an_acknowledgement(size: int) -> int:
    names = [f"c{number}" for number in range(size)]
    world = World(eds=dict.fromkeys([*names, "untried"], "1"))
    first, second = (follower(world, Variant.DELTA, EDS, *names) for _ in range(2))
    first.ack(EDS)
    response = second.wire[EDS]
    second.ack(EDS)
    events = second.events
    assert first.inbox[0] is response
    count = 0

    def count_call(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        world.build.learn(events, second.session, 0)
    finally:
        sys.setprofile(None)
    return count


def test_no_state_remains_for_accepted_resources() -> None:
    world = World(cds={"a": "1"}, eds={"a": "1"}, lds={"l": "1"}, rds={"r": "1:a"}, sds={"s": "1"})
    client = world.delta()
    for type_, names in ((CDS, []), (EDS, ["a"]), (LDS, []), (RDS, ["r"]), (SDS, ["s"])):
        client.subscribe(type_, *names)
    client.settle()
    world.commit(cds={"a": "2"}, eds={"a": "2"}, lds={"l": "2"}, rds={"r": "2:a"}, sds={"s": "2"})
    client.settle()
    last_good = world.last_good
    assert not any(last_good._untried.values())
    assert not any(map(last_good.names_on_trial, ResourceType))
    assert not last_good._removed


def test_removed_resources_are_kept_for_last_good_versions_up_to_a_limit() -> None:
    """No proxy accepts the new routes, and clusters come and go."""
    world = World(rds={"r": "1"})
    follower(world, Variant.DELTA, RDS, "r").settle()
    world.clients.clear()
    world.commit(rds={"r": "2"})
    for start in range(0, REMOVED_LIMIT + 2000, 1000):
        names = [f"c{number}" for number in range(start, start + 1000)]
        world.commit(cds=dict.fromkeys(names, "1"))
        client = follower(world, Variant.DELTA, CDS)
        client.settle()
        world.clients.clear()
        world.commit(cds=dict.fromkeys(names))
    assert len(world.last_good._removed) == REMOVED_LIMIT


@every_stream
@pytest.mark.parametrize("is_offered", [False, True])
def test_a_late_nack_of_a_replaced_version_is_no_rejection(
    variant: Variant, type_: ResourceType, *, is_offered: bool
) -> None:
    """The proxy takes the newest version later: when it is asked, or after another proxy's acceptance."""
    world = World(**{type_.short: {"a": "1"}})
    first, late = (follower(world, variant, type_, "a") for _ in range(2))
    for client in (first, late):
        client.settle()
    world.commit(**{type_.short: {"a": "2"}})
    first.settle()
    world.commit(**{type_.short: {"a": "3"}})
    first.nack(type_)
    late.nack(type_)
    late.settle()
    [found] = late.session.out_of_sync([world.store.resources(type_)["a"]])
    assert found.state is DeliveryState.ON_TRIAL
    asked = late if is_offered else follower(world, variant, type_, "a")
    asked.settle()
    assert asked.session.offer(world.last_good.on_trial([type_]))
    asked.pull()
    asked.settle()
    late.settle()
    assert held(late, type_) == {"a": "3"}
    assert late.session.out_of_sync([world.store.resources(type_)["a"]]) == ()
    assert late.session.status().types[0].rejected_count == 0
