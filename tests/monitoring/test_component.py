"""k8s/monitoring in an overlay: targets exist and may be scraped, and the rules are the tested ones.

Excludes: the Prometheus operator itself, whose image can't be had; its types are checked.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import prometheus_rule
from tests.support.alert_cases import RULES, alerts
from tests.support.cluster.assets import KUBECTL
from tests.support.debian import needs, program
from tests.support.manifests import CONTROL_PLANE, FLEET, K8S, Object, find, needs_kubectl
from tests.support.prometheus_operator import PROGRAM, needs_operator_types

pytestmark = [pytest.mark.monitoring, needs_kubectl]

MONITORING = K8S / "monitoring"

LABELS = {
    "xds-ingress": ("cp", "xds", "admin"),
    "xds-ingress-envoy": ("envoy", "envoy", "stats"),
    "xds-ingress-authz": ("envoy", "authz", "authz-admin"),
}
"""Pod, container and port of each job."""


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The overlay of docs/monitoring.md: k8s/, the two components, and a label for a Prometheus' selector."""
    folder = tmp_path_factory.mktemp("overlay")
    up = "../" * (len(folder.resolve().parts) - 1)
    patch = [{"op": "add", "path": "/metadata/labels/release", "value": "kube-prometheus-stack"}]
    kustomization = {
        "resources": [f"{up}{K8S.relative_to('/')}"],
        "components": [f"{up}{each.relative_to('/')}" for each in (MONITORING, MONITORING / "traffic")],
        "patches": [{"target": {"group": "monitoring.coreos.com"}, "patch": yaml.safe_dump(patch)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    built = subprocess.run([KUBECTL, "kustomize", folder], check=True, capture_output=True, text=True).stdout
    return [each for each in yaml.safe_load_all(built) if each]


def of_kind(overlay: list[Object], kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in overlay if each["kind"] == kind}


def test_the_overlay_adds_monitors_and_rules_to_all_of_k8s(overlay: list[Object]) -> None:
    assert of_kind(overlay, "PodMonitor").keys() == {"xds-ingress", "xds-ingress-envoy"}
    assert of_kind(overlay, "PrometheusRule").keys() == {"xds-ingress"}
    assert of_kind(overlay, "Deployment").keys() == {CONTROL_PLANE, FLEET}
    ours = [each for each in overlay if each["apiVersion"].startswith("monitoring.coreos.com/")]
    assert {each["metadata"]["namespace"] for each in ours} == {"xds-ingress"}
    assert {each["metadata"]["labels"]["release"] for each in ours} == {"kube-prometheus-stack"}


def test_the_second_component_turns_figures_of_ingresses_on(overlay: list[Object]) -> None:
    [container] = of_kind(overlay, "Deployment")["xds-ingress"]["spec"]["template"]["spec"]["containers"]
    [unchanged] = find("Deployment", "xds-ingress")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [*unchanged["args"], "--traffic-metrics"]


def test_the_object_has_the_rules_that_promtool_tested(overlay: list[Object]) -> None:
    rule = of_kind(overlay, "PrometheusRule")["xds-ingress"]
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert prometheus_rule.PAGE.read_text() == prometheus_rule.text()


def checked(objects: list[Object]) -> subprocess.CompletedProcess[str]:
    text = "\n---\n".join(yaml.safe_dump(each) for each in objects)
    return subprocess.run([PROGRAM], check=False, input=text, capture_output=True, text=True)


@needs_operator_types
def test_the_objects_fit_the_types_of_the_operator(overlay: list[Object]) -> None:
    ours = [each for each in overlay if each["apiVersion"] == "monitoring.coreos.com/v1"]
    assert checked(ours).stdout.splitlines() == [f"{each['kind']} is valid" for each in ours]
    ours[0]["spec"]["podMetricEndpoints"] = []
    assert 'unknown field "podMetricEndpoints"' in checked(ours).stdout


def ports(deployment: str) -> dict[str, tuple[str, int]]:
    """Container and number of each named port of a Deployment's Pods."""
    pod = find("Deployment", deployment)["spec"]["template"]["spec"]
    containers = [*pod["containers"], *(each for each in pod.get("initContainers", []) if "restartPolicy" in each)]
    return {
        port["name"]: (each["name"], port["containerPort"]) for each in containers for port in each.get("ports", [])
    }


@pytest.mark.parametrize(
    ("monitor", "deployment", "jobs"),
    [
        ("xds-ingress", "xds-ingress", {"admin": "xds-ingress"}),
        ("xds-ingress-envoy", FLEET, {"stats": "xds-ingress-envoy", "authz-admin": "xds-ingress-authz"}),
    ],
)
def test_a_monitor_finds_ports_of_running_containers(
    overlay: list[Object], monitor: str, deployment: str, jobs: dict[str, str]
) -> None:
    spec = of_kind(overlay, "PodMonitor")[monitor]["spec"]
    labels = find("Deployment", deployment)["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    found = {each["port"]: replaced(each)["job"] for each in spec["podMetricsEndpoints"]}
    assert found == jobs
    for port in found:
        container, _ = ports(deployment)[port]
        assert container == LABELS[jobs[port]][1]


def replaced(endpoint: Object) -> dict[str, str]:
    """The labels that relabelings give to a constant, or to a Pod's property."""
    return {each["targetLabel"]: each.get("replacement") or each["sourceLabels"][0] for each in endpoint["relabelings"]}


def test_each_target_says_its_node(overlay: list[Object]) -> None:
    for monitor in of_kind(overlay, "PodMonitor").values():
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert replaced(endpoint)["node"] == "__meta_kubernetes_pod_node_name"


def test_a_network_policy_admits_prometheus_to_the_ports_of_the_monitors(overlay: list[Object]) -> None:
    """The effect is in tests/manifests/test_network_policies.py."""
    policy = of_kind(overlay, "NetworkPolicy")["xds-ingress-metrics"]["spec"]
    monitors = of_kind(overlay, "PodMonitor").values()
    scraped = {each["port"] for monitor in monitors for each in monitor["spec"]["podMetricsEndpoints"]}
    assert {each["port"] for rule in policy["ingress"] for each in rule["ports"]} == scraped


def test_the_memory_of_the_rule_is_the_limit_of_the_deployment() -> None:
    [container] = find("Deployment", "xds-ingress")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert container["name"] == "xds"
    assert f"0.85 * {2**30}" in alerts()["XdsControlPlaneMemory"]["expr"]


# Without the operator: prometheus.yaml.


def target(pod: str, app: str, container: str, port: str, number: int, phase: str = "Running") -> dict[str, Any]:
    """A target as Kubernetes' service discovery finds it."""
    labels = {
        "__meta_kubernetes_namespace": "xds-ingress",
        "__meta_kubernetes_pod_name": pod,
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": app,
        "__meta_kubernetes_pod_container_name": container,
        "__meta_kubernetes_pod_container_port_name": port,
        "__meta_kubernetes_pod_node_name": "node-1",
        "__meta_kubernetes_pod_phase": phase,
    }
    return {"targets": [f"10.0.0.1:{number}"], "labels": labels}


@needs("promtool")
@pytest.mark.parametrize("job", LABELS)
def test_a_plain_prometheus_finds_the_same_targets(job: str, tmp_path: Path) -> None:
    """Debian's build has no discovery by Kubernetes, so the test writes the discovered targets down."""
    config = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    targets = [target("cp-1", "xds-ingress", "xds", port, number) for port, (_, number) in ports("xds-ingress").items()]
    targets += [
        target("envoy-1", "envoy", container, port, number) for port, (container, number) in ports(FLEET).items()
    ]
    targets += [target(f"{each['labels']['__meta_kubernetes_pod_name']}-old", *ended(each)) for each in targets]
    for each in config["scrape_configs"]:
        assert each.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["xds-ingress"]}}]
        each["static_configs"] = targets
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    checked = subprocess.run(
        [program("promtool"), "check", "config", path], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    command = [program("promtool"), "check", "service-discovery", "--timeout=2s", str(path), job]
    found = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    kept = [each["labels"] for each in found if each["labels"]]
    pod, container, port = LABELS[job]
    number = ports(CONTROL_PLANE if pod == "cp" else FLEET)[port][1]
    assert [{name: value for name, value in each.items() if not name.startswith("__")} for each in kept] == [
        {
            "container": container,
            "instance": f"10.0.0.1:{number}",
            "job": job,
            "namespace": "xds-ingress",
            "node": "node-1",
            "pod": f"{pod}-1",
        }
    ]
    assert kept[0]["__metrics_path__"] == ("/stats/prometheus" if port == "stats" else "/metrics")


def ended(running: dict[str, Any]) -> tuple[str, str, str, int, str]:
    labels = running["labels"]
    return (
        labels["__meta_kubernetes_pod_label_app_kubernetes_io_name"],
        labels["__meta_kubernetes_pod_container_name"],
        labels["__meta_kubernetes_pod_container_port_name"],
        1,
        "Failed",
    )
