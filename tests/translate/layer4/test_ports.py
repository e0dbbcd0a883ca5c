"""Ports of ConfigMaps: the listener of each entry, and its Service.

Covers: the Service's port by number, name and protocol, ExternalName, reserved ports, one bad entry among good ones,
Services that come and go. Excludes: the grammar of entries (test_entries.py), a ConfigMap that can't be read
(test_config_map.py), annotations of Services (test_exposed.py), Envoy's listeners (tests/resources).
"""

import pytest

from tests.support.objects import endpoint, external, feed, pipeline, service, slice_of
from tests.translate.layer4.site import OPTIONS, TCP, UDP, Site, config_map, tcp, udp
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied
from xds.kube.objects import Service
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.layer4 import PortKey, Transport
from xds.traffic.routes import Origin
from xds.traffic.upstream import BackendProtocol, Balancing, ProxyHeader
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

WEB = service("web", "http:80", ns="team")
DNS = service(
    "dns",
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    {"name": "dns", "port": 53, "protocol": "UDP"},
    ns="team",
)


def test_an_entry_opens_a_port() -> None:
    site = Site(WEB, tcp(p9050="team/web:80"))
    assert site.ports == {"tcp/9050": "team/web/80"}
    listener = site.listener("tcp/9050")
    assert listener.route.origin == Origin(TCP, FieldPath.of("data", MapKey("9050")))
    assert listener.route.service == Key("team", "web")
    assert not listener.decodes_proxy
    assert site.problems == []


@pytest.mark.parametrize("port", ["80", "http", "080"])
def test_a_service_port_is_named_by_number_or_name(port: str) -> None:
    assert Site(WEB, tcp(p9050=f"team/web:{port}")).ports == {"tcp/9050": "team/web/80"}


def test_target_ports_are_no_ports_of_a_service() -> None:
    site = Site(service("web", {"port": 80, "targetPort": 8080}, ns="team"), tcp(p9050="team/web:8080"))
    assert site.ports == {}
    assert site.told() == [("tcp", "data[9050]", Reason.BACKEND_PORT_NOT_FOUND)]


def test_a_service_without_endpoints_keeps_its_port() -> None:
    site = Site(WEB, tcp(p9050="team/web:80"))
    assert site.problems == []
    assert site.ports


@pytest.mark.parametrize("port", ["53", "dns-tcp"])
def test_an_entry_of_tcp_finds_the_tcp_port_of_a_number(port: str) -> None:
    site = Site(DNS, slice_of("dns", "10.0.0.1", ns="team", ports=_DNS_PORTS), tcp(p53=f"team/dns:{port}"))
    assert site.ports == {"tcp/53": "team/dns/53"}
    assert endpoints(site) == [("10.0.0.1", 1053)]


@pytest.mark.parametrize("port", ["53", "dns"])
def test_an_entry_of_udp_finds_the_udp_port_of_a_number(port: str) -> None:
    site = Site(DNS, slice_of("dns", "10.0.0.1", ns="team", ports=_DNS_PORTS), udp(p53=f"team/dns:{port}"))
    assert site.ports == {"udp/53": "team/dns/53/udp"}
    assert endpoints(site) == [("10.0.0.1", 2053)]


_DNS_PORTS = (
    {"name": "dns-tcp", "port": 1053, "protocol": "TCP"},
    {"name": "dns", "port": 2053, "protocol": "UDP"},
)


def endpoints(site: Site) -> list[tuple[str, int]]:
    (backend,) = site.world.traffic.backends.values()
    return [(each.address, each.port) for zone in site.world.traffic.localities(backend) for each in zone.endpoints]


def test_tcp_and_udp_may_have_one_number() -> None:
    site = Site(DNS, tcp(p53="team/dns:53"), udp(p53="team/dns:53"))
    assert site.ports == {"tcp/53": "team/dns/53", "udp/53": "team/dns/53/udp"}
    assert site.problems == []


