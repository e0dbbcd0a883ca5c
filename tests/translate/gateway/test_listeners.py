"""Listeners of Gateways and ListenerSets: protocols, conflicts, chains, and the conditions that tell."""

from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object, http_route, reference_grant, to
from tests.support.gateway_world import (
    FIRST,
    SECOND,
    GatewayWorld,
    gateway,
    gateway_class,
    listener,
    listener_set,
    namespace,
    parent,
)
from tests.support.objects import certificate, secret, service
from xds.kube.gateway_objects import TCPRoute, TLSRoute
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.traffic.bound import BoundListener, ListenerKey, TableKey

WEB = service("web")
CERTIFICATE = secret("cert", certificate("a.example.com", "*.example.com"))


def https(hostname: str = "", name: str = "https", port: int = 443, **spec: Any) -> dict[str, Any]:
    tls = spec.pop("tls", {"certificateRefs": [{"name": "cert"}]})
    return listener(hostname, name, port, protocol="HTTPS", tls=tls, **spec)


def passing(hostname: str = "", name: str = "tls", port: int = 443) -> dict[str, Any]:
    return listener(hostname, name, port, protocol="TLS", tls={"mode": "Passthrough"})


def layer4(kind: type[KubeObject], name: str = "route", *, to_service: str = "web", **spec: Any) -> KubeObject:
    rules = [{"backendRefs": [{"name": to_service, "port": 80}]}]
    return gateway_object(kind, name, rules=rules, **({"parentRefs": parent()} | spec))


def bound(world: GatewayWorld, port: int = 80, address: str = FIRST) -> BoundListener:
    return world.api.listeners[ListenerKey(address, port)]


def served(world: GatewayWorld, port: int = 443) -> dict[str, str]:
    """The treatment of connections by server name."""
    return {name: _treatment(each) for each in bound(world, port).chains for name in each.server_names or ("*",)}


def _treatment(chain: Any) -> str:
    if chain.table:
        return f"table {chain.table}"
    return ",".join(each.backend.service for each in chain.route.shares) if chain.route else "closed"


def test_a_plain_listener_has_one_table() -> None:
    edge = gateway()
    world = GatewayWorld(edge)
    assert bound(world).chains[0].table == TableKey(ListenerKey(FIRST, 80))
    assert world.reasons(edge) == {"Accepted": "Accepted", "Programmed": "Programmed", "ResolvedRefs": "ResolvedRefs"}
    assert world.listener_reasons(edge) == {
        "Accepted": "Accepted",
        "Programmed": "Programmed",
        "ResolvedRefs": "ResolvedRefs",
        "Conflicted": "!NoConflicts",
    }


def test_gateways_of_other_classes_are_not_touched() -> None:
    other = gateway_class("other", "example.com/controller")
    edge = gateway(gatewayClassName="other")
    world = GatewayWorld(other, edge, http_route(to("web"), parentRefs=parent()), WEB)
    assert {each.kind for each in world.api.statuses} == {"GatewayClass"}
    assert not world.api.listeners
    assert not any(world.problems.values())


def test_a_class_that_turns_away_frees_everything() -> None:
    edge, route = gateway(), http_route(to("web"), parentRefs=parent())
    world = GatewayWorld(WEB, edge, route)
    world.apply(gateway_class(controller="example.com/controller"))
    assert (dict(world.api.listeners), dict(world.api.tables), dict(world.api.statuses)) == ({}, {}, {})
    assert not any(world.backends.values())


def test_a_class_with_parameters_is_refused() -> None:
    ours = gateway_class(parametersRef={"group": "example.com", "kind": "Config", "name": "x"})
    world = GatewayWorld(gateway())
    world.apply(ours)
    assert world.reasons(ours) == {"Accepted": "!InvalidParameters"}
    assert world.problems_of(ours) == ["GatewayRefused"]
    assert not world.api.listeners


def test_a_listener_of_an_unknown_protocol_is_refused_alone() -> None:
    edge = gateway(listener(), listener(name="odd", port=81, protocol="example.com/odd"))
    world = GatewayWorld(edge)
    assert world.reasons(edge)["Accepted"] == "ListenersNotValid"
    assert world.listener_reasons(edge, "odd")["Accepted"] == "!UnsupportedProtocol"
    assert world.listener(edge, "odd").supported_kinds == ()
    assert world.problems_of(edge) == ["ListenerRefused"]
    assert set(world.api.listeners) == {ListenerKey(FIRST, 80)}


def test_a_gateway_without_any_valid_listener_is_refused() -> None:
    edge = gateway(listener(protocol="example.com/odd"))
    world = GatewayWorld(edge)
    assert (world.reasons(edge)["Accepted"], world.reasons(edge)["Programmed"]) == ("!ListenersNotValid", "!Invalid")


