"""CDS: a backend as a Cluster."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    Cluster,
    ClusterCommonLbConfig,
    ClusterConfig,
    ClusterCustomClusterType,
    ClusterDiscoveryType,
    ClusterDnsLookupFamily,
    ClusterEdsClusterConfig,
    ClusterHttpProtocolOptions,
    ClusterLbPolicy,
    ClusterLoadAssignment,
    Endpoint,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpProtocolOptions,
    HttpProtocolOptionsAutoHttpConfig,
    HttpProtocolOptionsExplicitHttpConfig,
    LbEndpoint,
    LocalityLbEndpoints,
    Percent,
    UpstreamHttpProtocolOptions,
)
from xds.resources import names
from xds.resources.addresses import socket_address
from xds.resources.backend_tls import transport_socket
from xds.resources.config_source import ads
from xds.resources.endpoint_health import circuit_breakers, health_checks, outlier_detection
from xds.resources.filters.authorizer import question_filters
from xds.resources.http_limits import (
    BACKEND_STREAM_WINDOW_BYTES,
    CONNECTION_BUFFER_BYTES,
    CONNECTION_WINDOW_BYTES,
    MAX_HEADERS,
)
from xds.resources.layer4.clusters import connection_options, header_socket, layer4_settings
from xds.resources.options import UpstreamOptions
from xds.traffic.backends import Backend
from xds.traffic.upstream import BackendProtocol, Balancing

_BALANCING: Final = {
    Balancing.ROUND_ROBIN: ClusterLbPolicy.ROUND_ROBIN,
    Balancing.LEAST_REQUEST: ClusterLbPolicy.LEAST_REQUEST,
    Balancing.RANDOM: ClusterLbPolicy.RANDOM,
    Balancing.HASH: ClusterLbPolicy.RING_HASH,
}

_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(backend: Backend, options: UpstreamOptions) -> Cluster:
    """The Cluster of a backend: endpoints by EDS, or by DNS for an ExternalName Service, which has no EndpointSlice."""
    if backend.key.fallback and backend.joined is None:
        return _with_fallback(backend, options)
    is_http = backend.protocol.is_http
    if not is_http:
        backend = replace(backend, settings=layer4_settings(backend.settings, backend.protocol))
    name = names.cluster(backend.key)
    external = backend.external_name
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS if external else ClusterDiscoveryType.EDS,
        eds_cluster_config=None if external else _eds(),
        load_assignment=_dns_assignment(name, external, backend.target_port or backend.key.port) if external else None,
        # A silent name server must not keep the proxy from starting.
        wait_for_warm_on_init=False if external else None,
        dns_lookup_family=_dns_lookup_family(backend),
        connect_timeout=backend.upstream.connect_timeout,
        lb_policy=_lb_policy(backend),
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        circuit_breakers=circuit_breakers(backend.settings),
        # By default requests go to draining endpoints too when less than half of the endpoints are healthy:
        # https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold
        common_lb_config=_no_panic(),
        typed_extension_protocol_options=_protocol_options_of(backend, options) if is_http else {},
        upstream_connection_options=connection_options(backend.protocol),
        health_checks=health_checks(backend),
        # By default an endpoint that is gone stays while its check passes.
        ignore_health_on_host_removal=backend.settings.health_check is not None,
        outlier_detection=outlier_detection(backend.settings),
        transport_socket=transport_socket(backend) or header_socket(backend.upstream.proxy_header),
    )


def _dns_lookup_family(backend: Backend) -> ClusterDnsLookupFamily:
    """IPv4 and IPv6: Envoy tries a refused TCP connection again at the other address. A datagram has one try only."""
    if not backend.external_name:
        return ClusterDnsLookupFamily.AUTO
    is_udp = backend.protocol is BackendProtocol.UDP
    return ClusterDnsLookupFamily.V4_PREFERRED if is_udp else ClusterDnsLookupFamily.ALL


def _lb_policy(backend: Backend) -> ClusterLbPolicy:
    """Envoy keeps sessions of UDP with an endpoint by a hash, always."""
    if backend.protocol.is_http:
        return _BALANCING[backend.upstream.balancing]
    is_hashed = backend.protocol is BackendProtocol.UDP or backend.upstream.balancing is Balancing.HASH
    return ClusterLbPolicy.MAGLEV if is_hashed else _BALANCING[backend.upstream.balancing]


def _with_fallback(backend: Backend, options: UpstreamOptions) -> Cluster:
    """A backend with another one behind. Envoy looks at the endpoints of both, so neither this cluster nor a route
    changes with endpoints.

    Envoy connects as the chosen backend's own cluster says, and takes SNI and limits of requests from this one.
    """
    both = ClusterConfig(clusters=[names.cluster(backend.key.alone), backend.key.fallback])
    return Cluster(
        name=names.cluster(backend.key),
        cluster_type=ClusterCustomClusterType(name="envoy.clusters.aggregate", typed_config=codec.pack(both)),
        lb_policy=ClusterLbPolicy.CLUSTER_PROVIDED,
        connect_timeout=backend.upstream.connect_timeout,
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        circuit_breakers=circuit_breakers(backend.settings),
        common_lb_config=_no_panic(),
        typed_extension_protocol_options=_protocol_options_of(backend, options),
    )


def _protocol_options_of(backend: Backend, options: UpstreamOptions) -> dict[str, Any]:
    packed = _protocol_options(
        backend.protocol,
        options,
        sends_sni=_sends_sni(backend),
        longest_request=backend.upstream.longest_request,
        asks=backend.upstream.questions is not None,
    )
    return {_PROTOCOL_OPTIONS: packed}


# Parts that clusters have in common are built once: building them takes half of the time of a cluster.


@cache
def _eds() -> ClusterEdsClusterConfig:
    return ClusterEdsClusterConfig(eds_config=ads())


@cache
def _no_panic() -> ClusterCommonLbConfig:
    return ClusterCommonLbConfig(healthy_panic_threshold=Percent(value=0))


@cache
def _protocol_options(
    protocol: BackendProtocol,
    options: UpstreamOptions,
    *,
    sends_sni: bool,
    longest_request: timedelta | None,
    asks: bool,
) -> Any:
    explicit = None if protocol is BackendProtocol.HTTPS else _explicit_http(protocol)
    return codec.pack(
        ClusterHttpProtocolOptions(
            common_http_protocol_options=HttpProtocolOptions(
                idle_timeout=options.idle_timeout,
                max_connection_duration=options.max_age,
                max_requests_per_connection=options.max_requests,
                max_headers_count=MAX_HEADERS,
                max_stream_duration=longest_request,
            ),
            upstream_http_protocol_options=UpstreamHttpProtocolOptions(auto_sni=True) if sends_sni else None,
            explicit_http_config=explicit,
            auto_config=None if explicit else _negotiated_http(),
            http_filters=question_filters() if asks else [],
        )
    )


def _explicit_http(protocol: BackendProtocol) -> HttpProtocolOptionsExplicitHttpConfig:
    """HTTP/1.1 or HTTP/2; over TLS, Envoy offers the protocol by ALPN."""
    if protocol in (BackendProtocol.H2C, BackendProtocol.GRPCS):
        return HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=_http2())
    return HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=Http1ProtocolOptions())


def _negotiated_http() -> HttpProtocolOptionsAutoHttpConfig:
    """HTTP/2 or HTTP/1.1, both offered by ALPN; HTTP/1.1 with a backend that knows no ALPN."""
    return HttpProtocolOptionsAutoHttpConfig(
        http_protocol_options=Http1ProtocolOptions(), http2_protocol_options=_http2()
    )


def _http2() -> Http2ProtocolOptions:
    return Http2ProtocolOptions(
        initial_stream_window_size=BACKEND_STREAM_WINDOW_BYTES,
        initial_connection_window_size=CONNECTION_WINDOW_BYTES,
    )


def _sends_sni(backend: Backend) -> bool:
    """Whether TLS carries the Host as server name. A backend with a Host of its own is reached by no other name."""
    policy = backend.upstream
    if policy.questions:  # the Host is the client's until the question is formed
        return False
    has_name = policy.tls is not None and policy.tls.sends_name
    return backend.protocol.uses_tls and not has_name and (policy.sends_sni or bool(backend.host))


def _dns_assignment(name: str, host: str, port: int) -> ClusterLoadAssignment:
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket_address(host, port)))
    return ClusterLoadAssignment(cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])])
