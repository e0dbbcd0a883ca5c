"""TLSRoutes, TCPRoutes and UDPRoutes: backends with their shares, and references that can't be followed."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object, reference_grant, to
from tests.support.objects import World, external, service
from xds.kube.gateway_objects import BackendTLSPolicy, TCPRoute, TLSRoute, UDPRoute
from xds.kube.objects import KubeObject
from xds.traffic.upstream import BackendProtocol, Balancing
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import NO_GATEWAYS
from xds.translate.gateway.rules.layer4_route import translate_layer4_route
from xds.translate.gateway.translated import TranslatedRoute

KINDS = (TLSRoute, TCPRoute, UDPRoute)
DNS = service("dns", {"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP", "name": "tcp"})


def translated(
    kind: type[TLSRoute | TCPRoute | UDPRoute],
    rules: list[dict[str, Any]],
    *objects: KubeObject,
    terminates_tls: bool = False,
) -> TranslatedRoute:
    route = gateway_object(kind, "route", rules=rules)
    assert isinstance(route, TLSRoute | TCPRoute | UDPRoute)
    state = World(*objects).state
    return translate_layer4_route(
        GatewayContext(state, NO_GATEWAYS, Grants(state)), route, terminates_tls=terminates_tls
    )


def shares(found: TranslatedRoute) -> list[tuple[str, int]]:
    """The Services with weights; `-` stands for an unusable Service."""
    assert found.forward
    return [(each.backend.service if each.backend else "-", each.weight) for each in found.forward.shares]


@pytest.mark.parametrize("kind", KINDS)
def test_backends_share_by_weight_and_weight_0_gets_nothing(kind: type[TLSRoute | TCPRoute | UDPRoute]) -> None:
    objects = (DNS, service("other", *({"port": 53, "protocol": each, "name": each} for each in ("UDP", "TCP"))))
    found = translated(kind, [to("dns:53*9", "other:53*0", "absent:53*1")], *objects)
    assert shares(found) == [("dns", 9), ("-", 1)]
    (backend,) = found.backends.values()
    udp = kind is UDPRoute
    assert (backend.protocol, backend.key.is_udp) == (BackendProtocol.UDP if udp else BackendProtocol.TCP, udp)
    assert found.forward
    assert str(found.forward.origin.object) == f"{kind.kind} default/route"
    assert found.forward.policy.idle_timeout == (timedelta(minutes=1) if udp else timedelta(hours=1))
    assert found.unresolved
    assert found.unresolved.reason == "BackendNotFound"
    assert "datagrams" in found.unresolved.message if udp else "connections" in found.unresolved.message


@pytest.mark.parametrize("refs", [(), ("dns:53*0",)])
def test_a_rule_without_backends_closes_connections(refs: tuple[str, ...]) -> None:
    found = translated(TCPRoute, [to(*refs)], DNS)
    assert (shares(found), found.backends, found.unresolved) == ([("-", 1)], {}, None)


def test_a_route_without_rules_is_refused() -> None:
    found = translated(TCPRoute, [])
    assert found.forward is None
    assert found.refused
    assert "backendRefs" in found.refused.message


def test_only_the_first_rule_is_served() -> None:
    found = translated(TCPRoute, [to("dns:53"), to("dns:53")], DNS)
    assert shares(found) == [("dns", 1)]
    assert found.partially
    assert found.partially.message.startswith("Dropped Rule 1")


def test_a_port_of_the_other_protocol_is_no_backend() -> None:
    found = translated(UDPRoute, [to("web:80")], service("web"))
    assert shares(found) == [("-", 1)]
    assert found.unresolved
    assert "no UDP port" in found.unresolved.message


def test_another_namespace_must_grant_its_services() -> None:
    web = service("web", ns="other")
    denied = translated(TCPRoute, [to("other/web:80")], web)
    assert shares(denied) == [("-", 1)]
    assert denied.unresolved
    assert denied.unresolved.reason == "RefNotPermitted"
    assert translated(TCPRoute, [to("other/web:80")], web, reference_grant("other")).unresolved
    granted = translated(TCPRoute, [to("other/web:80")], web, reference_grant("other", kind="TCPRoute"))
    assert (shares(granted), granted.unresolved) == ([("web", 1)], None)
    assert denied.references == granted.references


def test_an_external_name_must_be_allowed() -> None:
    found = translated(TLSRoute, [to("outside:443")], external("outside", "db.example.com"))
    assert shares(found) == [("-", 1)]


@pytest.mark.parametrize(("affinity", "balancing"), [("ClientIP", Balancing.HASH), ("None", Balancing.ROUND_ROBIN)])
def test_the_affinity_of_the_service_counts(affinity: str, balancing: Balancing) -> None:
    found = translated(TCPRoute, [to("web:80")], service("web", sessionAffinity=affinity))
    (backend,) = found.backends.values()
    assert backend.upstream.balancing is balancing
    assert found.forward
    assert found.forward.policy.keeps_client is (affinity == "ClientIP")


POLICY = gateway_object(
    BackendTLSPolicy,
    "web",
    targetRefs=[{"group": "", "kind": "Service", "name": "web"}],
    validation={"hostname": "web.example.com", "wellKnownCACertificates": "System"},
)
BROKEN = gateway_object(
    BackendTLSPolicy,
    "web",
    targetRefs=[{"group": "", "kind": "Service", "name": "web"}],
    validation={"hostname": "web.example.com", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "no"}]},
)


def test_a_policy_has_tls_spoken_behind_a_listener_that_ends_tls() -> None:
    (backend,) = translated(TLSRoute, [to("web:80")], service("web"), POLICY, terminates_tls=True).backends.values()
    assert backend.upstream.tls
    assert backend.upstream.tls.name == "web.example.com"
    (plain,) = translated(TLSRoute, [to("web:80")], service("web"), POLICY).backends.values()
    assert plain.upstream.tls is None
    assert plain.key != backend.key


def test_a_policy_that_cannot_be_followed_closes_connections() -> None:
    found = translated(TLSRoute, [to("web:80")], service("web"), BROKEN, terminates_tls=True)
    assert (shares(found), found.backends) == ([("-", 1)], {})
    assert found.unresolved