@pytest.mark.parametrize("written", [{"hostname": "a..b"}, {"hostname": "192.0.2.1"}, {"port": 0}, {"port": 65536}])
def test_values_that_no_api_server_lets_pass_are_refused(written: dict[str, Any]) -> None:
    edge = gateway(listener() | written)
    world = GatewayWorld(edge)
    assert world.listener_reasons(edge)["Accepted"] in ("!UnsupportedValue", "!PortUnavailable")
    assert not world.api.listeners


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (https(port=80), "ProtocolConflict"),
        (listener(name="https", protocol="TCP"), "ProtocolConflict"),
        (listener(name="https"), "HostnameConflict"),
    ],
)
def test_of_two_listeners_of_one_gateway_that_conflict_neither_is_served(second: dict[str, Any], reason: str) -> None:
    edge = gateway(listener(), second, listener(name="fine", port=81))
    world = GatewayWorld(edge, CERTIFICATE)
    for name in ("http", "https"):
        found = world.listener_reasons(edge, name)
        assert (found["Accepted"], found["Programmed"], found["Conflicted"]) == (f"!{reason}", f"!{reason}", reason)
    assert set(world.api.listeners) == {ListenerKey(FIRST, 81)}


def test_tcp_and_udp_share_a_port() -> None:
    edge = gateway(listener(protocol="TCP"), listener(name="udp", protocol="UDP"))
    world = GatewayWorld(edge)
    assert (
        world.listener_reasons(edge)["Conflicted"]
        == world.listener_reasons(edge, "udp")["Conflicted"]
        == "!NoConflicts"
    )


def test_https_and_passthrough_share_a_port_by_server_name() -> None:
    passed = layer4(TLSRoute, hostnames=["b.example.com", "c.example.org"])
    edge = gateway(https("*.example.com"), passing("b.example.com"), passing(name="rest"))
    world = GatewayWorld(WEB, CERTIFICATE, edge, passed)
    assert served(world) == {
        "b.example.com": "web",
        "*.example.com": f"table {FIRST}:443/*.example.com",
        "c.example.org": "web",
    }
    assert bound(world, 443).reads_sni
    assert world.listener(edge, "tls").attached_routes == world.listener(edge, "rest").attached_routes == 1


def test_names_of_a_listener_without_routes_do_not_fall_to_a_wider_listener() -> None:
    edge = gateway(https(), passing("b.example.com"))
    world = GatewayWorld(CERTIFICATE, edge)
    assert served(world) == {"b.example.com": "closed", "*": f"table {FIRST}:443/*"}


def test_connections_of_a_listener_without_a_certificate_are_closed() -> None:
    edge = gateway(
        https("a.example.com", tls={"certificateRefs": [{"name": "missing"}]}), https("*.example.com", "wide")
    )
    world = GatewayWorld(CERTIFICATE, edge)
    assert served(world) == {"a.example.com": "closed", "*.example.com": f"table {FIRST}:443/*.example.com"}
    found = world.listener_reasons(edge, "https")
    assert (found["ResolvedRefs"], found["Programmed"]) == ("!InvalidCertificateRef", "!Invalid")
    assert world.reasons(edge)["ResolvedRefs"] == "!ListenersNotResolved"
    assert "ReferenceUnresolved" in world.problems_of(edge)
    world.apply(secret("missing", certificate("a.example.com")))
    assert served(world)["a.example.com"] == f"table {FIRST}:443/a.example.com"
    assert world.change.certificates


def test_routes_attach_to_a_listener_whose_certificate_is_missing() -> None:
    edge = gateway(https(tls={"certificateRefs": [{"name": "missing"}]}))
    world = GatewayWorld(WEB, edge, http_route(to("web"), parentRefs=parent()))
    assert world.listener(edge, "https").attached_routes == 1


def test_a_certificate_of_another_namespace_needs_a_grant() -> None:
    theirs = secret("cert", certificate("a.example.com"), ns="certs")
    edge = gateway(https(tls={"certificateRefs": [{"name": "cert", "namespace": "certs"}]}))
    world = GatewayWorld(edge, theirs)
    assert world.listener_reasons(edge, "https")["ResolvedRefs"] == "!RefNotPermitted"
    grant = reference_grant("certs", kind="Gateway", to_kind="Secret")
    world.apply(grant)
    assert world.listener_reasons(edge, "https")["ResolvedRefs"] == "ResolvedRefs"
    assert Key("certs", "cert") in world.api.certificates
    world.delete(grant)
    assert world.listener_reasons(edge, "https")["ResolvedRefs"] == "!RefNotPermitted"
    assert not world.api.certificates


def test_listeners_with_tls_that_share_names_say_so() -> None:
    edge = gateway(https("a.example.com"), https("*.example.com", "wide"), https("a.example.org", "other"))
    world = GatewayWorld(CERTIFICATE, edge)
    overlapping = [
        world.listener_reasons(edge, each).get("OverlappingTLSConfig") for each in ("https", "wide", "other")
    ]
    assert overlapping == ["OverlappingHostnames", "OverlappingHostnames", None]


