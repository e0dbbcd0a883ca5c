"""HTTPRoutes and GRPCRoutes can't share the names of a listener: the older route is accepted."""

from tests.support.gateway_objects import to
from tests.support.gateway_world import GatewayWorld, gateway, listener, parent
from tests.support.objects import service
from xds.kube.decode import decode
from xds.kube.gateway_objects import GRPCRoute, HTTPRoute
from xds.kube.objects import KubeObject

SERVICES = [service(each) for each in ("a", "b", "c", "d")]
LOST = "!HostnameConflict"


def route(kind: type[KubeObject], name: str, *hostnames: str, year: int = 2026, section: str = "") -> KubeObject:
    named = {"sectionName": section} if section else {}
    spec = {"rules": [to(name)], "hostnames": list(hostnames), "parentRefs": parent(**named)}
    metadata = {"name": name, "namespace": "default", "creationTimestamp": f"{year}-01-01T00:00:00Z"}
    found = decode({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})
    assert isinstance(found, kind)
    return found


def test_of_two_kinds_with_a_name_in_common_the_older_route_is_accepted() -> None:
    edge = gateway()
    http, grpc = route(HTTPRoute, "a", "x.example.com", year=2025), route(GRPCRoute, "b", "*.example.com")
    world = GatewayWorld(*SERVICES, edge, grpc, http)
    assert (world.reasons(http)["Accepted"], world.reasons(grpc)["Accepted"]) == ("Accepted", LOST)
    assert world.listener(edge).attached_routes == 1
    assert world.problems_of(grpc) == ["RouteRefused"]
    assert world.hosts() == {"*": [], "x.example.com": ["default/a/80"]}
    world.delete(http)
    assert world.reasons(grpc)["Accepted"] == "Accepted"
    assert set(world.hosts()) == {"*", "*.example.com"}


def test_two_kinds_with_names_of_their_own_share_a_listener() -> None:
    routes = [route(HTTPRoute, "a", "a.example.com"), route(GRPCRoute, "b", "b.example.com")]
    world = GatewayWorld(*SERVICES, gateway(), *routes)
    assert [world.reasons(each)["Accepted"] for each in routes] == ["Accepted", "Accepted"]


def test_a_route_that_lost_rules_no_other_one_out() -> None:
    first = route(HTTPRoute, "a", "x.example.com", year=2023)
    second = route(GRPCRoute, "b", "*.example.com", year=2024)
    third = route(HTTPRoute, "c", "y.example.com", year=2025)
    world = GatewayWorld(*SERVICES, gateway(), first, second, third)
    assert [world.reasons(each)["Accepted"] for each in (first, second, third)] == ["Accepted", LOST, "Accepted"]
    world.delete(first)
    assert [world.reasons(each)["Accepted"] for each in (second, third)] == ["Accepted", LOST]


def test_a_route_that_loses_one_listener_is_accepted_by_the_others() -> None:
    edge = gateway(listener(name="one"), listener(name="two", port=81))
    http, grpc = route(HTTPRoute, "a", year=2025, section="one"), route(GRPCRoute, "b")
    world = GatewayWorld(*SERVICES, edge, http, grpc)
    assert world.reasons(grpc)["Accepted"] == "Accepted"
    assert [world.listener(edge, each).attached_routes for each in ("one", "two")] == [1, 1]
    assert world.problems_of(grpc) == ["RouteRefused"]


def test_a_change_of_hostnames_gives_a_name_back() -> None:
    http, grpc = route(HTTPRoute, "a", "x.example.com", year=2025), route(GRPCRoute, "b", "x.example.com")
    world = GatewayWorld(*SERVICES, gateway(), http, grpc)
    assert world.reasons(grpc)["Accepted"] == LOST
    world.apply(route(HTTPRoute, "a", "y.example.com", year=2025))
    assert world.reasons(grpc)["Accepted"] == "Accepted"
