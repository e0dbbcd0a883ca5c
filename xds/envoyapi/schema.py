"""The schema of Envoy's API, and its copy on disk.

Building the schema from envoy_data_plane's classes (see `descriptors`) takes a second, reading the copy a few
milliseconds. The copy lies in the user's cache directory (XDG_CACHE_HOME is honoured) and is only an optimization:
a copy that is absent, broken or impossible to write costs the second and nothing else.
"""

import importlib
import importlib.metadata
import os
import warnings
import zlib
from pathlib import Path

import msgspec
import platformdirs

ROOTS = (
    "envoy.config.bootstrap.v3.Bootstrap",
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.core.v3.TypedExtensionConfig",
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.listener.v3.Listener",
    "envoy.config.route.v3.FilterConfig",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.config.route.v3.VirtualHost",
    "envoy.config.trace.v3.OpenTelemetryConfig",
    "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
    "envoy.extensions.access_loggers.stats.v3.Config",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
    "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
    "envoy.extensions.filters.common.matcher.action.v3.SkipFilter",
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
    "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit",
    "envoy.extensions.filters.http.buffer.v3.Buffer",
    "envoy.extensions.filters.http.composite.v3.Composite",
    "envoy.extensions.filters.http.composite.v3.CompositePerRoute",
    "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
    "envoy.extensions.compression.brotli.compressor.v3.Brotli",
    "envoy.extensions.compression.gzip.compressor.v3.Gzip",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.custom_response.v3.CustomResponse",
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
    "envoy.extensions.filters.http.fault.v3.HTTPFault",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    "envoy.extensions.filters.http.lua.v3.Lua",
    "envoy.extensions.filters.http.lua.v3.LuaPerRoute",
    "envoy.extensions.filters.http.router.v3.Router",
    "envoy.extensions.filters.http.set_filter_state.v3.Config",
    "envoy.extensions.filters.http.set_metadata.v3.Config",
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
    "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.udp.udp_proxy.v3.Route",
    "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig",
    "envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
    "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState",
    "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
    "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
    "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
    "envoy.extensions.matching.input_matchers.ip.v3.Ip",
    "envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction",
    "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
    "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
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
    "envoy.type.matcher.v3.HttpResponseHeaderMatchInput",
    "envoy.type.matcher.v3.HttpResponseLocalReplyMatchInput",
    "envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput",
)
"""The messages that can be built, encoded and decoded, together with all types that their fields lead to.

The configuration of an extension travels in an Any, to which no field leads, so each extension has a line.
"""

_FORMAT_VERSION = 1
"""Goes up when `descriptors` builds another schema from the same classes and roots."""


class Schema(msgspec.Struct, frozen=True):
    """The knowledge about envoy-data-plane's types that is needed at run time, without the package."""

    files: list[bytes]
    """FileDescriptorProtos, imported files first."""
    names: dict[str, list[str]]
    """Full names of messages and enums, by their name in envoy-data-plane."""
    members: dict[str, dict[str, int]]
    """Members of each enum as envoy-data-plane spells them, by the enum's full name."""


def load() -> Schema:
    """The schema of `ROOTS`, from the copy on disk or else from envoy_data_plane."""
    cache = _cache_path()
    schema = _read(cache)
    if schema is None:
        schema = _build()
        _write(cache, schema)
    return schema


def _build() -> Schema:
    with warnings.catch_warnings():
        # pydantic warns about the way betterproto2 writes validators:
        # https://pydantic.dev/docs/validation/2.14/concepts/validators/
        warnings.simplefilter("ignore", DeprecationWarning)
        # Imported only here, because the copy on disk saves this import.
        schema: Schema = importlib.import_module("xds.envoyapi.descriptors").build(ROOTS)
    return schema


def _cache_path() -> Path:
    version = importlib.metadata.version("envoy-data-plane")
    content = zlib.crc32("\n".join(ROOTS).encode())
    return platformdirs.user_cache_path("xds-ingress") / f"schema-{version}-{_FORMAT_VERSION}-{content:08x}.msgpack"


def _read(path: Path) -> Schema | None:
    try:
        data = path.read_bytes()
        checksum, body = data[:4], data[4:]
        return msgspec.msgpack.decode(body, type=Schema) if checksum == _checksum(body) else None
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, schema: Schema) -> None:
    """Writes the whole file or nothing: another process may read or write the same file."""
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