def test_one_config_map_may_serve_both_protocols() -> None:
    options = Layer4Options({Transport.TCP: TCP.key, Transport.UDP: TCP.key})
    site = Site(DNS, tcp(p53="team/dns:53"), options=options)
    assert site.ports == {"tcp/53": "team/dns/53", "udp/53": "team/dns/53/udp"}
    assert site.claims_of(TCP) == ["tcp/53 served", "udp/53 served"]
    site.add(tcp())
    assert (site.ports, site.claims_of(TCP)) == ({}, [])


@pytest.mark.parametrize(
    ("objects", "other"),
    [((tcp(p9050="team/only-udp:53"),), "UDP"), ((udp(p9050="team/web:80"),), "TCP")],
)
def test_an_entry_of_the_other_protocol_is_reported(objects: tuple[Service, ...], other: str) -> None:
    site = Site(WEB, service("only-udp", {"port": 53, "protocol": "UDP"}, ns="team"), *objects)
    assert site.ports == {}
    assert f"but one of {other}" in site.message()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("team/gone:80", Reason.BACKEND_NOT_FOUND),
        ("team/web:81", Reason.BACKEND_PORT_NOT_FOUND),
        ("team/web:https", Reason.BACKEND_PORT_NOT_FOUND),
        ("team/out:80", Reason.EXTERNAL_NAME_REFUSED),
        ("team/web", Reason.PORT_INVALID),
        ("", Reason.PORT_INVALID),
        ("team/web:80:PROXY:PROXY:x", Reason.PORT_INVALID),
    ],
)
def test_a_bad_entry_is_a_problem_and_hurts_no_other(value: str, reason: Reason) -> None:
    out = external("out", "db.example.com", 80, ns="team")
    site = Site(WEB, out, tcp(p9050="team/web:80", p9051=value, p9052="team/web:http"), udp())
    assert list(site.ports) == ["tcp/9050", "tcp/9052"]
    assert site.told() == [("tcp", "data[9051]", reason)]
    (problem,) = site.problems
    assert problem.remedy
    assert "tcp/9051 is closed" in problem.message


@pytest.mark.parametrize("key", ["0", "70000", "-5", "abc", "9022."])
def test_a_key_that_is_no_port_hurts_no_other(key: str) -> None:
    site = Site(WEB, config_map(TCP, {key: "team/web:80", "9050": "team/web:80"}))
    assert list(site.ports) == ["tcp/9050"]
    assert [(name, reason) for name, _, reason in site.told()] == [("tcp", Reason.PORT_INVALID)]


def test_of_two_keys_for_a_port_the_one_without_zeros_wins() -> None:
    site = Site(WEB, DNS, config_map(TCP, {"09050": "team/dns:53", "9050": "team/web:80", "009050": "team/dns:53"}))
    assert site.ports == {"tcp/9050": "team/web/80"}
    assert site.told() == [("tcp", f"data[{key}]", Reason.PORT_CONFLICT) for key in ("009050", "09050")]
    assert site.claims_for("tcp/9050") == [
        "tcp tcp/9050 served",
        "tcp tcp/9050 lost to tcp",
        "tcp tcp/9050 lost to tcp",
    ]
    site.add(config_map(TCP, {"09050": "team/dns:53", "009050": "team/dns:53"}))
    assert site.ports == {"tcp/9050": "team/dns/53"}
    assert site.told() == [("tcp", "data[009050]", Reason.PORT_CONFLICT)]


def test_a_reserved_port_is_reported_and_found_by_its_number() -> None:
    site = Site(WEB, DNS, tcp(p9001="team/web:80", p9050="team/web:80"), udp(p443="team/dns:53", p9001="team/dns:53"))
    assert list(site.ports) == ["tcp/9050", "udp/9001"]
    assert site.told() == [
        ("tcp", "data[9001]", Reason.PORT_RESERVED),
        ("udp", "data[443]", Reason.PORT_RESERVED),
    ]
    assert site.claims_for("tcp/9001") == ["tcp tcp/9001 invalid"]
    site.add(tcp(p9050="team/web:80"))
    assert site.claims_for("tcp/9001") == []


