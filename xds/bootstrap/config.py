"""The bootstrap configuration of an Envoy, which gets all other configuration from the control plane by ADS."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from xds.address import HostPort, UnixPath, is_ip
from xds.bootstrap.stats import EVICTION_INTERVAL, stats_config
from xds.bootstrap.tls import EnvoyTls, transport_socket
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Admin,
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    BackoffStrategy,
    Bootstrap,
    BootstrapDeferredStatOptions,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    BufferFactoryConfig,
    Cluster,
    ClusterDiscoveryType,
    ClusterDnsLookupFamily,
    ClusterHttpProtocolOptions,
    ClusterLoadAssignment,
    ConfigSource,
    CoreRetryPolicy,
    DirectResponseAction,
    DownstreamConnectionsConfig,
    Endpoint,
    Filter,
    FilterChain,
    FixedHeapConfig,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderMatcher,
    Http2ProtocolOptions,
    HttpConnectionManager,
    HttpFilter,
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
    KeepaliveSettings,
    LayeredRuntime,
    LbEndpoint,
    Listener,
    LocalityLbEndpoints,
    Node,
    OverloadAction,
    OverloadManager,
    ResourceMonitor,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    Router,
    RuntimeLayer,
    ScaledTrigger,
    StringMatcher,
    Struct,
    TcpKeepalive,
    ThresholdTrigger,
    Trigger,
    UpstreamConnectionOptions,
    Value,
    VirtualHost,
)
from xds.resources.addresses import process_address, socket_address
from xds.yaml_text import to_yaml

XDS_CLUSTER: Final = "xds"
"""The cluster of the control plane."""

ADMIN_CLUSTER: Final = "admin"
"""The cluster of Envoy's own admin port."""

STATS_LISTENER: Final = "stats"
"""The listener on `stats_port`."""

STATS_PATHS: Final = ("/ready", "/stats/prometheus")
"""The paths that the stats port passes on to the admin port. Other paths of the admin port can stop Envoy."""

MAX_DOWNSTREAM_CONNECTIONS: Final = 50_000
"""Without a limit Envoy accepts connections until file descriptors or memory run out, and warns at start:
https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
"""

OVERLOAD_REFRESH: Final = timedelta(milliseconds=250)
"""Interval of Envoy's look at its memory. By default, Envoy looks once a second, and may have grown by much since."""

HIGH_MEMORY: Final = 0.90
"""Part of `max_memory_bytes` from which Envoy returns free memory, and ends connections after a response."""

FULL_MEMORY: Final = 0.95
"""Part of `max_memory_bytes` from which Envoy answers requests with 503, and closes new connections."""

RESET_FROM: Final = 0.85
"""Part of `max_memory_bytes` from which Envoy resets the streams that hold most data; from FULL_MEMORY on, all streams
that hold SMALLEST_RESET_BYTES. An upload to a backend that doesn't read holds as much as its window allows.
"""

SMALLEST_RESET_BYTES: Final = 2**18
"""Far below the window of an upload, because Envoy does not count every copy: with 1 MiB, no upload was reset."""

_MEMORY_ACTIONS: Final = {
    "shrink_heap": HIGH_MEMORY,
    "disable_http_keepalive": HIGH_MEMORY,
    "stop_accepting_requests": FULL_MEMORY,
    "reject_incoming_connections": FULL_MEMORY,
}
"""https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/overload_manager/overload_manager"""

_FIXED_HEAP: Final = "envoy.resource_monitors.fixed_heap"

# Envoy notices a vanished control plane after 15 s. The server accepts a ping every 5 s: grpc.http2.min_ping_interval…
STREAM_KEEPALIVE_INTERVAL: Final = timedelta(seconds=10)
STREAM_KEEPALIVE_TIMEOUT: Final = timedelta(seconds=5)

# Envoy's default maximum of 30 s is too long after a restart of the control plane. Each wait is random.
STREAM_RETRY_BASE: Final = timedelta(milliseconds=500)
STREAM_RETRY_MAX: Final = timedelta(seconds=5)

MAX_REGEX_PROGRAM_SIZE: Final = 10_000
"""For the paths of annotated Ingresses (`--max-regex-size`). Envoy rejects a virtual host with an expression of more
than 100 steps by default, which is one of some 90 characters. RE2 takes time in proportion to the size and the path:
https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime
"""

XDS_CONNECT_TIMEOUT: Final = timedelta(seconds=2)

