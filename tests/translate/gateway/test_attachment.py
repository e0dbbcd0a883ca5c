"""Attachment of routes to listeners: parentRefs, consent, hostnames, and the conditions that tell."""

from typing import Any

import pytest

from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import GatewayWorld, gateway, listener, namespace, parent
from tests.support.objects import service
from xds.kube.gateway_objects import HTTPRoute

WEB = service("web")


def web(*hostnames: str, name: str = "route", ns: str = "default", **parent_ref: Any) -> HTTPRoute:
    return http_route(to("default/web"), name=name, ns=ns, hostnames=list(hostnames), parentRefs=parent(**parent_ref))


def _by_label(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, **({"values": values} if values else {})}
    return {"from": "Selector", "selector": {"matchExpressions": [expression]}}


def test_a_route_without_hostnames_serves_all_names_of_a_listener() -> None:
    route, edge = web(), gateway()
    world = GatewayWorld(WEB, edge, route)
    assert world.hosts() == {"*": ["default/web/80"]}
    assert world.reasons(route) == {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}
    assert world.listener(edge).attached_routes == 1


@pytest.mark.parametrize(
    ("listener_hostname", "route_hostnames", "domains"),
    [
        ("a.example.com", [], ["a.example.com"]),
        ("A.example.com", ["a.Example.com"], ["a.example.com"]),
        (
            "*.example.com",
            ["a.example.com", "x.y.example.com", "example.com", "other.org"],
            ["a.example.com", "x.y.example.com"],
        ),
        ("a.example.com", ["*.example.com", "*.com"], ["a.example.com"]),
        ("*.example.com", ["*.com"], []),
        ("*.example.com", ["a..example.com", "192.0.2.1", "b.example.com"], ["b.example.com"]),
        ("*.com", ["*.example.com"], ["*.example.com"]),
        ("*.example.com", ["*.a.example.com"], ["*.a.example.com"]),
    ],
)
def test_a_route_serves_the_names_that_its_hostnames_share_with_the_listener(
    listener_hostname: str, route_hostnames: list[str], domains: list[str]
) -> None:
    world = GatewayWorld(WEB, gateway(listener(listener_hostname)), web(*route_hostnames))
    own = {listener_hostname.lower()}
    assert set(world.hosts()) == set(domains) | own


def test_a_route_without_a_shared_hostname_is_refused() -> None:
    route, edge = web("b.example.com"), gateway(listener("a.example.com"))
    world = GatewayWorld(WEB, edge, route)
    assert world.reasons(route)["Accepted"] == "!NoMatchingListenerHostname"
    assert world.listener(edge).attached_routes == 0
    assert world.problems_of(route) == ["RouteRefused"]


@pytest.mark.parametrize("wrong", [{"sectionName": "nothere"}, {"port": 8080}, {"sectionName": "http", "port": 81}])
def test_a_parent_ref_must_name_a_listener(wrong: dict[str, Any]) -> None:
    route = web(**wrong)
    world = GatewayWorld(WEB, gateway(), route)
    assert world.reasons(route)["Accepted"] == "!NoMatchingParent"
    assert world.hosts() == {"*": []}


def test_a_parent_ref_chooses_listeners_by_name_and_port() -> None:
    edge = gateway(listener(name="one", port=80), listener(name="two", port=81))
    world = GatewayWorld(WEB, edge, web(port=81))
    assert (world.hosts(port=80), world.hosts(port=81)) == ({"*": []}, {"*": ["default/web/80"]})
    world.apply(web(sectionName="one"))
    assert (world.hosts(port=80), world.hosts(port=81)) == ({"*": ["default/web/80"]}, {"*": []})