def test_the_flags_of_an_entry_reach_listener_and_backend() -> None:
    site = Site(WEB, tcp(p9050="team/web:80:PROXY:PROXY_V2", p9051="team/web:80::PROXY", p9052="team/web:80"))
    policies = {}
    for name in site.ports:
        (backend,) = site.listener(name).route.backends
        policies[name] = (site.listener(name).decodes_proxy, site.world.traffic.backends[backend].upstream)
    assert [decodes for decodes, _ in policies.values()] == [True, False, False]
    assert [upstream.proxy_header for _, upstream in policies.values()] == [ProxyHeader.V2, ProxyHeader.V1, None]
    assert {upstream.protocol for _, upstream in policies.values()} == {BackendProtocol.TCP}
    assert len(site.world.traffic.backends) == 3


def test_entries_of_one_use_share_a_backend() -> None:
    site = Site(WEB, tcp(p9050="team/web:80", p9051="team/web:http:PROXY"))
    assert len(site.world.traffic.backends) == 1
    assert site.of_service("web") == {"tcp/9050", "tcp/9051"}


def test_a_service_for_http_is_spoken_to_as_bytes() -> None:
    site = Site(service("web", {"port": 443, "appProtocol": "https"}, ns="team"), tcp(p9050="team/web:443"))
    (backend,) = site.world.traffic.backends.values()
    assert backend.protocol is BackendProtocol.TCP
    assert backend.key.variant


def test_an_unknown_app_protocol_is_no_problem() -> None:
    assert Site(service("web", {"port": 1, "appProtocol": "mysql"}, ns="team"), tcp(p9050="team/web:1")).problems == []


@pytest.mark.parametrize(("affinity", "balancing"), [("ClientIP", Balancing.HASH), ("None", Balancing.ROUND_ROBIN)])
def test_session_affinity_of_a_service_keeps_clients(affinity: str, balancing: Balancing) -> None:
    site = Site(service("web", 80, ns="team", sessionAffinity=affinity), tcp(p9050="team/web:80"))
    (backend,) = site.world.traffic.backends.values()
    assert backend.upstream.balancing is balancing
    assert site.listener("tcp/9050").route.policy.keeps_client is (affinity == "ClientIP")


def test_clients_of_udp_stay_with_their_endpoint() -> None:
    site = Site(DNS, udp(p53="team/dns:53"))
    (backend,) = site.world.traffic.backends.values()
    assert (backend.protocol, backend.upstream.balancing) == (BackendProtocol.UDP, Balancing.HASH)


@pytest.mark.parametrize("ports", [(), (5432,)])
def test_an_external_name_is_served_where_allowed(ports: tuple[int, ...]) -> None:
    out = external("out", "db.example.com", *ports, ns="team")
    out = out if ports else _without_ports(out)
    site = Site(out, tcp(p9050="team/out:5432"), udp(), allow_external_name=True)
    (backend,) = site.world.traffic.backends.values()
    assert (backend.external_name, backend.key.port, backend.host) == ("db.example.com", 5432, "")


def test_an_external_name_may_speak_udp() -> None:
    site = Site(
        _without_ports(external("out", "ns.example.com", ns="team")), udp(p53="team/out:53"), allow_external_name=True
    )
    assert site.ports == {"udp/53": "team/out/53/udp"}


def _without_ports(of: Service) -> Service:
    return Service(of.metadata, type(of.spec)(type=of.spec.type, external_name=of.spec.external_name))


def test_a_port_opens_and_closes_with_its_service() -> None:
    site = Site(tcp(p9050="team/web:80"))
    assert (site.ports, site.told()) == ({}, [("tcp", "data[9050]", Reason.BACKEND_NOT_FOUND)])
    assert site.claims_of(TCP) == ["tcp/9050 invalid"]
    site.add(WEB)
    assert (site.ports, site.problems) == ({"tcp/9050": "team/web/80"}, [])
    assert site.claims_of(TCP) == ["tcp/9050 served"]
    site.delete(WEB)
    assert (site.ports, site.told()) == ({}, [("tcp", "data[9050]", Reason.BACKEND_NOT_FOUND)])
    assert not site.world.traffic.backends


