"""The manifests of k8s/ for kustomize, as Helm renders them from the chart.

By hand are only the namespace, the kustomizations, and the names that kustomize follows (k8s/names).
"""

import subprocess
from pathlib import Path
from typing import Final

from tests.support.gotools import missing, program

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "k8s/chart/xds-ingress"

NAME: Final = "xds-ingress"
"""The release, and its namespace."""

PAGES: Final = {
    "control-plane/service-account.yaml": "k8s/base/service-account.yaml",
    "control-plane/cluster-role.yaml": "k8s/base/cluster-role.yaml",
    "control-plane/lease-role.yaml": "k8s/base/lease-role.yaml",
    "control-plane/operator-role.yaml": "k8s/base/operator-role.yaml",
    "control-plane/deployment.yaml": "k8s/base/deployment.yaml",
    "control-plane/service.yaml": "k8s/base/service.yaml",
    "control-plane/disruption-budget.yaml": "k8s/base/disruption-budget.yaml",
    "control-plane/network-policy.yaml": "k8s/base/network-policy.yaml",
    "ingress-class.yaml": "k8s/base/ingress-class.yaml",
    "fleet/service-account.yaml": "k8s/envoy/service-account.yaml",
    "fleet/workload.yaml": "k8s/envoy/deployment.yaml",
    "fleet/drain.yaml": "k8s/envoy/drain.yaml",
    "fleet/service.yaml": "k8s/envoy/service.yaml",
    "fleet/disruption-budget.yaml": "k8s/envoy/disruption-budget.yaml",
    "fleet/network-policy.yaml": "k8s/envoy/network-policy.yaml",
}
"""Files by the template that they are rendered from."""

OPTIONS: Final = {
    "control-plane/config-maps-role.yaml": "k8s/config-maps/role.yaml",
    "tls/cert-manager.yaml": "k8s/cert-manager/certificates.yaml",
    "monitoring/pod-monitors.yaml": "k8s/monitoring/pod-monitors.yaml",
}
"""Files that components add, likewise."""

LAYER4: Final = {"control-plane/config-maps-role.yaml": "k8s/layer4/role.yaml"}
"""Files of the component for ports of TCP and UDP, likewise."""

OPTIONAL_VALUES: Final = (
    "tls.mode=certManager",
    "rbac.configMaps=true",
    "monitoring.podMonitors.enabled=true",
    "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.x=y",
)

LAYER4_VALUES: Final = tuple(f"controlPlane.{key}ServicesConfigMap={NAME}/{NAME}-{key}" for key in ("tcp", "udp"))

_SOURCE: Final = f"# Source: {NAME}/templates/"
_HELM_ONLY: Final = ("helm.sh/chart: ", "app.kubernetes.io/managed-by: ")


def absent() -> str:
    """The reason why nothing can be rendered here; empty if it can."""
    return missing("helm")


def texts() -> dict[Path, str]:
    """Each file with its content."""
    values = (f"--values={CHART / 'ci/kustomize-values.yaml'}",)
    plain = _rendered(*values)
    options = _rendered(*values, *(f"--set={each}" for each in OPTIONAL_VALUES))
    files = {ROOT / page: _page(source, plain) for source, page in PAGES.items()}
    files |= {ROOT / page: _page(source, options) for source, page in OPTIONS.items()}
    layer4 = _rendered(*values, *(f"--set={each}" for each in LAYER4_VALUES))
    return files | {ROOT / page: _page(source, layer4) for source, page in LAYER4.items()}


def template(release: str, namespace: str, *flags: str) -> str:
    """The output of `helm template` for the chart."""
    command = [str(program("helm")), "template", release, str(CHART), f"--namespace={namespace}", *flags]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _rendered(*flags: str) -> dict[str, list[str]]:
    """The documents of each template."""
    printed = template(NAME, NAME, *flags)
    documents: dict[str, list[str]] = {}
    for document in printed.split(f"---\n{_SOURCE}")[1:]:
        source, _, text = document.partition("\n")
        documents.setdefault(source, []).append(_neutral(text))
    return documents


def _neutral(text: str) -> str:
    """A document without Helm's own labels, and with the cluster-scoped name that kustomize's prefixes begin with."""
    lines = (line.rstrip() for line in text.strip().splitlines())
    kept = (line for line in lines if not line.lstrip().startswith(_HELM_ONLY))
    return "\n".join(kept).replace(f"{NAME}-{NAME}", NAME) + "\n"


def _page(source: str, documents: dict[str, list[str]]) -> str:
    head = f"# Rendered from k8s/chart/xds-ingress/templates/{source} by `make generate`.\n"
    return head + "---\n".join(documents[source])
