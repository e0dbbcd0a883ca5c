"""The schema of Envoy's API as the codec needs it, and its copy on disk.

Making it takes a second, for it comes from envoy_data_plane's classes (see `descriptors`); reading the copy takes a few
milliseconds. The copy lies in the user's cache directory (XDG_CACHE_HOME is honoured) and is only ever an optimization:
absent, broken or impossible to write, it costs that second and nothing else.
"""

import importlib
import importlib.metadata
import os
import warnings
import zlib
from pathlib import Path

import msgspec
import platformdirs

# What can be built, encoded and decoded: these and all that their fields lead to. An extension's configuration travels
# in an Any, so no field leads to it, and it has its own line.
ROOTS = (
    "envoy.config.bootstrap.v3.Bootstrap",
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.listener.v3.Listener",
    "envoy.config.overload.v3.OverloadManager",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.config.route.v3.ScopedRouteConfiguration",
    "envoy.config.route.v3.VirtualHost",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "envoy.extensions.filters.http.health_check.v3.HealthCheck",
    "envoy.extensions.filters.http.on_demand.v3.OnDemand",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    "envoy.extensions.filters.http.router.v3.Router",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput",
    "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
    "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourceTypeInput",
    "envoy.extensions.matching.common_inputs.network.v3.TransportProtocolInput",
    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
    "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "envoy.extensions.transport_sockets.tls.v3.Secret",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "envoy.service.discovery.v3.DeltaDiscoveryRequest",
    "envoy.service.discovery.v3.DeltaDiscoveryResponse",
    "envoy.service.discovery.v3.DiscoveryRequest",
    "envoy.service.discovery.v3.DiscoveryResponse",
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "google.rpc.Status",
    "xds.type.matcher.v3.Matcher",
)

# Counts up when `descriptors` makes something else of the same classes and roots.
_FORMAT = 1


class Schema(msgspec.Struct, frozen=True):
    """What of envoy-data-plane is needed at run time, without the package."""

    files: list[bytes]
    """FileDescriptorProtos, each after those it imports."""
    names: dict[str, list[str]]
    """A class's name in envoy-data-plane, to the full names of the messages and enums so called."""
    members: dict[str, dict[str, int]]
    """An enum's full name, to its members as envoy-data-plane spells them."""


def load() -> Schema:
    """The schema of `ROOTS`; from the cache if it is there, else from envoy_data_plane."""
    cache = _cache_path()
    schema = _read(cache)
    if schema is None:
        schema = _build()
        _write(cache, schema)
    return schema


def _build() -> Schema:
    with warnings.catch_warnings():
        # pydantic's, of how betterproto2 writes validators: https://pydantic.dev/docs/validation/2.14/concepts/validators/
        warnings.simplefilter("ignore", DeprecationWarning)
        # Imported only here: it is what the cache saves.
        schema: Schema = importlib.import_module("xds.envoyapi.descriptors").build(ROOTS)
    return schema


def _cache_path() -> Path:
    version = importlib.metadata.version("envoy-data-plane")
    content = zlib.crc32("\n".join(ROOTS).encode())
    return platformdirs.user_cache_path("xds-ingress") / f"schema-{version}-{_FORMAT}-{content:08x}.msgpack"


def _read(path: Path) -> Schema | None:
    try:
        data = path.read_bytes()
        checksum, body = data[:4], data[4:]
        return msgspec.msgpack.decode(body, type=Schema) if checksum == _checksum(body) else None
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, schema: Schema) -> None:
    """Whole or not at all: another process may be reading, or writing the same."""
    body = msgspec.msgpack.encode(schema)
    partial = path.with_suffix(f".{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(_checksum(body) + body)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError:
        return


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")