def test_a_service_change_touches_its_own_ports_alone() -> None:
    site = Site(WEB, DNS, tcp(p9050="team/web:80", p9051="team/web:80", p53="team/dns:53"))
    assert site.change(service("web", {"name": "http", "port": 80}, ns="team", sessionAffinity="ClientIP")) == {
        "tcp/9050",
        "tcp/9051",
    }


def test_an_entry_more_changes_one_port() -> None:
    site = Site(WEB, tcp(p9050="team/web:80"))
    kept = site.listener("tcp/9050")
    assert site.change(tcp(p9050="team/web:80", p9051="team/web:80")) == {"tcp/9051"}
    assert site.listener("tcp/9050") is kept
    assert site.change(tcp(p9051="team/web:80")) == {"tcp/9050"}


def test_an_entry_follows_its_text() -> None:
    site = Site(WEB, DNS, tcp(p9050="team/web:80"))
    assert site.change(tcp(p9050="team/dns:53")) == {"tcp/9050"}
    assert site.ports == {"tcp/9050": "team/dns/53"}
    assert site.of_service("web") == set()
    site.add(tcp(p9050="nonsense"))
    assert (site.ports, site.told()) == ({}, [("tcp", "data[9050]", Reason.PORT_INVALID)])
    site.add(tcp(p9050="team/web:80"))
    assert (site.ports, site.problems) == ({"tcp/9050": "team/web/80"}, [])


def test_a_health_check_of_http_is_not_asked_of_bytes() -> None:
    notes = {"xds-ingress.dev/health-check": "/health", "xds-ingress.dev/max-connections": "7"}
    site = Site(service("web", 80, ns="team", annotations=notes), tcp(p9050="team/web:80"))
    (backend,) = site.world.traffic.backends.values()
    assert backend.settings.health_check is None
    assert backend.settings.max_connections == 7


def test_endpoints_of_a_port_change_no_listener() -> None:
    site = Site(WEB, slice_of("web", "10.0.0.1", ns="team", ports=["http:80"]), tcp(p9050="team/web:80"))
    assert endpoints(site) == [("10.0.0.1", 80)]
    more = slice_of("web", "10.0.0.1", endpoint("10.0.0.2", ready=False), "10.0.0.3", ns="team", ports=["http:80"])
    assert site.change(more) == set()
    assert endpoints(site) == [("10.0.0.1", 80), ("10.0.0.3", 80)]


def test_sources_are_listed_config_maps_first() -> None:
    site = Site(WEB, DNS, udp(p53="team/dns:53"), tcp(p9050="team/web:80"))
    assert site.world.traffic.layer4.sources == (TCP, UDP)
    assert PortKey(Transport.TCP, 9050) in site.world.traffic.ports


def test_an_entry_among_hundreds_builds_its_own_resources_alone() -> None:
    names = [f"s{number}" for number in range(300)]
    entries = {str(10000 + number): f"team/{name}:80" for number, name in enumerate(names)}
    options = TranslateOptions(layer4=OPTIONS)
    objects = [service(name, 80, ns="team") for name in (*names, "more")]
    built = pipeline(*objects, config_map(TCP, entries), udp(), translate=options)
    before = resources(built)
    feed(built, Applied(config_map(TCP, {**entries, "9999": "team/more:80"})))
    after = resources(built)
    assert sorted(type_.short for type_, _ in after.keys() - before.keys()) == ["cds", "eds", "lds"]
    assert all(after[key] is value for key, value in before.items())


def resources(of: Pipeline) -> dict[tuple[ResourceType, str], Resource]:
    return {(type_, name): each for type_ in ResourceType for name, each in of.store.resources(type_).items()}
