"""HTTPRoutes: matches, backends with their shares, and rules that are left out."""

from typing import Any

import pytest

from tests.support.gateway_objects import http_route, reference_grant, to
from tests.support.objects import World, external, service
from xds.kube.gateway_objects import HTTPRoute
from xds.kube.objects import KubeObject
from xds.traffic.actions import Forward
from xds.traffic.routes import PathType, Route, most_specific_first
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import NO_GATEWAYS
from xds.translate.gateway.rules.http_route import translate_http_route
from xds.translate.gateway.translated import TranslatedRoute


def translated(route: HTTPRoute, *objects: KubeObject) -> TranslatedRoute:
    state = World(*objects).state
    return translate_http_route(GatewayContext(state, NO_GATEWAYS, Grants(state)), route)


def shares(route: Route) -> list[tuple[str, int]]:
    """The Services of a route, and `500`, with their weights."""
    assert isinstance(route.action, Forward)
    return [
        (each.key.service if each.key else str(route.action.unresolved), each.weight) for each in route.action.shares
    ]


def path(value: str, type_: str = "PathPrefix", **match: Any) -> dict[str, Any]:
    return {"matches": [{"path": {"type": type_, "value": value}, **match}]}


def test_a_rule_without_matches_takes_every_request() -> None:
    (found,) = translated(http_route(to("web")), service("web")).routes
    assert (found.path, found.path_type, found.conditions, shares(found)) == ("/", PathType.PREFIX, (), [("web", 1)])
    assert str(found.origin.field) == "spec.rules[0]"


def test_each_match_is_a_route_of_its_own() -> None:
    rule = to("web", matches=[{"path": {"value": "/a"}}, {"path": {"type": "Exact", "value": "/b"}}])
    found = translated(http_route(rule), service("web")).routes
    assert [(each.path, each.path_type) for each in found] == [("/a", PathType.PREFIX), ("/b", PathType.EXACT)]
    assert [str(each.origin.field) for each in found] == ["spec.rules[0].matches[0]", "spec.rules[0].matches[1]"]


def test_a_match_has_a_condition_for_each_demand_and_the_first_of_a_name_counts() -> None:
    headers = [{"name": "Version", "value": "2"}, {"name": "version", "value": "3"}]
    query = [{"name": "a", "value": "x.*", "type": "RegularExpression"}]
    rule = to("web", matches=[{"method": "GET", "headers": headers, "queryParams": query}])
    (found,) = translated(http_route(rule), service("web")).routes
    assert [str(each) for each in found.conditions] == ["method GET", "header version=2", "query a=~x.*"]


def test_backends_share_requests_by_weight_and_weight_0_gets_none() -> None:
    found = translated(http_route(to("web*9", "next*1", "old*0")), service("web"), service("next"), service("old"))
    assert shares(found.routes[0]) == [("web", 9), ("next", 1)]
    assert {each.service for each in found.backends} == {"web", "next"}


@pytest.mark.parametrize("refs", [(), ("web*0",), ("absent",), ("absent*0", "other/web")])
def test_a_rule_without_a_usable_backend_answers_500(refs: tuple[str, ...]) -> None:
    (found,) = translated(http_route(to(*refs)), service("web")).routes
    assert isinstance(found.action, Forward)
    assert (found.action.status, found.backends) == (500, ())


def test_the_share_of_an_absent_service_answers_500() -> None:
    found = translated(http_route(to("web*3", "absent*1")), service("web"))
    assert shares(found.routes[0]) == [("web", 3), ("500", 1)]
    assert found.unresolved
    assert (found.unresolved.reason, str(found.unresolved.field)) == ("BackendNotFound", "spec.rules[0].backendRefs[1]")
    assert found.refused is None
    assert found.partially is None


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ({"name": "web", "port": 81}, "BackendNotFound"),
        ({"name": "web"}, "BackendNotFound"),
        ({"name": "web", "kind": "Bucket", "group": "storage.example", "port": 80}, "InvalidKind"),
        ({"name": "web", "namespace": "other", "port": 80}, "RefNotPermitted"),
        ({"name": "odd", "port": 80}, "UnsupportedProtocol"),
        ({"name": "outside", "port": 80}, "UnsupportedValue"),
    ],
)
def test_a_reference_that_cannot_be_followed_has_a_reason(ref: dict[str, Any], reason: str) -> None:
    odd = service("odd", {"port": 80, "appProtocol": "example.com/own"})
    found = translated(http_route({"backendRefs": [ref]}), service("web"), odd, external("outside", "example.com"))
    assert shares(found.routes[0]) == [("500", 1)]
    assert found.unresolved
    assert found.unresolved.reason == reason


def test_a_grant_permits_a_service_of_another_namespace() -> None:
    route = http_route(to("other/web"))
    objects = (service("web", ns="other"), reference_grant("other"))
    assert shares(translated(route, *objects).routes[0]) == [("web", 1)]
    assert shares(translated(route, objects[0]).routes[0]) == [("500", 1)]
    assert {str(each) for each in translated(route).references} == {"Service other/web", "ReferenceGrant other/"}


@pytest.mark.parametrize(
    "match",
    [
        {"path": {"type": "Glob", "value": "/*"}},
        {"path": {"value": "no-slash"}},
        {"path": {"type": "RegularExpression", "value": "("}},
        {"path": {"type": "RegularExpression", "value": "(a{50}){50}"}},
        {"path": {"value": "/a//b"}},
        {"method": "BREW"},
        {"headers": [{"name": "a b", "value": "1"}]},
        {"headers": [{"name": "a", "value": "1\n"}]},
        {"headers": [{"name": "a", "value": "1", "type": "Glob"}]},
        {"queryParams": [{"name": "a", "value": "[", "type": "RegularExpression"}]},
    ],
)
def test_a_rule_with_an_invalid_match_is_left_out(match: dict[str, Any]) -> None:
    bad = to("web", matches=[match])
    alone = translated(http_route(bad), service("web"))
    assert not alone.routes
    assert alone.refused
    assert alone.refused.reason == "UnsupportedValue"
    beside = translated(http_route(to("web"), bad), service("web"))
    assert len(beside.routes) == 1
    assert beside.partially
    assert beside.partially.message.startswith(f"Dropped Rule {1}: spec.rules[1].matches[0]")


def test_routes_are_tried_in_the_order_of_the_specification() -> None:
    rules = [
        to("web", **path("/a")),
        to("web", **path("/a", queryParams=[{"name": "q", "value": "1"}])),
        to("web", **path("/a", headers=[{"name": "h", "value": "1"}])),
        to("web", **path("/a", headers=[{"name": "h", "value": "1"}, {"name": "i", "value": "1"}])),
        to("web", **path("/a", method="GET")),
        to("web", **path("/a/b/c")),
        to("web", **path("/a.*", "RegularExpression")),
        to("web", **path("/a", "Exact")),
    ]
    found = translated(http_route(*rules), service("web")).routes
    assert most_specific_first(found) == [*reversed(found)]
