"""The Service of a Gateway as the record of its target ports.

A listener is served on the `targetPort` that the Service has for its port, on each replica and after a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from xds.kube.gateway_objects import GatewayAddress
from xds.kube.objects import Service
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.traffic.layer4 import Transport
from xds.translate.gateway.options import GatewayOptions

NAME_PREFIX: Final = "gateway-"

NAME_LABEL: Final = "gateway.networking.k8s.io/gateway-name"
"""https://gateway-api.sigs.k8s.io/geps/gep-1762/"""

NAMESPACE_LABEL: Final = "xds-ingress.dev/gateway-namespace"
MAX_LABEL_LENGTH: Final = 63


@dataclass(frozen=True, slots=True, order=True)
class GatewayPort:
    """A port of a Gateway, as clients see it."""

    port: int
    transport: Transport = Transport.TCP

    @property
    def name(self) -> str:
        """The name of the port in the Service."""
        return f"{self.transport}-{self.port}"


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """The Service that a Gateway has.

    Attributes:
        targets: The ports that proxies bind, by port of the Gateway.
        addresses: Of the load balancer, or in the cluster where there is no load balancer.
    """

    targets: Mapping[GatewayPort, int] = field(default_factory=dict)
    addresses: tuple[GatewayAddress, ...] = ()


def service_name(gateway: Key) -> str:
    return f"{NAME_PREFIX}{blake2b(str(gateway).encode(), digest_size=10).hexdigest()}"


def own_labels(gateway: Key) -> dict[str, str]:
    """The labels that tell a Gateway's Service. The name of a Gateway may be longer than a label."""
    return {NAME_LABEL: gateway.name[:MAX_LABEL_LENGTH].rstrip("-."), NAMESPACE_LABEL: gateway.namespace}


def record(state: KubeState, options: GatewayOptions, gateway: Key) -> ServiceRecord:
    """The Service of a Gateway as the API server has it."""
    service = state.service(Key(options.fleet, service_name(gateway)))
    labels = (service.metadata.labels or {}) if service else {}
    if service is None or any(labels.get(name) != value for name, value in own_labels(gateway).items()):
        return ServiceRecord()
    return ServiceRecord(_targets(service, options), _addresses(service))


def _targets(service: Service, options: GatewayOptions) -> dict[GatewayPort, int]:
    within = options.target_ports
    return {
        GatewayPort(each.port, Transport(each.protocol.lower())): number
        for each in service.spec.ports or ()
        if each.protocol in ("TCP", "UDP")
        and (number := each.target_number) is not None
        and within is not None
        and within.first <= number <= within.last
    }


def _addresses(service: Service) -> tuple[GatewayAddress, ...]:
    if service.spec.type == "LoadBalancer":
        entries = service.status.load_balancer.ingress or ()
        found = (GatewayAddress(each.ip) if each.ip else GatewayAddress(each.hostname, "Hostname") for each in entries)
        return tuple(each for each in found if each.value)
    address = service.spec.cluster_ip or ""
    return (GatewayAddress(address),) if address not in ("", "None") else ()
