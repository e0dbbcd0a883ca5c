"""Releases of the Helm chart beside each other, its NetworkPolicies narrowed by values, and its limits.

Excludes: the matrix of values (tests/chart), and kustomize (test_overlays.py, test_network_policies.py).
"""

from pathlib import Path

import pytest
import yaml

from tests.support.gotools import needs
from tests.support.installation import WORKLOADS, Installation, chosen, component_of, share_nothing
from tests.support.kustomize_tree import CHART, template
from tests.support.manifests import Object, containers, loaded, needs_kubectl, overlay
from tests.support.network_policies import Network, Outside, Pod

pytestmark = [needs("helm"), needs_kubectl]

SECOND = f"--values={CHART / 'ci/second-values.yaml'}"
"""Another IngressClass. Helm itself refuses a release with the class, or any other name, of another release."""


def release(name: str, namespace: str, *flags: str) -> Installation:
    return Installation(loaded(template(name, namespace, *flags)))


PAIRS = {
    "one namespace": (("edge", "ingress"), ("inner", "ingress", SECOND)),
    "one name in two namespaces": (("xds-ingress", "a"), ("xds-ingress", "b", SECOND)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_two_releases_share_nothing(pair: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    first, second = (release(*each) for each in pair)
    share_nothing(first, second)


@pytest.mark.parametrize("name", ["xds-ingress", "edge", "e" * 53])
def test_a_release_mentions_its_own_objects_and_selects_its_own_pods(name: str) -> None:
    found = release(name, "ingress")
    made = {each["metadata"]["name"] for each in found.of_kind("Secret")}
    missing = [
        each
        for each in found.references
        if (each.kind, each.namespace, each.name) not in found.names and each.name not in made
    ]
    assert not missing
    for selector in found.selectors:
        pods = [each for each in found.of_kind(*WORKLOADS) if chosen(selector, each)]
        assert len(pods) == 1, selector.place


def test_the_component_for_kustomize_has_the_limits_of_the_chart(tmp_path: Path) -> None:
    chart = release("xds-ingress", "xds-ingress", f"--values={CHART / 'ci/quota-values.yaml'}")
    component = Installation(overlay(tmp_path, components=["limits"]))
    assert resources(chart) == resources(component)
    assert all("cpu" in each["limits"] for each in resources(chart).values())


def resources(of: Installation) -> dict[str, Object]:
    return {each["name"]: each["resources"] for pods in of.of_kind(*WORKLOADS) for each in containers(pods)}


@pytest.mark.parametrize("mode", ["existing", "certManager"])
def test_a_release_takes_over_the_objects_of_kustomize_without_new_pods(tmp_path: Path, mode: str) -> None:
    chart = release("xds-ingress", "xds-ingress", f"--set=tls.mode={mode}")
    kustomize = Installation(overlay(tmp_path, components=["cert-manager"] if mode == "certManager" else []))
    assert [pods["spec"] for pods in chart.of_kind(*WORKLOADS)] == [
        pods["spec"] for pods in kustomize.of_kind(*WORKLOADS)
    ]
    left = kustomize.names - chart.names
    assert left == {
        ("Namespace", "", "xds-ingress"),
        ("ClusterRole", "", "xds-ingress"),
        ("ClusterRoleBinding", "", "xds-ingress"),
    }


# Policies that values narrow.

NARROW = {
    "networkPolicy": {
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}],
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
        "dns": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
        "backends": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}],
    }
}

NAMES = ("ingress", "shop", "kube-system", "observability", "monitoring")
NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in NAMES}

DNS, SHOP = Pod("kube-system", {}), Pod("shop", {})
API_SERVER, INTERNET = Outside("10.0.0.1"), Outside("203.0.113.9")


def test_narrowed_policies_leave_what_was_named(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(NARROW))
    found = release("edge", "ingress", f"--values={tmp_path / 'values.yaml'}")
    network = Network(found.of_kind("NetworkPolicy"), NAMESPACES)
    pods = {component_of(each): pod_of(each) for each in found.of_kind(*WORKLOADS)}
    control_plane, fleet = pods["control-plane"], pods["proxy"]
    for source in (control_plane, fleet):
        assert network.lets(source, DNS, 53, "UDP")
        assert network.lets(source, control_plane, 18000)
        assert not network.lets(source, INTERNET, 53, "UDP")
        assert not network.lets(source, INTERNET, 443)
    assert network.lets(control_plane, API_SERVER, 6443)
    assert not network.lets(control_plane, API_SERVER, 22)
    assert not network.lets(control_plane, SHOP, 8080)
    assert network.lets(fleet, SHOP, 8080)
    assert not network.lets(fleet, API_SERVER, 6443)
    assert network.lets(INTERNET, fleet, 8443)
    for port, target in ((18001, control_plane), (9902, fleet), (18003, fleet)):
        assert network.lets(Pod("observability", {}), target, port)
        assert not network.lets(Pod("monitoring", {}), target, port)


def pod_of(workload: Object) -> Pod:
    ports = {each["name"]: each["containerPort"] for of in containers(workload) for each in of.get("ports", [])}
    return Pod(workload["metadata"]["namespace"], workload["spec"]["template"]["metadata"]["labels"], ports)
