"""The HTTP connection manager: HTTP settings and limits for a proxy at the edge."""

from datetime import timedelta
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Filter,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpConnectionManager,
    HttpConnectionManagerCodecType,
    HttpConnectionManagerPathWithEscapedSlashesAction,
    HttpConnectionManagerServerHeaderTransformation,
    HttpProtocolOptions,
    HttpProtocolOptionsHeadersWithUnderscoresAction,
    Rds,
    RequestIdExtension,
    UuidRequestIdConfig,
)
from xds.resources import names
from xds.resources.access_log import access_log
from xds.resources.client_address import client_address
from xds.resources.config_source import ads
from xds.resources.filters.chain import http_filters, policy_filters
from xds.resources.forwarded_headers import claims_removed
from xds.resources.http_limits import CLIENT_STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES, MAX_HEADERS
from xds.resources.local_replies import local_replies
from xds.resources.options import ProxyOptions
from xds.resources.response_headers import response_headers
from xds.resources.tracing import listener_tracing
from xds.resources.traffic_metrics import traffic_metrics
from xds.resources.upgrades import ignored_upgrades, passed_upgrades
from xds.traffic.listeners import ListenerPolicy

# https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
HTTP2_MAX_CONCURRENT_STREAMS: Final = 100
REQUEST_HEADERS_TIMEOUT: Final = timedelta(seconds=10)

# Long, for WebSockets, server-sent events and long polls.
STREAM_IDLE_TIMEOUT: Final = timedelta(hours=1)
CONNECTION_IDLE_TIMEOUT: Final = timedelta(hours=1)

STREAM_FLUSH_TIMEOUT: Final = timedelta(minutes=5)
"""Longest wait for a client that doesn't read the last bytes of a complete answer, which Envoy keeps meanwhile.

Envoy's default is the idle timeout of streams.
"""

HTTP10_DEFAULT_HOST: Final = "no-host.invalid"
"""The host of an HTTP/1.0 request without a Host header. No rule can name the host, because `.invalid` is reserved:
https://www.rfc-editor.org/rfc/rfc2606
"""


def connection_manager(options: ProxyOptions, routes: str) -> Filter:
    """The network filter that serves HTTP by the route configuration named `routes`."""
    policy, tls = options.policy, names.is_tls(routes)
    manager = HttpConnectionManager(
        stat_prefix=names.HTTPS if tls else names.HTTP,
        codec_type=(
            HttpConnectionManagerCodecType.AUTO if policy.clients.uses_http2 else HttpConnectionManagerCodecType.HTTP1
        ),
        rds=Rds(config_source=ads(wait=True), route_config_name=routes),
        http_filters=[*policy_filters(policy), *http_filters()],
        access_log=[*access_log(options), *traffic_metrics(options, routes)],
        tracing=listener_tracing(options.tracing, routes),
        local_reply_config=local_replies(options, response_headers(options, tls=tls)),
        **client_address(options),
        early_header_mutation_extensions=claims_removed(options),
        # Security depends on the path that routes compare, so the path is normalized before routing:
        # https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
        normalize_path=True,
        merge_slashes=options.merge_slashes,
        path_with_escaped_slashes_action=HttpConnectionManagerPathWithEscapedSlashesAction.KEEP_UNCHANGED,
        strip_trailing_host_dot=True,
        generate_request_id=None if policy.requests.generates_id else False,
        preserve_external_request_id=not options.replace_request_id,
        # Without tracing, too, Envoy would write 4 for the version of a client's UUID.
        request_id_extension=RequestIdExtension(typed_config=codec.pack(UuidRequestIdConfig(pack_trace_reason=False))),
        server_name=options.server_header,
        server_header_transformation=_server_header(options),
        upgrade_configs=passed_upgrades(options.upgrades),
        stream_idle_timeout=STREAM_IDLE_TIMEOUT,
        stream_flush_timeout=STREAM_FLUSH_TIMEOUT,
        request_headers_timeout=policy.clients.header_timeout or REQUEST_HEADERS_TIMEOUT,
        max_request_headers_kb=policy.clients.max_header_kib,
        common_http_protocol_options=_common(policy),
        http_protocol_options=_http1(options),
        http2_protocol_options=_http2(policy.clients.max_streams or HTTP2_MAX_CONCURRENT_STREAMS),
    )
    return Filter(name="envoy.filters.network.http_connection_manager", typed_config=codec.pack(manager))


def _common(policy: ListenerPolicy) -> HttpProtocolOptions:
    underscores = HttpProtocolOptionsHeadersWithUnderscoresAction
    return HttpProtocolOptions(
        idle_timeout=policy.clients.idle_timeout or CONNECTION_IDLE_TIMEOUT,
        max_requests_per_connection=policy.clients.max_requests,
        max_headers_count=MAX_HEADERS,
        # As in nginx: a backend may take the header X_Y for X-Y.
        headers_with_underscores_action=(
            underscores.ALLOW if policy.requests.allows_underscores else underscores.DROP_HEADER
        ),
    )


def _server_header(options: ProxyOptions) -> HttpConnectionManagerServerHeaderTransformation:
    if options.server_header:
        return HttpConnectionManagerServerHeaderTransformation.APPEND_IF_ABSENT
    return HttpConnectionManagerServerHeaderTransformation.PASS_THROUGH


def _http1(options: ProxyOptions) -> Http1ProtocolOptions:
    """HTTP/1.1, and HTTP/1.0 without a Host, which old health checks speak."""
    return Http1ProtocolOptions(
        accept_http_10=True,
        allow_custom_methods=options.policy.takes_any_method,
        default_host_for_http_10=HTTP10_DEFAULT_HOST,
        ignore_http_11_upgrade=ignored_upgrades(options.upgrades),
    )


def _http2(max_streams: int) -> Http2ProtocolOptions:
    return Http2ProtocolOptions(
        max_concurrent_streams=max_streams,
        initial_stream_window_size=CLIENT_STREAM_WINDOW_BYTES,
        initial_connection_window_size=CONNECTION_WINDOW_BYTES,
        # A malformed request ends its stream alone: https://www.rfc-editor.org/rfc/rfc9113#section-8.1.1
        # By default the connection ends, with all requests that a proxy in front sends for other clients.
        override_stream_error_on_invalid_http_message=True,
        allow_connect=True,  # WebSockets over HTTP/2: https://www.rfc-editor.org/rfc/rfc8441
    )
