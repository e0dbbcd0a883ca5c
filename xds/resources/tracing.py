"""Traces: the spans of requests, sent to the operator's collector by OTLP over gRPC."""

from datetime import timedelta
from functools import cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Cluster,
    ClusterDiscoveryType,
    ClusterDnsLookupFamily,
    ClusterHttpProtocolOptions,
    ClusterLoadAssignment,
    CustomTag,
    Decorator,
    Endpoint,
    FractionalPercent,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    HttpConnectionManagerTracing,
    HttpProtocolOptionsExplicitHttpConfig,
    LbEndpoint,
    LocalityLbEndpoints,
    OpenTelemetryConfig,
    Percent,
    TracingHttp,
)
from xds.envoyapi.messages import Tracing as EnvoyTracing
from xds.resources import names
from xds.resources.addresses import socket_address
from xds.resources.options import TracingOptions
from xds.resources.origin import origin_operators
from xds.traffic.tracing import NORMAL_TRACING, Tracing

COLLECTOR_CONNECT_TIMEOUT: Final = timedelta(seconds=5)

EXPORT_TIMEOUT: Final = timedelta(seconds=10)
"""Longest answer of the collector to some spans, after which they are lost."""


def collector_cluster(options: TracingOptions) -> Cluster:
    """The cluster of the collector. A collector that can't be reached neither delays a proxy's start nor a request."""
    collector = options.collector
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket_address(collector.host, collector.port)))
    http2 = HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
    return Cluster(
        name=names.COLLECTOR,
        type=ClusterDiscoveryType.STRICT_DNS,
        load_assignment=ClusterLoadAssignment(
            cluster_name=names.COLLECTOR, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        wait_for_warm_on_init=False,
        dns_lookup_family=ClusterDnsLookupFamily.ALL,
        connect_timeout=COLLECTOR_CONNECT_TIMEOUT,
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": codec.pack(
                ClusterHttpProtocolOptions(explicit_http_config=http2)
            )
        },
    )


def listener_tracing(options: TracingOptions | None, routes: str) -> HttpConnectionManagerTracing | None:
    """The tracer of a listener with the named route configuration; None without a collector."""
    if options is None:
        return None
    service = GrpcService(
        envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=names.COLLECTOR, skip_envoy_headers=True), timeout=EXPORT_TIMEOUT
    )
    config = OpenTelemetryConfig(grpc_service=service, service_name=options.service_name)
    return HttpConnectionManagerTracing(
        random_sampling=Percent(value=options.sampling_percent),
        custom_tags=[CustomTag(tag=name, value=operator) for name, operator in origin_operators(routes).items()],
        provider=TracingHttp(name="envoy.tracers.opentelemetry", typed_config=codec.pack(config)),
    )


def route_tracing(tracing: Tracing) -> EnvoyTracing | None:
    """The share of a route's requests with spans; None: that of the listener."""
    return None if tracing.is_on else _no_spans()


def decorator(tracing: Tracing) -> Decorator | None:
    """The name of a route's spans; None: that of all routes. Envoy would tell the name to the backend by a header."""
    if tracing is NORMAL_TRACING or not tracing.operation:
        return None
    return Decorator(operation=tracing.operation, propagate=False)


@cache
def _no_spans() -> EnvoyTracing:
    none = FractionalPercent(numerator=0)
    return EnvoyTracing(client_sampling=none, random_sampling=none, overall_sampling=none)
