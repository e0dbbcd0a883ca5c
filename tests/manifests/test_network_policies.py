"""Connections that the NetworkPolicies let through, in a namespace where another policy denies everything.

The policies and Pods are those of the rendered manifests; `tests.support.network_policies` has the semantics.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.installation import WORKLOADS, Installation, component_of
from tests.support.manifests import NAMESPACE, Object, containers, needs_kubectl, overlay
from tests.support.network_policies import End, Network, Outside, Pod

pytestmark = needs_kubectl

DENY_ALL = {
    "metadata": {"name": "deny-all", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
"""https://kubernetes.io/docs/concepts/services-networking/network-policies/#default-deny-all-ingress-and-all-egress-traffic"""

NEIGHBOUR = {"app": "neighbour"}

NEIGHBOUR_GOES_OUT = {
    "metadata": {"name": "neighbour", "namespace": NAMESPACE},
    "spec": {"podSelector": {"matchLabels": NEIGHBOUR}, "policyTypes": ["Egress"], "egress": [{}]},
}
"""Else its own end would close all of its connections."""

ENDS: Mapping[str, End] = {
    "client": Outside("203.0.113.9"),
    "API server": Outside("10.0.0.1"),
    "DNS": Pod("kube-system", {"k8s-app": "kube-dns"}, {"dns": 53}),
    "backend": Pod("shop", {"app": "shop"}, {"http": 8080}),
    "neighbour": Pod(NAMESPACE, NEIGHBOUR),
    "stranger": Pod("shop", {"app": "stranger", "app.kubernetes.io/name": "prometheus"}),
    "Prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
}

NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in (NAMESPACE, "kube-system", "shop", "monitoring")}

ADS, ADMIN, PAGE = 18000, 18001, 18002
HTTP, HTTPS, ENVOY_ADMIN, STATS, AUTHZ_ADMIN = 8080, 8443, 9901, 9902, 18003

OPEN = [
    ("client", "proxy", HTTP),
    ("client", "proxy", HTTPS),
    ("stranger", "proxy", HTTP),
    ("proxy", "control-plane", ADS),
    ("proxy", "DNS", 53),
    ("proxy", "backend", 8080),
    ("proxy", "client", 443),
    ("control-plane", "DNS", 53),
    ("control-plane", "API server", 6443),
    ("control-plane", "control-plane", ADS),
    ("neighbour", "proxy", HTTP),
]

METRICS = [("control-plane", ADMIN), ("proxy", STATS), ("proxy", AUTHZ_ADMIN)]

CLOSED = [
    *((source, "control-plane", port) for source in ("client", "stranger") for port in (ADS, ADMIN, PAGE)),
    *((source, "proxy", port) for source in ("client", "stranger") for port in (ENVOY_ADMIN, STATS, AUTHZ_ADMIN)),
    ("neighbour", "control-plane", ADS),
    ("neighbour", "proxy", ENVOY_ADMIN),
    ("proxy", "control-plane", PAGE),
    ("other proxy", "control-plane", ADS),
    ("other control-plane", "control-plane", ADS),
    ("Prometheus", "control-plane", ADS),
    ("Prometheus", "proxy", ENVOY_ADMIN),
]
"""`other` is a second installation in the same namespace."""


def pod_of(workload: Object) -> Pod:
    ports = {each["name"]: each["containerPort"] for of in containers(workload) for each in of.get("ports", [])}
    return Pod(workload["metadata"]["namespace"], workload["spec"]["template"]["metadata"]["labels"], ports)


