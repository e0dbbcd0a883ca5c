"""A real Envoy takes the resources of the largest and oddest legal objects.

Covers names, hosts, wildcards, paths, addresses and zones at their limits; each is also shown to be served, unless
Envoy has a lower limit. Excludes request matching (the route table).
"""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.resources.test_validation import static
from tests.support.envoy import bootstrap_error, needs_envoy
from tests.support.objects import (
    certificate,
    endpoint,
    exact,
    ingress,
    path,
    pipeline,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.controlplane.pipeline import Pipeline
from xds.envoyapi import codec
from xds.kube.objects import KubeObject
from xds.snapshot.resource import ResourceType
from xds.translate.names import MAX_WILDCARD_CHARACTERS, MAX_WILDCARD_LABELS

LONGEST = ".".join(("a" * 63,) * 3 + ("b" * 61,))
NS, WEB, LONG = "n" * 63, "s" * 63, "i" * 253


def wildcard(length: int, letter: str = "a", label: int = 63) -> str:
    """A wildcard of so many characters, in labels of so many."""
    letters = itertools.cycle([*(letter * label), "."])
    made = "*." + "".join(itertools.islice(letters, length - 2))
    return made.removesuffix(".") + (letter if made.endswith(".") else "")


def of_host(host: str) -> list[KubeObject]:
    entry = tls(host, secret="cert")
    return [
        ingress("shop", rule(host, path("/", "web")), tls=[entry]),
        service("web"),
        secret("cert", certificate(host)),
    ]


def of_slice(*endpoints: Any, family: str = "IPv4") -> list[KubeObject]:
    slices = slice_of("web", *endpoints, address_type=family)
    return [ingress("shop", rule("a.example.com", path("/", "web"))), service("web"), slices]


CASES: dict[str, list[KubeObject]] = {
    "the longest names": [
        ingress(LONG, rule(LONGEST, path("/" + "x" * 4095, WEB)), ns=NS, tls=[tls(LONGEST, secret=LONG)]),
        *(service(WEB, ns=NS), secret(LONG, certificate(LONGEST), ns=NS), slice_of(WEB, "10.0.0.1", ns=NS)),
    ],
    "a path that grows by its escapes": [*of_host("a"), ingress("one", rule("a", exact("/" + "\xe9" * 4095, "web")))],
    "10,000 paths": [ingress("many", rule("a", *(path(f"/{each}", "web") for each in range(10_000)))), service("web")],
    "the longest wildcard": of_host(wildcard(MAX_WILDCARD_CHARACTERS)),
    "the longest wildcard of s": of_host(wildcard(MAX_WILDCARD_CHARACTERS, "s")),
    "the wildcard of most labels": of_host(wildcard(2 * MAX_WILDCARD_LABELS - 1, "k", 1)),
    "odd hosts": [
        ingress("odd", *(rule(each, path("/", "web")) for each in ("0", "1.2.3.4x", "xn--a.b", "*.com"))),
        service("web"),
    ],
    "zones": of_slice(endpoint("10.0.0.1", zone="z" * 63), endpoint("10.0.0.2", zone="z" * 300)),
    "addresses": of_slice("0.0.0.0", "255.255.255.255", "224.0.0.1", "169.254.0.1", "127.0.0.1"),
    "IPv6 addresses": of_slice("::", "::1", "0:0::1", "fe80::1", "ff02::1", "::ffff:1.2.3.4", family="IPv6"),
    "1,000 endpoints": of_slice(*(f"10.0.{each // 250}.{each % 250 + 1}" for each in range(1000))),
}


@needs_envoy
@pytest.mark.parametrize("objects", CASES.values(), ids=CASES)
def test_envoy_accepts_objects_at_their_limits(objects: list[KubeObject], tmp_path: Path) -> None:
    built = pipeline(*objects)
    assert built.problems == []
    assert bootstrap_error(bootstrap(built), tmp_path) == ""


@pytest.mark.parametrize("host", [wildcard(MAX_WILDCARD_CHARACTERS + 1), wildcard(2 * MAX_WILDCARD_LABELS + 1, "k", 1)])
def test_a_wildcard_beyond_the_limit_costs_only_its_host(host: str) -> None:
    built = pipeline(*of_host(host), ingress("good", rule("a.example.com", path("/", "web"))))
    assert {each.reason for each in built.problems} == {"InvalidHost"}
    assert {each.object.name for each in built.problems} == {"shop"}
    assert list(built.traffic.hosts) == ["a.example.com"]


HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP2 = {"@type": f"type.googleapis.com/{HTTP}", "explicit_http_config": {"http2_protocol_options": {}}}


def messages(of: Pipeline, type_: ResourceType) -> list[dict[str, Any]]:
    return [codec.to_dict(codec.decode(type_.message, each.body)) for each in of.store.resources(type_).values()]


def at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def bootstrap(of: Pipeline) -> dict[str, Any]:
    """Every resource in an Envoy's own bootstrap: the listeners, and one more listener for each RouteConfiguration."""
    made = {type_: messages(of, type_) for type_ in ResourceType}
    assignments = {each["cluster_name"]: each for each in made[ResourceType.ENDPOINTS]}
    clusters = [
        {**each, "type": "STATIC", "eds_cluster_config": None, "load_assignment": assignments[each["name"]]}
        for each in made[ResourceType.CLUSTER]
    ]
    routed = [static(each)["static_resources"]["listeners"][0] for each in made[ResourceType.ROUTES]]
    listeners = [{**each, "name": f"routes-{port}", "address": at(port)} for port, each in enumerate(routed, 10_000)]
    service = {"envoy_grpc": {"cluster_name": "xds"}}
    ads = {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": [service]}
    return {
        "node": {"id": "test", "cluster": "test"},
        "dynamic_resources": {"ads_config": ads},
        "static_resources": {
            "listeners": [*made[ResourceType.LISTENER], *listeners],
            "clusters": [{"name": "xds", "typed_extension_protocol_options": {HTTP: HTTP2}}, *clusters],
            "secrets": made[ResourceType.SECRET],
        },
    }
