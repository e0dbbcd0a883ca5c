"""CDS: the parts of a Cluster of TCP or UDP."""

from functools import cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    ProxyProtocolConfig,
    ProxyProtocolConfigVersion,
    ProxyProtocolUpstreamTransport,
    RawBuffer,
    TransportSocket,
    UpstreamConnectionOptions,
)
from xds.resources.layer4.keepalive import tcp_keepalive
from xds.traffic.service_settings import ServiceSettings
from xds.traffic.upstream import BackendProtocol, ProxyHeader

_VERSIONS: Final = {ProxyHeader.V1: ProxyProtocolConfigVersion.V1, ProxyHeader.V2: ProxyProtocolConfigVersion.V2}


@cache
def layer4_settings(settings: ServiceSettings, protocol: BackendProtocol) -> ServiceSettings:
    """The settings of a Service that hold for connections and sessions.

    The health check is an HTTP request, which shows nothing about other ports of the Service. A bare connection is no
    health check either: MySQL, for example, blocks a client that often connects without a byte.

    The limit of requests is for HTTP alone. Envoy counts a UDP session as a connection, and never as a failed one, so
    outlier detection has no effect on UDP.
    """
    is_tcp = protocol is BackendProtocol.TCP
    return ServiceSettings(
        detects_outliers=settings.detects_outliers and is_tcp, max_connections=settings.max_connections
    )


@cache
def connection_options(protocol: BackendProtocol) -> UpstreamConnectionOptions | None:
    return UpstreamConnectionOptions(tcp_keepalive=tcp_keepalive()) if protocol is BackendProtocol.TCP else None


@cache
def header_socket(header: ProxyHeader | None) -> TransportSocket | None:
    """The transport socket that begins a connection with a PROXY protocol header; None for no header."""
    if header is None:
        return None
    plain = TransportSocket(name="envoy.transport_sockets.raw_buffer", typed_config=codec.pack(RawBuffer()))
    transport = ProxyProtocolUpstreamTransport(
        config=ProxyProtocolConfig(version=_VERSIONS[header]), transport_socket=plain
    )
    return TransportSocket(name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=codec.pack(transport))
