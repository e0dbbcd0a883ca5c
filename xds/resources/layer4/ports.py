"""LDS: the ports of layer 4, a Listener each.

A Listener has only the facts of its port, because Envoy drains the connections of a Listener that changes.
"""

from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    FilterChain,
    Listener,
    ListenerFilter,
    Matcher,
    MatcherOnMatch,
    ProxyProtocol,
    UdpListenerConfig,
    UdpProxyConfig,
    UdpProxyConfigHashPolicy,
    UdpProxyRoute,
    UdpSocketConfig,
    XdsTypedExtensionConfig,
)
from xds.resources.addresses import socket_address
from xds.resources.http_limits import CONNECTION_BUFFER_BYTES
from xds.resources.layer4.keepalive import tcp_keepalive
from xds.resources.layer4.logs import port_logs
from xds.resources.layer4.tcp import cluster_name, tcp_proxy
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import PortListener, Transport

MAX_DATAGRAM_BYTES: Final = 65_535
"""The longest datagram that is forwarded. With Envoy's default of 1,500, longer datagrams of clients are lost, and so
are those of backends where the kernel can't hand over several datagrams at once. Costs neither memory nor time.
"""


def port_listener(port: PortListener, options: ProxyOptions) -> Listener:
    """The Listener of a port, whose name holds the port: Envoy drains a listener whose address changes."""
    return _udp_listener(port, options) if port.key.transport is Transport.UDP else _tcp_listener(port, options)


def stat_prefix(port: PortListener) -> str:
    """The port in names of statistics, such as `listener.tcp_9000.downstream_cx_active`."""
    return f"{port.key.transport}_{port.key.number}"


def _tcp_listener(port: PortListener, options: ProxyOptions) -> Listener:
    name, route = str(port.key), port.route
    proxy = tcp_proxy(stat_prefix(port), route.shares, route.policy, port_logs(port, options))
    return Listener(
        name=name,
        address=socket_address(options.listener_address, port.key.number),
        stat_prefix=stat_prefix(port),
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        tcp_keepalive=tcp_keepalive(),
        # The operator's --proxy-protocol is for HTTP alone. The entry of a port decides on its header.
        listener_filters=[_proxy_protocol()] if port.decodes_proxy else [],
        filter_chains=[FilterChain(name=name, filters=[proxy])],
    )


def _proxy_protocol() -> ListenerFilter:
    return ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=codec.pack(ProxyProtocol()))


def _udp_listener(port: PortListener, options: ProxyOptions) -> Listener:
    """A Listener of sessions. A route of UDP has one share: Envoy's filter names one cluster."""
    (share,) = port.route.shares
    action = XdsTypedExtensionConfig(
        name="route", typed_config=codec.pack(UdpProxyRoute(cluster=cluster_name(share.backend)))
    )
    proxy = UdpProxyConfig(
        stat_prefix=stat_prefix(port),
        matcher=Matcher(on_no_match=MatcherOnMatch(action=action)),
        idle_timeout=port.route.policy.idle_timeout,
        upstream_socket_config=UdpSocketConfig(max_rx_datagram_size=MAX_DATAGRAM_BYTES),
        hash_policies=[UdpProxyConfigHashPolicy(source_ip=True)],
        access_log=port_logs(port, options),
    )
    return Listener(
        name=str(port.key),
        address=socket_address(options.listener_address, port.key.number, is_udp=True),
        stat_prefix=stat_prefix(port),
        udp_listener_config=UdpListenerConfig(
            downstream_socket_config=UdpSocketConfig(max_rx_datagram_size=MAX_DATAGRAM_BYTES)
        ),
        listener_filters=[ListenerFilter(name="envoy.filters.udp_listener.udp_proxy", typed_config=codec.pack(proxy))],
    )
