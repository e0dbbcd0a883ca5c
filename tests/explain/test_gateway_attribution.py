"""The Gateways and routes that a rejected resource of a bound listener comes from.

Excludes: rejections by real proxies (tests/features/test_rejection_reports.py).
"""

from typing import Final

import pytest

from tests.support.bound_model import AT, GATEWAY, BoundModel, bound_http, layer4_route, virtual_host
from tests.support.objects import World, key
from xds.explain.attribution import Verdict, cannot_bind_remedy, problems
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backend_tls import BackendTls, CredentialKey, CredentialPart
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, Chain, ChainTls, ClientCheck, ListenerKey, TableKey
from xds.traffic.layer4 import Share
from xds.traffic.upstream import BackendProtocol, UpstreamPolicy

SECURE: Final = ListenerKey("192.0.2.1", 443)
HOST: Final = "gateway@3/192.0.2.1:80/shop.example.com"
WEB, DB = BackendKey("default", "web", 80), BackendKey("default", "db", 5432)
CLIENTS: Final = CredentialKey(key("clients"), CredentialPart.CONFIG_MAPS)
TLS: Final = ChainTls((key("cert"),), ClientCheck(CLIENTS))


@pytest.fixture
def model() -> BoundModel:
    built = BoundModel()
    built.put(bound_http(), virtual_host("shop.example.com", "web"), virtual_host("b.example.com", "b", route="b"))
    chains = (
        Chain(
            ("a.example.com",), ChainTls((key("cert"),), ClientCheck(CLIENTS)), TableKey(SECURE, "a.example.com", True)
        ),
        Chain(("db.example.com",), route=layer4_route(Share(DB))),
        Chain(("more.example.com",), route=layer4_route(Share(DB), route="db-2")),
    )
    built.put(BoundListener(SECURE, chains, GATEWAY, 443, reads_sni=True))
    return built


def blamed(
    model: BoundModel, type_: ResourceType, name: str, text: str = "bad", last: Resource | None = None
) -> set[str]:
    rejected = model.resources.get((type_, name)) or Resource(type_, name, b"", "1")
    return {
        str(each.object) for each in problems(rejected, last, Verdict(text, "{} is not served"), World().state, model)
    }


def test_a_listener_is_of_its_gateway(model: BoundModel) -> None:
    assert blamed(model, ResourceType.LISTENER, "tcp/192.0.2.1:80") == {"Gateway infra/edge"}


def test_a_filter_chain_in_the_message_is_of_its_route(model: BoundModel) -> None:
    for chain, route in (("db", "db"), ("db-2", "db-2")):
        text = f"error adding filter chain 'pass/TCPRoute/default/{chain}': no"
        assert blamed(model, ResourceType.LISTENER, "tcp/192.0.2.1:443", text) == {f"TCPRoute default/{route}"}


def test_a_virtual_host_is_of_its_routes(model: BoundModel) -> None:
    assert blamed(model, ResourceType.VIRTUAL_HOST, HOST) == {"HTTPRoute default/shop"}


def test_a_cluster_is_of_the_routes_that_forward_to_the_backend(model: BoundModel) -> None:
    assert blamed(model, ResourceType.CLUSTER, str(WEB)) == {"HTTPRoute default/shop"}
    assert blamed(model, ResourceType.ENDPOINTS, str(DB)) == {"TCPRoute default/db", "TCPRoute default/db-2"}


def test_a_certificate_is_of_its_gateway(model: BoundModel) -> None:
    assert blamed(model, ResourceType.SECRET, "default/cert") == {"Gateway infra/edge"}
    assert blamed(model, ResourceType.SECRET, str(CLIENTS)) == {"Gateway infra/edge"}
    assert blamed(model, ResourceType.SECRET, "default/other") == {"Secret default/other"}


def test_authorities_of_a_backend_are_of_the_routes_that_forward_to_the_backend(model: BoundModel) -> None:
    authorities = CredentialKey(key("ca"), CredentialPart.CONFIG_MAPS)
    tls = BackendTls(None, verify_depth=1, name="web", authorities=authorities)
    upstream = UpstreamPolicy(BackendProtocol.HTTPS, tls=tls)
    model.backends[WEB] = Backend(WEB, "", BackendProtocol.HTTPS, upstream=upstream)
    assert blamed(model, ResourceType.SECRET, str(authorities)) == {"HTTPRoute default/shop"}


def test_a_port_that_cannot_be_bound_names_no_flag_of_ingress() -> None:
    assert "--http-port" not in cannot_bind_remedy([str(AT)])
    assert "--http-port" in cannot_bind_remedy(["http"])
