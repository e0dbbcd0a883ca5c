"""Hosts that Ingress and the Gateway API share: the order of the routes of both, and the loser of equal matches.

Excludes: a real Envoy with both (tests/e2e/test_gateway_shared_hosts.py).
"""

from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest

from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener
from tests.support.objects import World, authorities, born, certificate, ingress, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from xds.explain.matcher import answer
from xds.explain.request import Request
from xds.kube.change import Applied, Deleted
from xds.kube.gateway_objects import HTTPRoute
from xds.kube.objects import Ingress, KubeObject, LoadBalancerIngress, LoadBalancerStatus, ServiceStatus
from xds.problems.problem import Key
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


def https(hostname: str = HOST, secret_name: str = "gateway", name: str = "https") -> dict[str, Any]:
    refs = [{"name": secret_name}]
    return listener(hostname, name=name, port=443, protocol="HTTPS", tls={"mode": "Terminate", "certificateRefs": refs})


CERTIFICATES: Final = tuple(secret(name, certificate(HOST, "*.example.com")) for name in ("gateway", "site"))


def certificate_of(of: World, sni: str) -> str:
    """The Secret with the certificate that a client gets; `closed` without a certificate, empty for an unknown name."""
    tls_table = of.traffic.tls
    if sni in tls_table.without_certificate:
        return "closed"
    found = [each for each in tls_table.terminations if sni in each.hosts] or [
        each for each in tls_table.terminations if each.is_default
    ]
    return found[0].secrets[0].name if found else ""


def test_a_listener_has_a_tls_host_of_the_port_of_ingress() -> None:
    found = world(shared_gateway(https()), *CERTIFICATES, route())
    assert dict(found.traffic.bound) == {}
    assert certificate_of(found, HOST) == "gateway"
    assert served(found, https=True) == "new"
    assert served(found) == "404"
    assert found.traffic.certificates.keys() == {CERTIFICATES[0].key}


def test_plain_and_tls_listeners_have_routes_of_their_own() -> None:
    plain, secure = (
        msgspec.structs.replace(each, spec=msgspec.structs.replace(each.spec, parent_refs=parents))
        for each, parents in (
            (route(name="plain"), parent_refs("http")),
            (route(to("deep"), name="secure"), parent_refs("https")),
        )
    )
    found = world(shared_gateway(listener(), https()), *CERTIFICATES, plain, secure, of_ingress("/old"))
    assert (served(found), served(found, https=True)) == ("new", "deep")
    assert (served(found, "/old"), served(found, "/old", https=True)) == ("old", "old")


def parent_refs(section: str) -> Any:
    (found,) = http_route(to("new"), parentRefs=[{"name": "edge", "sectionName": section}]).spec.parent_refs or ()
    return (found,)


@pytest.mark.parametrize(("day", "winner", "loser"), [(-1, "site", "edge"), (1000, "gateway", HOST)])
def test_of_two_certificates_that_of_the_older_object_is_served(day: int, winner: str, loser: str) -> None:
    edge = shared_gateway(https())
    others = (secret("gateway", certificate(HOST)), secret("site", certificate(HOST, "b.test")))
    found = world(edge, *others, of_ingress(day=day, tls=[tls(HOST, secret="site")]))
    assert certificate_of(found, HOST) == winner
    assert [name for name, reason in found.reasons() if reason == Reason.CERTIFICATE_CONFLICT] == [loser]


def test_connections_of_a_listener_without_certificate_are_closed() -> None:
    found = world(shared_gateway(https(secret_name="absent")), route())
    assert certificate_of(found, HOST) == "closed"


def test_a_listener_without_hostname_has_the_default_certificate() -> None:
    found = world(shared_gateway(https("")), *CERTIFICATES, route(hostname=""))
    assert certificate_of(found, "any.test") == "gateway"
    assert served(found, host="any.test", https=True) == "new"


def test_a_listener_does_not_redirect_plain_requests_of_ingress() -> None:
    redirecting = of_ingress(annotations=annotated(ssl_redirect="true"))
    found = world(shared_gateway(https("*.example.com")), *CERTIFICATES, redirecting, is_compatible=True)
    assert served(found) == "old"
    assert served(found, https=True) == "old"


def test_a_listener_that_leaves_takes_its_tls_host_along() -> None:
    edge = shared_gateway(https())
    found = world(edge, *CERTIFICATES, route())
    found.apply(Deleted(type(edge), edge.key))
    assert found.traffic.tls.terminations == ()
    assert served(found, https=True) == "0"


@pytest.mark.parametrize(
    ("secret_name", "verify", "https", "plain"),
    [
        ("ca", "on", "400", "403"),
        ("ca", "optional", "new", "new"),
        ("absent", "on", "403", "403"),
        ("absent", "optional", "403", "403"),
    ],
)
def test_certificates_that_ingress_asks_of_the_clients_of_a_host_protect_routes_of_gateways(
    secret_name: str, verify: str, https: str, plain: str
) -> None:
    asked = annotated(auth_tls_secret=f"default/{secret_name}", auth_tls_verify_client=verify)
    https_listener = listener(
        name="https", port=443, protocol="HTTPS", hostname=HOST, tls={"certificateRefs": [{"name": "cert"}]}
    )
    found = world(
        shared_gateway(listener(), https_listener),
        secret("cert", certificate(HOST)),
        authorities("ca"),
        of_ingress("/a", annotations=asked, tls=[tls(HOST, secret="cert")]),
        route(at("/new")),
    )
    assert served(found, "/new", https=True) == https
    assert served(found, "/new") == plain
    reasons = [each.reason for each in found.problems if each.object.kind == HTTPRoute.kind]
    assert (Reason.PROTECTION_UNAVAILABLE in reasons) == (secret_name == "absent")


def test_a_host_that_an_ingress_closes_is_closed_for_routes_of_gateways() -> None:
    demanding = of_ingress(annotations=annotated(auth_tls_secret="default/absent"))
    found = world(demanding, route(at("/new")), is_compatible=True)
    closed = served(found, "/")
    assert closed.isdecimal()
    assert served(found, "/new") == closed


def test_clients_without_a_certificate_that_an_ingress_asks_for_meet_no_route_of_a_gateway() -> None:
    demanding = of_ingress(annotations=annotated(auth_tls_secret="default/ca"), tls=[tls(HOST, secret="site")])
    found = world(demanding, *CERTIFICATES, authorities("ca"), route(at("/new")), is_compatible=True)
    shared = found.traffic.hosts_of(tls=True)[HOST]
    assert shared.client_certificates is not None
    assert shared.client_certificates == found.traffic.hosts[HOST].client_certificates
    assert served(found, "/new", https=True).isdecimal()


def test_an_address_of_the_published_service_is_shared_while_the_service_has_it() -> None:
    def published(*addresses: str) -> KubeObject:
        found = service("envoy", ns="infra", type="LoadBalancer")
        entries = tuple(LoadBalancerIngress(ip=each) for each in addresses)
        return msgspec.structs.replace(found, status=ServiceStatus(LoadBalancerStatus(entries)))

    options = replace(OPTIONS, published=Key("infra", "envoy"))
    edge = gateway(addresses=[{"type": "IPAddress", "value": "198.51.100.7"}])
    found = World(gateway_class(), edge, *SERVICES, of_ingress("/old"), route(), gateway=options)
    assert served(found) == "404"
    for addresses, winner in ((("198.51.100.7",), "new"), (("198.51.100.8",), "404"), (("198.51.100.7",), "new")):
        found.add(published(*addresses))
        assert (served(found), served(found, "/old")) == (winner, "old")
    assert dict(found.traffic.bound) == {}
