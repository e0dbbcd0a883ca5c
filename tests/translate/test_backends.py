"""From a backend reference to one port of a Service, or to a Problem.

Covers: Services and ports that are missing, ports by number and name, protocols, resource backends, ExternalName
refused and allowed, backends in use. Excludes: endpoints (test_endpoint_merge).
"""

from typing import Any

import msgspec
import pytest

from tests.support.objects import World, external, ingress, key, path, rule, service
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, Service
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.routes import Route
from xds.traffic.upstream import BackendProtocol
from xds.translate.own.service import EXTERNAL_HOST

HOST = "a.example.com"


def world_of(to: str, *services: Service, **options: Any) -> World:
    return World(*services, ingress("shop", rule(HOST, path("/", to))), **options)


def route(world: World) -> Route:
    return world.traffic.hosts[HOST].routes[0]


def backend(world: World) -> Backend:
    """The only backend, and the route's."""
    (found,) = world.traffic.backends.values()
    assert route(world).backend == found.key
    return found


def test_a_port_by_number() -> None:
    assert backend(world_of("web:8080", service("web", 80, 8080))) == Backend(
        BackendKey("default", "web", 8080), "", BackendProtocol.HTTP1
    )


def test_a_port_by_name() -> None:
    named = world_of("web:http", service("web", "metrics:9090", "http:8080"))
    assert backend(named) == Backend(
        BackendKey("default", "web", 8080), "http", BackendProtocol.HTTP1, other_names=("metrics",)
    )


def test_name_and_number_of_one_port_are_one_backend() -> None:
    world = World(service("web", "http:80"), ingress("shop", rule(HOST, path("/a", "web:http"), path("/b", "web:80"))))
    assert set(world.traffic.backends) == {BackendKey("default", "web", 80)}


def test_a_port_by_name_follows_its_number() -> None:
    world = world_of("web:http", service("web", "http:80"))
    world.add(service("web", "http:81"))
    assert backend(world).key == BackendKey("default", "web", 81)


def test_the_service_is_of_the_ingress_namespace() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path("/", "web")), ns="other"))
    assert route(world).backend is None
    world.add(service("web", ns="other"))
    assert route(world).backend == BackendKey("other", "web", 80)


@pytest.mark.parametrize(
    ("to", "services", "reason"),
    [
        ("ghost", (), "BackendNotFound"),
        ("ghost", (service("web"), service("ghost", ns="other")), "BackendNotFound"),
        ("web:81", (service("web"),), "BackendPortNotFound"),
        ("web:http", (service("web"),), "BackendPortNotFound"),
        ("web:HTTP", (service("web", "http:80"),), "BackendPortNotFound"),
        ("web:53", (service("web", {"port": 53, "protocol": "UDP"}),), "BackendPortNotFound"),
        ("web:80", (service("web", {"port": 80, "protocol": "SCTP"}),), "BackendPortNotFound"),
        ("web:0", (service("web", 0),), "BackendPortNotFound"),
        ("web:70000", (service("web", 70000),), "BackendPortNotFound"),
    ],
)
def test_a_missing_service_or_port_answers_503(to: str, services: tuple[Service, ...], reason: str) -> None:
    world = world_of(to, *services)
    assert route(world).backend is None
    assert route(world).service == key(to.partition(":")[0])
    assert world.traffic.backends == {}
    problem = world.problem(reason)
    assert problem.object.name == "shop"
    assert to.partition(":")[0] in problem.message
    assert str(problem.field).startswith("spec.rules[0].http.paths[0].backend")
    assert problem.remedy


def test_a_tcp_port_beside_a_udp_port_of_the_same_number() -> None:
    world = world_of("dns:53", service("dns", {"name": "u", "port": 53, "protocol": "UDP"}, "t:53"))
    assert backend(world).port_name == "t"


def test_a_service_without_ports() -> None:
    world = world_of("web", service("web", ports=None))
    assert route(world).backend is None
    assert world.reasons() == [("shop", "BackendPortNotFound")]


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_the_type_of_a_service_does_not_matter(kind: str) -> None:
    assert backend(world_of("web", service("web", type=kind))).external_name == ""


def test_a_headless_service_works_the_same() -> None:
    assert backend(world_of("web", service("web", clusterIP="None"))).key.port == 80