NO_FETCH_TIMEOUT: Final = timedelta(0)
"""By default Envoy waits 15 s for clusters and 15 s for listeners, and is then ready without them. A rollout during an
outage of the control plane would replace proxies that serve by proxies that don't.
"""


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """Settings of one Envoy.

    Attributes:
        xds: Address of the control plane.
        node_id: Envoy's node id.
        node_cluster: Envoy's node cluster.
        admin_port: Port of Envoy's admin interface.
        stats_port: Port for readiness and metrics, on all addresses; None for no such port.
        sotw: Whether Envoy asks for the state of the world instead of deltas.
        tls: Mutual TLS with the control plane; None for plaintext.
        admin_address: IP address of Envoy's admin interface.
        max_memory_bytes: Most memory of Envoy's heap; None: no bound.
        all_stats: Whether Envoy keeps all its statistics, and not the ones of `xds.bootstrap.stats` alone.
    """

    xds: HostPort | UnixPath
    node_id: str
    node_cluster: str = "xds-ingress"
    admin_port: int = 9901
    stats_port: int | None = None
    sotw: bool = False
    tls: EnvoyTls | None = None
    admin_address: str = "127.0.0.1"
    max_memory_bytes: int | None = None
    all_stats: bool = False


def bootstrap_yaml(options: BootstrapOptions) -> str:
    """The bootstrap as Envoy reads it from a file."""
    return to_yaml(codec.to_dict(bootstrap(options)))


def bootstrap(options: BootstrapOptions) -> Bootstrap:
    clusters, listeners = [_control_plane(options.xds, options.tls)], []
    if options.stats_port is not None:
        clusters.append(_cluster(ADMIN_CLUSTER, HostPort(_reachable(options.admin_address), options.admin_port)))
        listeners.append(_stats_listener(options.stats_port))
    return Bootstrap(
        node=Node(id=options.node_id, cluster=options.node_cluster),
        static_resources=BootstrapStaticResources(listeners=listeners, clusters=clusters),
        dynamic_resources=_dynamic_resources(sotw=options.sotw),
        admin=Admin(address=socket_address(options.admin_address, options.admin_port), ignore_global_conn_limit=True),
        overload_manager=_overload_manager(options.max_memory_bytes),
        layered_runtime=_runtime(),
        stats_config=stats_config(keeps_all=options.all_stats),
        stats_eviction_interval=EVICTION_INTERVAL,
        # Saves the memory of statistics for clusters without traffic:
        # https://github.com/envoyproxy/envoy/issues/19946
        deferred_stat_options=BootstrapDeferredStatOptions(enable_deferred_creation_stats=True),
    )


def _runtime() -> LayeredRuntime:
    """Settings that Envoy has in its runtime only.

    A layer of the admin port is left out: nobody should change a proxy's settings there.
    """
    largest = Value(number_value=MAX_REGEX_PROGRAM_SIZE)
    return LayeredRuntime(
        layers=[
            RuntimeLayer(name="bootstrap", static_layer=Struct(fields={"re2.max_program_size.error_level": largest}))
        ]
    )


def _dynamic_resources(*, sotw: bool) -> BootstrapDynamicResources:
    backoff = BackoffStrategy(base_interval=STREAM_RETRY_BASE, max_interval=STREAM_RETRY_MAX)
    service = GrpcServiceEnvoyGrpc(cluster_name=XDS_CLUSTER, retry_policy=CoreRetryPolicy(retry_back_off=backoff))
    by_ads = ConfigSource(
        ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3, initial_fetch_timeout=NO_FETCH_TIMEOUT
    )
    return BootstrapDynamicResources(
        lds_config=by_ads,
        cds_config=by_ads,
        ads_config=ApiConfigSource(
            api_type=ApiConfigSourceApiType.GRPC if sotw else ApiConfigSourceApiType.DELTA_GRPC,
            transport_api_version=ApiVersion.V3,
            grpc_services=[GrpcService(envoy_grpc=service)],
            set_node_on_first_message_only=True,
        ),
    )


