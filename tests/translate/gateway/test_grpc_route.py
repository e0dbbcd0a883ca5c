"""GRPCRoutes: methods of services as paths, the order of routes, and the protocol and the failure of backends."""

from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object, to
from tests.support.objects import World, service
from xds.kube.gateway_objects import GRPCRoute
from xds.kube.objects import KubeObject
from xds.traffic.actions import Forward
from xds.traffic.routes import Route, most_specific_first
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import NO_GATEWAYS
from xds.translate.gateway.rules.grpc_route import translate_grpc_route
from xds.translate.gateway.translated import TranslatedRoute


def translated(*rules: dict[str, Any], objects: tuple[KubeObject, ...] = ()) -> TranslatedRoute:
    route = gateway_object(GRPCRoute, "calls", rules=list(rules))
    assert isinstance(route, GRPCRoute)
    state = World(*(objects or (service("web"),))).state
    return translate_grpc_route(GatewayContext(state, NO_GATEWAYS, Grants(state)), route)


def calling(type_: str | None = None, **method: str) -> dict[str, Any]:
    return to("web", matches=[{"method": method | ({"type": type_} if type_ else {})}])


def matched(route: Route) -> tuple[str, str, list[str]]:
    return route.path, route.path_type.value, [str(each) for each in route.conditions]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (to("web"), ("/", "Prefix", [])),
        (calling(service="a.B", method="Get"), ("/a.B/Get", "Exact", [])),
        (calling("Exact", service="a.B"), ("/a.B", "Prefix", [])),
        (calling(method="Get"), ("/", "Prefix", ["gRPC method Get"])),
        (calling("RegularExpression", service="a[.]B", method="G.t"), ("/(?:a[.]B)/(?:G.t)", "RegularExpression", [])),
        (calling("RegularExpression", service="a.*"), ("/(?:a.*)/[^/]+", "RegularExpression", [])),
        (calling("RegularExpression", method="Get|Put"), ("/[^/]+/(?:Get|Put)", "RegularExpression", [])),
    ],
)
def test_a_method_of_a_service_is_a_path(rule: dict[str, Any], expected: tuple[str, str, list[str]]) -> None:
    (found,) = translated(rule).routes
    assert matched(found) == expected


@pytest.mark.parametrize(
    "rule",
    [
        calling("Suffix", service="a"),
        calling(service="a/b"),
        calling(method="Get/x"),
        calling("RegularExpression", service="a("),
        calling("RegularExpression", service="a" * 200),
    ],
)
def test_a_method_that_no_call_has_leaves_its_rule_out(rule: dict[str, Any]) -> None:
    found = translated(rule, to("web"))
    assert len(found.routes) == 1
    assert found.partially
    assert found.partially.reason == "UnsupportedValue"


def test_headers_are_conditions_beside_the_method() -> None:
    headers = [{"name": "Version", "value": "two"}]
    (found,) = translated(to("web", matches=[{"method": {"method": "Get"}, "headers": headers}])).routes
    assert matched(found) == ("/", "Prefix", ["gRPC method Get", "header version=two"])


def test_the_service_decides_before_the_method_and_the_method_before_headers() -> None:
    headers = [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]
    rules = (
        to("web"),
        to("web", matches=[{"headers": headers}]),
        calling(method="Get"),
        calling(service="a.B"),
        calling(service="a.B", method="Get"),
    )
    ordered = most_specific_first(translated(*rules).routes)
    assert [str(each.origin.field) for each in ordered] == [
        "spec.rules[4].matches[0]",
        "spec.rules[3].matches[0]",
        "spec.rules[2].matches[0]",
        "spec.rules[1].matches[0]",
        "spec.rules[0]",
    ]


def test_a_backend_speaks_http2_unless_its_port_says_otherwise() -> None:
    found = translated(to("web"))
    assert [each.protocol for each in found.backends.values()] == [BackendProtocol.H2C]


def test_a_share_without_backend_is_unavailable() -> None:
    found = translated(to("absent"))
    (route,) = found.routes
    assert isinstance(route.action, Forward)
    assert route.action.status == 503
    assert found.unresolved
    assert found.unresolved.reason == "BackendNotFound"
