"""CDS: a backend as a Cluster."""

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
from xds.resources.addresses import socket_address
from xds.resources.config_source import ads
from xds.traffic.backends import Backend, BackendProtocol

UPSTREAM_CONNECT_TIMEOUT: Final = timedelta(seconds=5)

UPSTREAM_IDLE_TIMEOUT: Final = timedelta(seconds=60)
"""For a connection to a backend without a request. ingress-nginx has the same in upstream-keepalive-timeout."""

CIRCUIT_BREAKER_LIMIT: Final = 1_000_000
"""In effect no limit. Envoy's default of 1,024 connections, pending and active requests a cluster leads to 503 under a
load that the backends would bear: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking
"""

_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(backend: Backend) -> Cluster:
    """The Cluster of a backend: endpoints by EDS, or by DNS for an ExternalName Service, which has no EndpointSlice."""
    name = names.cluster(backend.key)
    external = backend.external_name
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS if external else ClusterDiscoveryType.EDS,
        eds_cluster_config=None if external else _eds(),
        load_assignment=_dns_assignment(name, external, backend.key.port) if external else None,
        # A silent name server must not keep the proxy from starting.
        wait_for_warm_on_init=False if external else None,
        dns_lookup_family=ClusterDnsLookupFamily.ALL if external else ClusterDnsLookupFamily.AUTO,
        connect_timeout=UPSTREAM_CONNECT_TIMEOUT,
        circuit_breakers=_unlimited(),
        # By default requests go to draining endpoints too when less than half of the endpoints are healthy:
        # https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold
        common_lb_config=_no_panic(),
        typed_extension_protocol_options={_PROTOCOL_OPTIONS: _protocol_options(backend.protocol)},
        transport_socket=_tls() if backend.protocol is BackendProtocol.HTTPS else None,
    )


# Parts that clusters have in common are built once: building them takes half of the time of a cluster.


@cache
def _eds() -> ClusterEdsClusterConfig:
    return ClusterEdsClusterConfig(eds_config=ads())


@cache
def _unlimited() -> CircuitBreakers:
    limit = CIRCUIT_BREAKER_LIMIT
    thresholds = CircuitBreakersThresholds(
        max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
    )
    return CircuitBreakers(thresholds=[thresholds])


@cache
def _no_panic() -> ClusterCommonLbConfig:
    return ClusterCommonLbConfig(healthy_panic_threshold=Percent(value=0))


@cache
def _protocol_options(protocol: BackendProtocol) -> Any:
    http2 = protocol is BackendProtocol.H2C
    return codec.pack(
        ClusterHttpProtocolOptions(
            common_http_protocol_options=HttpProtocolOptions(idle_timeout=UPSTREAM_IDLE_TIMEOUT),
            upstream_http_protocol_options=UpstreamHttpProtocolOptions(auto_sni=True)
            if protocol is BackendProtocol.HTTPS
            else None,
            explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
                http_protocol_options=None if http2 else Http1ProtocolOptions(),
                http2_protocol_options=Http2ProtocolOptions() if http2 else None,
            ),
        )
    )


@cache
def _tls() -> TransportSocket:
    """TLS without verification: a backend's certificate is usually self-signed."""
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=codec.pack(UpstreamTlsContext()))


def _dns_assignment(name: str, host: str, port: int) -> ClusterLoadAssignment:
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket_address(host, port)))
    return ClusterLoadAssignment(cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])])