@pytest.mark.parametrize(
    ("app_protocol", "protocol"),
    [
        (None, BackendProtocol.HTTP1),
        ("http", BackendProtocol.HTTP1),
        ("HTTP", BackendProtocol.HTTP1),
        ("kubernetes.io/h2c", BackendProtocol.H2C),
        ("h2c", BackendProtocol.H2C),
        ("grpc", BackendProtocol.H2C),
        ("kubernetes.io/ws", BackendProtocol.HTTP1),
        ("https", BackendProtocol.HTTPS),
        ("HTTPS", BackendProtocol.HTTPS),
        ("", BackendProtocol.HTTP1),
        ("mongodb", BackendProtocol.HTTP1),
        ("\0\n☃", BackendProtocol.HTTP1),
        ("ws", BackendProtocol.HTTP1),
        ("wss", BackendProtocol.WSS),
        ("kubernetes.io/wss", BackendProtocol.WSS),
        ("grpcs", BackendProtocol.GRPCS),
        ("gRPCs", BackendProtocol.GRPCS),
    ],
)
def test_app_protocol(app_protocol: str | None, protocol: BackendProtocol) -> None:
    assert backend(world_of("web", service("web", {"port": 80, "appProtocol": app_protocol}))).protocol is protocol


@pytest.mark.parametrize(
    ("app_protocol", "remedy"),
    [
        ("http2", "kubernetes.io/h2c"),
        ("HTTP2", "grpcs"),
        ("h2", "grpcs"),
        ("tls", "https"),
        ("SSL", "https"),
        ("kubernetes.io/grpc", "Write grpc."),
        ("mongodb", "Write http"),
        ("https ", "Write http"),
        ("\0\n☃", "Write http"),
        ("x" * 65536, "Write http"),
    ],
)
def test_an_unknown_app_protocol_is_a_problem_with_a_remedy(app_protocol: str, remedy: str) -> None:
    world = world_of("web", service("web", {"port": 80, "appProtocol": app_protocol}))
    problem = world.problem("AppProtocolUnknown")
    assert str(problem.field) == "spec.rules[0].http.paths[0].backend"
    assert "port 80 of Service default/web" in problem.message
    assert remedy in problem.remedy
    assert problem.message.isprintable()
    assert len(problem.message) < 500
    world.add(service("web", {"port": 80, "appProtocol": "https"}))
    assert world.problems == []


def test_an_unknown_app_protocol_of_an_unused_port_is_no_problem() -> None:
    assert world_of("web", service("web", 80, {"name": "db", "port": 81, "appProtocol": "mongodb"})).problems == []


def test_an_unknown_app_protocol_of_a_default_backend_is_a_problem() -> None:
    world = World(service("web", {"port": 80, "appProtocol": "h2"}), ingress("shop", default="web"))
    assert world.reasons() == [("shop", "AppProtocolUnknown")]


def test_a_resource_backend_is_left_out() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path("/bucket", "assets!"), path("/web"))))
    assert [each.path for each in world.traffic.hosts[HOST].routes] == ["/web"]
    problem = world.problem("ResourceBackendUnsupported")
    assert "StorageBucket/assets" in problem.message
    assert str(problem.field).startswith("spec.rules[0].http.paths[0].backend")


def test_a_resource_backend_wins_no_conflict() -> None:
    """What is left out can't take the path from one that isn't."""
    world = World(
        service("web"),
        ingress("old", rule(HOST, path("/", "assets!")), created=1),
        ingress("young", rule(HOST, path("/", "web")), created=2),
    )
    assert [each.service.name for each in world.traffic.hosts[HOST].routes] == ["web"]
    assert world.reasons() == [("old", "ResourceBackendUnsupported")]


# ExternalName


def test_an_external_name_is_refused() -> None:
    world = world_of("out", external("out", "example.org"))
    assert route(world).backend is None
    problem = world.problem("ExternalNameRefused")
    assert problem.object.name == "shop"
    assert "--allow-external-name" in problem.remedy


def test_an_external_name_is_allowed() -> None:
    world = world_of("out", external("out", "example.org", 80), allow_external_name=True)
    assert backend(world) == Backend(
        BackendKey("default", "out", 80), "", BackendProtocol.HTTP1, external_name="example.org"
    )
    assert world.problems == []


