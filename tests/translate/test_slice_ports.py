"""EndpointSlices without a port of the Service port's name: which endpoints are served, and which problem tells.

Covers: other names, no ports, other protocols, slices without endpoints, a Service port renamed before its slices,
slices renamed before the routes. Excludes: traffic (tests/cases/endpointslice-port-name, service-port-renamed).
"""

from typing import Any

import msgspec
import pytest

from tests.support.objects import World, endpoint, ingress, path, rule, service, slice_of
from xds.kube.objects import EndpointSlice, Service
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.upstream import BackendProtocol
from xds.translate.endpoints import localities

Port = int | str | dict[str, Any]


def world_of(web: Service, *slices: EndpointSlice, port: str = "80") -> World:
    return World(web, ingress("shop", rule("a.example", path("/", f"web:{port}"))), *slices)


def addresses(world: World) -> list[tuple[str, int]]:
    (backend,) = world.traffic.backends.values()
    return [(each.address, each.port) for zone in world.traffic.localities(backend) for each in zone.endpoints]


def only_problem(world: World) -> Problem:
    (problem,) = world.problems
    assert problem.object == ObjectRef("Service", "default", "web")
    assert str(problem.field) == "spec.ports"
    return problem


@pytest.mark.parametrize(
    ("ports", "listed"),
    [
        (["http:8080"], "'http'"),
        (["http:8080", "metrics:9090"], "'http', 'metrics'"),
        ([{"name": None, "port": 8080, "protocol": "UDP"}], "one without name"),
        ([], "no port"),
    ],
)
def test_slices_without_the_port_of_a_service_are_told(ports: list[Port], listed: str) -> None:
    world = world_of(service("web", 80), slice_of("web", "10.0.0.1", ports=ports))
    assert addresses(world) == []
    problem = only_problem(world)
    assert problem.reason is Reason.ENDPOINT_PORT_MISSING
    assert problem.message.endswith(f"EndpointSlice default/web-1 has {listed}")
    assert "has no name" in problem.message


def test_null_for_the_ports_of_a_slice_is_told() -> None:
    filled = slice_of("web", "10.0.0.1")
    world = world_of(service("web", "http:80"), msgspec.structs.replace(filled, ports=None))
    assert only_problem(world).message.endswith("has no port")


@pytest.mark.parametrize("ports", [[], ["other:8080"]])
def test_slices_without_endpoints_are_not_told(ports: list[Port]) -> None:
    """The controller writes such a slice for a Service whose Pods are all gone."""
    assert world_of(service("web", 80), slice_of("web", ports=ports)).problems == []


def test_one_slice_with_the_port_is_enough() -> None:
    """Pods of one Service may differ in their named ports while a rollout runs."""
    old, new = slice_of("web", "10.0.0.1", ports=[]), slice_of("web", "10.0.0.2", ports=["http:8080"], name="new")
    world = world_of(service("web", "http:80"), old, new)
    assert (addresses(world), world.problems) == ([("10.0.0.2", 8080)], [])


def test_a_scaled_down_service_has_no_problem() -> None:
    gone = endpoint("10.0.0.1", ready=False)
    world = world_of(service("web", "http:80"), slice_of("web", gone, ports=["http:8080"]))
    assert (addresses(world), world.problems) == ([], [])


# A Service port that is renamed before its slices


def port(name: str, number: int = 80, target: int | str | None = None) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": target}


@pytest.mark.parametrize(
    ("ports", "slice_ports"),
    [
        ([port("new")], ["old:8080"]),
        ([port("new")], [8080]),
        ([port("new", target=8080)], ["old:8080"]),
        ([port("new", target="http")], ["old:8080"]),
        ([port("new", target=8080), port("metrics", 90)], ["old:8080", "metrics:9090"]),
    ],
)
def test_the_endpoints_of_a_renamed_port_stay(ports: list[Port], slice_ports: list[Port]) -> None:
    world = world_of(service("web", *ports), slice_of("web", "10.0.0.1", ports=slice_ports))
    assert addresses(world) == [("10.0.0.1", 8080)]
    problem = only_problem(world)
    assert problem.reason is Reason.ENDPOINT_PORT_RENAMED
    assert "'new'" in problem.message


@pytest.mark.parametrize(
    ("ports", "slice_ports"),
    [
        ([port("new", target=9999)], ["old:8080"]),  # another port, not another name
        ([port("new"), port("metrics", 90)], ["old:8080", "metrics:9090"]),  # a port in the place of an `admin`?
        ([port("new", target="http"), port("metrics", 90)], ["old:8080", "metrics:9090"]),
        ([port("new", target=8080), port("metrics", 90)], ["old:8080"]),  # which of the two is `old`?
        ([port("new", target=8080)], ["old:8080", "older:8080"]),
        ([port("new", target=8080), port("old", 90)], ["old:8080"]),
        ([port("")], ["old:8080"]),
    ],
)
def test_no_endpoints_are_guessed_where_the_names_leave_a_doubt(ports: list[Port], slice_ports: list[Port]) -> None:
    world = world_of(service("web", *ports), slice_of("web", "10.0.0.1", ports=slice_ports))
    assert addresses(world) == []
    assert only_problem(world).reason is Reason.ENDPOINT_PORT_MISSING


def test_slices_that_overtake_the_routes_keep_their_endpoints() -> None:
    """Endpoints have a road of their own, so a published backend may have the name from before a rename."""
    published = Backend(BackendKey("default", "web", 80), "old", BackendProtocol.HTTP1, target_port=8080)
    (zone,) = localities(published, [slice_of("web", "10.0.0.1", ports=["new:8080"])])
    assert [each.address for each in zone.endpoints] == ["10.0.0.1"]


# Ports of UDP


def udp(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "protocol": "UDP"}


def dns(port_name: str, target_port: int | None = None) -> Backend:
    key = BackendKey("default", "dns", 53, is_udp=True)
    return Backend(key, port_name, BackendProtocol.UDP, target_port=target_port)


@pytest.mark.parametrize(
    ("backend", "slice_ports", "found"),
    [
        (dns("dns"), ["dns:1053", udp("dns", 2053)], [2053]),
        (dns("dns"), ["dns:1053"], []),
        (dns("new"), ["dns-tcp:1053", udp("old", 2053)], [2053]),
        (dns("new", 9999), [udp("old", 2053)], []),
        (dns(""), [{"port": 2053, "protocol": "UDP"}], [2053]),
        (dns(""), [1053], []),
    ],
)
def test_a_backend_of_udp_has_endpoints_of_udp_alone(
    backend: Backend, slice_ports: list[Port], found: list[int]
) -> None:
    zones = localities(backend, [slice_of("dns", "10.0.0.1", ports=slice_ports)])
    assert [each.port for zone in zones for each in zone.endpoints] == found


def test_a_missing_port_of_udp_is_told_as_such() -> None:
    problems: list[Problem] = []
    localities(dns("dns"), [slice_of("dns", "10.0.0.1", ports=["dns:1053"])], problems)
    (problem,) = problems
    assert problem.reason is Reason.ENDPOINT_PORT_MISSING
    assert "no EndpointSlice has a UDP port like it" in problem.message
