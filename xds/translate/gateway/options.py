"""The operator's choices for the Gateway API."""

from dataclasses import dataclass
from typing import Final

from xds.kube.gateway_objects import GatewayClass
from xds.problems.problem import Key
from xds.traffic.bound import ListenerKey
from xds.translate.layer4.options import NO_LAYER4, Layer4Options

CONTROLLER: Final = "xds-ingress.dev/gateway-controller"
"""The `spec.controllerName` of GatewayClasses of ours."""


@dataclass(frozen=True, slots=True)
class TargetPorts:
    """The ports that proxies bind for Gateways with a Service each."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """The operator's choices for the Gateway API.

    Attributes:
        gateway_class: The only GatewayClass that is ours; empty: all with our controller name.
        addresses: The pool: IP addresses in canonical form. Each Gateway without `spec.addresses` takes one.
        target_ports: Of `--gateway-services`; None: there is no Service for a Gateway.
        fleet: The namespace of the Services of Gateways.
        listener_address: The address that the listeners of Ingress bind.
        http_ports: The port of plain HTTP that proxies bind for Ingress, and the port as clients see it.
        https_ports: Likewise for HTTPS.
        shared_addresses: Addresses under which clients reach the listeners of Ingress, and the bound address unless
            that is the any-address. A Gateway with such an address shares the virtual hosts of Ingress on the two
            ports.
        published: The Service of `--publish-service`, under whose addresses clients reach the listeners of Ingress,
            too; None: there is none.
        layer4: Ports beside those of HTTP, which proxies bind for Ingress at the same address.
        records: Whether addresses are recorded in the status of Gateways: not where the source can't be written.
    """

    gateway_class: str = ""
    addresses: tuple[str, ...] = ()
    target_ports: TargetPorts | None = None
    fleet: str = ""
    listener_address: str = "0.0.0.0"  # noqa: S104 - as listeners bind
    http_ports: tuple[int, int] = (8080, 80)
    https_ports: tuple[int, int] = (8443, 443)
    shared_addresses: frozenset[str] = frozenset()
    published: Key | None = None
    layer4: Layer4Options = NO_LAYER4
    records: bool = False

    @property
    def http_socket(self) -> ListenerKey:
        """Stands for the plain listener of Ingress, at the port that clients see."""
        return ListenerKey(self.listener_address, self.http_ports[1])

    @property
    def https_socket(self) -> ListenerKey:
        """Stands for the TLS listener of Ingress, at the port that clients see."""
        return ListenerKey(self.listener_address, self.https_ports[1])

    def owns_class(self, gateway_class: GatewayClass) -> bool:
        """Whether a GatewayClass names our controller, and the operator serves it."""
        is_named = self.gateway_class in ("", gateway_class.metadata.name)
        return is_named and gateway_class.spec.controller_name == CONTROLLER

    def bound_address(self, address: str) -> str:
        """The address that proxies bind: one for all addresses under which clients reach the listeners of Ingress."""
        return self.listener_address if address in self.shared_addresses else address

    def is_shared(self, socket: ListenerKey) -> bool:
        """Whether the socket is a listener of Ingress, whose hosts are shared."""
        return bool(self.shared_addresses) and socket in (self.http_socket, self.https_socket)


NO_GATEWAYS: Final = GatewayOptions()
