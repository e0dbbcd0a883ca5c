"""Manifests of kind Endpoints, which become EndpointSlices as in a cluster.

Covers: addresses that are ready or not, ports, IPv6, several subsets, objects that a cluster skips, wrong forms.
Excludes: traffic (tests/cases/endpoints-in-a-folder).
"""

from typing import Any

import pytest

from tests.support.objects import World, ingress, path, rule, service
from xds.kube.decode import decode
from xds.kube.objects import EndpointSlice
from xds.problems.problem import Key, Problem
from xds.sources.folder.endpoints import mirrored
from xds.traffic.endpoints import Health


def endpoints(*subsets: object, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "shop", **metadata},
        "subsets": list(subsets),
    }


def subset(*addresses: str, ready: bool = True, ports: object = ({"name": "http", "port": 8080},)) -> dict[str, object]:
    field = "addresses" if ready else "notReadyAddresses"
    return {field: [{"ip": each} for each in addresses], "ports": list(ports) if isinstance(ports, tuple) else ports}


def slices(document: object) -> list[EndpointSlice]:
    found = [decode(each) for each in mirrored(document)]
    assert all(isinstance(each, EndpointSlice) for each in found), found
    return [each for each in found if isinstance(each, EndpointSlice)]


def test_endpoints_become_a_slice_of_the_service_of_the_same_name() -> None:
    (found,) = slices(endpoints(subset("10.0.0.1", "10.0.0.2")))
    assert (found.service, found.address_type) == (Key("shop", "web"), "IPv4")
    assert [each.addresses for each in found.endpoints or ()] == [("10.0.0.1",), ("10.0.0.2",)]
    assert [(each.name, each.port) for each in found.ports or ()] == [("http", 8080)]


def test_an_address_that_is_not_ready_is_known_as_such() -> None:
    (found,) = slices(endpoints(subset("10.0.0.1", ready=False)))
    (only,) = found.endpoints or ()
    assert only.conditions
    assert only.conditions.ready is False


def test_each_subset_and_address_type_has_a_slice_of_its_own() -> None:
    found = slices(endpoints(subset("10.0.0.1", "fd00::1"), subset("10.0.0.2", ports=({"port": 9090},))))
    types = {each.metadata.name: each.address_type for each in found}
    assert types == {
        "web.endpoints-0-ipv4": "IPv4",
        "web.endpoints-0-ipv6": "IPv6",
        "web.endpoints-1-ipv4": "IPv4",
    }


def test_endpoints_are_served() -> None:
    shop = ingress("shop", rule("a.example", path("/", "web")), ns="shop")
    world = World(service("web", "http:80", ns="shop"), shop, *slices(endpoints(subset("10.0.0.1"))))
    (backend,) = world.traffic.backends.values()
    (zone,) = world.traffic.localities(backend)
    assert [tuple(each) for each in zone.endpoints] == [("10.0.0.1", 8080, Health.HEALTHY)]


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}},
    ],
)
def test_endpoints_that_a_cluster_skips_are_skipped(metadata: dict[str, Any]) -> None:
    assert slices(endpoints(subset("10.0.0.1"), **metadata)) == []


@pytest.mark.parametrize("subsets", [None, [], "x", [None], ["x"], [{}], [{"addresses": None}], [{"addresses": [1]}]])
def test_endpoints_without_addresses_are_no_slice(subsets: object) -> None:
    assert slices({**endpoints(), "subsets": subsets}) == []


@pytest.mark.parametrize("change", [{"ip": 1}, {"ip": None}, {}])
def test_an_address_of_the_wrong_form_is_a_problem(change: dict[str, object]) -> None:
    (found,) = map(decode, mirrored(endpoints({"addresses": [change], "ports": [{"port": 80}]})))
    assert isinstance(found, Problem)


@pytest.mark.parametrize("metadata", [None, "x", {}, {"name": None}, {"name": 1}, {"name": "a_b"}])
def test_endpoints_without_a_valid_name_are_a_problem(metadata: object) -> None:
    (found,) = map(decode, mirrored({**endpoints(subset("10.0.0.1")), "metadata": metadata}))
    assert isinstance(found, Problem)


@pytest.mark.parametrize("document", [None, "x", [], {"kind": "Endpoints"}, {"kind": "Service", "apiVersion": "v1"}])
def test_any_other_document_is_left_alone(document: object) -> None:
    assert list(mirrored(document)) == [document]
