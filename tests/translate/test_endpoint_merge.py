"""From all EndpointSlices of a Service to the endpoints of a backend.

Covers: slices that merge, duplicates, conditions and the fallback when nothing is ready, IPv6, zones, ports by name,
bad addresses and ports. Excludes: slices without a port of the Service's name (test_slice_ports.py), how Envoy is told
(tests/golden).
"""

from typing import Any

import pytest

from tests.support.objects import World, endpoint, ingress, key, path, rule, service, slice_of
from xds.kube.change import Applied
from xds.kube.objects import Endpoint as SliceEndpoint
from xds.kube.objects import EndpointSlice
from xds.steps import finish
from xds.traffic.backends import BackendKey
from xds.traffic.endpoints import Endpoint, Health, Locality

H, D = Health.HEALTHY, Health.DRAINING
WEB = BackendKey("default", "web", 80)


def world_of(*slices: EndpointSlice, port: int | str | dict[str, Any] = 80) -> World:
    return World(service("web", port), ingress("shop", rule("a.example.com", path("/", "web:80"))), *slices)


def localities(*slices: EndpointSlice, port: int | str | dict[str, Any] = 80) -> tuple[Locality, ...]:
    return of_web(world_of(*slices, port=port))


def of_web(world: World) -> tuple[Locality, ...]:
    return world.traffic.localities(world.traffic.backends[WEB])


def endpoints(*slices: EndpointSlice, port: int | str | dict[str, Any] = 80) -> list[tuple[str, int, Health]]:
    return [
        (each.address, each.port, each.health)
        for locality in localities(*slices, port=port)
        for each in locality.endpoints
    ]


def of(*each: SliceEndpoint) -> list[tuple[str, Health]]:
    """The addresses of one slice, and how they are."""
    return [(address, health) for address, _, health in endpoints(slice_of("web", *each))]


def test_no_slices_are_no_endpoints() -> None:
    assert localities() == ()
    assert localities(slice_of("web")) == ()


def test_a_ready_endpoint() -> None:
    assert localities(slice_of("web", "10.0.0.1")) == (Locality("", (Endpoint("10.0.0.1", 8080, H),)),)


def test_slices_of_a_service_merge() -> None:
    one = slice_of("web", "10.0.0.3", "10.0.0.1", name="one")
    two = slice_of("web", "10.0.0.2", name="two", ports=[8081])
    foreign = slice_of("other", "10.0.0.9")
    elsewhere = slice_of("web", "10.0.0.8", ns="elsewhere")
    expected = [("10.0.0.1", 8080, H), ("10.0.0.2", 8081, H), ("10.0.0.3", 8080, H)]
    assert endpoints(one, two, foreign, elsewhere) == expected
    assert endpoints(elsewhere, foreign, two, one) == expected


def test_duplicate_endpoints_merge() -> None:
    slices = [slice_of("web", "10.0.0.1", "10.0.0.1", name=name) for name in ("one", "two")]
    assert endpoints(*slices) == [("10.0.0.1", 8080, H)]


def test_an_address_with_two_ports_is_two_endpoints() -> None:
    slices = [slice_of("web", "10.0.0.1", name=f"s{port}", ports=[port]) for port in (8080, 8081)]
    assert endpoints(*slices) == [("10.0.0.1", 8080, H), ("10.0.0.1", 8081, H)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_ready_duplicate_outranks_an_unready_duplicate(*, turned: bool) -> None:
    """A slice that lags behind another must not take an endpoint away."""
    ready = slice_of("web", endpoint("10.0.0.1"), name="a" if turned else "b")
    draining = slice_of(
        "web", endpoint("10.0.0.1", ready=False, serving=True, terminating=True), name="b" if turned else "a"
    )
    assert endpoints(ready, draining) == [("10.0.0.1", 8080, H)]


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "health"),
    [
        (True, True, False, H),
        (True, None, None, H),
        (None, None, None, H),
        (None, True, False, H),
        (False, False, False, None),
        (False, None, None, None),
        (False, True, True, D),
        (False, False, True, None),
        (False, None, True, None),
    ],
)
def test_health_beside_a_ready_endpoint(
    *, ready: bool | None, serving: bool | None, terminating: bool | None, health: Health | None
) -> None:
    each = endpoint("10.0.0.1", ready=ready, serving=serving, terminating=terminating)
    expected = [("10.0.0.1", health)] if health else []
    assert of(each, endpoint("10.0.0.9")) == [*expected, ("10.0.0.9", H)]


def test_an_endpoint_without_conditions_is_ready() -> None:
    assert of(SliceEndpoint(addresses=("10.0.0.1",))) == [("10.0.0.1", H)]


def test_an_unready_serving_endpoint_is_left_out_beside_a_ready_endpoint() -> None:
    assert of(endpoint("10.0.0.1", ready=False, serving=True), endpoint("10.0.0.9")) == [("10.0.0.9", H)]


def test_serving_endpoints_are_healthy_when_no_endpoint_is_ready() -> None:
    terminating = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    serving = endpoint("10.0.0.2", ready=False, serving=True)
    gone = endpoint("10.0.0.3", ready=False, serving=False, terminating=True)
    assert of(terminating, serving, gone) == [("10.0.0.1", H), ("10.0.0.2", H)]


def test_readiness_counts_over_the_slices_of_a_service() -> None:
    terminating = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    slices = slice_of("web", terminating, name="one"), slice_of("web", "10.0.0.2", name="two")
    assert endpoints(*slices) == [("10.0.0.1", 8080, D), ("10.0.0.2", 8080, H)]


