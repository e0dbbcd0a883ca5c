"""CDS: a backend as a cluster."""

from datetime import timedelta
from functools import cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterCommonLbConfig,
    ClusterDiscoveryType,
    ClusterDnsLookupFamily,
    ClusterEdsClusterConfig,
    ClusterHttpProtocolOptions,
    ClusterLoadAssignment,
    Endpoint,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
    LbEndpoint,
    LocalityLbEndpoints,
    Percent,
    TransportSocket,
    UpstreamHttpProtocolOptions,
    UpstreamTlsContext,
)
from xds.resources import names
from xds.resources.config_source import ads, socket_address
from xds.traffic.model import Backend, Protocol

CONNECT_TIMEOUT: Final = timedelta(seconds=5)

IDLE_TIMEOUT: Final = timedelta(seconds=60)
"""Of a connection to a backend that carries no request; ingress-nginx's upstream-keepalive-timeout."""

UNLIMITED: Final = 1_000_000
"""For the circuit breakers. Envoy's 1,024 connections, pending and active requests a cluster turn into 503s under load
that the backends would bear: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking
"""

_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(backend: Backend) -> Cluster:
    """EDS says its endpoints; only an ExternalName, which has none, is looked up by the proxy in DNS."""
    name = names.cluster(backend.key)
    external = backend.external_name
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS if external else ClusterDiscoveryType.EDS,
        eds_cluster_config=None if external else _eds(),
        load_assignment=_by_dns(name, external, backend.key.port) if external else None,
        # A name server that doesn't answer must not keep the proxy from starting.
        wait_for_warm_on_init=False if external else None,
        dns_lookup_family=ClusterDnsLookupFamily.ALL if external else ClusterDnsLookupFamily.AUTO,
        connect_timeout=CONNECT_TIMEOUT,
        circuit_breakers=_unlimited(),
        # Otherwise requests go to draining endpoints as soon as less than half are healthy:
        # https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold
        common_lb_config=_no_panic(),
        typed_extension_protocol_options={_PROTOCOL_OPTIONS: _protocol_options(backend.protocol)},
        transport_socket=_tls() if backend.protocol is Protocol.HTTPS else None,
    )


# What clusters have in common is made once, which takes half of the time of making them.


@cache
def _eds() -> ClusterEdsClusterConfig:
    return ClusterEdsClusterConfig(eds_config=ads())


@cache
def _unlimited() -> CircuitBreakers:
    thresholds = CircuitBreakersThresholds(
        max_connections=UNLIMITED, max_pending_requests=UNLIMITED, max_requests=UNLIMITED, max_retries=UNLIMITED
    )
    return CircuitBreakers(thresholds=[thresholds])


@cache
def _no_panic() -> ClusterCommonLbConfig:
    return ClusterCommonLbConfig(healthy_panic_threshold=Percent(value=0))


@cache
def _protocol_options(protocol: Protocol) -> Any:
    http2 = protocol is Protocol.H2C
    return codec.pack(
        ClusterHttpProtocolOptions(
            common_http_protocol_options=HttpProtocolOptions(idle_timeout=IDLE_TIMEOUT),
            upstream_http_protocol_options=UpstreamHttpProtocolOptions(auto_sni=True)
            if protocol is Protocol.HTTPS
            else None,
            explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
                http_protocol_options=None if http2 else Http1ProtocolOptions(),
                http2_protocol_options=Http2ProtocolOptions() if http2 else None,
            ),
        )
    )


@cache
def _tls() -> TransportSocket:
    """TLS that doesn't verify the backend: inside a cluster its certificate is usually its own."""
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=codec.pack(UpstreamTlsContext()))


def _by_dns(name: str, host: str, port: int) -> ClusterLoadAssignment:
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket_address(host, port)))
    return ClusterLoadAssignment(cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])])
