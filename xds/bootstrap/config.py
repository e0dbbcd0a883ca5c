"""What an Envoy is started with so that it asks this control plane for everything else."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Final

from xds.address import HostPort, UnixPath
from xds.bootstrap.tls import EnvoyTls, transport_socket
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Address,
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
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderMatcher,
    Http2ProtocolOptions,
    HttpConnectionManager,
    HttpFilter,
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
    KeepaliveSettings,
    LbEndpoint,
    Listener,
    LocalityLbEndpoints,
    Node,
    OverloadManager,
    Pipe,
    ResourceMonitor,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    Router,
    SocketAddress,
    StringMatcher,
    TcpKeepalive,
    UpstreamConnectionOptions,
    VirtualHost,
)
from xds.yaml_text import to_yaml

XDS: Final = "xds"
"""The cluster that is the control plane."""

ADMIN: Final = "admin"
"""The cluster that is Envoy's own admin port."""

STATS: Final = "stats"
"""The listener of `stats_port`."""

STATS_PATHS: Final = ("/ready", "/stats/prometheus")
"""All that the stats port lets through; the rest of the admin port can stop Envoy."""

DOWNSTREAM_CONNECTIONS: Final = 50_000
"""Without a limit Envoy takes connections until it has no file descriptors or memory left, and warns of that:
https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
"""

# A control plane that vanished is noticed in 15 s; it takes a ping every 5 s at most (grpc.http2.min_ping_interval...).
KEEPALIVE_INTERVAL: Final = timedelta(seconds=10)
KEEPALIVE_TIMEOUT: Final = timedelta(seconds=5)

# Envoy's default is 30 s at most: too long after a restart of the control plane. Each wait is a random part of these.
RETRY_BASE: Final = timedelta(milliseconds=500)
RETRY_MAX: Final = timedelta(seconds=5)

CONNECT_TIMEOUT: Final = timedelta(seconds=2)

# None. By default Envoy waits 15 s for clusters and 15 s for listeners, and then says that it is ready with neither: a
# rollout while the control plane is away would replace proxies that serve by proxies that don't.
FETCH_TIMEOUT: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """What differs from one Envoy to another.

    `stats_port`: where the outside may ask whether Envoy is ready, and for its metrics; None: nowhere.
    `tls`: how the control plane is reached; None: in plaintext.
    """

    xds: HostPort | UnixPath
    node_id: str
    node_cluster: str = "xds-ingress"
    admin_port: int = 9901
    stats_port: int | None = None
    sotw: bool = False
    tls: EnvoyTls | None = None


def bootstrap_yaml(options: BootstrapOptions) -> str:
    """The bootstrap as Envoy reads it from a file."""
    return to_yaml(codec.to_dict(bootstrap(options)))


def bootstrap(options: BootstrapOptions) -> Bootstrap:
    admin = HostPort("127.0.0.1", options.admin_port)
    clusters, listeners = [_control_plane(options.xds, options.tls)], []
    if options.stats_port is not None:
        clusters.append(_cluster(ADMIN, admin))
        listeners.append(_stats_listener(options.stats_port))
    return Bootstrap(
        node=Node(id=options.node_id, cluster=options.node_cluster),
        static_resources=BootstrapStaticResources(listeners=listeners, clusters=clusters),
        dynamic_resources=_dynamic_resources(sotw=options.sotw),
        admin=Admin(address=_address(admin), ignore_global_conn_limit=True),
        overload_manager=_overload_manager(),
        # The statistics of a cluster without traffic need not take memory:
        # https://github.com/envoyproxy/envoy/issues/19946
        deferred_stat_options=BootstrapDeferredStatOptions(enable_deferred_creation_stats=True),
    )


def _dynamic_resources(*, sotw: bool) -> BootstrapDynamicResources:
    backoff = BackoffStrategy(base_interval=RETRY_BASE, max_interval=RETRY_MAX)
    service = GrpcServiceEnvoyGrpc(cluster_name=XDS, retry_policy=CoreRetryPolicy(retry_back_off=backoff))
    by_ads = ConfigSource(
        ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3, initial_fetch_timeout=FETCH_TIMEOUT
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
        connection_keepalive=KeepaliveSettings(interval=KEEPALIVE_INTERVAL, timeout=KEEPALIVE_TIMEOUT)
    )
    options = ClusterHttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2),
        # A stream that comes again is a connection that comes again, with the certificate of then: else an Envoy that
        # was refused would come back with the old one after it got a better one.
        common_http_protocol_options=HttpProtocolOptions(max_requests_per_connection=1) if tls else None,
    )
    return _cluster(
        XDS,
        xds,
        connect_timeout=CONNECT_TIMEOUT,
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": codec.pack(options)
        },
        upstream_connection_options=UpstreamConnectionOptions(tcp_keepalive=TcpKeepalive()),
        **({"transport_socket": transport_socket(tls)} if tls else {}),
    )


def _cluster(name: str, address: HostPort | UnixPath, **fields: Any) -> Cluster:
    by_dns = isinstance(address, HostPort) and not _is_ip(address.host)
    endpoint = LbEndpoint(endpoint=Endpoint(address=_address(address)))
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS if by_dns else ClusterDiscoveryType.STATIC,
        dns_lookup_family=ClusterDnsLookupFamily.ALL if by_dns else ClusterDnsLookupFamily.AUTO,
        load_assignment=ClusterLoadAssignment(
            cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        **fields,
    )


def _address(address: HostPort | UnixPath) -> Address:
    if isinstance(address, UnixPath):
        return Address(pipe=Pipe(path=address.path))
    return Address(socket_address=SocketAddress(address=address.host, port_value=address.port))


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _overload_manager() -> OverloadManager:
    limit = DownstreamConnectionsConfig(max_active_downstream_connections=DOWNSTREAM_CONNECTIONS)
    monitor = ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections", typed_config=codec.pack(limit)
    )
    return OverloadManager(resource_monitors=[monitor])


def _stats_listener(port: int) -> Listener:
    """Answers also when the proxy has all the connections that it may have: that is when one wants to know."""
    routes = RouteConfiguration(
        name=STATS,
        virtual_hosts=[VirtualHost(name=STATS, domains=["*"], routes=[*map(_to_admin, STATS_PATHS), _not_found()])],
    )
    manager = HttpConnectionManager(
        stat_prefix=STATS,
        route_config=routes,
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=codec.pack(Router()))],
    )
    terminal = Filter(name="envoy.filters.network.http_connection_manager", typed_config=codec.pack(manager))
    return Listener(
        name=STATS,
        address=_address(HostPort("0.0.0.0", port)),  # noqa: S104 - it is there for probes and Prometheus
        ignore_global_conn_limit=True,
        filter_chains=[FilterChain(filters=[terminal])],
    )


def _to_admin(path: str) -> Route:
    get = HeaderMatcher(name=":method", string_match=StringMatcher(exact="GET"))
    return Route(match=RouteMatch(path=path, headers=[get]), route=RouteAction(cluster=ADMIN))


def _not_found() -> Route:
    return Route(match=RouteMatch(prefix="/"), direct_response=DirectResponseAction(status=404))
