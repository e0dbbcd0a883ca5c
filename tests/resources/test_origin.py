"""The origin of answers in the metadata of routes and virtual hosts.

Excludes: Envoy's use of the metadata (tests/e2e/test_traffic_metrics.py).
"""

from typing import Any

from tests.support.bound_model import BoundModel, bound_http, virtual_host
from tests.support.objects import World, ingress, path, rule, service, tls
from xds.envoyapi import codec
from xds.resources.domains import Domains
from xds.resources.options import ProxyOptions
from xds.resources.routes import virtual_host as built_host
from xds.snapshot.resource import ResourceType
from xds.traffic.model import Traffic
from xds.traffic.routes import VirtualHost

NAME = "http@3/shop.test"


def built(traffic: Traffic, host: str, *, redirect_https: bool = False) -> dict[str, Any]:
    domain = Domains(traffic, redirect_https=redirect_https).http_domain(host)
    assert domain is not None
    return codec.to_dict(built_host(NAME, domain, ProxyOptions(redirect_https=redirect_https)))


def origin(message: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = message.get("metadata", {}).get("filter_metadata", {}).get("xds-ingress", {})
    return found


def test_a_host_of_one_ingress_is_of_the_ingress() -> None:
    world = World(ingress("a", rule("shop.test", path("/"), path("/b"))), service("web"))
    assert origin(built(world.traffic, "shop.test")) == {"ingress": "default/a", "namespace": "default"}


def test_a_host_of_several_ingresses_has_their_namespace_alone() -> None:
    rules = [ingress(name, rule("shop.test", path(f"/{name}"))) for name in ("a", "b")]
    world = World(*rules, service("web"))
    assert origin(built(world.traffic, "shop.test")) == {"namespace": "default"}


def test_a_host_of_several_namespaces_has_no_origin() -> None:
    rules = [ingress(ns, rule("shop.test", path(f"/{ns}")), ns=ns) for ns in ("one", "two")]
    world = World(*rules, service("web", ns="one"), service("web", ns="two"))
    assert origin(built(world.traffic, "shop.test")) == {}


def test_unknown_hosts_have_no_origin() -> None:
    world = World(ingress("a", rule(None, path("/a"))), service("web"))
    [domain, *_] = Domains(world.traffic, redirect_https=False).http_domains()
    assert domain.name == "*"
    host = codec.to_dict(built_host("http@3/*", domain, ProxyOptions()))
    assert origin(host) == {}
    assert [origin(route) for route in host["routes"]][-1]["ingress"] == "default/a"


def test_ingresses_of_a_host_share_no_redirect() -> None:
    entry = [tls("shop.test", secret="cert")]
    longer = ingress("a", rule("shop.test", path("/longer"), path("/longest")), tls=entry)
    world = World(longer, ingress("b", rule("shop.test", path("/b"), path("/"))), service("web"))
    routes = built(world.traffic, "shop.test", redirect_https=True)["routes"]
    redirects = [route for route in routes if route["name"].startswith("redirect-https")]
    assert {origin(route)["ingress"] for route in redirects} == {"default/a", "default/b"}
    shared = [route for route in redirects if route["match"].get("prefix") == "/"]
    assert {(origin(route)["ingress"], origin(route).get("service")) for route in shared} == {("default/b", None)}
    assert len(shared) < len(redirects)


def test_answers_of_a_bound_listener_name_their_route() -> None:
    model = BoundModel()
    two = (*virtual_host("b.test", "web").routes, *virtual_host("b.test", "web", "/b", route="b").routes)
    model.put(bound_http(), virtual_host("shop.test", "web"), VirtualHost("b.test", two))
    named = model.decoded(ResourceType.VIRTUAL_HOST, "gateway@3/192.0.2.1:80/shop.test")
    of_route = {"route": "HTTPRoute default/shop", "namespace": "default"}
    assert origin(named) == of_route
    assert [origin(each) for each in named["routes"]] == [of_route | {"service": "default/web"}]
    shared = model.decoded(ResourceType.VIRTUAL_HOST, "gateway@3/192.0.2.1:80/b.test")
    assert origin(shared) == {"namespace": "default"}
