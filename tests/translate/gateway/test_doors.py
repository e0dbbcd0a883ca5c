"""Hosts that Ingress and the Gateway API share: the order of the routes of both, and the loser of equal matches.

Excludes: a real Envoy with both (tests/e2e/test_gateway_doors.py).
"""

from typing import Any, Final

import msgspec
import pytest

from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener
from tests.support.objects import World, born, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.explain.matcher import answer
from xds.explain.request import Request
from xds.kube.change import Applied, Deleted
from xds.kube.gateway_objects import HTTPRoute
from xds.kube.objects import Ingress, KubeObject
from xds.problems.reasons import Reason
from xds.translate.gateway.options import GatewayOptions
from xds.translate.ownership import HostOwnership

SHARED: Final = "192.0.2.100"
OPTIONS: Final = GatewayOptions(addresses=("192.0.2.1",), shared_addresses=frozenset({SHARED, "0.0.0.0"}))
HOST: Final = "shop.example.com"
SERVICES: Final = tuple(service(name) for name in ("old", "new", "deep"))


def shared_gateway(*listeners: dict[str, Any]) -> KubeObject:
    return gateway(*listeners, addresses=[{"type": "IPAddress", "value": SHARED}])


def route(
    *rules: dict[str, Any], hostname: str = HOST, day: int = 2, name: str = "route", ns: str = "default"
) -> HTTPRoute:
    hostnames = [hostname] if hostname else None
    found = http_route(
        *rules or (to("new"),),
        name=name,
        ns=ns,
        hostnames=hostnames,
        parentRefs=[{"name": "edge", "namespace": "default"}],
    )
    metadata = msgspec.structs.replace(found.metadata, creation_timestamp=born(day))
    return msgspec.structs.replace(found, metadata=metadata)


def of_ingress(*paths: str, host: str | None = HOST, day: int = 1, **fields: Any) -> Ingress:
    return ingress(host or "open", rule(host, *(path(each, "old") for each in paths or ("/",))), created=day, **fields)


def world(*objects: KubeObject, **options: Any) -> World:
    has_gateway = any(each.kind == "Gateway" for each in objects)
    edge = () if has_gateway else (shared_gateway(),)
    return World(gateway_class(), *edge, *SERVICES, *objects, gateway=OPTIONS, **options)


def at(prefix: str, service_name: str = "new") -> dict[str, Any]:
    return to(service_name, matches=[{"path": {"value": prefix}}])


def served(of: World, asked: str = "/", host: str = HOST, *, https: bool = False) -> str:
    """The Service that gets a request, or the status of the answer."""
    found = answer(of.traffic, Request(host, asked, https=https, sni=host if https else ""))
    return found.route.backend.service if found.route and found.route.backend else str(found.status)


def test_no_bound_listener_is_built_for_the_port_of_ingress() -> None:
    found = world(route())
    assert dict(found.traffic.bound) == {}
    assert served(found) == "new"


def test_other_ports_of_the_address_have_a_listener_of_their_own() -> None:
    found = world(shared_gateway(listener(port=8081)), route())
    assert [str(each) for each in found.traffic.bound] == ["tcp/0.0.0.0:8081"]
    assert served(found) == "404"


def test_routes_of_both_are_tried_the_most_specific_first() -> None:
    found = world(of_ingress("/", "/a/b"), route(at("/a"), at("/a/b/c")))
    asked = {"/": "old", "/a": "new", "/a/b": "old", "/a/b/c": "new", "/z": "old"}
    assert {each: served(found, each) for each in asked} == asked


def test_a_shared_host_without_an_ingress_is_404_for_other_paths() -> None:
    assert served(world(route(at("/a"))), "/") == "404"


@pytest.mark.parametrize(("day", "winner", "loser"), [(2, "old", "HTTPRoute"), (0, "new", "Ingress")])
def test_of_equal_matches_that_of_the_older_object_wins(day: int, winner: str, loser: str) -> None:
    found = world(of_ingress("/", "/other"), route(day=day))
    assert served(found) == winner
    (problem,) = [each for each in found.problems if each.reason in (Reason.PATH_CONFLICT, Reason.ROUTE_REFUSED)]
    assert problem.object.kind == loser
    assert HOST in problem.message