@pytest.mark.parametrize("name", ["example.org.", "Example.ORG", "example.org"])
def test_an_external_name_in_any_form_that_the_api_server_accepts(name: str) -> None:
    assert backend(world_of("out", external("out", name), allow_external_name=True)).external_name == "example.org"


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "foo.localhost",
        "localhost.localdomain",
        "metadata",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "127.0.0.1",
        "169.254.169.254",
        "127-0-0-1.default.pod.cluster.local",
        "0--1.default.pod",
        "::1",
        "[::1]",
        "0.0.0.0",
        "0",
        "127.1",
        "0x7f000001",
        "2130706433",
        "",
        "not a name",
        "a..b",
        "a\0b",
        "example.org:80",
        "*.example.org",
        "x" * 65536,
    ],
)
def test_external_names_of_inside_hosts_are_left_out(name: str) -> None:
    """The proxy itself and the cloud's metadata service must not be reached by writing a Service (CVE-2021-32783)."""
    world = world_of("out", external("out", name), allow_external_name=True)
    assert route(world).backend is None
    problem = world.problem("ExternalNameRefused")
    assert problem.message.isprintable()
    assert len(problem.message) < 1000


def test_an_external_service_without_the_port() -> None:
    world = world_of("out:81", external("out", "example.org", 80), allow_external_name=True)
    assert route(world).backend is None


def test_a_service_turns_into_an_external_name() -> None:
    world = world_of("web", service("web"))
    world.add(external("web", "example.org"))
    assert route(world).backend is None
    world.add(service("web"))
    assert backend(world).external_name == ""


# Backends in use


def test_only_ports_that_a_route_uses_are_backends() -> None:
    world = World(service("web", 80, 81), service("idle"), ingress("shop", rule(HOST, path("/", "web:81"))))
    assert set(world.traffic.backends) == {BackendKey("default", "web", 81)}


def test_a_backend_stays_until_its_last_route_is_gone() -> None:
    web = BackendKey("default", "web", 80)
    world = World(
        service("web"),
        ingress("one", rule(HOST, path("/", "web"))),
        ingress("two", rule("b.example.com", path("/", "web"))),
        ingress("three", default="web"),
    )
    for name in ("one", "two"):
        world.apply(Deleted(Ingress, key(name)))
        assert set(world.traffic.backends) == {web}
    world.apply(Deleted(Ingress, key("three")))
    assert world.traffic.backends == {}


def test_a_route_that_lost_a_conflict_uses_no_backend() -> None:
    world = World(
        service("web"),
        service("api"),
        ingress("old", rule(HOST, path("/", "web")), created=1),
        ingress("young", rule(HOST, path("/", "api")), created=2),
    )
    assert set(world.traffic.backends) == {BackendKey("default", "web", 80)}


def test_an_unreachable_default_backend_is_not_in_use() -> None:
    """The junior's global default answers nobody: its host has none of its rules."""
    world = World(
        service("web"),
        service("api"),
        ingress("old", default="web", created=1),
        ingress("young", default="api", created=2),
    )
    assert set(world.traffic.backends) == {BackendKey("default", "web", 80)}


@pytest.mark.parametrize(("value", "host"), [("true", "example.org"), ("false", ""), ("", ""), (None, "")])
def test_the_outside_name_is_sent_as_host_if_the_service_asks(value: str | None, host: str) -> None:
    out = external("out", "example.org")
    annotations = {EXTERNAL_HOST.full_name: value} if value is not None else {}
    asking = msgspec.structs.replace(out, metadata=msgspec.structs.replace(out.metadata, annotations=annotations))
    world = World(asking, ingress("shop", rule(HOST, path("/", "out"))), allow_external_name=True)
    assert (route(world).policy.upstream_host, backend(world).host) == (host, host)


def test_a_service_with_endpoints_keeps_the_host_of_the_client() -> None:
    web = service("web")
    annotated = msgspec.structs.replace(web.metadata, annotations={EXTERNAL_HOST.full_name: "true"})
    world = world_of("web", msgspec.structs.replace(web, metadata=annotated))
    assert route(world).policy.upstream_host == ""


@pytest.mark.parametrize(
    ("target", "expected"), [(8443, 8443), ("https", None), (None, None), (0, None), (70000, None)]
)
def test_the_target_port_of_a_service_is_kept_if_a_number(target: int | str | None, expected: int | None) -> None:
    """An ExternalName is reached at the number, or at the Service's own port."""
    out = external("out", "example.org", {"port": 443, "targetPort": target})
    world = World(out, ingress("shop", rule(HOST, path("/", "out:443"))), allow_external_name=True)
    assert backend(world).target_port == expected
