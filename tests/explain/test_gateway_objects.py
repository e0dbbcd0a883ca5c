"""The state of objects of the Gateway API in words: conditions, listeners, parents and matches.

Excludes: the conditions themselves (tests/translate/gateway), and requests (test_gateway_route_table.py).
"""

from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.objects import endpoint, pipeline, service, slice_of
from xds.explain.gateway_facts import gateway_facts
from xds.explain.gateway_objects import explain_gateway_object
from xds.explain.layer4_objects import ObjectExplanation
from xds.kube.gateway_objects import Gateway, GatewayClass, TCPRoute
from xds.kube.objects import KubeObject
from xds.problems.problem import ObjectRef
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.options import TranslateOptions

CLASS = gateway_object(GatewayClass, "ours", "", controllerName=CONTROLLER)
WEB = (service("web"), slice_of("web", endpoint("10.0.0.1")))


def gateway(*listeners: dict[str, Any], gateway_class: str = "ours") -> KubeObject:
    http = {"name": "http", "port": 80, "protocol": "HTTP"}
    return gateway_object(Gateway, "edge", gatewayClassName=gateway_class, listeners=list(listeners) or [http])


def route(*rules: dict[str, Any], **spec: Any) -> KubeObject:
    return http_route(*rules, name="shop", parentRefs=[{"name": "edge"}], **spec)


def explained(about: KubeObject, *objects: KubeObject) -> ObjectExplanation:
    options = TranslateOptions(gateway=GatewayOptions(addresses=("192.0.2.1",)))
    reader = pipeline(about, *objects, translate=options).state_reader
    facts = gateway_facts(reader, about.ref)
    assert facts
    return explain_gateway_object(facts)


def texts(found: ObjectExplanation) -> list[tuple[str, str, str]]:
    return [(str(each.unit.field), each.unit.text, str(each.unit.status)) for each in found.uses]


def test_a_gateway_has_its_address_and_a_part_for_each_listener() -> None:
    odd = {"name": "odd", "port": 81, "protocol": "SMTP"}
    wide = {"name": "wide", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}
    found = explained(gateway(wide, odd), CLASS, route(to("web"), hostnames=["a.example.com"]), *WEB)
    assert found.role == "a Gateway of class ours at 192.0.2.1"
    assert str(found.acceptance) == "partly accepted"
    listeners = [each for each in found.uses if str(each.unit.field).startswith("spec.listeners")]
    assert [(each.unit.text, str(each.unit.status)) for each in listeners] == [
        ("listener wide, HTTP on 192.0.2.1:80 for '*.example.com'", "served"),
        ("listener odd, SMTP on port 81", "left out"),
    ]
    assert listeners[0].unit.why == "1 route is attached"
    assert "UnsupportedProtocol" in listeners[1].unit.why
    assert {each.name for each in found.resources} == {"tcp/192.0.2.1:80"}


def test_a_route_has_a_part_for_each_parent_and_each_match() -> None:
    rules = (
        to("web", matches=[{"path": {"value": "/a"}, "method": "GET"}]),
        to("web*3", "absent", matches=[{"path": {"value": "/b"}}]),
        to("absent", matches=[{"path": {"value": "/c"}}]),
        to("empty", matches=[{"path": {"value": "/d"}}]),
        {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]},
    )
    found = explained(route(*rules, hostnames=["a.example.com"]), CLASS, gateway(), service("empty"), *WEB)
    assert texts(found) == [
        ("spec.parentRefs[0]", "Gateway edge", "broken"),
        ("spec.rules[0].matches[0]", "PathPrefix '/a' and method GET", "served"),
        ("spec.rules[1].matches[0]", "PathPrefix '/b'", "served"),
        ("spec.rules[2].matches[0]", "PathPrefix '/c'", "broken"),
        ("spec.rules[3].matches[0]", "PathPrefix '/d'", "no endpoints"),
        ("spec.rules[4]", "PathPrefix '/'", "served"),
    ]
    whys = [each.unit.why for each in found.uses]
    assert "ResolvedRefs BackendNotFound" in whys[0]
    assert whys[2] == "of 4 requests, default/web/80 gets 3, an error gets 1"
    assert whys[3].startswith("answers 500")
    assert whys[5] == "answers 302, to the request's URL with scheme https"
    assert (found.uses[1].unit.healthy, found.role) == (1, "attached to 1 listener")
    assert "gateway@3/192.0.2.1:80/a.example.com" in {each.name for each in found.resources}


def test_a_route_tells_the_listeners_and_hosts_of_a_parent() -> None:
    found = explained(route(to("web"), hostnames=["a.example.com"]), CLASS, gateway(), *WEB)
    assert found.uses[0].unit.why == "listener http (192.0.2.1:80) for 'a.example.com'"
    assert str(found.acceptance) == "accepted"


def test_a_route_that_no_listener_accepts_is_left_out() -> None:
    elsewhere = gateway({"name": "http", "port": 80, "protocol": "HTTP", "hostname": "b.example.com"})
    found = explained(route(to("web"), hostnames=["a.example.com"]), CLASS, elsewhere, *WEB)
    assert [str(each.unit.status) for each in found.uses][:1] == ["left out"]
    assert "NoMatchingListenerHostname" in found.uses[0].unit.why


@pytest.mark.parametrize(
    ("about", "role"),
    [
        (gateway(gateway_class="other"), "its GatewayClass isn't ours"),
        (route(to("web")), "no Gateway or ListenerSet of ours has to do with the object"),
        (
            gateway_object(GatewayClass, "other", "", controllerName="example.com/other"),
            "its controllerName, or --gateway-class, names another controller",
        ),
    ],
)
def test_an_object_of_another_controller_is_not_ours(about: KubeObject, role: str) -> None:
    found = explained(about, CLASS)
    assert (str(found.acceptance), found.role, found.uses) == ("not ours", role, ())


def test_a_class_counts_its_gateways() -> None:
    found = explained(CLASS, gateway())
    assert found.role == "the class of 1 Gateway"
    assert texts(found)[0][2] == "served"


def test_a_route_of_connections_has_one_part_for_its_backends() -> None:
    tcp = gateway_object(
        TCPRoute, "db", parentRefs=[{"name": "edge"}], rules=[{"backendRefs": [{"name": "web", "port": 80}]}]
    )
    found = explained(tcp, CLASS, gateway({"name": "tcp", "port": 9000, "protocol": "TCP"}), *WEB)
    assert [each[1:] for each in texts(found)] == [
        ("Gateway edge", "served"),
        ("connections to Service default/web", "served"),
    ]


def test_an_object_that_does_not_exist_has_no_facts() -> None:
    assert gateway_facts(pipeline().state_reader, ObjectRef("Gateway", "default", "edge")) is None
