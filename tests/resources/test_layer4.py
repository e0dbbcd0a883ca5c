"""Listeners and clusters of TCP and UDP: their own fields, and the absence of HTTP's.

Excludes: a real Envoy with them (tests/e2e/test_layer4_listeners.py), the translation (tests/translate/layer4).
"""

import dataclasses
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.support.layer4_site import port_of, raw_backend
from tests.support.objects import config_map, feed, pipeline, service
from xds.controlplane.pipeline import Pipeline
from xds.envoyapi import codec
from xds.envoyapi.constraints import violations
from xds.kube.change import Applied
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.resources.access_log import ACCESS_LOG_FIELDS, FURTHER_FIELDS
from xds.resources.clusters import cluster
from xds.resources.layer4.access_log import CONNECTION_FIELDS, SESSION_FIELDS
from xds.resources.layer4.ports import port_listener
from xds.resources.options import ProxyOptions, TlsVersion, UpstreamOptions
from xds.snapshot.resource import ResourceType
from xds.traffic.layer4 import Transport
from xds.traffic.listeners import AccessLogPolicy, ClientConnections, ListenerPolicy
from xds.traffic.service_settings import HealthCheck, ServiceSettings
from xds.traffic.upstream import ProxyHeader
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

TCP: Final = Key("ops", "tcp")
SECOND: Final = timedelta(seconds=1)


def world(**entries: str) -> Pipeline:
    """A pipeline with entries of TCP, such as `p9000="default/pg:5432"`."""
    options = TranslateOptions(layer4=Layer4Options({Transport.TCP: TCP}))
    return pipeline(service("pg", 5432), tcp(**entries), translate=options)


def tcp(**entries: str) -> Any:
    data = {name.removeprefix("p"): entry for name, entry in entries.items()}
    return config_map("tcp", ns="ops", **data)


def listeners(of: Pipeline) -> dict[str, bytes]:
    return {name: each.body for name, each in of.store.resources(ResourceType.LISTENER).items() if "/" in name}


@pytest.mark.parametrize("transport", Transport)
def test_a_listener_holds_nothing_of_http(transport: Transport) -> None:
    of_http = ListenerPolicy(
        clients=ClientConnections(idle_timeout=SECOND, proxy_protocol=True, proxy_protocol_timeout=SECOND),
        access_log=AccessLogPolicy(is_on=False, text="%REQ(:PATH)%"),
    )
    options = ProxyOptions(
        http_port=1,
        redirect_https=True,
        trusted_hops=2,
        proxy_protocol=True,
        tls_min_version=TlsVersion.TLS_1_3,
        rate_limit_status=429,
        upstream=UpstreamOptions(SECOND),
    )
    port = port_of(raw_backend("pg", transport))
    usual = codec.encode(port_listener(port, ProxyOptions()))
    assert codec.encode(port_listener(port, dataclasses.replace(options, policy=of_http))) == usual


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("header", [None, *ProxyHeader])
def test_a_cluster_holds_nothing_of_http(transport: Transport, header: ProxyHeader | None) -> None:
    settings = ServiceSettings(
        HealthCheck("/healthz", SECOND, SECOND, 1, 1), detects_outliers=True, max_requests=1, max_connections=7
    )
    built = cluster(raw_backend("pg", transport, header=header, settings=settings), UpstreamOptions())
    found = codec.to_dict(built)
    absent = {"health_checks", "typed_extension_protocol_options", "ignore_health_on_host_removal"}
    assert absent.isdisjoint(found)
    socket = "envoy.transport_sockets.upstream_proxy_protocol" if header else None
    assert found.get("transport_socket", {}).get("name") == socket
    limit = {"max_connections": 7} | dict.fromkeys(("max_pending_requests", "max_requests", "max_retries"), 1_000_000)
    assert found["circuit_breakers"] == {"thresholds": [limit]}
    is_tcp = transport is Transport.TCP
    assert ("outlier_detection" in found, "upstream_connection_options" in found) == (is_tcp, is_tcp)
    assert found.get("lb_policy", "ROUND_ROBIN") == ("ROUND_ROBIN" if is_tcp else "MAGLEV")
    assert not violations(built)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::1", "127.0.0.1"])
@pytest.mark.parametrize("transport", Transport)
def test_a_port_is_bound_at_the_address_of_all_listeners(transport: Transport, address: str) -> None:
    built = port_listener(port_of(raw_backend("pg", transport), number=53), ProxyOptions(listener_address=address))
    found = codec.to_dict(built)
    assert found["name"] == f"{transport}/53"
    expected = {"address": address, "port_value": 53}
    expected |= {"protocol": "UDP"} if transport is Transport.UDP else {}
    expected |= {"ipv4_compat": True} if address == "::" else {}
    assert found["address"] == {"socket_address": expected}
    assert not violations(built)


def test_a_port_more_is_one_listener_more() -> None:
    built = world(p9000="default/pg:5432")
    before = listeners(built)
    assert list(before) == ["tcp/9000"]
    number = built.store.revision
    feed(built, Applied(tcp(p9000="default/pg:5432", p9001="default/pg:5432")))
    assert listeners(built) == before | {"tcp/9001": listeners(built)["tcp/9001"]}
    (revision,) = built.store.between(number, built.store.revision)
    assert [(each.type, each.name) for each in revision.changes] == [(ResourceType.LISTENER, "tcp/9001")]


def test_a_listener_that_envoy_would_reject_is_left_out_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = world(p9000="default/pg:5432")
    before = listeners(built)
    monkeypatch.setattr("xds.resources.layer4.ports.stat_prefix", lambda port: "")
    feed(built, Applied(tcp(p9000="default/pg:5432:PROXY", p9001="default/pg:5432")))
    assert listeners(built) == before
    found = {(str(each.object), each.reason) for each in built.problems}
    assert found == {("ConfigMap ops/tcp", Reason.ENVOY_WOULD_REFUSE)}
    monkeypatch.undo()
    feed(built, Applied(tcp(p9001="default/pg:5432:PROXY")))
    assert list(listeners(built)) == ["tcp/9001"]
    assert list(built.problems) == []


def test_fields_that_requests_have_too_go_by_the_same_names() -> None:
    known = {*ACCESS_LOG_FIELDS, *FURTHER_FIELDS}
    assert {*CONNECTION_FIELDS} <= known
    assert {*SESSION_FIELDS} - known == {"datagrams_received", "datagrams_sent"}
