"""LDS: the ports of layer 4, a Listener each.

A Listener has only the facts of its port, because Envoy drains the connections of a Listener that changes.
"""

from typing import Final, NamedTuple

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLog,
    Address,
    FilterChain,
    Listener,
    ListenerFilter,
    ProxyProtocol,
    UdpListenerConfig,
    UdpProxyConfig,
    UdpProxyConfigHashPolicy,
    UdpSocketConfig,
)
from xds.resources.addresses import socket_address
from xds.resources.http_limits import CONNECTION_BUFFER_BYTES
from xds.resources.layer4.keepalive import tcp_keepalive
from xds.resources.layer4.logs import port_logs
from xds.resources.layer4.tcp import tcp_proxy
from xds.resources.layer4.udp import session_matcher
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import Layer4Route, PortListener, Transport

MAX_DATAGRAM_BYTES: Final = 65_535
"""The longest datagram that is forwarded. With Envoy's default of 1,500, longer datagrams of clients are lost, and so
are those of backends where the kernel can't hand over several datagrams at once. Costs neither memory nor time.
"""


def port_listener(port: PortListener, options: ProxyOptions) -> Listener:
    """The Listener of a port, whose name holds the port: Envoy drains a listener whose address changes."""
    is_udp = port.key.transport is Transport.UDP
    address = socket_address(options.listener_address, port.key.number, is_udp=is_udp)
    place = Place(str(port.key), address, stat_prefix(port))
    if is_udp:
        return udp_listener(place, port.route, port_logs(port, options))
    return tcp_listener(place, port.route, port_logs(port, options), decodes_proxy=port.decodes_proxy)


def stat_prefix(port: PortListener) -> str:
    """The port in names of statistics, such as `listener.tcp_9000.downstream_cx_active`."""
    return f"{port.key.transport}_{port.key.number}"


class Place(NamedTuple):
    """The name of a Listener, its socket, and the listener in names of statistics."""

    name: str
    address: Address
    stat_prefix: str


def tcp_listener(
    place: Place, route: Layer4Route, access_log: list[AccessLog], *, decodes_proxy: bool = False
) -> Listener:
    """A Listener of connections.

    Args:
        place: Name and socket.
        route: Of all connections.
        access_log: The loggers of connections.
        decodes_proxy: Whether each connection begins with a PROXY protocol header.
    """
    proxy = tcp_proxy(place.stat_prefix, route.shares, route.policy, access_log)
    return Listener(
        name=place.name,
        address=place.address,
        stat_prefix=place.stat_prefix,
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        tcp_keepalive=tcp_keepalive(),
        # The operator's --proxy-protocol is for HTTP alone. The entry of a port decides on its header.
        listener_filters=[_proxy_protocol()] if decodes_proxy else [],
        filter_chains=[FilterChain(name=place.name, filters=[proxy])],
    )


def _proxy_protocol() -> ListenerFilter:
    return ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=codec.pack(ProxyProtocol()))


def udp_listener(place: Place, route: Layer4Route, access_log: list[AccessLog]) -> Listener:
    """A Listener of sessions."""
    proxy = UdpProxyConfig(
        stat_prefix=place.stat_prefix,
        matcher=session_matcher(route.shares),
        idle_timeout=route.policy.idle_timeout,
        upstream_socket_config=UdpSocketConfig(max_rx_datagram_size=MAX_DATAGRAM_BYTES),
        hash_policies=[UdpProxyConfigHashPolicy(source_ip=True)],
        access_log=access_log,
    )
    return Listener(
        name=place.name,
        address=place.address,
        stat_prefix=place.stat_prefix,
        udp_listener_config=UdpListenerConfig(
            downstream_socket_config=UdpSocketConfig(max_rx_datagram_size=MAX_DATAGRAM_BYTES)
        ),
        listener_filters=[ListenerFilter(name="envoy.filters.udp_listener.udp_proxy", typed_config=codec.pack(proxy))],
    )
