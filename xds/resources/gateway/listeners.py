"""LDS: the bound listeners."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import Listener
from xds.resources import names
from xds.resources.addresses import socket_address
from xds.resources.gateway.chains import filter_chain, filter_chain_matcher, named_chains
from xds.resources.http_limits import CONNECTION_BUFFER_BYTES
from xds.resources.layer4.keepalive import tcp_keepalive
from xds.resources.layer4.logs import listener_logs
from xds.resources.layer4.ports import Place, tcp_listener, udp_listener
from xds.resources.listeners import DEFAULT_FILTER_CHAIN, plain_listener, proxy_protocol, tls_inspector
from xds.resources.options import ProxyOptions
from xds.traffic.bound import BoundListener, ListenerKey
from xds.traffic.layer4 import Layer4Route, PortKey, Transport

_FREELY_BOUND: Final = Listener(freebind=True)


def bound_options(options: ProxyOptions, listener: BoundListener) -> ProxyOptions:
    """The operator's settings as they hold for a bound listener.

    Redirects to HTTPS, and the path of load balancers' health checks, are for Ingress alone.
    """
    port, public = listener.key.port, listener.public_port
    if listener.reads_sni:
        options = replace(options, https_port=port, public_https_port=public)
    else:
        options = replace(options, http_port=port, public_http_port=public)
    return replace(options, redirect_https=False, policy=replace(options.policy, answers_health=False))


def bound_listener(listener: BoundListener, options: ProxyOptions) -> Listener | None:
    """The Listener; None if all connections are closed, because Envoy rejects a listener without filter chains.

    Args:
        listener: The listener.
        options: Those of `bound_options`.
    """
    if listener.reads_sni:
        return _by_server_name(listener, options)
    key, (chain,) = listener.key, listener.chains
    if chain.table:
        address = socket_address(key.address, key.port)
        return _freely_bound(key, plain_listener(options, str(key), address, names.table_routes(chain.table)))
    return _freely_bound(key, _stream_listener(key, chain.route, options)) if chain.route else None


def _freely_bound(key: ListenerKey, listener: Listener) -> Listener:
    """The listener, which binds an address that the machine doesn't have, or doesn't have yet.

    An address for several proxies (keepalived, MetalLB) is that of one machine at a time. Loopback addresses are
    everywhere, and macOS doesn't know the option.
    """
    address = ip_address(key.address)
    if not (address.is_unspecified or address.is_loopback):
        codec.upb(listener).MergeFrom(codec.upb(_FREELY_BOUND))
    return listener


def _stream_listener(key: ListenerKey, route: Layer4Route, options: ProxyOptions) -> Listener:
    is_udp = key.transport is Transport.UDP
    place = Place(str(key), socket_address(key.address, key.port, is_udp=is_udp), stat_prefix(key))
    logs = listener_logs(str(key), PortKey(key.transport, key.port), route.service, options)
    return udp_listener(place, route, logs) if is_udp else tcp_listener(place, route, logs)


def _by_server_name(listener: BoundListener, options: ProxyOptions) -> Listener | None:
    """A listener of TLS, whose chains are chosen by server name."""
    chains = named_chains(listener)
    if not chains:
        return None
    key = listener.key
    built = {name: filter_chain(listener, name, chain, options) for name, chain in chains.items()}
    default = built.pop(DEFAULT_FILTER_CHAIN, None)
    found = Listener(
        name=str(key),
        address=socket_address(key.address, key.port),
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        tcp_keepalive=tcp_keepalive(),
        listener_filters=[*proxy_protocol(options), tls_inspector()],
        listener_filters_timeout=options.policy.clients.proxy_protocol_timeout,
        filter_chain_matcher=filter_chain_matcher(listener, chains),
        filter_chains=[*built.values()],
        default_filter_chain=default,
    )
    return _freely_bound(key, found)


def stat_prefix(key: ListenerKey) -> str:
    """The listener in names of statistics, such as `listener.tcp_192.0.2.1_9000.downstream_cx_active`."""
    return f"{key.transport}_{key.address.replace(':', '_')}_{key.port}"