def _control_plane(xds: HostPort | UnixPath, tls: EnvoyTls | None) -> Cluster:
    http2 = Http2ProtocolOptions(
        connection_keepalive=KeepaliveSettings(interval=STREAM_KEEPALIVE_INTERVAL, timeout=STREAM_KEEPALIVE_TIMEOUT)
    )
    options = ClusterHttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2),
        # Each new stream opens a connection, with the present certificate. On an old connection, an Envoy whose
        # certificate was rejected would keep the old certificate even after a renewal.
        common_http_protocol_options=HttpProtocolOptions(max_requests_per_connection=1) if tls else None,
    )
    return _cluster(
        XDS_CLUSTER,
        xds,
        connect_timeout=XDS_CONNECT_TIMEOUT,
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": codec.pack(options)
        },
        upstream_connection_options=UpstreamConnectionOptions(tcp_keepalive=TcpKeepalive()),
        **({"transport_socket": transport_socket(tls)} if tls else {}),
    )


def _cluster(name: str, address: HostPort | UnixPath, **fields: Any) -> Cluster:
    by_dns = isinstance(address, HostPort) and not is_ip(address.host)
    endpoint = LbEndpoint(endpoint=Endpoint(address=process_address(address)))
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS if by_dns else ClusterDiscoveryType.STATIC,
        dns_lookup_family=ClusterDnsLookupFamily.ALL if by_dns else ClusterDnsLookupFamily.AUTO,
        load_assignment=ClusterLoadAssignment(
            cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        **fields,
    )


def _reachable(address: str) -> str:
    """The address for a connection from the same machine: of "all addresses", loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - not bound here


def _overload_manager(max_memory_bytes: int | None) -> OverloadManager:
    limit = DownstreamConnectionsConfig(max_active_downstream_connections=MAX_DOWNSTREAM_CONNECTIONS)
    monitors = [
        ResourceMonitor(
            name="envoy.resource_monitors.global_downstream_max_connections", typed_config=codec.pack(limit)
        )
    ]
    if max_memory_bytes is None:
        return OverloadManager(resource_monitors=monitors)
    # Not the monitor of the cgroup: page cache counts there, and needs no action.
    heap = FixedHeapConfig(max_heap_size_bytes=max_memory_bytes)
    monitors.append(ResourceMonitor(name=_FIXED_HEAP, typed_config=codec.pack(heap)))
    actions = [_memory_action(*each) for each in _MEMORY_ACTIONS.items()]
    return OverloadManager(
        refresh_interval=OVERLOAD_REFRESH,
        resource_monitors=monitors,
        actions=[*actions, _reset_action()],
        buffer_factory_config=BufferFactoryConfig(
            minimum_account_to_track_power_of_two=SMALLEST_RESET_BYTES.bit_length() - 1
        ),
    )


def _memory_action(name: str, part: float) -> OverloadAction:
    trigger = Trigger(name=_FIXED_HEAP, threshold=ThresholdTrigger(value=part))
    return OverloadAction(name=f"envoy.overload_actions.{name}", triggers=[trigger])


def _reset_action() -> OverloadAction:
    scaled = ScaledTrigger(scaling_threshold=RESET_FROM, saturation_threshold=FULL_MEMORY)
    trigger = Trigger(name=_FIXED_HEAP, scaled=scaled)
    return OverloadAction(name="envoy.overload_actions.reset_high_memory_stream", triggers=[trigger])


def _stats_listener(port: int) -> Listener:
    """The listener on the stats port. Exempt from both limits, because probes matter most at a limit.

    A full proxy stays ready: taking it out of service would fill the others.
    """
    answers = [*map(_to_admin, STATS_PATHS), _not_found()]
    routes = RouteConfiguration(
        name=STATS_LISTENER,
        virtual_hosts=[VirtualHost(name=STATS_LISTENER, domains=["*"], routes=answers)],
    )
    manager = HttpConnectionManager(
        stat_prefix=STATS_LISTENER,
        route_config=routes,
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=codec.pack(Router()))],
    )
    terminal = Filter(name="envoy.filters.network.http_connection_manager", typed_config=codec.pack(manager))
    return Listener(
        name=STATS_LISTENER,
        address=socket_address("::", port),
        ignore_global_conn_limit=True,
        bypass_overload_manager=True,
        filter_chains=[FilterChain(filters=[terminal])],
    )


def _to_admin(path: str) -> Route:
    get = HeaderMatcher(name=":method", string_match=StringMatcher(exact="GET"))
    return Route(match=RouteMatch(path=path, headers=[get]), route=RouteAction(cluster=ADMIN_CLUSTER))


def _not_found() -> Route:
    return Route(match=RouteMatch(prefix="/"), direct_response=DirectResponseAction(status=404))