def test_endpoints_that_do_not_serve_are_left_out() -> None:
    assert of(endpoint("10.0.0.1", ready=False, serving=False), endpoint("10.0.0.2", ready=False)) == []


def test_ipv4_and_ipv6() -> None:
    six = slice_of("web", "fd00::1", "2001:db8::2", name="six", address_type="IPv6")
    four = slice_of("web", "10.0.0.1", name="four")
    expected = [("10.0.0.1", 8080, H), ("2001:db8::2", 8080, H), ("fd00::1", 8080, H)]
    assert endpoints(six, four) == expected


def test_zones_are_localities() -> None:
    each = [endpoint(f"10.0.0.{n}", zone=zone) for n, zone in enumerate(("b", "a", None, "b"), 1)]
    assert localities(slice_of("web", *each)) == (
        Locality("", (Endpoint("10.0.0.3", 8080, H),)),
        Locality("a", (Endpoint("10.0.0.2", 8080, H),)),
        Locality("b", (Endpoint("10.0.0.1", 8080, H), Endpoint("10.0.0.4", 8080, H))),
    )


def test_an_endpoint_in_two_zones_keeps_the_first() -> None:
    slices = [slice_of("web", endpoint("10.0.0.1", zone=zone), name=zone) for zone in ("b", "a")]
    assert endpoints(*slices) == [("10.0.0.1", 8080, H)]
    assert localities(*slices) == localities(*reversed(slices))


@pytest.mark.parametrize("zone", ["x" * 10_000, "a\0b", "", "☃", "a b"])
def test_an_endpoint_with_an_invalid_zone_is_served(zone: str) -> None:
    (locality,) = localities(slice_of("web", endpoint("10.0.0.1", zone=zone)))
    assert len(locality.endpoints) == 1
    assert len(locality.zone) < 300
    assert locality.zone.isprintable()


# Ports


def test_a_slice_port_is_found_by_the_name_in_the_service() -> None:
    one = slice_of("web", "10.0.0.1", name="one", ports=["metrics:9090", "http:8080"])
    two = slice_of("web", "10.0.0.2", name="two", ports=["http:9999"])
    three = slice_of("web", "10.0.0.3", name="three", ports=["metrics:9090"])
    assert endpoints(one, two, three, port="http:80") == [("10.0.0.1", 8080, H), ("10.0.0.2", 9999, H)]


@pytest.mark.parametrize("name", [None, ""])
def test_a_port_without_name(name: str | None) -> None:
    assert endpoints(slice_of("web", "10.0.0.1", ports=[{"name": name, "port": 8080}])) == [("10.0.0.1", 8080, H)]


def test_a_named_port_differs_from_an_unnamed_port() -> None:
    assert endpoints(slice_of("web", "10.0.0.1", ports=["http:8080"])) == []


@pytest.mark.parametrize("port", [0, -1, 65536, 10**12, None])
def test_an_invalid_port_is_a_problem(port: int | None) -> None:
    world = world_of(slice_of("web", "10.0.0.1", ports=[{"port": port}], name="bad"), slice_of("web", "10.0.0.2"))
    assert endpoints_of(world) == ["10.0.0.2"]
    problem = world.problem("InvalidPort")
    assert (problem.object.kind, problem.object.name) == ("EndpointSlice", "bad")


# Bad addresses


def endpoints_of(world: World) -> list[str]:
    return [each.address for locality in of_web(world) for each in locality.endpoints]


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "example.com", "10.0.0", "10.0.0.256", "10.0.0.1:80", "fe80::1%eth0", "a\0b", "x" * 65536],
)
def test_a_bad_address_is_left_out(address: str) -> None:
    world = world_of(slice_of("web", "10.0.0.2", address))
    assert endpoints_of(world) == ["10.0.0.2"]
    problem = world.problem("InvalidAddress")
    assert problem.message.isprintable()
    assert len(problem.message) < 500
    assert "endpoints[1]" in str(problem.field)


def test_an_endpoint_without_address() -> None:
    assert endpoints_of(world_of(slice_of("web", SliceEndpoint(), "10.0.0.2"))) == ["10.0.0.2"]


@pytest.mark.parametrize("address_type", ["FQDN", "", "IPv5"])
def test_an_unsupported_address_type_is_a_problem(address_type: str) -> None:
    world = world_of(slice_of("web", "example.com", address_type=address_type, name="bad"), slice_of("web", "10.0.0.2"))
    assert endpoints_of(world) == ["10.0.0.2"]
    assert world.problem("AddressTypeUnsupported").object.name == "bad"


def test_two_spellings_of_an_address_merge() -> None:
    """Envoy has one host an address, however it is written."""
    slices = slice_of("web", "2001:db8::1", "2001:0db8:0:0::1", "2001:DB8::1", address_type="IPv6")
    assert endpoints(slices) == [("2001:db8::1", 8080, H)]


def test_the_problem_of_a_slice_is_solved_by_a_correct_slice() -> None:
    world = world_of(slice_of("web", "nonsense"))
    assert world.reasons() == [("web-1", "InvalidAddress")]
    world.add(slice_of("web", "10.0.0.1"))
    assert world.problems == []


def test_a_slice_event_touches_the_backends_of_a_single_service() -> None:
    world = World(
        service("web", "http:80", "more:81"),
        service("api"),
        ingress("shop", rule("a.example.com", path("/", "web:80"), path("/m", "web:81"), path("/api", "api"))),
    )
    change = finish(world.traffic.update(world.state.apply(Applied(slice_of("web", "10.0.0.1"))), world.now))
    assert change.endpoints == {WEB, BackendKey("default", "web", 81)}
    assert not change.hosts
    assert not change.backends
    assert key("web") == WEB.service_key