def test_the_oldest_tcp_route_has_the_port() -> None:
    edge = gateway(listener(protocol="TCP", port=9000))
    first, second = layer4(TCPRoute, "a"), layer4(TCPRoute, "b", to_service="api")
    world = GatewayWorld(WEB, service("api"), edge, second, first)
    assert served(world, 9000) == {"*": "web"}
    assert world.listener(edge).attached_routes == 2
    assert world.reasons(second)["Accepted"] == "Accepted"
    world.delete(first)
    assert served(world, 9000) == {"*": "api"}


# ListenerSets


@pytest.mark.parametrize(
    ("allowed", "ns", "is_attached"),
    [
        ({}, "default", False),
        ({"namespaces": {"from": "None"}}, "default", False),
        ({"namespaces": {"from": "Same"}}, "default", True),
        ({"namespaces": {"from": "Same"}}, "team", False),
        ({"namespaces": {"from": "All"}}, "team", True),
        ({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}, "team", True),
        ({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "c"}}}}, "team", False),
    ],
)
def test_a_gateway_chooses_its_listener_sets(allowed: dict[str, Any], ns: str, is_attached: bool) -> None:
    edge, more = gateway(allowedListeners=allowed), listener_set(listener(name="more", port=81), ns=ns)
    world = GatewayWorld(edge, more, namespace("team", a="b"))
    status = world.api.statuses[edge.ref]
    assert status.attached_listener_sets == int(is_attached)  # type: ignore[union-attr]
    assert (ListenerKey(FIRST, 81) in world.api.listeners) == is_attached
    expected = {"Accepted": "Accepted", "Programmed": "Programmed"}
    refused = {"Accepted": "!NotAllowed", "Programmed": "!NotAllowed"}
    assert world.reasons(more) == (expected if is_attached else refused)


ANYONE = {"namespaces": {"from": "All"}}


def test_a_route_attaches_to_a_listener_set_and_not_to_its_gateway() -> None:
    edge = gateway(allowedListeners=ANYONE)
    more = listener_set(listener("more.example.com", "more"))
    route = http_route(to("web"), parentRefs=parent("set", kind="ListenerSet"))
    lost = http_route(to("web"), name="lost", parentRefs=parent(sectionName="more"))
    world = GatewayWorld(WEB, edge, more, route, lost)
    assert world.hosts() == {"*": [], "more.example.com": ["default/web/80"]}
    assert (world.listener(edge).attached_routes, world.listener(more, "more").attached_routes) == (0, 1)
    assert world.reasons(lost)["Accepted"] == "!NoMatchingParent"


def test_of_a_gateway_and_its_listener_sets_the_earlier_one_has_a_hostname() -> None:
    edge = gateway(listener("a.example.com"), allowedListeners=ANYONE)
    first = listener_set(listener("a.example.com", "lost"), listener("b.example.com", "b"), name="first")
    second = listener_set(listener("b.example.com", "b"), listener(name="odd", protocol="TCP"), name="second")
    world = GatewayWorld(edge, second, first)
    assert world.listener_reasons(first, "lost")["Conflicted"] == "HostnameConflict"
    assert world.listener_reasons(first, "b")["Accepted"] == "Accepted"
    assert world.reasons(first)["Accepted"] == "ListenersNotValid"
    assert world.listener_reasons(second, "b")["Programmed"] == "!HostnameConflict"
    assert world.listener_reasons(second, "odd")["Conflicted"] == "ProtocolConflict"
    assert world.reasons(second) == {"Accepted": "!ListenersNotValid", "Programmed": "!ListenersNotValid"}
    assert world.api.statuses[edge.ref].attached_listener_sets == 1  # type: ignore[union-attr]


def test_a_listener_set_that_moves_takes_its_routes_along() -> None:
    edges = [gateway(name=each, allowedListeners=ANYONE) for each in ("edge", "other")]
    route = http_route(to("web"), parentRefs=parent("set", kind="ListenerSet"))
    more = listener("more.example.com", "more")
    world = GatewayWorld(WEB, *edges, listener_set(more), route)
    world.apply(listener_set(more, of="other"))
    assert (world.hosts(), world.hosts(SECOND)) == ({"*": []}, {"*": [], "more.example.com": ["default/web/80"]})
    moved = listener_set(more, of="foreign")
    world.apply(moved)
    assert world.hosts(SECOND) == {"*": []}
    assert not {moved.ref, route.ref} & set(world.api.statuses)


@pytest.mark.parametrize("host", ["", "*.example.com", "a.example.com"])
def test_the_most_specific_hostname_of_tls_routes_decides_whatever_the_hostname_of_the_listener(host: str) -> None:
    older = layer4(TLSRoute, "a", to_service="api", hostnames=["*.example.com"])
    exact = layer4(TLSRoute, "b", hostnames=["a.example.com"])
    world = GatewayWorld(WEB, service("api"), gateway(passing(host)), older, exact)
    assert served(world)["a.example.com"] == "web"