@pytest.mark.parametrize(
    ("allowed", "is_allowed"),
    [
        ({}, False),
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        ({"from": "Selector"}, False),
        ({"from": "Selector", "selector": {}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, False),
        (_by_label("team", "In", "a"), True),
        (_by_label("team", "NotIn", "a"), False),
        (_by_label("other", "NotIn", "a"), True),
        (_by_label("team", "Exists"), True),
        (_by_label("team", "DoesNotExist"), False),
        (_by_label("team", "Unheard"), False),
        ({"from": "None"}, False),
    ],
)
def test_a_listener_chooses_the_namespaces_of_routes(allowed: dict[str, Any], is_allowed: bool) -> None:
    edge = gateway(listener(allowedRoutes={"namespaces": allowed} if allowed else {}))
    route = web(ns="team-a", namespace="default")
    world = GatewayWorld(WEB, edge, route, namespace("team-a", team="a"))
    assert world.reasons(route)["Accepted"] == ("Accepted" if is_allowed else "!NotAllowedByListeners")


def test_a_change_of_labels_attaches_and_detaches_routes() -> None:
    edge = gateway(
        listener(allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"open": "yes"}}}})
    )
    route = web(ns="team-a", namespace="default")
    world = GatewayWorld(WEB, edge, route)
    assert world.reasons(route)["Accepted"] == "!NotAllowedByListeners"
    world.apply(namespace("team-a", open="yes"))
    assert world.reasons(route)["Accepted"] == "Accepted"
    assert world.listener(edge).attached_routes == 1
    world.apply(namespace("team-a", open="no"))
    assert world.reasons(route)["Accepted"] == "!NotAllowedByListeners"


def test_a_listener_chooses_the_kinds_of_routes() -> None:
    route, edge = web(), gateway(listener(allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]}))
    world = GatewayWorld(WEB, edge, route)
    assert world.reasons(route)["Accepted"] == "!NotAllowedByListeners"
    assert [each.kind for each in world.listener(edge).supported_kinds] == ["GRPCRoute"]


@pytest.mark.parametrize(
    ("kinds", "supported"),
    [
        ([{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}], ["HTTPRoute"]),
        ([{"group": "example.com", "kind": "HTTPRoute"}], []),
    ],
)
def test_a_kind_that_the_protocol_lacks_is_an_unresolved_reference(
    kinds: list[dict[str, str]], supported: list[str]
) -> None:
    edge = gateway(listener(allowedRoutes={"kinds": kinds}))
    world = GatewayWorld(WEB, edge)
    assert world.listener_reasons(edge)["ResolvedRefs"] == "!InvalidRouteKinds"
    assert [each.kind for each in world.listener(edge).supported_kinds] == supported
    assert world.reasons(edge)["ResolvedRefs"] == "!ListenersNotResolved"


def test_a_route_meets_each_of_its_parents_for_itself() -> None:
    both = http_route(
        to("web"), parentRefs=[*parent("edge"), *parent("other", sectionName="nothere"), *parent("foreign")]
    )
    world = GatewayWorld(WEB, gateway(), gateway(name="other"), both)
    assert [world.reasons(both, index)["Accepted"] for index in (0, 1)] == ["Accepted", "!NoMatchingParent"]
    assert (world.hosts(), world.hosts("192.0.2.2")) == ({"*": ["default/web/80"]}, {"*": []})


def test_routes_of_other_parents_have_no_status() -> None:
    route = http_route(to("web"), parentRefs=parent("mesh", kind="Service", group=""))
    world = GatewayWorld(WEB, gateway(), route)
    assert route.ref not in world.api.statuses


def test_a_route_that_goes_leaves_nothing_behind() -> None:
    edge, route = gateway(), web("a.example.com")
    world = GatewayWorld(WEB, edge, route)
    before = GatewayWorld(WEB, edge).snapshot()
    world.api.take_changed_statuses()
    world.delete(route)
    assert world.snapshot() == before
    assert world.api.take_changed_statuses() == {route.ref, edge.ref}


def test_a_problem_names_field_and_remedy_once() -> None:
    route = http_route(to("nothere"), parentRefs=parent())
    world = GatewayWorld(gateway(), route)
    found = [each for problems in world.problems.values() for each in problems]
    assert [str(each.field) for each in found] == ["spec.rules[0].backendRefs[0]"]
    assert found[0].message == "Service 'default/nothere' doesn't exist, so its share of the requests gets an error"
    assert found[0].remedy == "Create the Service, or correct the name in the route."
    assert "spec.rules[0].backendRefs[0]: " in world.conditions(route)["ResolvedRefs"].message