def ends(installation: Installation, before: str = "") -> dict[str, End]:
    return {f"{before}{component_of(each)}": pod_of(each) for each in installation.of_kind(*WORKLOADS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


class Site:
    """An installation, and a second one beside it, under a policy that denies everything.

    Args:
        components: Folders of k8s/.
    """

    def __init__(self, folder: Path, *components: str) -> None:
        first = Installation(overlay(folder / "first", components=components))
        second = Installation(overlay(folder / "second", components=components, namePrefix="other-"))
        ours = [*first.of_kind("NetworkPolicy"), *second.of_kind("NetworkPolicy")]
        self.network = Network([DENY_ALL, NEIGHBOUR_GOES_OUT, *ours], NAMESPACES)
        self.ends = {**ENDS, **ends(first), **ends(second, "other ")}

    def lets(self, source: str, target: str, port: int) -> bool:
        both = self.ends[source], self.ends[target]
        over_udp = target != "DNS" or self.network.lets(*both, port, "UDP")
        return over_udp and self.network.lets(*both, port)


@pytest.fixture(scope="module")
def site(folder: Path) -> Site:
    return Site(folder / "plain")


@pytest.fixture(scope="module")
def monitored(folder: Path) -> Site:
    return Site(folder / "monitored", "monitoring")


@pytest.mark.parametrize("flow", OPEN, ids=str)
def test_a_policy_that_denies_everything_leaves_what_the_installation_needs(
    site: Site, flow: tuple[str, str, int]
) -> None:
    assert site.lets(*flow)


@pytest.mark.parametrize("flow", CLOSED, ids=str)
def test_other_connections_are_closed(site: Site, monitored: Site, flow: tuple[str, str, int]) -> None:
    assert not site.lets(*flow)
    assert not monitored.lets(*flow)


@pytest.mark.parametrize(("component", "port"), METRICS)
def test_metrics_are_for_the_own_namespace_and_with_the_component_for_prometheus(
    site: Site, monitored: Site, component: str, port: int
) -> None:
    assert site.lets("neighbour", component, port)
    assert not site.lets("Prometheus", component, port)
    assert monitored.lets("Prometheus", component, port)
    assert not monitored.lets("stranger", component, port)


def test_the_policy_that_denies_everything_denies_everything(site: Site) -> None:
    bare = Network([DENY_ALL], NAMESPACES)
    for source, target, port in OPEN:
        assert not bare.lets(site.ends[source], site.ends[target], port)
    assert Network([], NAMESPACES).lets(site.ends["client"], site.ends["control-plane"], ADS)


# The semantics, by examples of the documentation:
# https://kubernetes.io/docs/concepts/services-networking/network-policies/


def policy(**spec: object) -> Object:
    return {"metadata": {"name": "tried", "namespace": "a"}, "spec": spec}


OWN = Pod("a", {"role": "db"}, {"sql": 6379})
WANTED = Pod("b", {"role": "frontend"})
TWO = {"a": {"name": "a"}, "b": {"project": "mine"}}
PEER = {"role": "frontend"}


@pytest.mark.parametrize(
    ("spec", "source", "port", "expected"),
    [
        ({"podSelector": {}}, WANTED, 6379, False),
        ({"podSelector": {}, "ingress": [{}]}, WANTED, 6379, True),
        ({"podSelector": {"matchLabels": {"role": "web"}}}, WANTED, 6379, True),
        ({"podSelector": {}, "policyTypes": ["Egress"]}, WANTED, 6379, True),
        ({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": PEER}}]}]}, WANTED, 1, False),
        ({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}, WANTED, 1, True),
        ({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}, Outside("1.2.3.4"), 1, False),
        (
            {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"project": "mine"}}}]}]},
            WANTED,
            1,
            True,
        ),
        (
            {
                "podSelector": {},
                "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "x"}}}]}],
            },
            WANTED,
            1,
            False,
        ),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": "sql"}]}]}, WANTED, 6379, True),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": "sql"}]}]}, WANTED, 6380, False),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": 32000, "endPort": 32768}]}]}, WANTED, 32001, True),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": 6379, "protocol": "UDP"}]}]}, WANTED, 6379, False),
        (
            {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "172.17.0.0/16"}}]}]},
            Outside("172.17.0.9"),
            1,
            True,
        ),
        (
            {
                "podSelector": {},
                "ingress": [{"from": [{"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24"]}}]}],
            },
            Outside("172.17.1.9"),
            1,
            False,
        ),
        (
            {
                "podSelector": {"matchExpressions": [{"key": "role", "operator": "In", "values": ["db"]}]},
                "ingress": [
                    {"from": [{"namespaceSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}]}
                ],
            },
            WANTED,
            1,
            False,
        ),
    ],
)
def test_the_semantics_of_a_policy(spec: dict[str, object], source: End, port: int, expected: bool) -> None:
    assert Network([policy(**spec)], TWO).lets(source, OWN, port) is expected


def test_policies_add_up_and_both_ends_count() -> None:
    deny, allow = policy(podSelector={}), policy(podSelector={}, ingress=[{"ports": [{"port": 6379}]}])
    assert Network([deny, allow], TWO).lets(WANTED, OWN, 6379)
    out = {"metadata": {"name": "out", "namespace": "b"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
    assert not Network([deny, allow, out], TWO).lets(WANTED, OWN, 6379)
