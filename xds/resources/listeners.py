"""LDS: a plain listener, and a TLS listener with a filter chain for each certificate."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    CommonTlsContext,
    DownstreamTlsContext,
    Filter,
    FilterChain,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpConnectionManager,
    HttpConnectionManagerCodecType,
    HttpConnectionManagerPathWithEscapedSlashesAction,
    HttpConnectionManagerServerHeaderTransformation,
    HttpConnectionManagerUpgradeConfig,
    HttpFilter,
    HttpProtocolOptions,
    HttpProtocolOptionsHeadersWithUnderscoresAction,
    Listener,
    ListenerFilter,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherMatcherListPredicateSinglePredicate,
    MatcherMatcherTree,
    MatcherMatcherTreeMatchMap,
    MatcherOnMatch,
    ProxyProtocol,
    Rds,
    Router,
    SdsSecretConfig,
    ServerNameInput,
    StringValue,
    TlsInspector,
    TransportSocket,
    XdsRegexMatcher,
    XdsRegexMatcherGoogleRe2,
    XdsStringMatcher,
    XdsTypedExtensionConfig,
)
from xds.resources import names
from xds.resources.access_log import access_log
from xds.resources.config_source import ads, socket_address
from xds.resources.options import ProxyOptions
from xds.traffic.model import Termination, TlsTable, is_wildcard

# Limits for a proxy at the edge, and what long-lived streams need. Source of the first four:
# https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
BUFFER_LIMIT: Final = 32 * 1024
MAX_CONCURRENT_STREAMS: Final = 100
INITIAL_STREAM_WINDOW: Final = 64 * 1024
INITIAL_CONNECTION_WINDOW: Final = 1024 * 1024
REQUEST_HEADERS_TIMEOUT: Final = timedelta(seconds=10)
STREAM_IDLE_TIMEOUT: Final = timedelta(hours=1)
CONNECTION_IDLE_TIMEOUT: Final = timedelta(hours=1)

NO_HOST_GIVEN: Final = "no-host.invalid"
"""Stands for the host that a request of HTTP/1.0 doesn't give. No rule names it: https://www.rfc-editor.org/rfc/rfc2606"""

DEFAULT_CHAIN: Final = "default"
"""The filter chain of connections whose SNI no TLS host covers. Other chains' names hold a slash."""


NO_CHAIN: Final = "refused"
"""The name of no filter chain: a connection that is sent there is closed."""


def http_listener(options: ProxyOptions) -> Listener:
    return Listener(
        name=names.HTTP,
        address=socket_address(options.listener_address, options.http_port),
        per_connection_buffer_limit_bytes=BUFFER_LIMIT,
        listener_filters=list(_proxy_protocol(options)),
        filter_chains=[FilterChain(name=names.HTTP, filters=[_connection_manager(options, names.HTTP)])],
    )


def https_listener(options: ProxyOptions, tls: TlsTable) -> Listener:
    """Envoy refuses a listener without filter chains, so there must be a termination."""
    default = next((termination for termination in tls.terminations if termination.is_default), None)
    chosen = [termination for termination in tls.terminations if termination.hosts]
    inspector = ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=codec.pack(TlsInspector()))
    return Listener(
        name=names.HTTPS,
        address=socket_address(options.listener_address, options.https_port),
        per_connection_buffer_limit_bytes=BUFFER_LIMIT,
        listener_filters=[*_proxy_protocol(options), inspector],
        filter_chain_matcher=_by_server_name(chosen, tls.refused),
        filter_chains=[_filter_chain(options, termination, names.secret(termination.secret)) for termination in chosen],
        default_filter_chain=_filter_chain(options, default, DEFAULT_CHAIN) if default else None,
    )


def _proxy_protocol(options: ProxyOptions) -> Iterator[ListenerFilter]:
    if options.proxy_protocol:
        yield ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=codec.pack(ProxyProtocol()))


def _filter_chain(options: ProxyOptions, termination: Termination, name: str) -> FilterChain:
    tls = DownstreamTlsContext(
        common_tls_context=CommonTlsContext(
            alpn_protocols=["h2", "http/1.1"],
            tls_certificate_sds_secret_configs=[
                SdsSecretConfig(name=names.secret(termination.secret), sds_config=ads())
            ],
        )
    )
    return FilterChain(
        name=name,
        transport_socket=TransportSocket(name="envoy.transport_sockets.tls", typed_config=codec.pack(tls)),
        filters=[_connection_manager(options, names.https_routes(termination.secret))],
    )


