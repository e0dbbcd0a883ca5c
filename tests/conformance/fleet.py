"""The rig with a Service for each Gateway: Envoys are Pods, and the node's load balancer leads to them."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from tests.conformance.rig import installed, served
from tests.support.cluster import Cluster
from tests.support.manifests import CONTROL_PLANE, NAMESPACE
from tests.support.node.sandbox import GATEWAY
from xds.address import parse
from xds.bootstrap.config import BootstrapOptions, bootstrap_yaml

_XDS: Final = f"{GATEWAY}:18000"
_LABELS: Final = {"app": "envoy"}
_USER: Final = 101


@contextlib.asynccontextmanager
async def rig_with_services(state: Path) -> AsyncIterator[Cluster]:
    """The product with --gateway-services for the GatewayClass of the suite, until the end."""
    async with installed(state) as running:
        await running.apply(*_rights(), *_fleet())
        flags = ("--allow-plaintext", "--publish-service", f"{NAMESPACE}/fleet", "--gateway-services", "20000-20999")
        async with served(running, state, "--listen", _XDS, *flags):
            yield running


def _rights() -> list[dict[str, Any]]:
    """Those of the chart's Role for `gatewayAPI.services`."""
    group, metadata = "rbac.authorization.k8s.io", {"name": "services", "namespace": NAMESPACE}
    version = f"{group}/v1"
    rule = {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "create", "patch", "delete"]}
    subject = {"kind": "ServiceAccount", "name": CONTROL_PLANE, "namespace": NAMESPACE}
    binding = {"roleRef": {"apiGroup": group, "kind": "Role", "name": "services"}, "subjects": [subject]}
    return [
        {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": [rule]},
        {"apiVersion": version, "kind": "RoleBinding", "metadata": metadata, **binding},
    ]


def _fleet() -> list[dict[str, Any]]:
    """A Pod of Envoy as Pod Security `restricted` admits, and the Service of Ingress."""
    bootstrap = {"envoy.yaml": bootstrap_yaml(BootstrapOptions(parse(_XDS), "envoy"))}
    container = {
        "name": "envoy",
        "image": "envoyproxy/envoy",
        "args": ["-c", "/bootstrap/envoy.yaml", "--concurrency", "1", "--disable-hot-restart"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "bootstrap", "mountPath": "/bootstrap"}],
    }
    pod = {"containers": [container], "volumes": [{"name": "bootstrap", "configMap": {"name": "bootstrap"}}]}
    template = {"metadata": {"labels": _LABELS}, "spec": pod}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return [
        _object("v1", "ConfigMap", "bootstrap", data=bootstrap),
        _object("apps/v1", "Deployment", "fleet", spec={"selector": {"matchLabels": _LABELS}, "template": template}),
        _object("v1", "Service", "fleet", spec={"selector": _LABELS, "ports": ports}),
    ]


def _object(version: str, kind: str, name: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **parts}
