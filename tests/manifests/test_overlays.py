"""The manifests of k8s/ under other names: every overlay is whole, and two installations share nothing.

Excludes: the API server's view (tests/cluster/test_manifests.py).
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.installation import CLUSTER_SCOPED, WORKLOADS, Installation, chosen, component_of, share_nothing
from tests.support.manifests import COMPONENTS, K8S, build, needs_kubectl, overlay
from tests.support.network_policies import Network, Outside, Pod

pytestmark = needs_kubectl

OVERLAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "namespace": {"namespace": "edge"},
    "prefix": {"namePrefix": "prod-"},
    "suffix": {"nameSuffix": "-eu"},
    "all": {"namespace": "edge", "namePrefix": "prod-", "nameSuffix": "-eu"},
    "labels": {"labels": [{"pairs": {"app.kubernetes.io/instance": "mine", "team": "a"}, "includeSelectors": True}]},
}

CONSTANTS = {
    "app.kubernetes.io/name: xds-ingress",
    "app.kubernetes.io/part-of: xds-ingress",
    "commonName: xds-ingress",
    "controller: xds-ingress.dev/controller",
    "job of Prometheus: xds-ingress",
    "job of Prometheus: xds-ingress-authz",
    "job of Prometheus: xds-ingress-envoy",
}
"""Texts that name the product, and not an installation."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("overlays")


@functools.cache
def installation(folder: Path, name: str) -> Installation:
    """Not to be changed: the tests share it."""
    return Installation(overlay(folder / name, **OVERLAYS[name]))


@pytest.mark.parametrize("name", OVERLAYS)
def test_each_mentioned_object_exists(folder: Path, name: str) -> None:
    found = installation(folder, name)
    names = found.names | {("Secret", namespace, secret) for namespace, secret in made_secrets(found)}
    missing = [each for each in found.references if (each.kind, each.namespace, each.name) not in names]
    assert not missing
    kinds = {each.kind for each in found.references}
    assert kinds == {
        *("ClusterRole", "ConfigMap", "IngressClass", "Issuer", "Role", "Secret", "Service", "ServiceAccount")
    }


def made_secrets(found: Installation) -> set[tuple[str, str]]:
    """The Secrets that cert-manager makes."""
    return {(each["metadata"]["namespace"], each["spec"]["secretName"]) for each in found.of_kind("Certificate")}


@pytest.mark.parametrize("name", OVERLAYS)
def test_rights_by_name_are_those_of_the_lease_the_secret_and_the_config_maps_of_ports(folder: Path, name: str) -> None:
    found = installation(folder, name)
    named = {
        (rule["resources"][0], each)
        for role in found.of_kind("Role")
        for rule in role["rules"]
        for each in rule.get("resourceNames", [])
    }
    annotations = found.workload("control-plane")["spec"]["template"]["metadata"]["annotations"]
    layer4 = {each.name for each in found.references if each.place.endswith("-services-configmap")}
    assert len(layer4) == 2
    assert named == {
        ("leases", found.lease[1]),
        ("secrets", annotations["xds-ingress.dev/operator-secret"]),
        *(("configmaps", each) for each in layer4),
    }


@pytest.mark.parametrize("name", OVERLAYS)
def test_namespaced_objects_are_in_the_namespace(folder: Path, name: str) -> None:
    found, namespace = installation(folder, name), OVERLAYS[name].get("namespace", "xds-ingress")
    for each in found.objects:
        expected = None if each["kind"] in CLUSTER_SCOPED else namespace
        assert each["metadata"].get("namespace") == expected, each["kind"]
    [made] = found.of_kind("Namespace")
    assert made["metadata"]["name"] == namespace


@pytest.mark.parametrize("name", OVERLAYS)
def test_selectors_choose_pods_of_one_component(folder: Path, name: str) -> None:
    found = installation(folder, name)
    workloads = found.of_kind(*WORKLOADS)
    for selector in found.selectors:
        pods = [component_of(each) for each in workloads if chosen(selector, each)]
        both = ["control-plane", "proxy"]
        assert sorted(pods) == both if "-metrics" in selector.place else len(pods) == 1, selector.place


@pytest.mark.parametrize("name", ["namespace", "prefix", "suffix", "all"])
def test_no_text_keeps_the_name_of_the_base(folder: Path, name: str) -> None:
    """Whatever the kind of object: a text that a rename has passed over names another installation."""
    fields = OVERLAYS[name]
    left = {
        text for each in installation(folder, name).objects for text in texts(each, fields) if old_names(text, fields)
    }
    assert left == set()


def texts(item: dict[str, Any], fields: dict[str, str]) -> Iterator[str]:
    """`KEY: TEXT` of the scalars of an object that the overlay has to change, if they name the base.

    The contents of ConfigMaps and rules are the same everywhere.
    """
    if item["kind"] == "PrometheusRule":
        return
    for path, value in scalars({name: each for name, each in item.items() if name != "data"}):
        text = f"{'job of Prometheus' if 'relabelings' in path else path[-1]}: {value}"
        is_namespace = path[-1] == "namespace" or item["kind"] == "Namespace"
        has_namespace = is_namespace or ".svc" in value or "=xds-ingress/" in value
        changes = "namespace" in fields if is_namespace else has_namespace or len(fields) > ("namespace" in fields)
        if text not in CONSTANTS and changes:
            yield text


