"""The ports of Ingress, as listeners of Gateways ask for them."""

from collections.abc import Iterable

from xds.traffic.bound import ChainTls, ListenerKey
from xds.traffic.layer4 import Transport
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.slots import Slot
from xds.translate.gateway.translated import Refusal


def refused_port(options: GatewayOptions, slot: Slot, addresses: Iterable[str]) -> Refusal | None:
    """Why a port can't be had; None: Ingress doesn't have it, or shares it."""
    if slot.transport is Transport.UDP or options.listener_address not in addresses:
        return None
    port, protocol = slot.listener.port, slot.listener.protocol
    shared = {options.http_socket: "HTTP", options.https_socket: "HTTPS"} if options.shared_addresses else {}
    wanted = shared.get(ListenerKey(options.listener_address, port))
    if wanted == protocol or (wanted is None and port not in (options.http_ports[0], options.https_ports[0])):
        return None
    why = f"takes listeners of protocol {wanted} alone" if wanted else "is bound by proxies for Ingress"
    message = (
        f"port {port} of {options.listener_address} {why}, so listener {slot.listener.name} isn't served. Choose "
        "another port or address."
    )
    return Refusal("PortUnavailable", message, slot.field.child("port"))


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