def _by_server_name(terminations: Iterable[Termination], refused: Iterable[str]) -> Matcher | None:
    """Chooses the filter chain by SNI: exact names first, then wildcards, each for one label. None: there is no choice.

    `server_names` of a filter chain would not do: there a wildcard stands for any number of labels.
    """
    chains = {host: names.secret(termination.secret) for termination in terminations for host in termination.hosts}
    chains |= dict.fromkeys(refused, NO_CHAIN)
    exact = {host: _chain(chain) for host, chain in chains.items() if not is_wildcard(host)}
    wildcards = _wildcard_matcher({host: chain for host, chain in chains.items() if is_wildcard(host)})
    if not exact:
        return wildcards
    return Matcher(
        matcher_tree=MatcherMatcherTree(input=_server_name(), exact_match_map=MatcherMatcherTreeMatchMap(map=exact)),
        on_no_match=MatcherOnMatch(matcher=wildcards) if wildcards is not None else None,
    )


def _wildcard_matcher(chains: Mapping[str, str]) -> Matcher | None:
    if not chains:
        return None
    return Matcher(matcher_list=MatcherMatcherList(matchers=[_wildcard(host, chains[host]) for host in sorted(chains)]))


def _wildcard(host: str, chain: str) -> MatcherMatcherListFieldMatcher:
    regex = XdsRegexMatcher(
        google_re2=XdsRegexMatcherGoogleRe2(), regex=f"[^.]+{host.removeprefix('*').replace('.', '[.]')}"
    )
    predicate = MatcherMatcherListPredicateSinglePredicate(
        input=_server_name(), value_match=XdsStringMatcher(safe_regex=regex)
    )
    return MatcherMatcherListFieldMatcher(
        predicate=MatcherMatcherListPredicate(single_predicate=predicate), on_match=_chain(chain)
    )


def _chain(name: str) -> MatcherOnMatch:
    return MatcherOnMatch(
        action=XdsTypedExtensionConfig(name="filter-chain", typed_config=codec.pack(StringValue(value=name)))
    )


def _server_name() -> XdsTypedExtensionConfig:
    return XdsTypedExtensionConfig(name="envoy.matching.inputs.server_name", typed_config=codec.pack(ServerNameInput()))


def _connection_manager(options: ProxyOptions, routes: str) -> Filter:
    manager = HttpConnectionManager(
        stat_prefix=names.HTTP if routes == names.HTTP else names.HTTPS,
        codec_type=HttpConnectionManagerCodecType.AUTO,
        rds=Rds(config_source=ads(wait=True), route_config_name=routes),
        http_filters=[_router()],
        access_log=[access_log()],
        use_remote_address=True,
        xff_num_trusted_hops=options.trusted_hops,
        # Which path is compared is a question of security, so it is settled before any route is looked at:
        # https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=HttpConnectionManagerPathWithEscapedSlashesAction.KEEP_UNCHANGED,
        server_header_transformation=HttpConnectionManagerServerHeaderTransformation.PASS_THROUGH,
        upgrade_configs=[HttpConnectionManagerUpgradeConfig(upgrade_type="websocket")],
        stream_idle_timeout=STREAM_IDLE_TIMEOUT,
        request_headers_timeout=REQUEST_HEADERS_TIMEOUT,
        common_http_protocol_options=HttpProtocolOptions(
            idle_timeout=CONNECTION_IDLE_TIMEOUT,
            # As nginx does; a backend may take X_Y for X-Y:
            headers_with_underscores_action=HttpProtocolOptionsHeadersWithUnderscoresAction.DROP_HEADER,
        ),
        # HTTP/1.0, as old health checks speak it, may come without a host.
        http_protocol_options=Http1ProtocolOptions(accept_http_10=True, default_host_for_http_10=NO_HOST_GIVEN),
        http2_protocol_options=Http2ProtocolOptions(
            max_concurrent_streams=MAX_CONCURRENT_STREAMS,
            initial_stream_window_size=INITIAL_STREAM_WINDOW,
            initial_connection_window_size=INITIAL_CONNECTION_WINDOW,
            allow_connect=True,  # WebSockets over HTTP/2, https://www.rfc-editor.org/rfc/rfc8441
        ),
    )
    return Filter(name="envoy.filters.network.http_connection_manager", typed_config=codec.pack(manager))


def _router() -> HttpFilter:
    return HttpFilter(name="envoy.filters.http.router", typed_config=codec.pack(Router(suppress_envoy_headers=True)))
