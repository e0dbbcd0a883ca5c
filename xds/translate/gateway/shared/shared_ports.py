"""The ports of Ingress, as listeners of Gateways ask for them."""

from collections.abc import Iterable

from xds.kube.state import KubeState
from xds.traffic.bound import ChainTls, ListenerKey
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.listening.slots import Slot
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.translated import Refusal
from xds.translate.layer4.entries import port_number
from xds.translate.layer4.options import Layer4Options, config_map_flag


def refused_port(context: GatewayContext, slot: Slot, addresses: Iterable[str]) -> Refusal | None:
    """Why a port can't be had; None: Ingress doesn't have it, or shares it."""
    options = context.options
    if options.listener_address not in addresses:
        return None
    port, protocol = slot.listener.port, slot.listener.protocol
    shared = {options.http_socket: "HTTP", options.https_socket: "HTTPS"} if options.shared_addresses else {}
    wanted = shared.get(ListenerKey(options.listener_address, port, slot.transport))
    if wanted == protocol:
        return None
    why = f"takes listeners of protocol {wanted} alone"
    if not wanted:
        is_of_http = slot.transport is Transport.TCP and port in (options.http_ports[0], options.https_ports[0])
        why = "is bound by proxies for Ingress" if is_of_http else _layer4_use(context.state, options.layer4, slot)
    if not why:
        return None
    message = (
        f"port {port} of {options.listener_address} {why}, so listener {slot.listener.name} isn't served. Choose "
        "another port or address."
    )
    return Refusal("PortUnavailable", message, slot.field.child("port"))


def _layer4_use(state: KubeState, layer4: Layer4Options, slot: Slot) -> str:
    """The use of a port for TCP and UDP beside HTTP, by the operator's choice; empty: there is none."""
    port = PortKey(slot.transport, slot.listener.port)
    if port in layer4.reserved:
        return "is reserved (--reserved-ports)"
    if any(port in each for each in layer4.exposed):
        return "is for Services (--expose-ports)"
    name = layer4.config_maps.get(slot.transport)
    found = state.config_map(name) if name else None
    if found and any(port_number(each) == port.number for each in found.data or ()):
        return f"has an entry in the ConfigMap of {config_map_flag(slot.transport)}"
    return ""


def refused_check(
    options: GatewayOptions, slot: Slot, tls: ChainTls | None, addresses: Iterable[str]
) -> Refusal | None:
    """Why a listener that asks clients for certificates isn't served; None: it is, or asks for none."""
    sockets = [ListenerKey(address, slot.listener.port) for address in addresses]
    if not (tls and tls.clients and any(map(options.is_shared, sockets))):
        return None
    message = (
        f"clients of port {slot.listener.port}, which Ingress has too, can't be asked for certificates by "
        f"spec.tls.frontend, so listener {slot.listener.name} isn't served. Choose another port or address."
    )
    return Refusal("PortUnavailable", message, slot.field.child("port"))
