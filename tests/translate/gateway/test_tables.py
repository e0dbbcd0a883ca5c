"""Route tables: which listener a request belongs to, and the order of routes."""

import pytest
from msgspec import structs

from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import FIRST, GatewayWorld, gateway, listener, parent
from tests.support.objects import service
from xds.kube.gateway_objects import HTTPRoute
from xds.traffic.bound import ListenerKey, TableKey

SERVICES = [service(each) for each in ("a", "b", "c")]
TABLE = TableKey(ListenerKey(FIRST, 80))


def route(name: str, *hostnames: str, section: str = "", path: str = "/") -> HTTPRoute:
    match = [{"path": {"type": "PathPrefix", "value": path}}]
    named = {"sectionName": section} if section else {}
    return http_route(to(name, matches=match), name=name, hostnames=list(hostnames), parentRefs=parent(**named))


def backends(world: GatewayWorld) -> dict[str, list[str]]:
    return {domain: [each.split("/")[1] for each in found] for domain, found in world.hosts().items()}


def test_a_request_meets_routes_of_the_listener_with_the_most_specific_hostname() -> None:
    edge = gateway(listener(), listener("*.example.com", "wide"), listener("a.example.com", "narrow"))
    world = GatewayWorld(*SERVICES, edge, route("a", section="http"), route("b", section="wide"))
    assert backends(world) == {"*": ["a"], "*.example.com": ["b"], "a.example.com": []}


def test_a_hostname_of_a_route_does_not_reach_into_another_listener() -> None:
    edge = gateway(listener(), listener("*.example.com", "wide"))
    world = GatewayWorld(*SERVICES, edge, route("a", "x.example.com", "other.org", section="http"))
    assert backends(world) == {"*": [], "*.example.com": [], "other.org": ["a"]}


def test_a_listener_that_goes_hands_its_names_to_the_wider_one() -> None:
    edge = gateway(listener(), listener("*.example.com", "wide"))
    world = GatewayWorld(*SERVICES, edge, route("a", "x.example.com", section="http"))
    world.apply(gateway(listener()))
    assert backends(world) == {"*": [], "x.example.com": ["a"]}
    assert world.change.tables == {TABLE: {"x.example.com", "*.example.com"}}


def test_routes_of_less_specific_hostnames_follow() -> None:
    world = GatewayWorld(
        *SERVICES,
        gateway(),
        route("a", path="/long/path"),
        route("b", "*.example.com", path="/long"),
        route("c", "x.example.com"),
    )
    assert backends(world) == {"*": ["a"], "*.example.com": ["b", "a"], "x.example.com": ["c", "b", "a"]}


@pytest.mark.parametrize("host", ["", "*.com", "*.example.com", "a.example.com"])
def test_the_most_specific_hostname_of_routes_decides_whatever_the_hostname_of_the_listener(host: str) -> None:
    wide, exact = route("a", "*.example.com", path="/long"), route("b", "a.example.com")
    world = GatewayWorld(*SERVICES, gateway(listener(host)), wide, exact, route("c", "*.com", path="/longer"))
    assert backends(world)["a.example.com"] == ["b", "a", "c"]


def test_a_route_without_hostnames_has_those_of_the_listener() -> None:
    world = GatewayWorld(
        *SERVICES, gateway(listener("a.example.com")), route("a", path="/long"), route("b", "a.example.com")
    )
    assert backends(world)["a.example.com"] == ["a", "b"]


def test_a_route_with_several_hostnames_counts_once_in_a_virtual_host() -> None:
    world = GatewayWorld(*SERVICES, gateway(), route("a", "x.example.com", "*.example.com", "*.com"))
    assert backends(world) == {"*": [], "*.com": ["a"], "*.example.com": ["a"], "x.example.com": ["a"]}


def test_the_longest_path_precedes_and_then_the_oldest_route() -> None:
    world = GatewayWorld(*SERVICES, gateway(), route("c", path="/x"), route("b"), route("a"))
    assert backends(world) == {"*": ["c", "a", "b"]}


def test_an_edit_of_a_route_changes_its_domains_alone() -> None:
    world = GatewayWorld(*SERVICES, gateway(), route("a", "a.example.com"), route("b", "b.example.com"))
    change = world.apply(route("a", "a.example.com", path="/x"))
    assert change.tables == {TABLE: {"a.example.com"}}
    assert not change.listeners


def test_an_edit_of_a_wildcard_changes_the_names_below() -> None:
    world = GatewayWorld(
        *SERVICES, gateway(), route("a", "*.example.com"), route("b", "x.example.com"), route("c", "y.org")
    )
    change = world.apply(route("a", "*.example.com", path="/x"))
    assert change.tables == {TABLE: {"*.example.com", "x.example.com"}}


def test_a_route_that_changes_nothing_is_no_change() -> None:
    world = GatewayWorld(*SERVICES, gateway(), route("a"))
    world.api.take_changed_statuses()
    labelled = structs.replace(route("a").metadata, labels={"team": "a"})
    change = world.apply(structs.replace(route("a"), metadata=labelled))
    assert (change.tables, change.listeners) == ({}, frozenset())
    assert not world.api.take_changed_statuses()


@pytest.mark.parametrize("port", [80, 8080])
def test_a_gateway_that_goes_takes_its_tables_along(port: int) -> None:
    edge = gateway(listener(port=port))
    world = GatewayWorld(*SERVICES, edge, route("a"))
    change = world.delete(edge)
    key = ListenerKey(FIRST, port)
    assert change.listeners == {key}
    assert change.tables == {TableKey(key): {"*"}}
    assert not world.api.tables


def test_a_change_of_endpoints_translates_nothing() -> None:
    world = GatewayWorld(*SERVICES, gateway(), route("a"))
    outcomes = dict(world.api.routes)
    world.apply(service("b"))
    assert all(world.api.routes[ref] is each for ref, each in outcomes.items())
