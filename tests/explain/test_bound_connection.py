"""Connections and datagrams at the listeners of Gateways, in words.

Excludes: requests (test_gateway_route_table.py), and the ports of layer 4 (test_layer4.py).
"""

from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object
from tests.support.objects import endpoint, pipeline, service, slice_of
from xds.explain.connection import ConnectionExplanation
from xds.explain.layer4 import connection_facts, explain_connection
from xds.explain.layer4_question import layer4_question
from xds.kube.gateway_objects import Gateway, GatewayClass, TCPRoute, TLSRoute
from xds.kube.objects import KubeObject
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.options import TranslateOptions

AT = "192.0.2.1"
REFS = [{"name": "web", "port": 80, "weight": 3}, {"name": "next", "port": 80}]


def objects() -> tuple[KubeObject, ...]:
    listeners: list[dict[str, Any]] = [
        {"name": "tcp", "port": 9000, "protocol": "TCP"},
        {"name": "tls", "port": 443, "protocol": "TLS", "hostname": "*.example.com", "tls": {"mode": "Passthrough"}},
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {"name": "udp", "port": 53, "protocol": "UDP"},
    ]
    parents = [{"name": "edge"}]
    return (
        gateway_object(GatewayClass, "ours", "", controllerName=CONTROLLER),
        gateway_object(Gateway, "edge", gatewayClassName="ours", listeners=listeners),
        gateway_object(TCPRoute, "db", parentRefs=parents, rules=[{"backendRefs": REFS}]),
        gateway_object(
            TLSRoute, "mail", parentRefs=parents, rules=[{"backendRefs": REFS[:1]}], hostnames=["a.example.com"]
        ),
        service("web"),
        service("next"),
        slice_of("web", endpoint("10.0.0.1")),
    )


def explained(url: str, address: str = "") -> ConnectionExplanation:
    options = TranslateOptions(gateway=GatewayOptions(addresses=(AT,)))
    reader = pipeline(*objects(), translate=options).state_reader
    asked = layer4_question(url, "", address)
    assert asked
    return explain_connection(connection_facts(reader, asked))


@pytest.mark.parametrize(
    ("url", "address", "connection", "outcome"),
    [
        ("tcp://db.example.com:9000", AT, "forwarded", "to an endpoint of Service default/web, or of 1 more by weight"),
        (f"tcp://{AT}:9000", "", "forwarded", "to an endpoint of Service default/web, or of 1 more by weight"),
        ("tcp://db.example.com:9000", "", "forwarded", "to an endpoint of Service default/web, or of 1 more by weight"),
        ("tls://a.example.com", AT, "forwarded", "to an endpoint of Service default/web"),
        ("tls://b.example.org", AT, "closed", "closed: no route is for the connection"),
        (f"tcp://{AT}:80", "", "terminated", f"the proxy speaks HTTP here; see http://HOST --address {AT}"),
    ],
)
def test_a_connection_to_a_gateway_has_an_end(url: str, address: str, connection: str, outcome: str) -> None:
    found = explained(url, address)
    assert (str(found.connection), found.outcome) == (connection, outcome)
    assert found.steps[0].text.endswith("of Gateway default/edge")


@pytest.mark.parametrize("url", [f"tcp://{AT}:9001", f"udp://{AT}:53"])
def test_a_port_without_listener_or_without_route_is_refused(url: str) -> None:
    assert str(explained(url).connection) == "refused"
