"""Bound listeners and their route tables, from a model made by hand.

Excludes: a real Envoy with them (tests/e2e/test_gateway_listeners.py), the translation (tests/translate/gateway).
"""

from typing import Final

from tests.support.bound_model import AT, PLAIN, BoundModel, bound_http, virtual_host
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.traffic.bound import ListenerKey
from xds.traffic.listeners import ListenerPolicy
from xds.traffic.model import TrafficChange

SHOP: Final = "shop.example.com"
LISTENER: Final = (ResourceType.LISTENER, "tcp/192.0.2.1:80")
ROUTES: Final = (ResourceType.ROUTES, "gateway@3/192.0.2.1:80")


def host_resource(domain: str, table: str = "192.0.2.1:80") -> tuple[ResourceType, str]:
    return (ResourceType.VIRTUAL_HOST, f"gateway@3/{table}/{domain}")


def test_a_plain_listener_has_its_address_and_its_table() -> None:
    model = BoundModel()
    built = model.put(bound_http(), virtual_host(SHOP, "web"))
    assert built == {LISTENER, ROUTES, host_resource(SHOP), host_resource("*")}
    assert model.decoded(*LISTENER)["freebind"] is True
    address = model.decoded(*LISTENER)["address"]["socket_address"]
    assert (address["address"], address["port_value"]) == ("192.0.2.1", 80)


def test_a_listener_without_routes_has_a_domain_that_answers_404() -> None:
    model = BoundModel()
    model.put(bound_http())
    assert model.decoded(*host_resource("*"))["domains"] == ["*"]
    assert "routes" not in model.decoded(*host_resource("*"))


def test_a_wildcard_stands_for_any_number_of_labels() -> None:
    model = BoundModel()
    model.put(bound_http(), virtual_host("*.example.com", "web"))
    (route,) = model.decoded(*host_resource("*.example.com"))["routes"]
    assert "headers" not in route["match"]


def test_a_change_of_one_domain_builds_one_virtual_host() -> None:
    model = BoundModel()
    model.put(bound_http(), *(virtual_host(f"{letter}.example.com", "web") for letter in "abc"))
    changed = host_resource("a.example.com")
    assert model.change(PLAIN, "a.example.com", virtual_host("a.example.com", "other")) == {changed}
    assert model.change(PLAIN, "a.example.com", None) == {changed}
    assert changed not in model.resources


def test_a_host_that_no_route_names_is_404_again_once_its_route_is_gone() -> None:
    model = BoundModel()
    model.put(bound_http(), virtual_host("*", "web"))
    assert model.change(PLAIN, "*", None) == {host_resource("*")}
    assert "routes" not in model.decoded(*host_resource("*"))


def test_a_listener_that_is_gone_takes_its_table_along() -> None:
    model = BoundModel()
    before = set(model.resources)
    built = model.put(bound_http(), virtual_host(SHOP, "web"))
    assert model.remove(AT) == built
    assert set(model.resources) == before


def test_a_table_that_comes_before_its_listener_is_built_with_the_listener() -> None:
    model = BoundModel()
    model.tables[PLAIN] = {SHOP: virtual_host(SHOP, "web")}
    assert model.build(TrafficChange(tables={PLAIN: frozenset({SHOP})})) == set()
    model.bound[AT] = bound_http()
    built = model.build(TrafficChange(bound=frozenset({AT})))
    assert built == {LISTENER, ROUTES, host_resource(SHOP), host_resource("*")}


def test_backends_hear_of_the_port_that_clients_see() -> None:
    model = BoundModel()
    model.put(bound_http(ListenerKey("192.0.2.1", 8001), public_port=81), virtual_host(SHOP, "web"))
    headers = model.decoded(ResourceType.ROUTES, "gateway@3/192.0.2.1:8001")["request_headers_to_add"]
    assert [each["header"]["value"] for each in headers if each["header"]["key"] == "x-forwarded-port"] == ["81"]
    built = model.put(bound_http(ListenerKey("192.0.2.1", 8001), public_port=82), virtual_host(SHOP, "web"))
    assert built == {(ResourceType.ROUTES, "gateway@3/192.0.2.1:8001")}


def test_redirects_to_https_by_the_operator_are_for_ingress_alone() -> None:
    usual, redirected = BoundModel(), BoundModel(ProxyOptions(redirect_https=True))
    for each in (usual, redirected):
        each.put(bound_http(), virtual_host(SHOP, "web"))
    assert usual.resources[host_resource(SHOP)] == redirected.resources[host_resource(SHOP)]


def test_the_policy_of_all_listeners_counts() -> None:
    model = BoundModel()
    model.put(bound_http(), virtual_host(SHOP, "web"))
    model.listeners = ListenerPolicy(takes_any_method=True, answers_health=True)
    built = model.build(TrafficChange(listeners=True))
    assert LISTENER in built
    assert host_resource("*") not in built


def test_a_loopback_address_is_bound_as_on_every_machine() -> None:
    model = BoundModel()
    model.put(bound_http(ListenerKey("127.0.0.1", 80)))
    assert "freebind" not in model.decoded(ResourceType.LISTENER, "tcp/127.0.0.1:80")