def scalars(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from scalars(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from scalars(each, path)
    elif isinstance(value, str):
        yield path, value


def old_names(text: str, fields: dict[str, str]) -> list[str]:
    """Names of the base in a text: not a path, not an image, not with the overlay's prefix and suffix.

    The second name in the server's certificate is for Envoys of before, and the same everywhere.
    """
    _, _, value = text.partition(": ")
    if value == "xds-ingress.xds-ingress.svc" or value.startswith("xds-ingress:"):
        return []
    names = re.findall(r"(?<![/\w-])([\w-]*xds-ingress[\w-]*)(?!\.dev)", value)
    prefix, suffix = fields.get("namePrefix", ""), fields.get("nameSuffix", "")
    followed = [each for each in names if (prefix or suffix) and each.startswith(prefix) and each.endswith(suffix)]
    return [each for each in names if each not in followed]


def test_the_search_for_old_names_finds_them() -> None:
    fields = {"namePrefix": "prod-", "nameSuffix": "-eu"}
    assert old_names("name: xds-ingress-envoy", fields)
    assert old_names("args: --publish-service=xds-ingress/envoy", {"namespace": "edge"})
    assert old_names("secretName: prod-xds-ingress-server-tls", fields)
    assert not old_names("secretName: prod-xds-ingress-server-tls-eu", fields)
    assert not old_names("mountPath: /etc/xds-ingress/tls", fields)


def test_an_overlay_of_an_overlay_is_whole(folder: Path) -> None:
    """The components come with the upper one, when the base has another name already."""
    overlay(folder / "lower", components=(), namePrefix="prod-", namespace="lower")
    components = [f"../{Path(each)}" for each in relative_components(folder)]
    (folder / "upper").mkdir()
    kustomization = {"resources": ["../lower"], "components": components, "namespace": "upper", "nameSuffix": "-eu"}
    (folder / "upper" / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    found = Installation(build(folder / "upper"))
    names = found.names | {("Secret", namespace, secret) for namespace, secret in made_secrets(found)}
    of_components = ("Certificate", "Issuer")
    missing = [each for each in found.references if (each.kind, each.namespace, each.name) not in names]
    assert [each for each in missing if each.kind not in of_components] == []
    monitors = [each for each in found.selectors if "PodMonitor" in each.place]
    assert [sum(chosen(each, pod) for pod in found.of_kind(*WORKLOADS)) for each in monitors] == [1, 1]
    labels = found.workload("control-plane")["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "prod-xds-ingress-eu"
    assert "--traffic-metrics" in str(found.workload("control-plane"))


def relative_components(folder: Path) -> list[str]:
    written = yaml.safe_load((folder / "lower" / "kustomization.yaml").read_text())["resources"][0]
    return [f"{written}/{each}".removeprefix("../") for each in COMPONENTS]


def test_the_overlay_of_the_guide_opens_its_port(folder: Path) -> None:
    guide = (K8S.parent / "docs" / "install.md").read_text()
    _, _, rest = guide.partition("An overlay adds entries")
    example = yaml.safe_load(rest.split("```yaml\n")[1].split("```")[0])
    [component] = example["components"]
    components = [component.removeprefix("xds-ingress/k8s/")]
    found = Installation(overlay(folder / "ports", components=components, patches=example["patches"]))
    entries = [each.get("data") for each in found.of_kind("ConfigMap") if each["metadata"]["name"] == "xds-ingress-tcp"]
    assert entries == [{"5432": "db/postgres:5432"}]
    [service] = [each for each in found.of_kind("Service") if each["metadata"]["name"] == "xds-ingress-envoy"]
    assert 5432 in [each["targetPort"] for each in service["spec"]["ports"]]
    template = found.workload("proxy")["spec"]["template"]["metadata"]["labels"]
    network = Network(found.of_kind("NetworkPolicy"), {})
    assert network.lets(Outside("203.0.113.9"), Pod("xds-ingress", template), 5432)


# Two installations.

PAIRS = {
    "prefixes in one namespace": ({"namePrefix": "a-"}, {"namePrefix": "b-"}),
    "suffixes in one namespace": ({"nameSuffix": "-a"}, {"nameSuffix": "-b"}),
    "a prefix beside none": ({}, {"namePrefix": "b-"}),
    "prefixes in two namespaces": (
        {"namespace": "a", "namePrefix": "a-"},
        {"namespace": "b", "namePrefix": "b-"},
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_two_installations_share_nothing(folder: Path, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = (Installation(overlay(folder / "-".join(each.values()) / "pair", **each)) for each in pair)
    share_nothing(first, second)


def test_two_namespaces_alone_keep_both_the_rights(folder: Path) -> None:
    """Both serve one IngressClass then, as docs/operations.md says; neither takes the other's rights."""
    first, second = (Installation(overlay(folder / each, components=(), namespace=each)) for each in ("one", "two"))
    assert first.names & second.names == {("ClusterRole", "", "xds-ingress"), ("IngressClass", "", "envoy")}
    assert first.of_kind("ClusterRole") == second.of_kind("ClusterRole")
