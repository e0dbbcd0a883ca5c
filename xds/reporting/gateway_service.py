"""The Services of Gateways as documents, and the target ports that they get.

A target port belongs to one Gateway of the fleet as long as the Gateway's Service has the port.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from xds.problems.problem import Key
from xds.traffic.layer4 import Transport
from xds.translate.gateway.listening.service_record import (
    NAME_LABEL,
    NAMESPACE_LABEL,
    GatewayPort,
    own_labels,
    service_name,
)
from xds.translate.gateway.listening.services import SERVICE_TYPES, GatewayService
from xds.translate.gateway.options import TargetPorts
from xds.translate.nginx.annotation import OWN_PREFIX

MANAGED_BY: Final = "app.kubernetes.io/managed-by"

GATEWAY_ANNOTATION: Final = "gateway.xds-ingress.dev/owner"
"""`NAMESPACE/NAME` of the Gateway, which may be too long for a label."""

COPIED_FIELDS: Final = ("type", "externalTrafficPolicy", "loadBalancerClass", "ipFamilyPolicy")
"""Fields copied from the Service of --publish-service, unless the Gateway's parameters name a value."""

# https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/#ServiceSpec
_FOR_LOAD_BALANCERS: Final = ("loadBalancerClass",)
_FOR_OUTSIDE: Final = ("externalTrafficPolicy",)

Targets = Mapping[GatewayPort, int]


def assign(
    ports: Iterable[GatewayPort], recorded: Targets, taken: set[int], within: TargetPorts
) -> dict[GatewayPort, int]:
    """The target port of each port: the recorded one, or the first free one. A port is missing if none is free.

    Args:
        ports: Of a Gateway.
        recorded: The target ports that the Gateway's Service has.
        taken: The target ports of other Gateways' Services.
        within: The target ports of the fleet.
    """
    assigned: dict[GatewayPort, int] = {}
    used = set(taken)
    wanted = sorted(ports)
    for port in wanted:
        target = recorded.get(port)
        if target is not None and within.first <= target <= within.last and target not in used:
            assigned[port] = target
            used.add(target)
    free = (each for each in range(within.first, within.last + 1) if each not in used)
    for port in wanted:
        if port not in assigned and (target := next(free, None)) is not None:
            assigned[port] = target
    return assigned


def manifest(
    wanted: GatewayService, targets: Targets, published: Mapping[str, Any], namespace: str, manager: str
) -> dict[str, Any]:
    """The Service of a Gateway as a document for server-side apply.

    Args:
        wanted: The Service without target ports.
        targets: The target port of each port.
        published: The Service of --publish-service, whose Pods serve all Gateways.
        namespace: Of the fleet.
        manager: Names the installation.
    """
    like = published.get("spec") or {}
    labels = {**wanted.labels, **own_labels(wanted.gateway), MANAGED_BY: manager}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(wanted.gateway),
            "namespace": namespace,
            "labels": labels,
            "annotations": {**_foreign(wanted.annotations), GATEWAY_ANNOTATION: str(wanted.gateway)},
        },
        "spec": {
            **_settings({name: like[name] for name in COPIED_FIELDS if name in like} | dict(wanted.parameters)),
            "selector": like.get("selector") or {},
            "ports": [
                {
                    "name": port.name,
                    "port": port.port,
                    "protocol": port.transport.upper(),
                    "targetPort": target,
                }
                for port, target in sorted(targets.items())
            ],
        },
    }


def _foreign(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations of others. Ours would let the author of a Gateway expose ports of the fleet's namespace."""
    return {name: value for name, value in annotations.items() if not name.startswith(OWN_PREFIX)}


def _settings(chosen: dict[str, Any]) -> dict[str, Any]:
    """The fields of a spec beside ports and selector, without fields that the type lacks."""
    if chosen.get("type", "") not in SERVICE_TYPES:  # ExternalName leads to no proxy
        chosen["type"] = "LoadBalancer"
    foreign: set[str] = set()
    if chosen["type"] != "LoadBalancer":
        foreign.update(_FOR_LOAD_BALANCERS)
    if chosen["type"] == "ClusterIP":
        foreign.update(_FOR_OUTSIDE)
    return {name: value for name, value in chosen.items() if name not in foreign}


def targets_of(found: Mapping[str, Any]) -> dict[GatewayPort, int]:
    """The target port of each port that a Service has."""
    ports = (found.get("spec") or {}).get("ports") or ()
    return {
        GatewayPort(each["port"], Transport(each.get("protocol", "TCP").lower())): each["targetPort"]
        for each in ports
        if each.get("protocol", "TCP") in ("TCP", "UDP") and isinstance(each.get("targetPort"), int)
    }


def gateway_of(found: Mapping[str, Any]) -> Key | None:
    """The Gateway that a Service is of; None: the Service isn't a Gateway's."""
    metadata = found.get("metadata") or {}
    namespace, _, name = (metadata.get("annotations") or {}).get(GATEWAY_ANNOTATION, "").partition("/")
    labels = metadata.get("labels") or {}
    key = Key(namespace, name)
    if not name or metadata.get("name") != service_name(key):
        return None
    return key if {NAME_LABEL, NAMESPACE_LABEL} <= labels.keys() else None