def test_the_loser_serves_once_the_winner_is_gone() -> None:
    first, second = of_ingress(), route()
    found = world(first, second)
    found.apply(Deleted(Ingress, first.key))
    assert served(found) == "new"
    assert found.problems == []
    found.apply(Applied(first))
    assert served(found) == "old"
    found.apply(Deleted(HTTPRoute, second.key))
    assert (served(found), found.problems) == ("old", [])
    assert found.traffic.hosts_of(tls=False) is found.traffic.hosts


def test_equal_routes_are_no_conflict() -> None:
    found = world(of_ingress(), route(to("old")))
    assert (served(found), found.problems) == ("old", [])


def test_conditions_beside_the_path_are_more_specific() -> None:
    match = {"path": {"value": "/"}, "headers": [{"name": "x-new", "value": "1"}]}
    found = world(of_ingress(), route(to("new", matches=[match])))
    assert served(found) == "old"
    assert answer(found.traffic, Request(HOST, "/", headers=(("x-new", "1"),))).route is not None
    assert found.problems == []


def test_a_host_of_expressions_keeps_the_order_of_nginx_first() -> None:
    annotations = annotated(use_regex="true")
    found = world(of_ingress("/a.*", annotations=annotations), route(at("/abc"), at("/z")), is_compatible=True)
    assert [served(found, each) for each in ("/abc", "/z")] == ["old", "new"]


def test_a_wildcard_of_a_route_stands_for_any_number_of_labels() -> None:
    found = world(of_ingress(host="*.example.com"), route(at("/new"), hostname="*.example.com"))
    assert [served(found, each, "a.example.com") for each in ("/", "/new")] == ["old", "new"]
    assert [served(found, each, "a.b.example.com") for each in ("/", "/new")] == ["404", "new"]


def test_a_wildcard_of_a_route_lies_behind_narrower_wildcards_of_ingress() -> None:
    found = world(of_ingress(host="*.b.example.com"), route(hostname="*.example.com"))
    hosts = {"a.b.example.com": "old", "c.a.b.example.com": "new", "b.example.com": "new", "a.c.example.com": "new"}
    assert {each: served(found, host=each) for each in hosts} == hosts


def test_routes_without_hostname_answer_hosts_that_no_other_names() -> None:
    found = world(of_ingress(), of_ingress("/x", host=None), route(at("/new"), hostname=""))
    assert [served(found, each, "other.test") for each in ("/x", "/new", "/")] == ["old", "new", "404"]
    assert served(found, "/new") == "old"


def test_a_less_specific_hostname_lies_behind_the_ingress_of_the_host() -> None:
    wide = route(at("/a"), at("/b"), hostname="*.example.com", name="wide")
    found = world(of_ingress("/a"), route(at("/c")), wide)
    assert [served(found, each) for each in ("/a", "/b", "/c")] == ["old", "new", "new"]


def test_a_host_of_another_namespace_is_not_shared() -> None:
    edge = shared_gateway(listener(allowedRoutes={"namespaces": {"from": "All"}}))
    objects = (edge, service("new", ns="other"), of_ingress(), route(at("/new"), ns="other"))
    found = world(*objects, host_ownership=HostOwnership.NAMESPACE)
    assert served(found, "/new") == "old"
    assert ("route", Reason.HOST_OF_OTHER_NAMESPACE) in found.reasons()
    assert served(world(*objects), "/new") == "new"


def test_a_port_of_ingress_takes_its_protocol_alone() -> None:
    edge = shared_gateway(listener(port=443), listener(name="bound", port=8080))
    found = world(edge, route())
    status = found.traffic.gateway.statuses[edge.ref]
    reasons = {
        each.name: next(one.reason for one in each.conditions if one.type == "Accepted")
        for each in getattr(status, "listeners", ())
    }
    assert reasons == {"http": "PortUnavailable", "bound": "PortUnavailable"}
